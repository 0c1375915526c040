"""What a patch looks like, before there is a network: brightness by distance from its centre."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_RADII, _ANGLES = 10, 16
_REACH_DIAMETERS = 0.9
_BLUR_DIAMETERS = 0.05

DESCRIPTORS = 2 * _RADII
"""How many numbers describe a patch."""


def radial_descriptors(
    pixels: NDArray[np.float32], xy: NDArray[np.float64], pixels_per_diameter: int
) -> NDArray[np.float32]:
    """Mean and standard deviation of the blurred image on rings of ten radii up to 0.9 diameters.

    Turning or mirroring a patch changes them by no more than the sampling does.

    Parameters
    ----------
    pixels : float32 array, shape (my, mx)
        Background 0, robust standard deviation 1.
    xy : float64 array, shape (N, 2)
        Centres, pixels.
    pixels_per_diameter : int

    Returns
    -------
    float32 array, shape (N, 20)
    """
    blurred = ndimage.gaussian_filter(pixels, _BLUR_DIAMETERS * pixels_per_diameter, mode="nearest")
    radius = np.linspace(0, _REACH_DIAMETERS * pixels_per_diameter, _RADII)[:, np.newaxis]
    angle = np.linspace(0, 2 * np.pi, _ANGLES, endpoint=False)
    x = xy[:, 0, np.newaxis, np.newaxis] + radius * np.cos(angle)
    y = xy[:, 1, np.newaxis, np.newaxis] + radius * np.sin(angle)
    rings = ndimage.map_coordinates(blurred, [y, x], order=1, mode="nearest")
    described: NDArray[np.float32] = np.concatenate([rings.mean(axis=2), rings.std(axis=2)], axis=1)
    return described.astype(np.float32)
