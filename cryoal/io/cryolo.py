"""crYOLO's ``.cbox`` files, of version 1.8 and later (STAR) and of earlier ones (plain columns)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import FileFormatError
from cryoal.io import star
from cryoal.io.names import own_name
from cryoal.io.options import ExportOptions, ImportOptions
from cryoal.io.per_micrograph import write_each
from cryoal.io.text import number, read_text, rows

_BOX = ["CoordinateX", "CoordinateY", "Width", "Height"]
_SCORE = "Confidence"
_SLICE = "CoordinateZ"
_UNKNOWN = "<NA>"
_OLD_COLUMNS = ("x", "y", "width", "height", "confidence", "estimated width", "estimated height")


def read(path: Path, _options: ImportOptions | None = None) -> dict[str, Picks]:
    """Read a ``.cbox`` file of either generation; centre = corner + size / 2, score = confidence.

    Raises
    ------
    FileError
        The file cannot be read.
    FileFormatError
        It has other columns, a value is not a number, or the boxes lie on several slices of a tomogram.
    """
    is_star = "data_" in read_text(path, "a crYOLO .cbox file")
    return {own_name(path): _read_star(path) if is_star else _read_plain(path)}


def write(picks: Sequence[tuple[MicrographEntry, Picks]], out: Path, options: ExportOptions) -> list[Path]:
    """Write a ``.cbox`` file of crYOLO 1.8 and later for each micrograph.

    Raises
    ------
    OptionError
        The size of the boxes is not known.
    FileError
        A file cannot be written.
    """

    def content(path: Path, entry: MicrographEntry, kept: Picks) -> str:
        return star.text(path, _blocks(kept, options.box_px(entry)), heading="\n")

    return write_each(picks, out, ".cbox", options, content)


def _read_star(path: Path) -> Picks:
    """Read version 1.8 and later."""
    table = star.table_with(star.read(path), _BOX, path)
    if _SLICE in table and len(set(table[_SLICE])) > 1:
        raise FileFormatError(
            f"{path}: boxes lie on {len(set(table[_SLICE]))} slices of a tomogram; give a micrograph's"
        )
    x, y, width, height = (star.numbers(table, label, path) for label in _BOX)
    score = star.numbers(table, _SCORE, path, missing=True) if _SCORE in table else np.full(len(table), np.nan)
    return Picks(x + width / 2, y + height / 2, score)


def _read_plain(path: Path) -> Picks:
    """Read version 1.7 and earlier."""
    boxes = []
    for line, values in rows(path, "a crYOLO .cbox file"):
        if len(values) < 5:
            raise FileFormatError(
                f"{path}: line {line}: {len(values)} values; an old .cbox has {', '.join(_OLD_COLUMNS)}"
            )
        boxes.append([number(path, line, name, value) for name, value in zip(_OLD_COLUMNS, values[:5], strict=False)])
    x, y, width, height, score = np.array(boxes, np.float64).reshape(-1, 5).T
    return Picks(x + width / 2, y + height / 2, score)


def _blocks(picks: Picks, box: int) -> dict[str, star.Columns]:
    """The three blocks of the format, columns in crYOLO's order."""
    n = len(picks)
    size, unknown = np.full(n, box), [_UNKNOWN] * n
    boxes: star.Columns = {
        "CoordinateX": picks.x - box / 2,
        "CoordinateY": picks.y - box / 2,
        _SLICE: unknown,
        "Width": size,
        "Height": size,
        "Depth": unknown,
        "EstWidth": size,
        "EstHeight": size,
        _SCORE: [_UNKNOWN if np.isnan(score) else f"{score:.9g}" for score in picks.score.tolist()],
        "NumBoxes": unknown,
        "Angle": unknown,
    }
    return {"global": {"cbox_format_version": "1.0"}, "cryolo": boxes, "cryolo_include": {"slice_index": []}}
