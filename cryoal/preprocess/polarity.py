"""Whether particles are darker or brighter than their surroundings."""

import numpy as np
from scipy import ndimage
from scipy.stats import skew

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
    return float(skew(np.clip(inside - np.median(inside), -limit, limit)))
