"""From candidates to fields and micrographs: aggregated scores, the expert's seconds, choice within a budget."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from cryoal.acquisition.checks import FloatArray, IndexArray, checked_count, checked_indices, checked_vector
from cryoal.errors import ArrayError


class Aggregation(StrEnum):
    """How the scores u of the n candidates of a field or micrograph become one."""

    TOPK_MEAN = "topk_mean"  # mean of the k largest, or of all if there are fewer
    SUM = "sum"
    MEAN = "mean"
    MAX = "max"
    POWER_COUNT = "power_count"  # sum / n^γ


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a budget buys.

    Attributes
    ----------
    indices : int64 array, shape (B,)
        In the order of choice.
    total_cost : float
    """

    indices: IndexArray
    total_cost: float


def aggregate_scores(scores: ArrayLike, mode: str, k: int = 5, gamma: float = 0.5) -> float:
    """Score of one field or micrograph from the scores of its candidates; 0 where it has none.

    Candidates are scored first and aggregated then: the score of a mean map is something else.

    Parameters
    ----------
    scores : array, shape (n,)
    mode : {"topk_mean", "sum", "mean", "max", "power_count"}
        See `Aggregation`.
    k : int
        For ``topk_mean``: as many as the expert will be shown.
    gamma : float
        For ``power_count``: 0 is the sum, 1 the mean.

    Raises
    ------
    ArrayError
        A score is not finite, the mode is unknown, k below 1 or γ not finite.

    References
    ----------
    Brust, Käding & Denzler 2019; Roy, Unmesh & Namboodiri 2018.
    """
    values = checked_vector(scores, "scores")
    return float(aggregate_groups(values, np.zeros(values.size, dtype=np.int64), 1, mode, k, gamma)[0])


def aggregate_groups(
    scores: ArrayLike, group: ArrayLike, n_groups: int, mode: str, k: int = 5, gamma: float = 0.5
) -> FloatArray:
    """Scores of many fields or micrographs at once; see `aggregate_scores`.

    Parameters
    ----------
    scores : array, shape (N,)
    group : int array, shape (N,)
        Field or micrograph of each candidate, 0 to n_groups − 1.
    n_groups : int
    mode, k, gamma
        As for `aggregate_scores`.

    Returns
    -------
    array, shape (n_groups,)
        0 where a group has no candidates.
    """
    if mode not in list(Aggregation):
        raise ArrayError(f"mode: {mode!r}, expected one of {', '.join(Aggregation)}")
    values = checked_vector(scores, "scores")
    ids = checked_indices(group, n_groups, "group")
    if ids.size != values.size:
        raise ArrayError(f"group: {ids.size} values for {values.size} scores, expected one for each")
    if mode in (Aggregation.TOPK_MEAN, Aggregation.MAX):
        kept = best_of_groups(values, ids, checked_count(k, "k") if mode == Aggregation.TOPK_MEAN else 1)
        values, ids = values[kept], ids[kept]
    if not np.isfinite(gamma):
        raise ArrayError(f"gamma: {gamma}, expected a finite number")
    exponent = {Aggregation.SUM: 0.0, Aggregation.POWER_COUNT: gamma}.get(Aggregation(mode), 1.0)
    count = np.maximum(np.bincount(ids, minlength=n_groups), 1)
    total: FloatArray = np.bincount(ids, weights=values, minlength=n_groups) / count**exponent
    return total


def best_of_groups(scores: FloatArray, group: IndexArray, k: int) -> IndexArray:
    """Indices of the k highest scores of each group (all where there are fewer), sorted by group."""
    order = np.lexsort((-scores, group))
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    rank = np.arange(order.size) - np.repeat(starts, np.diff(starts, append=order.size))
    best: IndexArray = order[rank < k]
    return best


def annotation_seconds(
    n_verify: float, n_add: float, *, open_s: float = 5.0, verify_s: float = 1.5, add_s: float = 2.5
) -> float:
    """Expert seconds for a field or micrograph, open_s + n_verify·verify_s + n_add·add_s.

    Parameters
    ----------
    n_verify : float
        Proposals to accept or reject.
    n_add : float
        Missed particles to add (all of them where a micrograph is picked without proposals).
    open_s, verify_s, add_s : float
        Seconds to open it, for one answer, and for one added particle.

    Raises
    ------
    ArrayError
        A number is negative or not finite.

    References
    ----------
    Papadopoulos et al. 2016 and 2017, for the ratio of verifying to clicking.
    """
    numbers = checked_vector([n_verify, n_add, open_s, verify_s, add_s], "annotation cost")
    if (numbers < 0.0).any():
        raise ArrayError(f"annotation cost: {numbers.tolist()}, expected numbers of at least 0")
    return float(open_s + n_verify * verify_s + n_add * add_s)


def seconds_to_complete(particle_probability: FloatArray, micrograph: IndexArray, n_micrographs: int) -> FloatArray:
    """Expert seconds that completing each micrograph is expected to take, shape (n_micrographs,).

    What is more likely a particle than not is verified; of the rest Σ p are expected to be particles that are added.

    Parameters
    ----------
    particle_probability : array, shape (N,)
        The consensus of the candidates.
    micrograph : int array, shape (N,)
        Of each candidate, 0 to n_micrographs − 1.
    n_micrographs : int
    """
    shown = particle_probability >= 0.5
    verify = np.bincount(micrograph, weights=shown, minlength=n_micrographs)
    add = np.bincount(micrograph, weights=np.where(shown, 0.0, particle_probability), minlength=n_micrographs)
    return np.array([annotation_seconds(*numbers) for numbers in zip(verify, add, strict=True)])


def cost_aware_select(utility: ArrayLike, cost: ArrayLike, budget: float) -> Purchase:
    """Greedy choice by utility per cost, passing over what no longer fits the budget.

    Parameters
    ----------
    utility, cost : array, shape (N,)
        Costs, in expert seconds, are above 0.
    budget : float
        At least 0; never exceeded.

    Returns
    -------
    Purchase
        Of equal ratios the higher utility comes first, then the lowest index.

    Raises
    ------
    ArrayError
        Values not finite, lengths differ, a cost not above 0, or a negative budget.

    References
    ----------
    Settles, Craven & Friedland 2008; Tomanek & Hahn 2010.
    """
    u = checked_vector(utility, "utility")
    c = checked_vector(cost, "cost", length=u.size)
    if not u.size or (c <= 0.0).any():
        raise ArrayError("cost: expected at least one value, all above 0")
    if not (np.isfinite(budget) and budget >= 0.0):
        raise ArrayError(f"budget: {budget}, expected a number of at least 0")
    bought: list[int] = []
    total = 0.0
    for index in np.lexsort((-u, -u / c)):
        if total + c[index] <= budget:
            bought.append(int(index))
            total += float(c[index])
    return Purchase(np.array(bought, dtype=np.int64), total)
