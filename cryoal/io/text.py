"""Text files of numbers, read so that what is wrong can be named with file and line."""

import math
from collections.abc import Iterator
from pathlib import Path

from cryoal.errors import FileError, FileFormatError


def read_text(path: Path, kind: str) -> str:
    """Read a UTF-8 text file, line ends made plain; `kind` says in errors what was expected.

    Raises
    ------
    FileError
        The file cannot be read.
    FileFormatError
        It is not text.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path}: byte {error.start} is not UTF-8 text; give {kind}") from error
    if "\0" in text:
        raise FileFormatError(f"{path}: holds binary data; give {kind}")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def rows(path: Path, kind: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the values of every line that is not blank.

    Raises
    ------
    FileError, FileFormatError
        As `read_text`.
    """
    for number, line in enumerate(read_text(path, kind).split("\n"), start=1):
        values = line.split()
        if values:
            yield number, values


def number(path: Path, line: int, name: str, value: str) -> float:
    """Convert one value to a finite number.

    Raises
    ------
    FileFormatError
        It is not one.
    """
    try:
        result = float(value)
    except ValueError:
        result = math.nan
    if not math.isfinite(result):
        raise FileFormatError(
            f"{path}: line {line}: {name} is '{value}', not a finite number; correct or remove the line"
        )
    return result
