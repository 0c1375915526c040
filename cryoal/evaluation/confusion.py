"""How classes are mistaken for each other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cryoal.errors import ArrayError


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of true against predicted classes.

    Attributes
    ----------
    numbers : tuple of int
        The classes, ascending.
    counts : int64 array, shape (C, C)
        Row: true class, column: predicted class.
    """

    numbers: tuple[int, ...]
    counts: NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        """Share of right predictions; NaN of none."""
        total = int(self.counts.sum())
        return float(np.trace(self.counts) / total) if total else float("nan")

    @property
    def balanced_accuracy(self) -> float:
        """Mean over the true classes of the share of right predictions; chance is one over their number."""
        rows = self.counts.sum(axis=1)
        there = rows > 0
        return float((np.diag(self.counts)[there] / rows[there]).mean()) if there.any() else float("nan")


def confusion(truth: ArrayLike, predicted: ArrayLike, numbers: tuple[int, ...] | None = None) -> Confusion:
    """Count how often each class is called each.

    Parameters
    ----------
    truth, predicted : int array, shape (N,)
    numbers : tuple of int, optional
        The classes; all that occur by default.

    Raises
    ------
    ArrayError
        The lengths differ, or a class is not among the numbers.
    """
    t, p = (np.asarray(values, dtype=np.int64).reshape(-1) for values in (truth, predicted))
    if t.size != p.size:
        raise ArrayError(f"confusion: {t.size} true and {p.size} predicted classes; give one for each")
    known = np.unique(np.concatenate([t, p])) if numbers is None else np.array(sorted(numbers), dtype=np.int64)
    strangers = np.setdiff1d(np.concatenate([t, p]), known)
    if strangers.size:
        raise ArrayError(f"confusion: class {strangers[0]} is not among {known.tolist()}")
    counts = np.zeros((known.size, known.size), dtype=np.int64)
    np.add.at(counts, (np.searchsorted(known, t), np.searchsorted(known, p)), 1)
    return Confusion(tuple(known.tolist()), counts)
