"""Thresholds that calibrated probabilities recommend; no torch."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cryoal.errors import ArrayError, OptionError
from cryoal.model.scaling import checked_probabilities

FloatArray = NDArray[np.float64]


def threshold_for_precision(probability: ArrayLike, precision: float) -> float:
    """Lowest threshold t such that the mean probability of those at or above t is at least the precision.

    Parameters
    ----------
    probability : array, shape (N,)
        Calibrated probabilities of the candidates.
    precision : float
        Expected precision asked for, in (0, 1].

    Raises
    ------
    ArrayError
        No candidates, or values outside [0, 1].
    OptionError
        The precision is outside (0, 1], or above that of the most probable candidate.
    """
    thresholds, sums, counts = _descending(probability)
    if not 0.0 < precision <= 1.0:
        raise OptionError(f"precision: {precision}, expected a number above 0 and at most 1")
    reached = np.flatnonzero(sums / counts >= precision - 1e-12)
    if not reached.size:
        raise OptionError(
            f"precision: {precision} cannot be reached, the most probable candidate has {thresholds[0]:.3f}; "
            "ask for less, or label more"
        )
    return float(thresholds[reached[-1]])


def threshold_for_expected_f1(probability: ArrayLike) -> float:
    """Threshold t with the largest expected F1, 2 Σ_{p≥t} p / (n_{p≥t} + Σ p), the highest of equal ones.

    Parameters and errors as for `threshold_for_precision`.

    References
    ----------
    Lipton, Elkan & Naryanaswamy 2014.
    """
    thresholds, sums, counts = _descending(probability)
    return float(thresholds[int(np.argmax(2.0 * sums / (counts + sums[-1])))])


def _descending(probability: ArrayLike) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
    """Distinct probabilities from high to low, with the sum and number of those at or above each."""
    p = checked_probabilities(probability)
    if not p.size:
        raise ArrayError("probability: no candidates, no threshold can be chosen")
    ordered = np.sort(p)[::-1]
    last = np.flatnonzero(np.diff(ordered, append=-1.0) != 0.0)
    return ordered[last], np.cumsum(ordered)[last], last + 1
