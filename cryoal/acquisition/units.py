"""Batches of units, fields or whole micrographs, that gather candidates."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryoal.acquisition.checks import FloatArray, IndexArray
from cryoal.acquisition.choosing import score_candidates
from cryoal.acquisition.micrographs import Aggregation, aggregate_groups, best_of_groups
from cryoal.acquisition.selectors import constrained_batch
from cryoal.acquisition.spatial import Spacing
from cryoal.acquisition.strategies import Strategy
from cryoal.data.candidates import CandidatePool
from cryoal.errors import OptionError

RANDOM = "random"
TOP_K = 5  # a unit's score is the mean of its best five candidates'


@dataclass(frozen=True, slots=True)
class Units:
    """What a batch is made of.

    Attributes
    ----------
    micrograph : int64 array, shape (U,)
    xy : float64 array, shape (U, 2)
        Centres, pixels.
    group : int64 array, shape (N,)
        Unit of each candidate, −1 for none.
    """

    micrograph: IndexArray
    xy: FloatArray
    group: IndexArray


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


def choose_units(
    pool: CandidatePool, units: Units, strategy: Strategy, n: int, rng: np.random.Generator, limits: Limits
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
        utility, pooled = _pool_units(pool, units, strategy, rng)
        occupied = np.bincount(units.group[units.group >= 0], minlength=size) > 0
        for apart_px in (limits.apart_px, 0.0):
            spacing = _spacing_after(units, explored + chosen, apart_px, limits.quota)
            spacing.open &= occupied | strategy.includes_empty
            wanted = n - len(explored) - len(chosen)
            chosen += constrained_batch(utility, pooled, strategy.selector, wanted, rng, spacing).tolist()
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


def _pool_units(
    pool: CandidatePool, units: Units, strategy: Strategy, rng: np.random.Generator
) -> tuple[FloatArray, CandidatePool]:
    """Utility of each unit, and the units as a pool; those without candidates are certain background."""
    member = np.flatnonzero(units.group >= 0)
    inside = pool if member.size == len(pool) else pool.select(member)
    scores = score_candidates(inside, strategy, rng)
    group, size = units.group[member], len(units.micrograph)
    best = best_of_groups(scores, group, 1 if strategy.aggregation == Aggregation.MAX else TOP_K)
    probability = _group_means(inside.probability[:, best], group[best], size)
    probability[:, np.bincount(group, minlength=size) == 0, 0] = 1.0
    embedding = _group_means(inside.embedding[np.newaxis], group, size)[0]
    pooled = CandidatePool(
        pool.micrographs,
        units.micrograph.astype(np.int32),
        units.xy.astype(np.float32),
        probability.astype(np.float32),
        embedding.astype(np.float32),
        pool.classes,
    )
    return aggregate_groups(scores, group, size, strategy.aggregation, TOP_K), pooled


def _group_means(values: NDArray[np.floating], group: IndexArray, size: int) -> NDArray[np.float64]:
    """Means over the second axis of values, shape (K, N, C), by group: shape (K, size, C); zeros where empty."""
    count = np.maximum(np.bincount(group, minlength=size), 1)
    means = np.empty((values.shape[0], size, values.shape[2]))
    for k, c in np.ndindex(values.shape[0], values.shape[2]):
        means[k, :, c] = np.bincount(group, weights=values[k, :, c], minlength=size) / count
    return means
