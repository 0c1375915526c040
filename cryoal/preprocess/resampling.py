"""Anti-aliased bicubic resampling by banded matrices: PyTorch's own weights, without a float copy of the micrograph."""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_ROWS = 16  # of the result at a time: their input stays in the cache
_REACH = 2.0  # of the cubic, in pixels of the coarser grid
_CUBIC = -0.5


def resample(pixels: Tensor, shape: tuple[int, int]) -> Tensor:
    """Anti-aliased bicubic resampling; scaled pixel i covers original [i·s − ½, (i+1)·s − ½).

    As ``torch.nn.functional.interpolate(…, mode="bicubic", antialias=True)`` to the rounding of float32.

    Parameters
    ----------
    pixels : Tensor, shape (ny, nx)
        Of any dtype that torch converts to float32, on any device.
    shape : (int, int)
        (my, mx) of the result.

    Returns
    -------
    float32 Tensor, shape (my, mx)
    """
    tall = torch.empty((shape[0], pixels.shape[1]), device=pixels.device)
    for start, first, last, weights in _bands(pixels.shape[0], shape[0]):
        torch.mm(weights.to(pixels.device), pixels[first:last].float(), out=tall[start : start + len(weights)])
    small = torch.empty(shape, device=pixels.device)
    for start, first, last, weights in _bands(pixels.shape[1], shape[1]):
        small[:, start : start + len(weights)] = tall[:, first:last] @ weights.to(pixels.device).T
    return small


@lru_cache(maxsize=64)
def _bands(n_in: int, n_out: int) -> list[tuple[int, int, int, Tensor]]:
    """The resampling matrix, a few rows at a time: first row, the input that they see, and the weights of that."""
    bands = []
    for start in range(0, n_out, _ROWS):
        rows = np.arange(start, min(start + _ROWS, n_out))
        scale = n_in / n_out
        width = max(scale, 1.0)
        centre = scale * (rows + 0.5)
        low = np.maximum((centre - _REACH * width + 0.5).astype(np.int64), 0)
        high = np.minimum((centre + _REACH * width + 0.5).astype(np.int64), n_in)
        first, last = int(low[0]), int(high[-1])
        seen = np.arange(first, last)
        weights = _cubic((seen + 0.5 - centre[:, np.newaxis]) / width)
        weights *= (seen >= low[:, np.newaxis]) & (seen < high[:, np.newaxis])
        weights /= weights.sum(axis=1, keepdims=True)
        bands.append((start, first, last, torch.from_numpy(weights.astype(np.float32))))
    return bands


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic."""
    x, a = np.abs(x), _CUBIC
    inner = ((a + 2) * x - (a + 3)) * x * x + 1
    outer = a * (((x - 5) * x + 8) * x - 4)
    cubic: NDArray[np.float64] = np.where(x < 1, inner, np.where(x < _REACH, outer, 0.0))
    return cubic
