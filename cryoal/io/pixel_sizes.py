"""Pixel sizes of a RELION micrograph list of any version, and the warning when two sources differ."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.io import star

_TOLERANCE = 0.01
_SIZE = "rlnMicrographPixelSize"


class PixelSizeWarning(UserWarning):
    """Two sources give a micrograph different pixel sizes."""


def optics_groups(table: pd.DataFrame, path: Path) -> NDArray[np.int64]:
    """Optics group of each micrograph, 1 where the file has none."""
    if "rlnOpticsGroup" not in table:
        return np.ones(len(table), np.int64)
    return star.numbers(table, "rlnOpticsGroup", path).astype(np.int64)


def star_pixel_sizes(
    blocks: star.Blocks, table: pd.DataFrame, groups: NDArray[np.int64], path: Path
) -> NDArray[np.float64]:
    """Pixel size of each micrograph by the STAR file (Å/pixel), NaN where it does not tell."""
    own = _sizes_of_rows(table, path)
    optics = blocks.get("optics")
    if optics is not None and "rlnOpticsGroup" in optics:
        numbers = star.numbers(optics, "rlnOpticsGroup", path).astype(np.int64)
        by_group = dict(zip(numbers.tolist(), _sizes_of_rows(optics, path).tolist(), strict=True))
        of_group = np.array([by_group.get(group, np.nan) for group in groups.tolist()])
        own = np.where(np.isnan(own), of_group, own)
    return own


def _sizes_of_rows(table: pd.DataFrame, path: Path) -> NDArray[np.float64]:
    """Pixel sizes that a table tells itself: by RELION 3.1's column, or from the detector and magnification of 3.0."""
    sizes = np.full(len(table), np.nan)
    if _SIZE in table:
        sizes = star.numbers(table, _SIZE, path, missing=True)
    elif {"rlnDetectorPixelSize", "rlnMagnification"} <= set(table.columns):
        detector_um = star.numbers(table, "rlnDetectorPixelSize", path, missing=True)
        magnification = star.numbers(table, "rlnMagnification", path, missing=True)
        sizes = 1e4 * detector_um / np.where(magnification > 0, magnification, np.nan)
    return np.where(sizes > 0, sizes, np.nan)


def warn_if_different(
    first: str,
    sizes: NDArray[np.float64],
    second: str,
    others: NDArray[np.float64] | float | None,
    names: list[str],
) -> None:
    """Warn once when two sources of pixel sizes contradict each other."""
    if others is None:
        return
    compared = np.broadcast_to(np.asarray(others), sizes.shape)
    with np.errstate(invalid="ignore"):
        different = np.flatnonzero(np.abs(sizes - compared) > _TOLERANCE * sizes)
    if different.size:
        i = int(different[0])
        warnings.warn(
            f"{names[i]}: {first} {sizes[i]:.5g} Å/pixel, {second} {compared[i]:.5g}; using {sizes[i]:.5g} "
            f"({different.size} such micrographs)",
            PixelSizeWarning,
            stacklevel=5,
        )
