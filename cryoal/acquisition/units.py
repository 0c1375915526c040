"""Batches of units, fields or whole micrographs, that gather candidates."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryoal.acquisition.checks import FloatArray, IndexArray
from cryoal.acquisition.choosing import no_candidates, score_candidates
from cryoal.acquisition.micrographs import Aggregation, aggregate_groups, best_of_groups
from cryoal.acquisition.selectors import constrained_batch
from cryoal.acquisition.spatial import Spacing
from cryoal.acquisition.strategies import Strategy
from cryoal.data.candidates import CandidatePool, Candidates
from cryoal.errors import OptionError

RANDOM = "random"
TOP_K = 5  # a unit's score is the mean of its best five candidates'
MOST_AT_ONCE = 2000  # micrographs whose candidates are compared with each other


@dataclass(frozen=True, slots=True)
class Units:
    """What a batch is made of.

    Attributes
    ----------
    micrograph : int64 array, shape (U,)
    xy : float64 array, shape (U, 2)
        Centres, pixels.
    of : callable
        Unit of each candidate of a pool, shape (N,), −1 for none; the candidates of a unit lie on one micrograph.
    """

    micrograph: IndexArray
    xy: FloatArray
    of: Callable[[CandidatePool], IndexArray]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a batch has to keep.

    Attributes
    ----------
    exploration : float
        Share drawn uniformly at random.
    apart_px : float
        Distance between the centres of units of one micrograph, given up where there is no room.
    quota : int
        Largest number of units from one micrograph.
    """

    exploration: float
    apart_px: float
    quota: int


@dataclass(frozen=True, slots=True)
class UnitBatch:
    """Chosen units, why, and the utility of every unit.

    Attributes
    ----------
    indices : list of int
        The strategy's choice first, the random ones last.
    reasons : list of str
        For each chosen unit, the strategy's name or ``random``.
    utility : float64 array, shape (U,)
    """

    indices: list[int]
    reasons: list[str]
    utility: FloatArray


@dataclass(frozen=True, slots=True)
class PooledUnits:
    """Units as a batch selector sees them.

    Attributes
    ----------
    utility : float64 array, shape (U,)
        Aggregated scores; 0 without candidates.
    pool : CandidatePool
        Each unit as a candidate: the mean embedding of its candidates, the mean probabilities of the best.
    occupied : bool array, shape (U,)
        Whether candidates of it were seen.
    """

    utility: FloatArray
    pool: CandidatePool
    occupied: NDArray[np.bool_]


def choose_units(
    candidates: Candidates, units: Units, strategy: Strategy, n: int, rng: np.random.Generator, limits: Limits
) -> UnitBatch:
    """Draw the exploration share, let the strategy choose the rest, complete at random what it cannot.

    Raises
    ------
    OptionError
        The exploration share lies outside [0, 1], or the committee is too small.
    ArrayError
        The strategy is to choose and no candidate lies in any unit, or the pool breaks its contract.
    """
    if not 0.0 <= limits.exploration <= 1.0:
        raise OptionError(f"exploration: {limits.exploration}, expected a share from 0 to 1")
    size = len(units.micrograph)
    free = Spacing(units.xy, units.micrograph, quota=limits.quota)
    explored = _draw(free, int(limits.exploration * n + rng.random()), rng)
    chosen: list[int] = []
    utility = np.zeros(size)
    if len(explored) < n:
        pooled = pool_units(candidates, units, strategy, rng)
        utility = pooled.utility
        for apart_px in (limits.apart_px, 0.0):
            spacing = _spacing_after(units, explored + chosen, apart_px, limits.quota)
            spacing.open &= pooled.occupied | strategy.includes_empty
            wanted = n - len(explored) - len(chosen)
            chosen += constrained_batch(utility, pooled.pool, strategy.selector, wanted, rng, spacing).tolist()
    left = _spacing_after(units, explored + chosen, 0.0, limits.quota)
    explored += _draw(left, n - len(explored) - len(chosen), rng)
    reasons = [strategy.name] * len(chosen) + [RANDOM] * len(explored)
    return UnitBatch(chosen + explored, reasons, utility)


def _spacing_after(units: Units, taken: list[int], apart_px: float, quota: int) -> Spacing:
    spacing = Spacing(units.xy, units.micrograph, apart_px, quota)
    for index in taken:
        spacing.take(index)
    return spacing


def _draw(spacing: Spacing, n: int, rng: np.random.Generator) -> list[int]:
    """Up to n open units, uniformly at random."""
    drawn: list[int] = []
    for index in rng.permutation(spacing.open.size):
        if len(drawn) == n:
            break
        if spacing.open[index]:
            spacing.take(int(index))
            drawn.append(int(index))
    return drawn


def pool_units(candidates: Candidates, units: Units, strategy: Strategy, rng: np.random.Generator) -> PooledUnits:
    """Score the candidates and gather them to units; units without candidates are certain background.

    Micrographs are read and let go of one part after another: what stays grows with the units, not the candidates.

    Raises
    ------
    ArrayError, OptionError
        As `choose_units`.
    """
    size = len(units.micrograph)
    utility, occupied = np.zeros(size), np.zeros(size, bool)
    probability = embedding = None
    for part in _looked_at(candidates, strategy, rng):
        group = units.of(part)
        member = np.flatnonzero(group >= 0)
        inside = part if member.size == len(part) else part.select(member)
        if not len(inside):
            continue
        if probability is None or embedding is None:
            probability = _certain_background(inside, size)
            embedding = np.zeros((size, inside.embedding.shape[1]), np.float32)
        some, local = np.unique(group[member], return_inverse=True)
        scores = score_candidates(inside, strategy, rng)
        best = best_of_groups(scores, local, 1 if strategy.aggregation == Aggregation.MAX else TOP_K)
        utility[some] = aggregate_groups(scores, local, some.size, strategy.aggregation, TOP_K)
        probability[:, some] = _group_means(inside.probability[:, best], local[best], some.size)
        embedding[some] = _group_means(inside.embedding[np.newaxis], local, some.size)[0]
        occupied[some] = True
    if probability is None or embedding is None:
        raise no_candidates()
    places = (units.micrograph.astype(np.int32), units.xy.astype(np.float32))
    pooled = CandidatePool(candidates.micrographs, *places, probability, embedding, candidates.classes)
    return PooledUnits(utility, pooled, occupied)


def _looked_at(candidates: Candidates, strategy: Strategy, rng: np.random.Generator) -> Iterable[CandidatePool]:
    """All parts; where scores need other candidates, all at once, those of micrographs drawn at random if too many."""
    if strategy.pointwise:
        return candidates.parts()
    size = len(candidates.micrographs)
    if size > MOST_AT_ONCE:
        candidates = candidates.on(np.sort(rng.permutation(size)[:MOST_AT_ONCE]).tolist())
    parts = [part for part in candidates.parts() if len(part)]
    return [CandidatePool.joined(parts)] if parts else []


def _certain_background(like: CandidatePool, size: int) -> NDArray[np.float32]:
    """Probabilities, shape (K, size, C), of background alone."""
    members, _, classes = like.probability.shape
    probability = np.zeros((members, size, classes), np.float32)
    probability[:, :, 0] = 1.0
    return probability


def _group_means(values: NDArray[np.floating], group: IndexArray, size: int) -> NDArray[np.float64]:
    """Means over the second axis of values, shape (K, N, C), by group: shape (K, size, C); zeros where empty."""
    count = np.maximum(np.bincount(group, minlength=size), 1)
    means = np.empty((values.shape[0], size, values.shape[2]))
    for k, c in np.ndindex(values.shape[0], values.shape[2]):
        means[k, :, c] = np.bincount(group, weights=values[k, :, c], minlength=size) / count
    return means
