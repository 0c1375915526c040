"""Batches sampled by score: power, softmax and softrank acquisition."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from cryoal.acquisition.checks import FloatArray, IndexArray, checked_count, checked_vector
from cryoal.errors import ArrayError


class Noise(StrEnum):
    """What the Gumbel noise is added to."""

    POWER = "power"  # ln s
    SOFTMAX = "softmax"  # s
    SOFTRANK = "softrank"  # −ln rank


@dataclass(frozen=True, slots=True)
class PerturbedBatch:
    """The best items after noise, and every item's perturbed score.

    Attributes
    ----------
    indices : int64 array, shape (B,)
        Best first.
    perturbed : float64 array, shape (N,)
    """

    indices: IndexArray
    perturbed: FloatArray


def stochastic_batch(scores: ArrayLike, gumbel: ArrayLike, beta: float, n: int, noise: str) -> PerturbedBatch:
    """The top `n` after Gumbel noise, which is sampling without replacement by score.

    Power ln s_i + g_i/β, softmax s_i + g_i/β, softrank −ln r_i + g_i/β with r_i the rank of s_i from 1.

    Parameters
    ----------
    scores : array, shape (N,)
        At least 0. A score of 0 under power is taken last, lowest index first.
    gumbel : array, shape (N,)
        Independent standard Gumbel values, from `rng.gumbel(size=N)`.
    beta : float
        Coldness above 0; towards infinity it becomes the plain top n.
    n : int
        How many to choose; where fewer are there, all of them.
    noise : {"power", "softmax", "softrank"}

    Returns
    -------
    PerturbedBatch
        Ties go to the lowest index.

    Raises
    ------
    ArrayError
        Values not finite, lengths differ, a score below 0, β not above 0, n below 1, or an unknown noise.

    References
    ----------
    Kirsch et al. 2023 (TMLR, arXiv 2106.12059).
    """
    s = checked_vector(scores, "scores")
    g = checked_vector(gumbel, "gumbel", length=s.size)
    if not s.size or (s < 0.0).any():
        raise ArrayError("scores: expected at least one value, none below 0")
    if not (np.isfinite(beta) and beta > 0.0):
        raise ArrayError(f"beta: {beta}, expected a number above 0")
    perturbed = _base(s, noise) + g / beta
    return PerturbedBatch(top(perturbed, checked_count(n)), perturbed)


def top(scores: FloatArray, n: int) -> IndexArray:
    """The `n` highest scores, best first; ties go to the lowest index."""
    if n >= scores.size:
        return np.argsort(-scores, kind="stable")
    bar = -np.partition(-scores, n - 1)[n - 1]
    eligible = np.flatnonzero(scores >= bar)
    return eligible[np.argsort(-scores[eligible], kind="stable")][:n]


def _base(s: FloatArray, noise: str) -> FloatArray:
    if noise == Noise.SOFTMAX:
        return s
    if noise == Noise.POWER:
        return np.log(s, out=np.full(s.size, -np.inf), where=s > 0.0)
    if noise == Noise.SOFTRANK:
        log_rank = np.empty(s.size)
        log_rank[np.argsort(-s, kind="stable")] = np.log(np.arange(1, s.size + 1))
        return -log_rank
    raise ArrayError(f"noise: {noise!r}, expected one of {', '.join(Noise)}")
