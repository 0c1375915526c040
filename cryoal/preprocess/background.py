"""The slowly varying background of a micrograph."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

COARSE_PX = 4


def local_mean(image: NDArray[np.float32], valid: NDArray[np.bool_], sigma_px: float) -> NDArray[np.float32]:
    """Gaussian mean of the valid pixels around each pixel (normalised convolution).

    Worked out on a coarser grid, for it varies slowly.

    Parameters
    ----------
    image : float32 array, shape (my, mx)
    valid : bool array, shape (my, mx)
    sigma_px : float
        Standard deviation of the Gaussian, pixels of `image`.
    """
    from skimage.transform import resize  # noqa: PLC0415  half a second to import, and a window may never need it

    weight = valid.astype(np.float32)
    coarse_weight = _smooth(_shrink(weight), sigma_px / COARSE_PX)
    coarse_image = _smooth(_shrink(image * weight), sigma_px / COARSE_PX)
    coarse = np.divide(coarse_image, coarse_weight, out=np.zeros_like(coarse_image), where=coarse_weight > 1e-4)
    mean: NDArray[np.float32] = resize(  # type: ignore[no-untyped-call]
        coarse, _padded(image.shape), order=1, mode="edge", anti_aliasing=False
    )
    return mean[: image.shape[0], : image.shape[1]].astype(np.float32)


def _padded(shape: tuple[int, ...]) -> tuple[int, int]:
    """The next multiple of the coarse grid."""
    return -(-shape[0] // COARSE_PX) * COARSE_PX, -(-shape[1] // COARSE_PX) * COARSE_PX


def _shrink(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums over the squares of the coarse grid; what sticks out counts as 0."""
    ny, nx = _padded(image.shape)
    whole = np.pad(image, ((0, ny - image.shape[0]), (0, nx - image.shape[1])))
    sums: NDArray[np.float32] = whole.reshape(ny // COARSE_PX, COARSE_PX, nx // COARSE_PX, COARSE_PX).sum((1, 3))
    return sums


def _smooth(image: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    """Gaussian filter; beyond the edge is 0, which the weights undo."""
    smoothed: NDArray[np.float32] = ndimage.gaussian_filter(image, sigma_px, mode="constant")
    return smoothed
