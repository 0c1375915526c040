"""Batches spread over the images: minimum distance, quota a micrograph, quota a class."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from cryoal.acquisition.checks import FloatArray, IndexArray, checked_count, checked_vector
from cryoal.errors import ArrayError


def nms_points(
    xy: ArrayLike,
    scores: ArrayLike,
    micrograph: ArrayLike,
    min_distance_px: float,
    n: int | None = None,
    per_micrograph: int | None = None,
) -> IndexArray:
    """Keep points by descending score that lie at least `min_distance_px` from every kept one of their micrograph.

    Parameters
    ----------
    xy : array, shape (N, 2)
        Positions in pixels; may be empty.
    scores : array, shape (N,)
        Ties go to the lowest index.
    micrograph : int array, shape (N,)
        Points of different micrographs never exclude each other.
    min_distance_px : float
        At least 0; this distance itself is allowed.
    n, per_micrograph : int, optional
        Largest number to keep, in all and in each micrograph.

    Returns
    -------
    int64 array
        Indices of the kept points, best first.

    Raises
    ------
    ArrayError
        Values not finite, lengths differ, a negative distance, or a number below 1.
    """
    score = checked_vector(scores, "scores")
    positions = checked_vector(np.ravel(np.asarray(xy)), "xy", length=2 * score.size).reshape(-1, 2)
    image = np.asarray(micrograph)
    if image.shape != score.shape:
        raise ArrayError(f"micrograph: shape {image.shape}, expected {score.shape}, one for each point")
    if not (np.isfinite(min_distance_px) and min_distance_px >= 0.0):
        raise ArrayError(f"min_distance_px: {min_distance_px}, expected a distance of at least 0 pixels")
    limit = score.size if n is None else checked_count(n)
    quota = None if per_micrograph is None else checked_count(per_micrograph, "per_micrograph")
    spacing = Spacing(positions, image, min_distance_px, quota)
    kept: list[int] = []
    for index in np.argsort(-score, kind="stable"):
        if len(kept) == limit:
            break
        if spacing.open[index]:
            spacing.take(int(index))
            kept.append(int(index))
    return np.array(kept, dtype=np.int64)


def stratified_quota(n: int, share: float, n_foreground: int, n_background: int) -> tuple[int, int]:
    """Split a batch: ⌊n·share + ½⌋ from the foreground, the rest from the background, shortfalls to the other.

    Parameters
    ----------
    n : int
        Size of the batch.
    share : float
        The foreground's share, 0 to 1.
    n_foreground, n_background : int
        How many there are of each.

    Returns
    -------
    foreground, background : int
        Their sum is n unless both are short.

    Raises
    ------
    ArrayError
        A negative number, or a share outside [0, 1].

    References
    ----------
    Lüth et al. 2026 (arXiv 2601.13677).
    """
    if min(n, n_foreground, n_background) < 0 or not 0.0 <= share <= 1.0:
        raise ArrayError(
            f"quota: n {n}, share {share}, {n_foreground} foreground, {n_background} background; "
            "expected numbers of at least 0 and a share from 0 to 1"
        )
    wanted = int(np.floor(n * share + 0.5))
    background = min(n - min(wanted, n_foreground), n_background)
    return min(n - background, n_foreground), background


def even_quota(n: int, available: Sequence[int]) -> list[int]:
    """Split a batch over strata as evenly as their sizes allow, the first ones one more where it does not divide."""
    quota = [0] * len(available)
    while sum(quota) < min(n, sum(available)):
        for i, size in enumerate(available):
            if quota[i] < size and sum(quota) < n:
                quota[i] += 1
    return quota


class Spacing:
    """Which points a minimum distance and a quota a micrograph still leave open, as points are taken.

    Attributes
    ----------
    open : bool array, shape (N,)
        Points that may still be taken.
    """

    def __init__(
        self, xy: FloatArray, micrograph: NDArray[np.generic], min_distance_px: float = 0.0, quota: int | None = None
    ) -> None:
        self.open = np.ones(len(xy), dtype=bool)
        self._xy, self._min_distance_px = xy, min_distance_px
        _, self._group, sizes = np.unique(micrograph, return_inverse=True, return_counts=True)
        self._members = np.split(np.argsort(self._group, kind="stable"), np.cumsum(sizes)[:-1])
        self._left = sizes if quota is None else np.minimum(sizes, quota)
        self._trees: dict[int, cKDTree] = {}

    def take(self, index: int) -> None:
        """Take a point: it, its surroundings and, at the quota, its micrograph close."""
        group = int(self._group[index])
        members = self._members[group]
        self.open[index] = False
        self._left[group] -= 1
        if self._left[group] <= 0:
            self.open[members] = False
        elif self._min_distance_px > 0.0:
            if group not in self._trees:
                self._trees[group] = cKDTree(self._xy[members])
            near = members[self._trees[group].query_ball_point(self._xy[index], self._min_distance_px)]
            offset = self._xy[near] - self._xy[index]
            self.open[near[np.hypot(offset[:, 0], offset[:, 1]) < self._min_distance_px]] = False
