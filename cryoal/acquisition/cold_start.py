"""The first questions, before there are labels: typical and covering items of an embedding."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist

from cryoal.acquisition.checks import (
    FloatArray,
    IndexArray,
    checked_count,
    checked_features,
    checked_indices,
)
from cryoal.errors import ArrayError

_EPSILON = 1e-5
_BLOCK_VALUES = 2**18  # 2 MiB of distances at a time
_PAIRS = 2**14


@dataclass(frozen=True, slots=True)
class Coverage:
    """A chosen set and the share of all items within reach of it.

    Attributes
    ----------
    indices : int64 array, shape (B,)
        In the order of choice.
    coverage : float
        Covered items, those near labelled ones included, as a share of all.
    """

    indices: IndexArray
    coverage: float


def typicality(x: ArrayLike, n_neighbours: int = 20) -> FloatArray:
    """Density of each item among the members of one cluster, 1 / (mean distance to its nearest neighbours + 1e-5).

    Parameters
    ----------
    x : array, shape (n, D)
        The cluster's members.
    n_neighbours : int
        Neighbours, the item itself not counted; at most n − 1.

    Returns
    -------
    array, shape (n,)
        A single item has 1e5.

    Raises
    ------
    ArrayError
        `x` is empty or not finite, or `n_neighbours` below 1.

    References
    ----------
    Hacohen, Dekel & Weinshall 2022, equation 4 (Euclidean; the authors' code takes squared distances).
    """
    features = checked_features(x, "x").astype(np.float64, copy=False)
    size = len(features)
    k = min(checked_count(n_neighbours, "n_neighbours"), size - 1)
    if k == 0:
        return np.array([1.0 / _EPSILON])
    mean = np.empty(size)
    step = max(1, _BLOCK_VALUES // size)
    for start in range(0, size, step):
        distance = cdist(features[start : start + step], features)
        distance[np.arange(len(distance)), np.arange(start, start + len(distance))] = np.inf
        mean[start : start + step] = np.partition(distance, k - 1, axis=1)[:, :k].mean(axis=1)
    return 1.0 / (mean + _EPSILON)


def typiclust_select(
    x: ArrayLike,
    cluster: ArrayLike,
    n: int,
    labelled: ArrayLike = (),
    n_neighbours: int = 20,
    min_size: int = 5,
) -> IndexArray:
    """The most typical items of many clusters in turn, clusters with few labels and many members first.

    Parameters
    ----------
    x : array, shape (N, D)
        Feature vectors.
    cluster : int array, shape (N,)
        Cluster of each item (`kmeans_clusters`).
    n : int
        How many to choose; fewer where the clusters are used up.
    labelled : array of int
        Items labelled already.
    n_neighbours : int
        Neighbours for `typicality`, at most half the members without a label.
    min_size : int
        Clusters of this size or smaller are left out.

    Returns
    -------
    int64 array
        In the order of choice; ties go to the lowest index.

    Raises
    ------
    ArrayError
        `x` is empty or not finite, `cluster` does not fit it, `n` below 1, or an index outside `x`.

    References
    ----------
    Hacohen, Dekel & Weinshall 2022, algorithm 1, with the constants of the authors' code.
    """
    features = checked_features(x, "x")
    ids = checked_indices(cluster, np.iinfo(np.int64).max, "cluster")
    if ids.size != len(features):
        raise ArrayError(f"cluster: {ids.size} values for {len(features)} items, expected one for each")
    known = np.zeros(ids.size, dtype=bool)
    known[checked_indices(labelled, ids.size, "labelled")] = True
    names, inverse, sizes = np.unique(ids, return_inverse=True, return_counts=True)
    n_known = np.bincount(inverse, weights=known)
    order = np.lexsort((names, -sizes, n_known))
    waiting = [np.flatnonzero((ids == names[i]) & ~known) for i in order if sizes[i] > min_size]
    picked: list[int] = []
    wanted = checked_count(n)
    while len(picked) < wanted and any(members.size for members in waiting):
        for i, members in enumerate(waiting):
            if members.size and len(picked) < wanted:
                best = int(typicality(features[members], _neighbours(members.size, n_neighbours)).argmax())
                picked.append(int(members[best]))
                waiting[i] = np.delete(members, best)
    return np.array(picked, dtype=np.int64)


def kmeans_clusters(x: ArrayLike, n_clusters: int, rng: np.random.Generator) -> IndexArray:
    """Clusters of an embedding by mini-batch k-means, at most one an item.

    Parameters
    ----------
    x : array, shape (N, D)
    n_clusters : int
    rng : numpy.random.Generator

    Returns
    -------
    int64 array, shape (N,)

    Raises
    ------
    ArrayError
        `x` is empty or not finite, or `n_clusters` below 1.

    References
    ----------
    Sculley 2010; scikit-learn.
    """
    from sklearn.cluster import MiniBatchKMeans  # noqa: PLC0415  a second to import, and --help lists strategies

    features = checked_features(x, "x")
    kmeans = MiniBatchKMeans(
        min(checked_count(n_clusters, "n_clusters"), len(features)),
        batch_size=4096,
        max_iter=20,
        n_init=1,
        random_state=int(rng.integers(2**31)),
    )
    clusters: IndexArray = kmeans.fit_predict(features).astype(np.int64)
    return clusters


def probcover_select(x: ArrayLike, n: int, delta: float, labelled: ArrayLike = ()) -> Coverage:
    """Greedy cover by balls of radius delta: again and again the item with most uncovered items in its ball.

    Time grows as N², memory as N.

    Parameters
    ----------
    x : array, shape (N, D)
        Feature vectors.
    n : int
        How many to choose; fewer where everything is covered before.
    delta : float
        Radius of the balls, itself inside; at least 0.
    labelled : array of int
        Items whose balls are covered already.

    Returns
    -------
    Coverage
        Ties go to the lowest index.

    Raises
    ------
    ArrayError
        `x` is empty or not finite, `n` below 1, `delta` negative, or an index outside `x`.

    References
    ----------
    Yehuda, Dekel, Hacohen & Weinshall 2022 (NeurIPS), algorithm 1.
    """
    features = checked_features(x, "x").astype(np.float64)
    if not (np.isfinite(delta) and delta >= 0.0):
        raise ArrayError(f"delta: {delta}, expected a distance of at least 0")
    wanted = checked_count(n)
    balls = _Balls(features, delta)
    covered = balls.any_of(checked_indices(labelled, len(features), "labelled"))
    degree = balls.count(np.flatnonzero(~covered))
    picked: list[int] = []
    while len(picked) < wanted and degree.max() > 0:
        picked.append(int(degree.argmax()))
        fresh = balls.any_of(np.array(picked[-1:])) & ~covered
        covered |= fresh
        degree -= balls.count(np.flatnonzero(fresh))
    return Coverage(np.array(picked, dtype=np.int64), float(covered.mean()))


def covering_radius(x: ArrayLike, n_clusters: int, rng: np.random.Generator) -> float:
    """A radius for ProbCover without labels: the median distance of items to the centre of their k-means cluster.

    Parameters, errors and source as for `kmeans_clusters`.
    """
    features = checked_features(x, "x").astype(np.float64, copy=False)
    clusters = kmeans_clusters(features, n_clusters, rng)
    sizes = np.maximum(np.bincount(clusters), 1)
    centres = np.stack([np.bincount(clusters, weights=column) / sizes for column in features.T], axis=1)
    return float(np.median(np.linalg.norm(features - centres[clusters], axis=1)))


class _Balls:
    """Which items lie within delta of which, a block at a time."""

    def __init__(self, x: FloatArray, delta: float) -> None:
        self._x, self._delta = x, delta
        centred = x - x.mean(axis=0)
        squares = np.einsum("nd,nd->n", centred, centred)
        # Single precision is several times faster; pairs within its error of the boundary are measured again.
        self._centred, self._squares = centred.astype(np.float32), squares.astype(np.float32)
        self._doubt = 4.0 * np.finfo(np.float32).eps * (x.shape[1] + 4) * (squares.max() + delta**2)

    def any_of(self, centres: IndexArray) -> NDArray[np.bool_]:
        """Items inside the ball of any of the centres, shape (N,)."""
        inside = np.zeros(len(self._x), dtype=bool)
        for block in self._blocks(centres):
            inside |= block.any(axis=0)
        return inside

    def count(self, items: IndexArray) -> IndexArray:
        """How many of `items` lie in the ball of each item, shape (N,)."""
        total = np.zeros(len(self._x), dtype=np.int64)
        for block in self._blocks(items):
            total += block.sum(axis=0)
        return total

    def _blocks(self, rows: IndexArray) -> Iterator[NDArray[np.bool_]]:
        step = max(1, _BLOCK_VALUES // len(self._x))
        for start in range(0, rows.size, step):
            yield self._within(rows[start : start + step])

    def _within(self, rows: IndexArray) -> NDArray[np.bool_]:
        """Whether items lie within delta of the rows; pairs too close to call by the dot product are measured."""
        excess = (np.float32(-2.0) * self._centred[rows]) @ self._centred.T
        excess += self._squares
        excess += (self._squares[rows] - np.float32(self._delta**2))[:, np.newaxis]
        inside: NDArray[np.bool_] = excess <= 0.0
        close = np.flatnonzero(np.abs(excess, out=excess).ravel() <= self._doubt)
        for start in range(0, close.size, _PAIRS):
            i, j = np.divmod(close[start : start + _PAIRS], len(self._x))
            inside[i, j] = np.linalg.norm(self._x[rows[i]] - self._x[j], axis=1) <= self._delta
        return inside


def _neighbours(n_members: int, n_neighbours: int) -> int:
    return max(1, min(n_neighbours, n_members // 2))
