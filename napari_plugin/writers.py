"""Writer for napari: a points layer as coordinates of another program, told by the file's suffix."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import ArrayError, FileFormatError
from cryoal.io import star
from cryoal.io.formats import FORMATS
from cryoal.io.options import ExportOptions


def write_points(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write one points layer; scores come from its feature `score`.

    Parameters
    ----------
    path : str
        The suffix decides the format.
    data : array, shape (N, 2)
        (y, x) in data coordinates.
    meta : dict
        napari's attributes of the layer.

    Raises
    ------
    ArrayError
        The points are not two-dimensional.
    FileFormatError
        No format has this suffix.
    FileError
        The file cannot be written.
    """
    target = Path(path)
    picks = _picks(np.asarray(data, dtype=np.float64), meta)
    if target.suffix == ".star":
        columns: star.Columns = {
            "rlnCoordinateX": picks.x,
            "rlnCoordinateY": picks.y,
            "rlnAutopickFigureOfMerit": np.nan_to_num(picks.score, nan=-999.0),
        }
        star.write(target, {"": columns})
        return [path]
    names = [each.name for each in FORMATS.values() if target.suffix in each.suffixes]
    if not names:
        known = ", ".join(suffix for each in FORMATS.values() for suffix in each.suffixes)
        raise FileFormatError(f"{path}: no format ends in '{target.suffix}'; give one of {known}")
    entry = MicrographEntry(f"{target.stem}.mrc", target, 1.0)
    options = ExportOptions(diameter_angstrom=float(np.max(meta.get("size", 100.0), initial=2.0)))
    with TemporaryDirectory() as folder:
        written = FORMATS[names[0]].write([(entry, picks)], Path(folder), options)
        source = next(file for file in written if file.suffix == target.suffix)
        target.write_bytes(source.read_bytes())
    return [path]


def _picks(data: NDArray[np.float64], meta: dict[str, Any]) -> Picks:
    """Points as positions in pixels, the layer's scale and shift applied."""
    if data.ndim != 2 or (len(data) and data.shape[1] != 2):
        raise ArrayError(
            f"{meta.get('name', 'points')}: points have shape {data.shape}; give points of one image, (N, 2)"
        )
    scale, shift = np.asarray(meta.get("scale", (1, 1))), np.asarray(meta.get("translate", (0, 0)))
    yx = data.reshape(-1, 2) * scale + shift
    features = meta.get("features")
    has_scores = features is not None and "score" in features and len(features["score"]) == len(yx)
    score = np.asarray(features["score"], dtype=np.float64) if has_scores and features is not None else None
    return Picks(yx[:, 1], yx[:, 0]) if score is None else Picks(yx[:, 1], yx[:, 0], score)
