"""The way from a micrograph's pixels to the picker's scale: resample, mask, flatten, normalise."""

import numpy as np
from numpy.typing import NDArray

from cryoal.config import PreprocessConfig
from cryoal.data.micrograph import ScaledMicrograph
from cryoal.errors import MicrographError
from cryoal.preprocess.background import local_mean

_MIN_DIAMETERS = 2.0
MAD_TO_SIGMA = 1.4826
NO_IMAGE = "more than half of its pixels have the same value; there is no image to pick from"


def scaled_shape(shape_px: tuple[int, int], diameter_px: float, config: PreprocessConfig) -> tuple[int, int]:
    """(my, mx) at the picker's scale.

    Raises
    ------
    MicrographError
        The micrograph is less than two particle diameters wide.
    """
    shortest = min(shape_px)
    if shortest < _MIN_DIAMETERS * diameter_px:
        raise MicrographError(
            f"{shape_px[1]}×{shape_px[0]} pixels are too few for a particle {diameter_px:.0f} pixels wide "
            f"(at least {_MIN_DIAMETERS:.0f} diameters are needed); check --diameter and --pixel-size"
        )
    factor = config.pixels_per_diameter / diameter_px
    return round(shape_px[0] * factor), round(shape_px[1] * factor)


def flatten_and_normalise(
    image: NDArray[np.float32], valid: NDArray[np.bool_], config: PreprocessConfig
) -> NDArray[np.float32]:
    """Take off the local mean, divide by the robust standard deviation (1.4826 MAD), clip; 0 where not valid."""
    image = image - np.median(image[valid])
    flat = image - local_mean(image, valid, config.background_sigma_diameters * config.pixels_per_diameter)
    inside = flat[valid]
    centre = np.median(inside)
    sigma = MAD_TO_SIGMA * float(np.median(np.abs(inside - centre)))
    if not sigma > 0:
        raise MicrographError(NO_IMAGE)
    normal = np.clip((flat - centre) / sigma, -config.clip_sigmas, config.clip_sigmas)
    return np.where(valid, normal, 0.0).astype(np.float32)


def prepare(
    pixels: NDArray[np.generic], diameter_px: float, config: PreprocessConfig, *, particles_dark: bool = True
) -> ScaledMicrograph:
    """Bring a micrograph to the picker's scale.

    Parameters
    ----------
    pixels : array, shape (ny, nx)
    diameter_px : float
        Particle diameter, original pixels.
    particles_dark : bool
        Particles are darker than their surroundings (the rule); they come out bright.

    Raises
    ------
    MicrographError
        The micrograph is too small for the particle, or carries no image.
    """
    from cryoal.preprocess.on_device import as_tensor, prepare_on_device  # noqa: PLC0415  loads torch

    ready = prepare_on_device(as_tensor(pixels), diameter_px, config, particles_dark=particles_dark)
    arrays = (ready.pixels.numpy(), ready.valid.numpy(), ready.surroundings.numpy())
    return ScaledMicrograph(arrays[0], arrays[1], ready.scale, ready.shape_px, arrays[2])
