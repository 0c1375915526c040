"""A micrograph without its noise, for the eye."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cryoal.config import PreprocessConfig
from cryoal.data.micrograph import ScaledMicrograph
from cryoal.model.denoising import DenoisingNetwork, load_denoiser, without_noise
from cryoal.preprocess.pipeline import prepare

DENOISING = PreprocessConfig(pixels_per_diameter=24)
"""The scale at which the denoiser sees micrographs; all else as for the committee."""


def denoised_view(pixels: NDArray[np.generic], diameter_px: float, *, particles_dark: bool) -> ScaledMicrograph:
    """A micrograph at 24 pixels a particle diameter without its noise; particles bright, 0 where it is not valid.

    For looking only: nothing is scored on it, for what a denoiser makes up would be picked.

    Parameters
    ----------
    pixels : array, shape (ny, nx)
    diameter_px : float
        Particle diameter, original pixels.
    particles_dark : bool
        Particles are darker than their surroundings in `pixels`.

    Raises
    ------
    MicrographError
        The micrograph is too small for the particle, or carries no image.
    FileFormatError
        The package's file is broken.
    """
    scaled = prepare(pixels, diameter_px, DENOISING, particles_dark=particles_dark)
    clean = np.where(scaled.valid, without_noise(_shipped(), scaled.pixels), 0).astype(np.float32)
    return ScaledMicrograph(clean, scaled.valid, scaled.scale, scaled.shape_px, scaled.surroundings)


@lru_cache(maxsize=1)
def _shipped() -> DenoisingNetwork:
    """The network that ships with the package, read once."""
    return load_denoiser()
