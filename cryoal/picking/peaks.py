"""Peaks of a score map: sub-pixel, strictly inside, no two nearer than a set distance."""

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from torch import Tensor

NEIGHBOURHOOD_PX = 3
Index = TypeVar("Index", NDArray[np.int64], "Tensor")


def find_peaks(
    score: NDArray[np.float32], valid: NDArray[np.bool_], min_distance_px: float, threshold: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Local maxima of a map, best first.

    Parameters
    ----------
    score : float32 array, shape (my, mx)
    valid : bool array, shape (my, mx)
        Peaks elsewhere are not taken.
    min_distance_px : float
        Of two peaks nearer than this, the lower goes.
    threshold : float
        Peaks must be above it.

    Returns
    -------
    xy : float64 array, shape (N, 2)
        Vertices of parabolas through each maximum and its neighbours along x and y.
    height : float64 array, shape (N,)
        The map at the maxima.
    """
    highest = ndimage.maximum_filter(score, NEIGHBOURHOOD_PX, mode="nearest")
    y, x = np.nonzero((score == highest) & valid & (score > threshold))
    xy, height = refined(y, x, np.stack([score[at] for at in around(y, x, score.shape)]), score.shape)
    kept = strongest_apart(xy, height, min_distance_px)
    return xy[kept], height[kept]


def around(y: Index, x: Index, shape: tuple[int, ...]) -> list[tuple[Index, Index]]:
    """Indices of some pixels, and of those left, right, above and below of each, kept inside; arrays or tensors."""
    my, mx = shape
    left, right = (x - 1).clip(min=0), (x + 1).clip(max=mx - 1)
    above, below = (y - 1).clip(min=0), (y + 1).clip(max=my - 1)
    return [(y, x), (y, left), (y, right), (above, x), (below, x)]


def refined(
    y: NDArray[np.int64], x: NDArray[np.int64], values: NDArray[np.float32], shape: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sub-pixel positions (x, y), shape (N, 2), and heights of maxima of a map, from its values `around` them."""
    here, left, right, above, below = values.astype(np.float64)
    in_x, in_y = (x > 0) & (x < shape[1] - 1), (y > 0) & (y < shape[0] - 1)
    return np.column_stack([x + _vertex(left, here, right, in_x), y + _vertex(above, here, below, in_y)]), here


def strongest_apart(xy: NDArray[np.float64], height: NDArray[np.float64], min_distance_px: float) -> NDArray[np.int64]:
    """Indices of peaks, best first, no two nearer than a distance: of two, the lower goes."""
    order = np.argsort(-height, kind="stable")
    kept: NDArray[np.int64] = order[_apart(xy[order], min_distance_px)]
    return kept


def _apart(xy: NDArray[np.float64], distance: float) -> NDArray[np.int64]:
    """Greedy choice, in order, of points no two of which are nearer than a distance."""
    if not len(xy):
        return np.empty(0, np.int64)
    tree, nearer = cKDTree(xy), np.nextafter(distance, 0)
    free, kept = np.ones(len(xy), dtype=bool), []
    # One question for each point kept: all at once, a map that is flat would fill the memory with neighbours.
    for index, point in enumerate(xy):
        if free[index]:
            kept.append(index)
            free[tree.query_ball_point(point, nearer)] = False
    return np.array(kept)


def _vertex(
    before: NDArray[np.float64], here: NDArray[np.float64], after: NDArray[np.float64], inside: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Offset of the parabola's vertex along one axis, within half a pixel; 0 on the map's rim."""
    curvature = before - 2 * here + after
    offset = np.divide(before - after, 2 * curvature, out=np.zeros_like(here), where=curvature < 0)
    return np.where(inside, np.clip(offset, -0.5, 0.5), 0.0)
