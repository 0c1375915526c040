"""Whether probabilities mean what they say: reliability diagram, ECE, Brier score, log likelihood."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cryoal.errors import ArrayError

_CLIP = 1e-12


@dataclass(frozen=True, slots=True)
class ReliabilityDiagram:
    """Predicted probability against observed frequency, by bin.

    Attributes
    ----------
    edges : float64 array, shape (B + 1,)
        Bins are closed on the right; p = 0 belongs to the first.
    count : int64 array, shape (B,)
    mean_probability, frequency : float64 array, shape (B,)
        NaN in empty bins.
    """

    edges: NDArray[np.float64]
    count: NDArray[np.int64]
    mean_probability: NDArray[np.float64]
    frequency: NDArray[np.float64]


def reliability_diagram(probability: ArrayLike, y: ArrayLike, n_bins: int = 15) -> ReliabilityDiagram:
    """Mean probability and share of positives in equal bins of the positive class's probability.

    Parameters
    ----------
    probability : array, shape (N,)
        Probability of the positive class.
    y : array, shape (N,)
        1 for positive, 0 for negative.
    n_bins : int

    Returns
    -------
    ReliabilityDiagram

    Raises
    ------
    ArrayError
        No values, lengths differ, a probability outside [0, 1], a label other than 0 and 1, or no bin.

    References
    ----------
    Guo et al. 2017 for the binning.
    """
    p, label = _checked(probability, y)
    if n_bins < 1:
        raise ArrayError(f"n_bins: {n_bins}, expected at least 1")
    edges = np.arange(n_bins + 1) / n_bins
    bins = np.searchsorted(edges[1:-1], p, side="left")
    count = np.bincount(bins, minlength=n_bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(bins, weights=p, minlength=n_bins) / count
        frequency = np.bincount(bins, weights=label, minlength=n_bins) / count
    return ReliabilityDiagram(edges, count, mean, frequency)


def expected_calibration_error(probability: ArrayLike, y: ArrayLike, n_bins: int = 15) -> float:
    """Expected calibration error of the positive class, Σ_b (n_b/N) |mean p − mean y|.

    Parameters and errors as for `reliability_diagram`; from 0 (calibrated) to 1.

    References
    ----------
    Naeini, Cooper & Hauskrecht 2015; Guo et al. 2017.
    """
    diagram = reliability_diagram(probability, y, n_bins)
    gap = np.abs(diagram.mean_probability - diagram.frequency)
    return float(np.nansum(gap * diagram.count) / diagram.count.sum())


def brier_score(probability: ArrayLike, y: ArrayLike) -> float:
    """Mean squared error of the probabilities, mean (p − y)²; errors as for `reliability_diagram`.

    References
    ----------
    Brier 1950.
    """
    p, label = _checked(probability, y)
    return float(np.mean((p - label) ** 2))


def negative_log_likelihood(probability: ArrayLike, y: ArrayLike) -> float:
    """−mean[y ln p + (1 − y) ln(1 − p)] in nats, with p clipped to [1e-12, 1 − 1e-12]; errors as before."""
    p, label = _checked(probability, y)
    clipped = np.clip(p, _CLIP, 1.0 - _CLIP)
    return float(-np.mean(label * np.log(clipped) + (1.0 - label) * np.log1p(-clipped)))


def _checked(probability: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    p, label = np.asarray(probability, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if p.ndim != 1 or p.shape != label.shape or not p.size:
        raise ArrayError(f"probability: shape {p.shape} with labels of shape {label.shape}, expected one for each")
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise ArrayError("probability: found values outside 0 to 1 or not finite, expected probabilities")
    if not np.isin(label, (0.0, 1.0)).all():
        raise ArrayError("y: found labels other than 0 and 1, expected 1 for positive and 0 for negative")
    return p, label
