"""Filters of torch maps that the steps before and after the network share; the same on every device.

All of them add up shifted copies: for one map at a time that is several times faster than torch's convolutions and
poolings on a CPU, and as good on a GPU.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_TRUNCATE_SIGMAS = 4.0  # as scipy.ndimage


def gaussian_reach_px(sigma_px: float) -> int:
    """How far a Gaussian filter looks."""
    return int(_TRUNCATE_SIGMAS * sigma_px + 0.5)


def gaussian(maps: Tensor, sigma_px: float, *, zero_beyond: bool = False) -> Tensor:
    """Gaussian filter of each map.

    Parameters
    ----------
    maps : Tensor, shape (..., H, W)
    sigma_px : float
        Standard deviation, pixels; nothing is done at 0.
    zero_beyond : bool
        Beyond their rims maps are 0, rather than go on as they are there.
    """
    reach = gaussian_reach_px(sigma_px)
    if reach == 0:
        return maps
    weights = np.exp(-0.5 * (np.arange(reach + 1) / sigma_px) ** 2)
    weights /= weights[0] + 2 * weights[1:].sum()
    for dim in (-2, -1):
        padded = _padded(maps, dim, reach, 0.0 if zero_beyond else None)
        size = maps.shape[dim]
        maps = padded.narrow(dim, reach, size) * float(weights[0])
        for shift in range(1, reach + 1):
            pair = padded.narrow(dim, reach - shift, size) + padded.narrow(dim, reach + shift, size)
            maps.add_(pair, alpha=float(weights[shift]))
    return maps


def box_mean(maps: Tensor, window_px: int) -> Tensor:
    """Mean over a square window of odd side; maps go on beyond their rims as they are there."""
    return _boxed(maps, window_px, torch.add, None) / window_px**2


def box_max(maps: Tensor, window_px: int) -> Tensor:
    """Largest value in a square window of odd side; of bool maps, whether any is true."""
    if maps.dtype is torch.bool:
        return _boxed(maps, window_px, torch.logical_or, 0.0)
    return _boxed(maps, window_px, torch.maximum, -math.inf)


def _boxed(maps: Tensor, window_px: int, join: Callable[[Tensor, Tensor], Tensor], beyond: float | None) -> Tensor:
    """All values of a window joined, along one axis and then the other."""
    for dim in (-2, -1):
        padded, size = _padded(maps, dim, window_px // 2, beyond), maps.shape[dim]
        maps = padded.narrow(dim, 0, size)
        for shift in range(1, window_px):
            maps = join(maps, padded.narrow(dim, shift, size))
    return maps


def _padded(maps: Tensor, dim: int, reach: int, beyond: float | None) -> Tensor:
    """Maps made longer at both ends of an axis: by a value, or by what is there."""
    sides = (reach, reach, 0, 0) if dim == -1 else (0, 0, reach, reach)
    if beyond is not None:
        return functional.pad(maps, sides, value=beyond)
    first, last = maps.narrow(dim, 0, 1), maps.narrow(dim, maps.shape[dim] - 1, 1)
    repeats = [1] * (maps.ndim + dim) + [reach] + [1] * (-1 - dim)
    return torch.cat([first.repeat(repeats), maps, last.repeat(repeats)], dim)
