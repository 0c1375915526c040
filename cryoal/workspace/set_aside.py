"""Which micrographs could not be used and why: one small file each, so that any number of processes may write."""

from cryoal.errors import FileError
from cryoal.io.durable import is_temporary, write_atomic, write_error
from cryoal.workspace.layout import Layout


def set_aside(layout: Layout, key: str, reason: str) -> None:
    """Note that a micrograph cannot be used; `reason` is one line that names the remedy.

    Raises
    ------
    FileError
        The note cannot be written.
    """
    write_atomic(layout.set_aside(key), " ".join(reason.split()) + "\n")


def take_back(layout: Layout, key: str) -> None:
    """Note that a micrograph can be used after all; nothing happens where it was not set aside.

    Raises
    ------
    FileError
        The note cannot be removed.
    """
    path = layout.set_aside(key)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise write_error(path, error) from error


def read_set_aside(layout: Layout) -> dict[str, str]:
    """The reason of each micrograph set aside, by key, in alphabetical order.

    Raises
    ------
    FileError
        A note cannot be read.
    """
    reasons = {}
    folder = layout.set_aside_folder
    for path in sorted(folder.rglob("*.txt")):
        if is_temporary(path):
            continue
        try:
            reasons[path.relative_to(folder).as_posix().removesuffix(".txt")] = path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise FileError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    return reasons
