"""One writer at a time: a lock that names its holder, outlives no crash, and is safe on a network file system.

The lock is a folder holding ``holder.json``. It comes into being with its content by one rename, which fails
where a folder with content is already there: the one exclusive operation that every file system has, needing
neither fcntl nor hard links.
"""

import contextlib
import errno
import json
import os
import platform
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryoal.errors import WorkspaceError, WorkspaceLockedError
from cryoal.io.durable import make_folder, process_is_alive, temporary_sibling, write_error

_HOLDER = "holder.json"
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock.

    Attributes
    ----------
    host : str
    pid : int
        Number of the process.
    process_start : str
        When the kernel started that process, in its own ticks: a later process of the same number differs.
        Empty where the system does not tell.
    command : str
    since : str
        UTC, ISO 8601.
    token : str
        Different for each holding.
    """

    host: str
    pid: int
    process_start: str
    command: str
    since: str
    token: str

    @property
    def is_dead(self) -> bool:
        """Whether the process is surely gone; of another host nothing is sure."""
        if self.host != platform.node():
            return False
        started = _process_start(self.pid)
        return not process_is_alive(self.pid) or started not in ("", self.process_start)


@contextmanager
def writer_lock(path: Path, command: str) -> Iterator[Holder]:
    """Hold the lock at `path` (`Layout.labels_lock`, `Layout.rounds_lock`) while the block runs.

    A lock whose holder died on this host is taken over. Readers need no lock, nor do scoring processes, which
    write one file a micrograph each.

    Parameters
    ----------
    path : Path
    command : str
        What the others are told is running.

    Raises
    ------
    WorkspaceLockedError
        Another process holds it, or may hold it; the text names it and what to delete if it is gone.
    FileError
        The lock cannot be written.
    """
    holder = Holder(
        platform.node(),
        os.getpid(),
        _process_start(os.getpid()),
        command,
        datetime.now(UTC).isoformat(timespec="seconds"),
        secrets.token_hex(4),
    )
    try:
        _acquire(path, holder)
    except KeyboardInterrupt:
        _release(path, holder)
        raise
    try:
        yield holder
    finally:
        try:
            _release(path, holder)
        except KeyboardInterrupt:
            _release(path, holder)
            raise


def read_holder(path: Path) -> Holder | None:
    """Who holds the lock; None where nobody does.

    Raises
    ------
    WorkspaceError
        The lock is not one of cryoal's.
    """
    try:
        return Holder(**json.loads((path / _HOLDER).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise WorkspaceError(f"{path}: not a lock of cryoal ({error}); if nothing is running, delete it") from error


def _acquire(path: Path, holder: Holder) -> None:
    """Take the lock, clearing that of a dead holder; tries again when another was quicker to clear or release it."""
    make_folder(path.parent)
    for _ in range(_TRIES):
        if _take(path, holder):
            return
        _clear_dead(path)
    raise WorkspaceLockedError(f"{path}: cannot be taken, and nobody holds it; if nothing is running, delete it")


def _release(path: Path, holder: Holder) -> None:
    """Give the lock back if this holder has it."""
    if read_holder(path) == holder:
        released = temporary_sibling(path)
        path.rename(released)
        shutil.rmtree(released, ignore_errors=True)


def _take(path: Path, holder: Holder) -> bool:
    """Publish the lock with its content; whether it was free."""
    temporary = temporary_sibling(path)
    try:
        temporary.mkdir()
        (temporary / _HOLDER).write_text(json.dumps(asdict(holder)), encoding="utf-8")
        temporary.rename(path)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise write_error(path, error) from error
    return True


def _clear_dead(path: Path) -> None:
    """Move the lock of a dead holder out of the way; refuse that of any other."""
    holder = read_holder(path)
    if holder is None:
        return
    if not holder.is_dead:
        raise WorkspaceLockedError(
            f"{path.parent}: {holder.command} is writing, process {holder.pid} on {holder.host} since {holder.since}; "
            f"wait for it or stop it; if it is gone, delete {path}"
        )
    # The name is the same for all who find this dead holder, and stays taken: a second process, late to move it,
    # cannot carry off the first one's new lock.
    dead = path.with_name(f".cryoal-tmp-{holder.pid}-{holder.token}-{holder.host}~{path.name}")
    with contextlib.suppress(OSError):
        path.rename(dead)


def _process_start(pid: int) -> str:
    """When the kernel started the process, in ticks since it booted; empty where that is hidden."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]
