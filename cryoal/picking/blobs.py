"""Blobs as wide as the particle: proposals before anything is labelled."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cryoal.data.micrograph import ScaledMicrograph
from cryoal.picking.peaks import find_peaks

_SIGMA_DIAMETERS = 0.5 / np.sqrt(2)
_MAD_TO_SIGMA = 1.4826


def find_blobs(
    scaled: ScaledMicrograph, pixels_per_diameter: int, min_distance_px: float, threshold_sigmas: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions where the micrograph has a bright blob of the particle's diameter d, strongest first.

    The response is −s² ∇²G_s * image with s = d/√8, at which a disc of diameter d answers most, in robust standard
    deviations (1.4826 MAD) of the response over the micrograph.

    Parameters
    ----------
    scaled : ScaledMicrograph
        Particles bright.
    pixels_per_diameter : int
        Particle diameter, scaled pixels.
    min_distance_px : float
        No two blobs are nearer than this, scaled pixels.
    threshold_sigmas : float
        Weakest response.

    Returns
    -------
    xy : float64 array, shape (N, 2)
        Scaled pixels.
    response : float64 array, shape (N,)

    References
    ----------
    Lindeberg 1998, Int. J. Comput. Vis. 30, 79–116.
    """
    response = -ndimage.gaussian_laplace(scaled.pixels, _SIGMA_DIAMETERS * pixels_per_diameter, mode="nearest")
    inside = response[scaled.valid]
    if not inside.size:
        return np.empty((0, 2)), np.empty(0)
    centre = float(np.median(inside))
    sigma = _MAD_TO_SIGMA * float(np.median(np.abs(inside - centre)))
    if not sigma > 0:
        return np.empty((0, 2)), np.empty(0)
    normal = ((response - centre) / sigma).astype(np.float32)
    return find_peaks(normal, scaled.valid, min_distance_px, threshold_sigmas)
