"""A micrograph from its file to the picker's scale, with every failure told as one of that micrograph."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from cryoal.config import Config
from cryoal.data.micrograph import MicrographEntry, ScaledMicrograph
from cryoal.errors import FileError, MicrographError
from cryoal.io.micrographs import read_micrograph
from cryoal.preprocess.pipeline import prepare


def diameter_px(diameter_angstrom: float, entry: MicrographEntry) -> float:
    """Particle diameter in pixels of one micrograph.

    Raises
    ------
    MicrographError
        Its pixel size is not known.
    """
    if not math.isfinite(entry.pixel_size_angstrom) or entry.pixel_size_angstrom <= 0:
        raise MicrographError(
            f"{entry.path}: its pixel size is not known ({entry.pixel_size_angstrom}); give --pixel-size to cryoal init"
        )
    return diameter_angstrom / entry.pixel_size_angstrom


def read_scaled(
    entry: MicrographEntry, diameter_angstrom: float, config: Config, particles_dark: bool
) -> ScaledMicrograph:
    """Read and scale; every failure of one micrograph is a MicrographError that names the file."""
    pixels, size_px = read_stored(entry), diameter_px(diameter_angstrom, entry)
    with naming(entry):
        return prepare(pixels, size_px, config.preprocess, particles_dark=particles_dark)


def read_stored(entry: MicrographEntry) -> NDArray[np.generic]:
    """The pixels as stored; failures as of `read_scaled`."""
    try:
        return read_micrograph(entry.path).pixels
    except FileError as error:
        raise MicrographError(str(error)) from error


@contextmanager
def naming(entry: MicrographEntry) -> Iterator[None]:
    """Put the file's name before what is wrong with it."""
    try:
        yield
    except MicrographError as error:
        raise MicrographError(f"{entry.path}: {error}") from error
