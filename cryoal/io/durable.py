"""Files published whole: written beside their place, fsynced and renamed, so that a crash leaves the old or the new."""

import contextlib
import errno
import os
import platform
import re
import secrets
import shutil
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryoal.errors import FileError
from cryoal.io.threads import in_threads

_TEMPORARY = re.compile(r"^\.cryoal-tmp-(?P<pid>\d+)-[0-9a-f]+-(?P<host>[^~]*)~")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write a whole file so that any reader, at any instant, sees the old content or the new.

    Missing folders are made; text is written as UTF-8, newlines as they are.

    Raises
    ------
    FileError
        The file cannot be written: full disk, no permission, a folder of that name.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def write_many(files: Iterable[tuple[Path, bytes | str]]) -> None:
    """As `write_atomic`, of many files, several at a time: each waits for the disk.

    Contents are asked for one at a time, by this thread: made in threads, they would mostly wait for the interpreter.
    After the first failure, which is raised, no further file is begun.
    """
    deque(in_threads(lambda file: write_atomic(*file), files), maxlen=0)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path`, of the same suffixes, to write to; on clean exit it takes the name `path`.

    In a folder that is a temporary one itself nothing waits for the disk: `publish_directory` does, for all files.

    Raises
    ------
    FileError
        The file cannot be written; the temporary is removed and an older file of that name stays as it was.
    """
    temporary = temporary_sibling(path)
    try:
        make_folder(path.parent)
        yield temporary
        is_final = not any(is_temporary(folder) for folder in path.parents)
        if is_final:
            _sync(temporary)
        temporary.replace(path)
        if is_final:
            _sync(path.parent)
    except OSError as error:
        if error.filename not in (None, str(temporary), str(path.parent)):
            raise  # about another file that the writer touched
        raise write_error(path, error) from error
    finally:
        _unlink(temporary)


def publish_directory(temporary: Path, final: Path) -> None:
    """Give the folder `temporary` its name `final` by one rename, its content being on disk before.

    Raises
    ------
    FileError
        `final` is there already, or cannot be written.
    """
    try:
        for folder, _, files in os.walk(temporary):
            paths = (Path(folder, name) for name in (*files, "."))
            deque(in_threads(_sync, paths), maxlen=0)
        temporary.rename(final)
        _sync(final.parent)
    except OSError as error:
        raise write_error(final, error) from error


def append_line(path: Path, line: str) -> None:
    """Append one line (see `append_lines`)."""
    append_lines(path, [line])


def append_lines(path: Path, lines: Iterable[str]) -> None:
    """Append lines, given without line ends, by one write, on disk when it returns.

    A last line without a line end is what a crash left of an earlier write; it is cut off first.

    Raises
    ------
    FileError
        The file cannot be written; it is left without any of the lines.
    """
    data = "".join(f"{line}\n" for line in lines).encode()
    if not data:
        return
    try:
        make_folder(path.parent)
        is_new = not path.exists()
        with path.open("a+b", buffering=0) as handle:
            _append(handle.fileno(), data)
        if is_new:
            _sync(path.parent)
    except OSError as error:
        raise write_error(path, error) from error


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, on disk when it returns.

    Raises
    ------
    FileError
        It cannot be made.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)
    except FileExistsError as error:
        raise FileError(f"{folder}: there is a file of this name, a folder is needed; choose another name") from error
    except OSError as error:
        raise write_error(folder, error) from error


def temporary_sibling(path: Path) -> Path:
    """Give a hidden name beside `path`, of this process, that `remove_leftovers` knows; nothing is made."""
    return path.with_name(f".cryoal-tmp-{os.getpid()}-{secrets.token_hex(4)}-{platform.node()}~{path.name}")


def remove_folder(folder: Path) -> None:
    """Remove a folder with all its files, several at a time: each waits for the disk. What cannot go stays."""
    for here, _, names in os.walk(folder):
        deque(in_threads(_unlink, (Path(here, name) for name in names)), maxlen=0)
    shutil.rmtree(folder, ignore_errors=True)


def is_temporary(path: Path) -> bool:
    """Whether the name is one that `temporary_sibling` gives."""
    return _TEMPORARY.match(path.name) is not None


def names_below(folder: Path, suffix: str) -> set[str]:
    """Paths below a folder of the files of a suffix, without it: listing is quicker than asking for each of many."""
    found: set[str] = set()
    for here, _, names in os.walk(folder):
        inside = Path(here).relative_to(folder).as_posix()
        start = "" if inside == "." else f"{inside}/"
        files = (name for name in names if name.endswith(suffix) and not is_temporary(Path(name)))
        found |= {start + name.removesuffix(suffix) for name in files}
    return found


def remove_leftovers(folder: Path) -> None:
    """Remove temporaries, at any depth, of processes of this host that are dead."""
    # os.walk passes over what other processes take away meanwhile.
    found = [
        (Path(here, name), match)
        for here, folders, files in os.walk(folder)
        for name in (*folders, *files)
        if (match := _TEMPORARY.match(name))
    ]
    for path, match in found:
        if match["host"] != platform.node() or process_is_alive(int(match["pid"])):
            continue
        if path.is_dir():
            remove_folder(path)
        else:
            _unlink(path)


def process_is_alive(pid: int) -> bool:
    """Whether a process of this number runs on this host."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_error(path: Path, error: OSError) -> FileError:
    """Give the error to raise for a file that could not be written: what happened and the remedy."""
    if error.errno in _FULL:
        return FileError(f"{path}: the disk or the quota is full; free some space and run the command again")
    if error.errno in _REFUSED:
        return FileError(
            f"{path}: not allowed to write here; change the permissions of {path.parent} or choose another"
        )
    if error.errno == errno.EISDIR:
        return FileError(f"{path}: there is a folder of this name; remove it or choose another name")
    if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
        return FileError(f"{path}: already there; remove it or choose another name")
    return FileError(
        f"{path}: cannot be written ({error.strerror or error}); check the disk and the folder {path.parent}"
    )


def _unlink(path: Path) -> None:
    """Remove a file if that can be done."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _append(descriptor: int, data: bytes) -> None:
    """Cut a torn last line, append, fsync; on failure the file is as long as it was."""
    size = _end_of_last_line(descriptor)
    if size < os.fstat(descriptor).st_size:
        os.ftruncate(descriptor, size)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, size)
        raise


def _end_of_last_line(descriptor: int) -> int:
    """Position after the last line end."""
    position = os.fstat(descriptor).st_size
    while position > 0:
        start = max(0, position - 4096)
        newline = os.pread(descriptor, position - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        position = start
    return 0


def _sync(path: Path) -> None:
    """Fsync a file or a folder; network file systems that cannot sync a folder are left to their own."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
