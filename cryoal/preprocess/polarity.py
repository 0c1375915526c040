"""Whether particles are darker or brighter than their surroundings."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cryoal.data.micrograph import ScaledMicrograph

_INNER, _OUTER = 0.07, 0.25


def brightness_skew(scaled: ScaledMicrograph, pixels_per_diameter: int) -> float:
    """Skewness of the image band-passed at the particle's size; positive when particles are bright.

    Particles are sparse and of one sign, so they make the longer tail of the distribution.

    Parameters
    ----------
    scaled : ScaledMicrograph
        Prepared with `particles_dark=False`, that is, with the sign of the stored image.
    pixels_per_diameter : int
    """
    inner = ndimage.gaussian_filter(scaled.pixels, _INNER * pixels_per_diameter)
    band = inner - ndimage.gaussian_filter(scaled.pixels, _OUTER * pixels_per_diameter)
    away = ndimage.binary_erosion(scaled.valid, iterations=pixels_per_diameter // 2)
    inside = band[away if away.any() else scaled.valid]
    limit = 4 * 1.4826 * np.median(np.abs(inside - np.median(inside)))
    return _skewness(np.clip(inside - np.median(inside), -limit, limit))


def _skewness(values: NDArray[np.float32]) -> float:
    """The third standardised moment; NaN where all values are the same."""
    away = values - values.mean(dtype=np.float64)
    variance = float(np.mean(away**2))
    return float(np.mean(away**3)) / variance**1.5 if variance > 0 else float("nan")
