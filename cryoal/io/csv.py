"""Comma-separated picks: our own table of all micrographs, and CryoPPP's files with y counted from the bottom."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import FileFormatError, LabelError
from cryoal.io.durable import write_atomic
from cryoal.io.micrographs import shape_of
from cryoal.io.names import own_name
from cryoal.io.options import ExportOptions, ImportOptions
from cryoal.io.per_micrograph import Columns, picks_of_table
from cryoal.io.text import read_text

FILE_NAME = "picks.csv"
_NAME, _X, _Y, _SCORE, _CLASS = "micrograph", "x", "y", "score", "class_number"
_OTHER_NAMES = ("micrograph_name", "image_name")
_CRYOPPP_X, _CRYOPPP_Y = "X-Coordinate", "Y-Coordinate"


def is_csv_header(line: str) -> bool:
    """Whether a first line names the columns of one of the two layouts."""
    header = set(_header(next(csv.reader([line]), [])))
    return {_X, _Y} <= header or {_CRYOPPP_X, _CRYOPPP_Y} <= header


def read(path: Path, options: ImportOptions | None = None) -> dict[str, Picks]:
    """Read columns ``x``, ``y`` and perhaps ``micrograph``, ``score``, ``class_number``; or CryoPPP's file.

    CryoPPP's y is turned: y = ny − ``Y-Coordinate``, with ny of the micrograph that the file's stem names.

    Raises
    ------
    FileError
        The file cannot be read.
    FileFormatError
        A column or a value is missing, or a value is not a number.
    LabelError
        The micrograph of a CryoPPP file, whose height is needed, is not among those of `options`.
    """
    lines = csv.reader(io.StringIO(read_text(path, "a CSV file of picks")))
    header = _header(next(lines, []))
    is_cryoppp = {_CRYOPPP_X, _CRYOPPP_Y} <= set(header)
    if not is_cryoppp and not {_X, _Y} <= set(header):
        raise FileFormatError(f"{path}: line 1: columns {header}; expected {_NAME},{_X},{_Y},{_SCORE} or CryoPPP's")
    x_name, y_name = (_CRYOPPP_X, _CRYOPPP_Y) if is_cryoppp else (_X, _Y)
    rows = ((lines.line_num, values) for values in lines if any(value.strip() for value in values))
    picks = picks_of_table(path, header, rows, Columns(_NAME, x_name, y_name, _SCORE, _CLASS))
    if is_cryoppp:
        return {name: _turned(path, found_picks, options or ImportOptions()) for name, found_picks in picks.items()}
    return picks


def write(picks: Sequence[tuple[MicrographEntry, Picks]], out: Path, options: ExportOptions) -> list[Path]:
    """Write ``picks.csv`` with the columns ``micrograph,x,y,score,class_number``; no score is an empty value.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_NAME, _X, _Y, _SCORE, _CLASS])
    for entry, found in picks:
        kept = options.select(entry, found)
        scores = ["" if np.isnan(score) else f"{score:.9g}" for score in kept.score.tolist()]
        columns = (kept.x.tolist(), kept.y.tolist(), scores, kept.class_number.tolist())
        for x, y, score, class_number in zip(*columns, strict=True):
            writer.writerow([entry.name, f"{x:.9g}", f"{y:.9g}", score, class_number])
    write_atomic(out / FILE_NAME, text.getvalue())
    return [out / FILE_NAME]


def _header(columns: Sequence[str]) -> list[str]:
    """Column names, ours in any case of letters."""
    ours = {name: name for name in (_NAME, _X, _Y, _SCORE, _CLASS)} | dict.fromkeys(_OTHER_NAMES, _NAME)
    return [ours.get(column.strip().lower(), column.strip()) for column in columns]


def _turned(path: Path, picks: Picks, options: ImportOptions) -> Picks:
    """Count y from the image's first row."""
    entry = options.index.find(own_name(path))
    if entry is None:
        raise LabelError(
            f"{path}: CryoPPP counts y from the bottom, but no micrograph is named {own_name(path)}; list it"
        )
    ny, _ = shape_of(entry, options.shapes)
    return Picks(picks.x, ny - picks.y, picks.score, picks.class_number)
