"""Peaks of a score map: sub-pixel, strictly inside, no two nearer than a set distance."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

_NEIGHBOURHOOD_PX = 3


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
    highest = ndimage.maximum_filter(score, _NEIGHBOURHOOD_PX, mode="nearest")
    y, x = np.nonzero((score == highest) & valid & (score > threshold))
    height = score[y, x].astype(np.float64)
    order = np.argsort(-height, kind="stable")
    x, y, height = x[order], y[order], height[order]
    xy = np.column_stack([x + _vertex(score, y, x, 0, 1), y + _vertex(score, y, x, 1, 0)])
    kept = _apart(xy, min_distance_px)
    return xy[kept], height[kept]


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
    score: NDArray[np.float32], y: NDArray[np.int64], x: NDArray[np.int64], dy: int, dx: int
) -> NDArray[np.float64]:
    """Offset of the parabola's vertex along one axis, within half a pixel; 0 on the map's rim."""
    inside = (y >= dy) & (x >= dx) & (y < score.shape[0] - dy) & (x < score.shape[1] - dx)
    yi, xi = np.where(inside, y, dy), np.where(inside, x, dx)
    before, here, after = (score[yi + s * dy, xi + s * dx].astype(np.float64) for s in (-1, 0, 1))
    curvature = before - 2 * here + after
    offset = np.divide(before - after, 2 * curvature, out=np.zeros_like(here), where=curvature < 0)
    return np.where(inside, np.clip(offset, -0.5, 0.5), 0.0)
