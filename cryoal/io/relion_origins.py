"""The origins of RELION's particles, by which a classification moved them, in pixels of their micrographs."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.errors import FileFormatError, LabelError
from cryoal.io import star
from cryoal.io.names import own_name
from cryoal.io.options import ImportOptions

_NAME = "rlnMicrographName"


def origins_px(table: pd.DataFrame, blocks: star.Blocks, path: Path, options: ImportOptions) -> NDArray[np.float64]:
    """Origins in pixels of the micrograph, shape (2, N), to be taken from the coordinates.

    Raises
    ------
    FileFormatError
        A value is wrong, or nothing tells the pixel size of the particles that the origins are in.
    LabelError
        The pixel size of a micrograph is not known.
    """
    for labels in (["rlnOriginXAngst", "rlnOriginYAngst"], ["rlnOriginX", "rlnOriginY"]):
        if set(labels) <= set(table.columns):
            break
    else:
        return np.zeros((2, len(table)))
    origins = np.array([star.numbers(table, label, path) for label in labels])
    if not origins.any():
        return origins
    if labels[0] == "rlnOriginX":
        origins *= _particle_pixel_sizes(table, blocks, path)
    sizes = _micrograph_pixel_sizes(table, blocks, path, options)
    unknown = np.isnan(sizes) & origins.any(axis=0)
    if unknown.any():
        name = table[_NAME].iloc[int(np.argmax(unknown))] if _NAME in table else path.stem
        raise LabelError(
            f"{path}: particles are shifted by their origins, but the pixel size of micrograph {name} is not known; "
            f"give the micrograph list these particles come from, or a pixel size"
        )
    return np.where(origins == 0, 0.0, origins / sizes)


def _particle_pixel_sizes(table: pd.DataFrame, blocks: star.Blocks, path: Path) -> NDArray[np.float64]:
    """Pixel size of the extracted particles (Å/pixel): by RELION 3.0, or by the optics groups beside 3.0's origins."""
    if {"rlnDetectorPixelSize", "rlnMagnification"} <= set(table.columns):
        magnification = star.numbers(table, "rlnMagnification", path)
        if (magnification > 0).all():
            return 1e4 * star.numbers(table, "rlnDetectorPixelSize", path) / magnification
    sizes = _told_pixel_sizes(table, blocks, path, "rlnImagePixelSize")
    if np.isnan(sizes).any():
        raise FileFormatError(
            f"{path}: _rlnOriginX is in pixels of the particle, but _rlnDetectorPixelSize and _rlnMagnification are "
            f"missing; give a particle list of RELION 3.1 or later"
        )
    return sizes


def _micrograph_pixel_sizes(
    table: pd.DataFrame, blocks: star.Blocks, path: Path, options: ImportOptions
) -> NDArray[np.float64]:
    """Pixel size of each row's micrograph: by the micrograph list, the file, or the option; NaN where unknown."""
    names = table[_NAME] if _NAME in table else pd.Series([own_name(path)] * len(table), table.index)
    found = {name: options.index.find(str(name)) for name in names.unique()}
    sizes = names.map({name: entry.pixel_size_angstrom if entry else np.nan for name, entry in found.items()})
    told = _told_pixel_sizes(table, blocks, path, "rlnMicrographPixelSize")
    listed = sizes.to_numpy(np.float64)
    known = np.where(np.isnan(listed), told, listed)
    return np.where(np.isnan(known), options.pixel_size_angstrom, known)


def _told_pixel_sizes(table: pd.DataFrame, blocks: star.Blocks, path: Path, label: str) -> NDArray[np.float64]:
    """A pixel size of each row as the particle list tells it, itself or by optics group; NaN where it does not."""
    if label in table:
        return star.numbers(table, label, path, missing=True)
    optics = blocks.get("optics")
    if optics is None or not {label, "rlnOpticsGroup"} <= set(optics.columns) or "rlnOpticsGroup" not in table:
        return np.full(len(table), np.nan)
    sizes = dict(zip(optics["rlnOpticsGroup"], star.numbers(optics, label, path, missing=True), strict=True))
    return table["rlnOpticsGroup"].map(sizes).to_numpy(np.float64)
