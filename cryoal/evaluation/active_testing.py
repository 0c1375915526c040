"""Active testing: unbiased estimates from fields that were drawn with unequal, known probabilities."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cryoal.errors import ArrayError


def lure_weights(probability: ArrayLike, n_pool: int) -> NDArray[np.float64]:
    """Weights of M units drawn one after another without replacement, so that (1/M) Σ_m v_m L_m is unbiased.

    v_m = 1 + (N − M)/(N − m) · (1/((N − m + 1) q_m) − 1), with m from 1 and q_m the probability with which unit m was
    drawn from those left. Uniform draws, q_m = 1/(N − m + 1), have v_m = 1; so has a pool that is drawn to its end.

    Parameters
    ----------
    probability : array, shape (M,)
        q_m, in the order of the draws; each in (0, 1].
    n_pool : int
        N, units in the pool.

    Raises
    ------
    ArrayError
        No draw, more draws than units, or a probability outside (0, 1].

    References
    ----------
    Farquhar, Gal & Rainforth 2021 (ICLR), R_LURE; Kossen et al. 2021 (ICML), active testing.
    """
    q = np.asarray(probability, dtype=np.float64)
    if q.ndim != 1 or not 1 <= q.size <= n_pool or not ((q > 0.0) & (q <= 1.0)).all():
        raise ArrayError(f"probability: shape {q.shape}, expected 1 to {n_pool} numbers above 0 and at most 1")
    if q.size == n_pool:
        return np.ones(q.size)
    m = np.arange(1, q.size + 1)
    weights: NDArray[np.float64] = 1 + (n_pool - q.size) / (n_pool - m) * (1 / ((n_pool - m + 1) * q) - 1)
    return weights


def draw_unequal(weight: ArrayLike, n: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Draw units one after another without replacement in proportion to their weights, and the probability of each.

    Raises
    ------
    ArrayError
        A weight is not above 0, or fewer units than draws.
    """
    w = np.array(weight, dtype=np.float64)
    if w.ndim != 1 or not 1 <= n <= w.size or not (np.isfinite(w) & (w > 0)).all():
        raise ArrayError(f"weight: shape {w.shape} for {n} draws, expected as many finite numbers above 0, or more")
    drawn, probability = np.empty(n, np.int64), np.empty(n)
    for i in range(n):
        p = w / w.sum()
        drawn[i] = rng.choice(w.size, p=p)
        probability[i] = p[drawn[i]]
        w[drawn[i]] = 0.0
    return drawn, probability
