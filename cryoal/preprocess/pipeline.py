"""The way from a micrograph's pixels to the picker's scale: resample, mask, flatten, normalise."""

import numpy as np
from numpy.typing import NDArray

from cryoal.config import PreprocessConfig
from cryoal.data.micrograph import ScaledMicrograph
from cryoal.errors import MicrographError
from cryoal.preprocess.background import local_mean
from cryoal.preprocess.valid import valid_mask

_MIN_DIAMETERS = 2.0
_MAD_TO_SIGMA = 1.4826


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


def resample(pixels: NDArray[np.generic], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Anti-aliased bicubic resampling to `shape` (my, mx); scaled pixel i covers original [i·s − ½, (i+1)·s − ½)."""
    import torch  # noqa: PLC0415  a window opens workspaces and has no other use for it
    from torch.nn import functional  # noqa: PLC0415

    contiguous = np.ascontiguousarray(pixels)
    if contiguous.dtype not in (np.int8, np.uint8, np.int16, np.float16, np.float32):
        contiguous = contiguous.astype(np.float32)
    image = torch.from_numpy(contiguous if contiguous.flags.writeable else contiguous.copy())
    small = functional.interpolate(image.float()[None, None], size=shape, mode="bicubic", antialias=True)
    return small[0, 0].numpy()


def flatten_and_normalise(
    image: NDArray[np.float32], valid: NDArray[np.bool_], config: PreprocessConfig
) -> NDArray[np.float32]:
    """Take off the local mean, divide by the robust standard deviation (1.4826 MAD), clip; 0 where not valid."""
    image = image - np.median(image[valid])
    flat = image - local_mean(image, valid, config.background_sigma_diameters * config.pixels_per_diameter)
    inside = flat[valid]
    centre = np.median(inside)
    sigma = _MAD_TO_SIGMA * float(np.median(np.abs(inside - centre)))
    if not sigma > 0:
        raise MicrographError("more than half of its pixels have the same value; there is no image to pick from")
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
    shape_px = (int(pixels.shape[0]), int(pixels.shape[1]))
    shape = scaled_shape(shape_px, diameter_px, config)
    image = resample(pixels, shape)
    valid = valid_mask(image, config)
    normal = flatten_and_normalise(image, valid, config)
    scale = (shape_px[1] / shape[1], shape_px[0] / shape[0])
    return ScaledMicrograph(-normal if particles_dark else normal, valid, scale, shape_px)
