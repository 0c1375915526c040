"""The exceptions of cryoal, all of them.

::

    CryoalError                      base of everything cryoal raises on purpose
    ├── UserError                    the user can mend it: exit status 2, one line
    │   ├── FileError                a file is missing, unreadable or cannot be written
    │   │   └── FileFormatError      a file is not what it claims to be, or lacks what is needed
    │   ├── MicrographError          one micrograph cannot be used; it is set aside, the others go on
    │   ├── LabelError               labels do not fit the micrographs they name
    │   ├── OptionError (ValueError) an option has a value that is not allowed
    │   ├── ArrayError (ValueError)  an array handed to a function breaks its contract
    │   ├── DeviceError              the asked-for hardware is not there, or too small
    │   └── WorkspaceError           the folder is not a workspace, or not one this version reads
    │       └── WorkspaceLockedError another process is writing to the workspace
    └── Interrupted                  the work was asked to stop; exit status 130

The text of a `UserError` names the file or field, the value found, what is allowed and the remedy.
"""


class CryoalError(Exception):
    """Base of everything cryoal raises on purpose."""


class UserError(CryoalError):
    """Something the user can mend; the text says how."""


class FileError(UserError):
    """A file is missing, cannot be read or cannot be written."""


class FileFormatError(FileError):
    """A file is not what it claims to be, or lacks what is needed."""


class MicrographError(UserError):
    """One micrograph cannot be used; the others go on."""


class LabelError(UserError):
    """Labels do not fit the micrographs they name."""


class OptionError(UserError, ValueError):
    """An option has a value that is not allowed."""


class ArrayError(UserError, ValueError):
    """An array handed to a function breaks the function's contract."""


class NoCandidatesError(ArrayError):
    """There is nothing to choose from."""


class DeviceError(UserError):
    """The asked-for hardware is not there, or too small for the work."""


class WorkspaceError(UserError):
    """The folder is not a workspace, or not one that this version reads."""


class WorkspaceLockedError(WorkspaceError):
    """Another process is writing to the workspace; the text names it."""


class Interrupted(CryoalError):
    """The work was asked to stop and did so at a safe point."""
