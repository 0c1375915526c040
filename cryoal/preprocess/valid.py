"""Which parts of a micrograph carry an image: not replicated borders, not dead or saturated areas."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cryoal.config import PreprocessConfig
from cryoal.errors import MicrographError

_MIN_VALID_SHARE = 0.05


def valid_mask(image: NDArray[np.float32], config: PreprocessConfig) -> NDArray[np.bool_]:
    """Where a scaled image varies along both axes.

    A replicated border is constant along one axis, a dead or saturated area along both: the smaller of the two
    mean absolute differences, over a small window, is held against its own median over the image.

    Parameters
    ----------
    image : float32 array, shape (my, mx)
        At the picker's scale, before any filtering.

    Raises
    ------
    MicrographError
        Next to nothing of the image varies.
    """
    window = max(3, round(config.dead_window_diameters * config.pixels_per_diameter) | 1)
    activity = np.minimum(_mean_difference(image, 0, window), _mean_difference(image, 1, window))
    alive = activity > config.dead_activity * np.median(activity[activity > 0]) if activity.any() else activity > 0
    # Specks are noise: an area counts as dead, or as alive, from the window's size on.
    # Mirrored beyond the edge, for there a border may be narrower than the window.
    square = np.ones((window, window), bool)
    mirrored = np.pad(~alive, window, mode="symmetric")
    dead = ndimage.binary_opening(mirrored, square)[window:-window, window:-window]
    # The window reaches over an area's edge by half its side.
    dead = ndimage.binary_dilation(dead, np.ones((3, 3), bool), iterations=window // 2 + 1)
    valid = ~dead
    check_share(float(valid.mean()))
    return valid


def check_share(valid: float) -> None:
    """Refuse an image next to nothing of which is valid."""
    if valid < _MIN_VALID_SHARE:
        raise MicrographError(f"only {valid:.1%} of it carries an image; the rest is constant")


def _mean_difference(image: NDArray[np.float32], axis: int, window: int) -> NDArray[np.float32]:
    """Mean absolute difference of neighbours along an axis, over a window."""
    difference = np.abs(np.diff(image, axis=axis, append=np.take(image, [-2], axis=axis)))
    mean: NDArray[np.float32] = ndimage.uniform_filter(difference, window, mode="nearest")
    return mean
