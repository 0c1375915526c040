"""Text files of numbers, read so that what is wrong can be named with file and line."""

import codecs
import math
from collections.abc import Iterator
from pathlib import Path

from cryoal.errors import FileError, FileFormatError

_PACKED = ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"PK\x03\x04", "zip"), (b"\xfd7zXZ", "xz"))


def read_text(path: Path, kind: str) -> str:
    """Read a text file (see `decoded`); `kind` says in errors what was expected.

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
    text = decoded(data)
    if text is None:
        raise FileFormatError(f"{path}: holds {described(data)}; give {kind}")
    return text


def decoded(data: bytes) -> str | None:
    """Text of bytes that are UTF-8, UTF-16 with its mark (Windows) or, failing these, Latin-1; None where binary.

    Line ends of any system become plain ones.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = data.decode("utf-16", errors="replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
    if "\0" in text or any(data.startswith(magic) for magic, _ in _PACKED):
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def described(data: bytes) -> str:
    """What a file that is no text holds, for an error."""
    packed = next((name for magic, name in _PACKED if data.startswith(magic)), None)
    return f"data packed by {packed}: unpack it first" if packed else f"binary data (byte {data.find(0)} is zero)"


def rows(path: Path, kind: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the values of every line that is neither blank nor a comment.

    Raises
    ------
    FileError, FileFormatError
        As `read_text`.
    """
    for number, line in enumerate(read_text(path, kind).split("\n"), start=1):
        values = line.split()
        if values and not values[0].startswith("#"):
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
