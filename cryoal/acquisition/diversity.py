"""Batches that are spread in a feature space: k-center and BADGE's k-means++.

Memory grows with the number of candidates, never with its square.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cryoal.acquisition.checks import FloatArray, IndexArray, checked_count, checked_features, checked_indices

_BLOCK_VALUES = 2**16  # a block of differences stays in the second-level cache


@dataclass(frozen=True, slots=True)
class Cover:
    """A chosen set and how well it covers all items.

    Attributes
    ----------
    indices : int64 array, shape (B,)
        In the order of choice.
    radius : float
        Largest distance of an item to its nearest centre.
    """

    indices: IndexArray
    radius: float


def k_center_greedy(x: ArrayLike, n: int, labelled: ArrayLike = (), first: int | None = None) -> Cover:
    """Farthest-first traversal: again and again the item farthest from all centres, argmax_i min_j ‖x_i − x_j‖.

    Parameters
    ----------
    x : array, shape (N, D)
        Feature vectors.
    n : int
        How many to choose; where fewer are left, all of them.
    labelled : array of int
        Items that are centres already.
    first : int, optional
        The first centre where nothing is labelled; by default item 0.

    Returns
    -------
    Cover
        The radius is at most twice the smallest one possible. Ties go to the lowest index.

    Raises
    ------
    ArrayError
        `x` is empty or not finite, `n` below 1, or an index outside `x`.

    References
    ----------
    Sener & Savarese 2018 (ICLR), algorithm 1; Gonzalez 1985.
    """
    features = checked_features(x, "x")
    size = len(features)
    centres = checked_indices(labelled, size, "labelled")
    picked = [] if centres.size else [int(checked_indices([first or 0], size, "first")[0])]
    wanted = min(checked_count(n), size - np.unique(centres).size)
    distance = np.full(size, np.inf)
    for centre in (*centres, *picked):
        _approach(distance, features, int(centre))
    while len(picked) < wanted:
        farthest = int(distance.argmax())
        picked.append(farthest)
        _approach(distance, features, farthest)
    radius = float(np.sqrt(max(distance.max(), 0.0)))
    return Cover(np.array(picked[:wanted], dtype=np.int64), radius)


def badge_weights(g: ArrayLike, chosen: ArrayLike = ()) -> FloatArray:
    """Probability of each item to be BADGE's next pick, D_i² / Σ D², D the distance to the nearest chosen item.

    Parameters
    ----------
    g : array, shape (N, M)
        Gradient embeddings.
    chosen : array of int
        What has been picked. Before the first pick all weight lies on the longest gradient (lowest index).

    Returns
    -------
    array, shape (N,)
        Sums to one; uniform over the items not chosen where all distances are zero.

    Raises
    ------
    ArrayError
        `g` is empty or not finite, an index is outside it, or everything is chosen.

    References
    ----------
    Ash et al. 2020 (ICLR), algorithm 1; Arthur & Vassilvitskii 2007.
    """
    features = checked_features(g, "g")
    indices = checked_indices(chosen, len(features), "chosen")
    checked_count(len(features) - np.unique(indices).size, "items not chosen")
    if not indices.size:
        weights = np.zeros(len(features))
        weights[_longest(features)] = 1.0
        return weights
    distance = np.full(len(features), np.inf)
    for index in indices:
        _approach(distance, features, int(index))
    return _normalised(distance)


def badge_sample(g: ArrayLike, n: int, rng: np.random.Generator) -> IndexArray:
    """Draw `n` different items one after another by `badge_weights` (k-means++ seeding).

    Parameters
    ----------
    g : array, shape (N, M)
        Gradient embeddings.
    n : int
        How many to choose; where fewer are there, all of them.
    rng : numpy.random.Generator

    Returns
    -------
    int64 array, shape (min(n, N),)
        In the order of choice.

    Raises and sources as for `badge_weights`.
    """
    features = checked_features(g, "g")
    wanted = min(checked_count(n), len(features))
    distance = np.full(len(features), np.inf)
    picked = [_longest(features)]
    while len(picked) < wanted:
        _approach(distance, features, picked[-1])
        cumulative = np.cumsum(_normalised(distance))
        draw = rng.random() * cumulative[-1]
        picked.append(int(np.searchsorted(cumulative, draw, side="right")))
    return np.array(picked, dtype=np.int64)


def _approach(distance: FloatArray, x: NDArray[np.floating], centre: int) -> None:
    """Lower the squared distances to the nearest centre by a new one; a centre itself gets −1."""
    step = max(1, _BLOCK_VALUES // x.shape[1])
    for start in range(0, len(x), step):
        rows = slice(start, start + step)
        difference = x[rows] - x[centre]
        np.minimum(distance[rows], np.einsum("nd,nd->n", difference, difference), out=distance[rows])
    distance[centre] = -1.0


def _longest(g: NDArray[np.floating]) -> int:
    return int(np.einsum("nd,nd->n", g, g, dtype=np.float64).argmax())


def _normalised(distance: FloatArray) -> FloatArray:
    """Squared distances as probabilities; those below zero belong to chosen items."""
    weights: FloatArray = np.maximum(distance, 0.0)
    if not weights.any():
        weights = (distance >= 0.0).astype(np.float64)
    weights /= weights.sum()
    return weights
