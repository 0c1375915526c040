"""Precision and recall over all thresholds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cryoal.errors import ArrayError


@dataclass(frozen=True, slots=True)
class PrecisionRecallCurve:
    """Precision and recall of the picks at or above each threshold.

    Attributes
    ----------
    threshold : float64 array, shape (M,)
        The distinct scores, descending.
    precision, recall : float64 array, shape (M,)
    """

    threshold: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]

    @property
    def average_precision(self) -> float:
        """Area under the curve as a sum of steps, Σ (R_i − R_{i−1}) P_i; what was never found counts as lost."""
        return float(np.sum(np.diff(self.recall, prepend=0.0) * self.precision))

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of precision and recall at each threshold."""
        total = self.precision + self.recall
        return np.divide(2.0 * self.precision * self.recall, total, out=np.zeros_like(total), where=total > 0)

    @property
    def best_f1(self) -> tuple[float, float]:
        """Largest F1 and its threshold, the highest where several share it; (0, inf) where nothing was found."""
        f1 = self.f1
        if not f1.size or f1.max() == 0.0:
            return 0.0, float("inf")
        best = int(f1.argmax())
        return float(f1[best]), float(self.threshold[best])


def precision_recall_curve(scores: ArrayLike, correct: ArrayLike, n_truth: int) -> PrecisionRecallCurve:
    """Precision-recall curve of scored picks, from one micrograph or pooled over many.

    Parameters
    ----------
    scores : array, shape (N,)
        Figure of merit of each pick, higher is better.
    correct : bool array, shape (N,)
        Whether the pick found a true centre: `match(..., scores).correct`.
    n_truth : int
        How many true centres there are, found or not.

    Returns
    -------
    PrecisionRecallCurve
        Picks of equal score enter together, so that their order does not matter.

    Raises
    ------
    ArrayError
        Lengths differ, a score is not finite, or there are fewer true centres than correct picks, or none.
    """
    score, flag = np.asarray(scores, dtype=np.float64), np.asarray(correct, dtype=bool)
    if score.ndim != 1 or score.shape != flag.shape or not np.isfinite(score).all():
        raise ArrayError(f"scores: shape {score.shape} with {flag.shape} flags, expected one finite score for each")
    if n_truth < max(1, flag.sum()):
        raise ArrayError(f"n_truth: {n_truth}, expected at least 1 and no fewer than the {flag.sum()} correct picks")
    order = np.argsort(-score, kind="stable")
    descending = score[order]
    last = np.flatnonzero(np.diff(descending, append=-np.inf) != 0)
    found = np.cumsum(flag[order])[last]
    return PrecisionRecallCurve(descending[last], found / (last + 1), found / n_truth)
