"""Intervals and tests for a handful of paired seeds."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from cryoal.errors import ArrayError

_EXACT_UP_TO_PAIRS = 16
_RESAMPLES = 9_999


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion counted on a random subset.

    Raises
    ------
    ArrayError
        No trial, or successes outside 0 to `trials`.

    References
    ----------
    Wilson 1927.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ArrayError(f"successes: {successes} of {trials} trials, expected 0 to trials, and at least one trial")
    interval = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def holm_adjust(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's adjusted p values in input order, p_(i) adj = max_{j≤i} min(1, (m − j + 1) p_(j)).

    Raises
    ------
    ArrayError
        Empty, not one axis, or a value outside [0, 1].

    References
    ----------
    Holm 1979.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not p.size or not ((p >= 0.0) & (p <= 1.0)).all():
        raise ArrayError(f"p_values: shape {p.shape}, expected at least one number, all from 0 to 1")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, np.arange(p.size, 0, -1) * p[order]))
    return adjusted


def paired_sign_flip_test(a: ArrayLike, b: ArrayLike, rng: np.random.Generator | None = None) -> float:
    """Two-sided p value of a paired permutation test on the mean difference of `a` and `b`.

    All 2^n sign patterns are tried up to 16 pairs, so the smallest p value is 2/2^n; with more pairs 9,999
    random patterns are drawn.

    Parameters
    ----------
    a, b : array, shape (n,)
        One value a seed, paired.
    rng : numpy.random.Generator, optional
        Needed with more than 16 pairs.

    Raises
    ------
    ArrayError
        Lengths differ, fewer than two pairs, values not finite, or no generator where one is needed.

    References
    ----------
    Fisher 1935, The Design of Experiments, section 21.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or x.size < 2:
        raise ArrayError(f"a, b: shapes {x.shape} and {y.shape}, expected at least two pairs")
    difference = x - y
    if not np.isfinite(difference).all():
        raise ArrayError("a, b: expected finite numbers")
    n = difference.size
    if n <= _EXACT_UP_TO_PAIRS:
        signs = 1.0 - 2.0 * ((np.arange(2**n)[:, np.newaxis] >> np.arange(n)) & 1)
    elif rng is not None:
        signs = np.vstack([np.ones(n), rng.choice((-1.0, 1.0), (_RESAMPLES, n))])
    else:
        raise ArrayError(f"rng: {n} pairs are too many to try all signs, give a random generator")
    flipped = np.abs(signs @ difference)
    # Patterns that tie in exact arithmetic must not be parted by rounding.
    return float(np.mean(flipped >= flipped[0] * (1.0 - 1e-12)))


def bootstrap_interval(
    values: ArrayLike,
    rng: np.random.Generator,
    statistic: Callable[..., NDArray[np.float64]] = np.mean,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic of independent values.

    Parameters
    ----------
    values : array, shape (n,)
    rng : numpy.random.Generator
    statistic : callable
        Takes the values and `axis`.
    confidence : float

    Raises
    ------
    ArrayError
        Fewer than two values, or values not finite.

    References
    ----------
    Efron 1979.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or x.size < 2 or not np.isfinite(x).all():
        raise ArrayError(f"values: shape {x.shape}, expected at least two finite numbers")
    resampled = statistic(x[rng.integers(x.size, size=(_RESAMPLES, x.size))], axis=1)
    low, high = np.quantile(resampled, (0.5 - confidence / 2, 0.5 + confidence / 2))
    return float(low), float(high)
