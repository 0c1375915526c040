"""Precision, recall and F1 of a collection from some completely labelled fields of it, with intervals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from cryoal.errors import ArrayError


@dataclass(frozen=True, slots=True)
class Estimate:
    """A proportion and its interval; all NaN where nothing was counted.

    Attributes
    ----------
    value, low, high : float
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class FieldCounts:
    """What was counted in each of F fields drawn at random.

    Attributes
    ----------
    picks, correct : int64 array, shape (F,)
        Picks, and those of them that are particles.
    particles, found : int64 array, shape (F,)
        Particles, and those of them that were picked.
    """

    picks: NDArray[np.int64]
    correct: NDArray[np.int64]
    particles: NDArray[np.int64]
    found: NDArray[np.int64]

    @property
    def precision(self) -> Estimate:
        """Σ correct / Σ picks."""
        return field_ratio(self.correct, self.picks)

    @property
    def recall(self) -> Estimate:
        """Σ found / Σ particles."""
        return field_ratio(self.found, self.particles)

    @property
    def f1(self) -> Estimate:
        """Σ (correct + found) / Σ (picks + particles), the Dice form of F1."""
        return field_ratio((self.correct + self.found) / 2, (self.picks + self.particles) / 2)


def field_ratio(successes: ArrayLike, trials: ArrayLike, confidence: float = 0.95) -> Estimate:
    """A proportion counted in fields drawn at random, p = Σ s_i / Σ n_i, and its interval with fields as the units.

    What lies in one field is alike, so that n trials are worth fewer: n_eff = n / max(1, D), with the design effect
    D = (F/(F − 1)) Σ (s_i − p n_i)² / (n p (1 − p)). The interval is Wilson's of n_eff trials, with Student's quantile
    of F − 1 degrees of freedom. One field alone tells nothing of how fields differ: its interval is (0, 1).

    Parameters
    ----------
    successes, trials : array, shape (F,)
        0 ≤ successes ≤ trials; a field may have no trial.
    confidence : float

    Raises
    ------
    ArrayError
        Lengths differ, values not finite, or more successes than trials.

    References
    ----------
    Kish 1965, Survey Sampling; Korn & Graubard 1998 (Survey Methodology 24); Wilson 1927.
    """
    s, n = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    if s.ndim != 1 or s.shape != n.shape or not (np.isfinite(n).all() and ((s >= 0) & (s <= n)).all()):
        raise ArrayError(f"successes, trials: shapes {s.shape} and {n.shape}, expected 0 to trials for each field")
    total = float(n.sum())
    if not total > 0:
        return Estimate(float("nan"), float("nan"), float("nan"))
    p = float(s.sum()) / total
    counted = int((n > 0).sum())
    if counted < 2:
        return Estimate(p, 0.0, 1.0)
    between = counted / (counted - 1) * float(((s - p * n) ** 2).sum())
    effective = total / max(1.0, between / max(total * p * (1 - p), np.finfo(np.float64).tiny))
    z = float(stdtrit(counted - 1, 0.5 + confidence / 2))
    middle = (p + z**2 / (2 * effective)) / (1 + z**2 / effective)
    half = z * float(np.sqrt(p * (1 - p) / effective + z**2 / (4 * effective**2))) / (1 + z**2 / effective)
    return Estimate(p, max(middle - half, 0.0), min(middle + half, 1.0))


def f1_gain(before: FieldCounts, after: FieldCounts, confidence: float = 0.95) -> Estimate:
    """Difference of two F1 measured on the same fields, after less before, and its interval with fields as the units.

    The interval is Student's, of the linearised difference Σ_i d_i with d_i = (g_i − F1 t_i) / Σ t (g: correct and
    found, t: picks and particles), after less before.

    Raises
    ------
    ArrayError
        The numbers of fields differ, or are fewer than two.

    References
    ----------
    Woodruff 1971 (JASA 66), linearisation of ratios.
    """
    fields = len(before.picks)
    if fields != len(after.picks) or fields < 2:
        raise ArrayError(f"before, after: {fields} and {len(after.picks)} fields, expected the same two or more")
    (old, old_parts), (new, new_parts) = _linearised_f1(before), _linearised_f1(after)
    spread = float(np.sqrt(fields / (fields - 1) * ((new_parts - old_parts) ** 2).sum()))
    half = float(stdtrit(fields - 1, 0.5 + confidence / 2)) * spread
    return Estimate(new - old, new - old - half, new - old + half)


def _linearised_f1(counts: FieldCounts) -> tuple[float, NDArray[np.float64]]:
    """F1 and each field's share of its error."""
    good = (counts.correct + counts.found).astype(np.float64)
    total = (counts.picks + counts.particles).astype(np.float64)
    everything = max(float(total.sum()), 1.0)
    f1 = float(good.sum()) / everything
    return f1, (good - f1 * total) / everything
