"""Topaz's coordinate table: one tab-separated file, micrographs named by their stems."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import FileFormatError, LabelError
from cryoal.io.durable import write_atomic
from cryoal.io.names import unique_stems
from cryoal.io.options import ExportOptions, ImportOptions, rounded
from cryoal.io.per_micrograph import Columns, picks_of_table
from cryoal.io.text import read_text

_NAME, _X, _Y, _SCORE = "image_name", "x_coord", "y_coord", "score"
_BARE_ROW = re.compile(r"^[^\t]+(\t-?[\d.]+){2}(\t-?[\d.eE+-]*)?$")
FILE_NAME = "particles.txt"


def is_topaz(line: str) -> bool:
    """Whether a first line names Topaz's columns, or is a row of them."""
    return {_NAME, _X, _Y} <= {name.strip() for name in line.split("\t")} or bool(_BARE_ROW.match(line))


def read(path: Path, _options: ImportOptions | None = None) -> dict[str, Picks]:
    """Read a table with the columns ``image_name``, ``x_coord``, ``y_coord`` and perhaps ``score``.

    Without a line that names them, the columns are taken to be these, in this order.

    Raises
    ------
    FileError
        The file cannot be read.
    FileFormatError
        A column or a value is missing, or a value is not a number.
    """
    text = read_text(path, "a Topaz coordinate file").split("\n")
    lines = [(number, line) for number, line in enumerate(text, start=1) if line.strip()]
    first = lines[0][1] if lines else ""
    header = [name.strip() for name in first.split("\t")]
    if _BARE_ROW.match(first):
        header = [_NAME, _X, _Y, _SCORE][: len(header)]
    else:
        lines = lines[1:]
    if not {_NAME, _X, _Y} <= set(header):
        raise FileFormatError(f"{path}: line 1: columns {header}; expected {_NAME}, {_X}, {_Y} and perhaps {_SCORE}")
    rows = ((number, line.split("\t")) for number, line in lines)
    return picks_of_table(path, header, rows, Columns(_NAME, _X, _Y, _SCORE))


def write(picks: Sequence[tuple[MicrographEntry, Picks]], out: Path, options: ExportOptions) -> list[Path]:
    """Write ``particles.txt``, integer centres; the score column is there where any pick has a score.

    Raises
    ------
    LabelError
        Two micrographs have the same stem, which Topaz cannot tell apart.
    FileError
        The file cannot be written.
    """
    if not unique_stems([entry for entry, _ in picks]):
        raise LabelError(f"{out}: Topaz names micrographs by their stems, but some share one; export them apart")
    kept = [(entry, rounded(options.select(entry, found))) for entry, found in picks]
    scored = any(np.isfinite(found.score).any() for _, found in kept)
    lines = ["\t".join([_NAME, _X, _Y, *([_SCORE] if scored else [])])]
    for entry, found in kept:
        stem = PurePosixPath(entry.key).name
        for x, y, score in zip(found.x, found.y, found.score, strict=True):
            last = ["" if np.isnan(score) else f"{score:.9g}"] if scored else []
            lines.append("\t".join([stem, str(int(x)), str(int(y)), *last]))
    write_atomic(out / FILE_NAME, "\n".join(lines) + "\n")
    return [out / FILE_NAME]
