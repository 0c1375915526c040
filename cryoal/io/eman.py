"""EMAN: ``.box`` files of corners, and EMAN2's ``info/*_info.json`` of centres."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import FileFormatError
from cryoal.io.names import own_name
from cryoal.io.options import ExportOptions, ImportOptions, rounded
from cryoal.io.per_micrograph import write_each
from cryoal.io.text import number, read_text, rows

_HELIX_MARKS = ("-1", "-2", "-3")
_INFO = "_info"


def read_box(path: Path, _options: ImportOptions | None = None) -> dict[str, Picks]:
    """Read a ``.box`` file: corner x, corner y, width, height and, in some, a score; centre = corner + size // 2.

    Fifth values that are all EMAN's marks -1, -2 or -3 (helices) are no scores.

    Raises
    ------
    FileError
        The file cannot be read.
    FileFormatError
        A line has not four or five numbers.
    """
    xy, scores, marks = [], [], []
    for line, values in rows(path, "an EMAN .box file"):
        if len(values) not in (4, 5):
            raise FileFormatError(
                f"{path}: line {line}: {len(values)} values; an EMAN box has x y width height [score]"
            )
        x, y, width, height = (
            number(path, line, n, v) for n, v in zip(("x", "y", "width", "height"), values, strict=False)
        )
        if min(width, height) < 0:
            raise FileFormatError(f"{path}: line {line}: a box of {width:g} × {height:g}; give sizes of 0 or more")
        xy.append((x + width // 2, y + height // 2))
        marks.append(values[4] if len(values) == 5 else _HELIX_MARKS[0])
        scores.append(number(path, line, "score", values[4]) if len(values) == 5 else np.nan)
    if all(mark in _HELIX_MARKS for mark in marks):
        scores = [np.nan] * len(scores)
    return {own_name(path): _picks(xy, scores)}


def write_box(picks: Sequence[tuple[MicrographEntry, Picks]], out: Path, options: ExportOptions) -> list[Path]:
    """Write a ``.box`` file for each micrograph, integers, with a fifth column where there are scores.

    Raises
    ------
    OptionError
        The size of the boxes is not known.
    FileError
        A file cannot be written.
    """

    def content(_path: Path, entry: MicrographEntry, kept: Picks) -> str:
        box, whole, lines = options.box_px(entry), rounded(kept), []
        for x, y, score in zip(whole.x, whole.y, whole.score, strict=True):
            ending = "" if np.isnan(score) else f"\t{float(f'{score:.9g}')!r}"
            lines.append(f"{int(x) - box // 2}\t{int(y) - box // 2}\t{box}\t{box}{ending}\n")
        return "".join(lines)

    return write_each(picks, out, ".box", options, content)


def read_info(path: Path, _options: ImportOptions | None = None) -> dict[str, Picks]:
    """Read the boxes of an EMAN2 info file: centre x, centre y, kind and, in some, a score.

    Raises
    ------
    FileError
        The file cannot be read.
    FileFormatError
        It is not JSON of that layout.
    """
    try:
        info = json.loads(read_text(path, "an EMAN2 info file"))
    except json.JSONDecodeError as error:
        raise FileFormatError(
            f"{path}: line {error.lineno}: not JSON ({error.msg}); give an EMAN2 info file"
        ) from error
    boxes = info.get("boxes", []) if isinstance(info, dict) else None
    if not isinstance(boxes, list):
        raise FileFormatError(f"{path}: no list 'boxes' in it; give an EMAN2 info file")
    xy, scores = [], []
    for i, box in enumerate(boxes):
        if not isinstance(box, list) or len(box) < 2 or not all(_is_number(value) for value in box[:2]):
            raise FileFormatError(f"{path}: box {i} is {box}; expected [x, y, kind]")
        xy.append((float(box[0]), float(box[1])))
        scores.append(float(box[3]) if len(box) > 3 and _is_number(box[3]) else np.nan)
    return {own_name(path).removesuffix(_INFO): _picks(xy, scores)}


def write_info(picks: Sequence[tuple[MicrographEntry, Picks]], out: Path, options: ExportOptions) -> list[Path]:
    """Write ``info/<micrograph>_info.json`` for each micrograph.

    Raises
    ------
    FileError
        A file cannot be written.
    """

    def content(_path: Path, _entry: MicrographEntry, kept: Picks) -> str:
        values = zip(kept.x.tolist(), kept.y.tolist(), kept.score.tolist(), strict=True)
        boxes = [[x, y, "manual"] if np.isnan(score) else [x, y, "manual", score] for x, y, score in values]
        return json.dumps({"boxes": boxes})

    return write_each(picks, out / "info", f"{_INFO}.json", options, content)


def _picks(xy: list[tuple[float, float]], scores: list[float]) -> Picks:
    """Picks from rows."""
    positions = np.array(xy, np.float64).reshape(-1, 2)
    return Picks(positions[:, 0], positions[:, 1], np.array(scores, np.float64))


def _is_number(value: object) -> bool:
    """Whether a JSON value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
