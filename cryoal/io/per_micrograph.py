"""What formats share: one file a micrograph, or one table of all of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import FileFormatError
from cryoal.io.durable import write_many
from cryoal.io.names import coordinate_path, own_name, unique_stems
from cryoal.io.options import ExportOptions
from cryoal.io.text import number

_MISSING = ("", "nan", "na", "<na>", "none", "null", "inf", "-inf")


@dataclass(frozen=True, slots=True)
class Columns:
    """What a table calls its columns; those of micrograph, score and class may be missing in a file."""

    name: str
    x: str
    y: str
    score: str = ""
    class_number: str = ""


def write_each(
    picks: Sequence[tuple[MicrographEntry, Picks]],
    out: Path,
    suffix: str,
    options: ExportOptions,
    content: Callable[[Path, MicrographEntry, Picks], str],
) -> list[Path]:
    """Write a file for each micrograph, in folders only where stems do not tell the micrographs apart.

    `content` is given its path, for what it must say is wrong.

    Raises
    ------
    FileError
        A file cannot be written.
    """
    flat = unique_stems([entry for entry, _ in picks])
    files = [coordinate_path(entry, out, suffix, flat=flat) for entry, _ in picks]
    each = zip(files, picks, strict=True)
    write_many((file, content(file, pair[0], options.select(*pair))) for file, pair in each if options.writes(pair[0]))
    return files


def picks_of_table(
    path: Path, header: Sequence[str], rows: Iterable[tuple[int, Sequence[str]]], columns: Columns
) -> dict[str, Picks]:
    """Picks by micrograph from the rows of a table, each with the number of its line.

    Raises
    ------
    FileFormatError
        A row has not as many values as the header, or a value is not a number.
    """
    found: dict[str, list[list[float]]] = {}
    for line, values in rows:
        if len(values) != len(header):
            raise FileFormatError(f"{path}: line {line}: {len(values)} values instead of {len(header)}; mend the line")
        row = dict(zip(header, values, strict=True))
        xy = [number(path, line, label, row[label]) for label in (columns.x, columns.y)]
        score = _optional(path, line, columns.score, row, np.nan)
        class_number = _optional(path, line, columns.class_number, row, 0.0)
        found.setdefault(row.get(columns.name, own_name(path)), []).append([*xy, score, class_number])
    if columns.name not in header:
        found.setdefault(own_name(path), [])
    return {name: Picks(*np.array(rows, np.float64).reshape(-1, 4).T) for name, rows in found.items()}


def _optional(path: Path, line: int, label: str, row: dict[str, str], missing: float) -> float:
    """A value that may be missing."""
    text = row.get(label, "").strip()
    return missing if text.lower() in _MISSING else number(path, line, label, text)
