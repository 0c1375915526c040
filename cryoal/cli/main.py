"""`cryoal`: the table of commands, and what becomes of errors.

Exit status: 0 done, 1 a bug, 2 the user's error (one line that names the remedy), 130 interrupted.
"""

import errno
import importlib
import inspect
import os
import re
import sys
import warnings
from types import TracebackType
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from cryoal import __version__
from cryoal.cli.arguments import spread
from cryoal.errors import CryoalError, Interrupted, UserError

COMMANDS = {
    "init": "Make a workspace from micrographs.",
    "label": "Import labels from picks of any program.",
    "train": "Train and calibrate the committee of the next round.",
    "score": "Score every micrograph with the newest round.",
    "watch": "Score micrographs as they appear, until stopped.",
    "query": "Choose what to ask the expert next.",
    "pick": "Turn the newest round's candidates into picks.",
    "export": "Write the picks for another program.",
    "evaluate": "Hold picks against the truth.",
    "simulate": "Compare strategies against a simulated expert.",
    "run": "Do the whole job in one go.",
    "convert": "Turn picks of one program into those of another.",
    "relion-external": "Run as RELION's External job.",
    "status": "Show what is labelled, trained, scored, and what to do next.",
    "report": "Write one HTML page about a workspace, with the plots.",
    "devices": "Say what hardware there is, what will be used, and how long a collection takes.",
    "gui": "Open napari on a workspace, to label and to look.",
}
"""Every command, in the order of a project's life, with its one sentence; `cryoal.cli.NAME` holds `NAME`."""


_UsageError: Any = typer.BadParameter.__base__  # typer does not export it, and its releases keep it in two places
_INTERRUPTED = 130


class _LazyGroup(TyperGroup):
    """Imports the module of a command only when that command is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  click's signature
        """Names in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, name: str) -> Any:  # noqa: ARG002
        """The command, built from its module."""
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"cryoal.cli.{name.replace('-', '_')}")
        single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        paragraphs = re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(module.command.__doc__))
        settings = getattr(module, "CONTEXT_SETTINGS", None)
        single.command(name, help=paragraphs, short_help=COMMANDS[name], context_settings=settings)(module.command)
        return typer.main.get_command(single)


app = typer.Typer(cls=_LazyGroup, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"cryoal {__version__}")
        raise typer.Exit


@app.callback()
def _cryoal(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Pick particles in cryo-EM micrographs: a committee proposes, the expert answers where it disagrees."""


def main() -> None:
    """Run the command line; never returns."""
    warnings.showwarning = _show_warning
    sys.excepthook = _hook
    try:
        status = app(spread(sys.argv[1:]), prog_name="cryoal", standalone_mode=False)
        sys.stdout.flush()
    except _UsageError as error:
        _fail_usage(error)
    except UserError as error:
        _fail(str(error), 2)
    except (Interrupted, KeyboardInterrupt, typer.Abort):
        status = _INTERRUPTED
    except OSError as error:
        _fail_system(error)
    if status == _INTERRUPTED:  # typer turns Ctrl-C into this status
        _fail("interrupted; what was finished is kept, the same command goes on from there", _INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str, status: int) -> NoReturn:
    """One line on standard error."""
    sys.stderr.write("cryoal: " + " ".join(message.split()) + "\n")
    sys.stderr.flush()
    sys.exit(status)


def _fail_usage(error: Any) -> NoReturn:
    """The command line itself is wrong: one line, but the whole help where nothing was asked."""
    context = error.ctx
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        sys.exit(2)
    where = context.command_path if context is not None else "cryoal"
    _fail(f"{error.format_message().rstrip('.')}; see {where} --help", 2)


def _fail_system(error: OSError) -> NoReturn:
    """A full disk, a refused file, a reader of our output that went away; anything else is a bug."""
    if error.errno == errno.EPIPE:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes it once more
        sys.exit(1)
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
        raise error
    _fail(f"{error.filename or 'a file'}: {error.strerror}; free space, or check permissions", 2)


def _hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A bug: the traceback, and where to report it."""
    sys.__excepthook__(kind, error, trace)
    if not isinstance(error, CryoalError):
        sys.stderr.write("cryoal: this is a bug; please report it with the lines above\n")


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Warnings without the place in our code."""
    sys.stderr.write(f"cryoal: warning: {' '.join(str(message).split())}\n")
