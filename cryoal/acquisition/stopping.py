"""Whether another round is likely to change anything; never decided on queried labels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from cryoal.acquisition.checks import checked_count, checked_indices
from cryoal.errors import ArrayError

WINDOW = 3
"""How many successive agreements decide."""


def cohen_kappa(a: ArrayLike, b: ArrayLike) -> float | None:
    """Cohen's kappa of two predictions on a fixed stop set, (p_o − p_e) / (1 − p_e).

    Parameters
    ----------
    a, b : int array, shape (N,)
        Predicted classes, from 0, of two successive rounds on the same positions.

    Returns
    -------
    float or None
        From −1 to 1. None where both always say the same one class: chance explains all agreement.

    Raises
    ------
    ArrayError
        Empty, not integers from 0, or lengths differ.

    References
    ----------
    Cohen 1960; Bloodgood & Vijay-Shanker 2009.
    """
    first, second = (checked_indices(x, np.iinfo(np.int64).max, "classes") for x in (a, b))
    if first.size != second.size or not first.size:
        raise ArrayError(f"classes: {first.size} and {second.size} predictions, expected as many in both, at least 1")
    n_classes = int(max(first.max(), second.max())) + 1
    shares = [np.bincount(x, minlength=n_classes) / x.size for x in (first, second)]
    by_chance = float(shares[0] @ shares[1])
    if by_chance >= 1.0:
        return None
    return (float(np.mean(first == second)) - by_chance) / (1.0 - by_chance)


def stabilised_round(kappas: Sequence[float | None], window: int = WINDOW, threshold: float = 0.99) -> int | None:
    """First round at which predictions have stabilised: the mean of the last kappas reaches the threshold.

    Parameters
    ----------
    kappas : sequence of float or None
        `cohen_kappa` of each round with the one before. None never counts as agreement and never raises.
    window : int
        How many kappas are averaged.
    threshold : float

    Returns
    -------
    int or None
        Index into `kappas`; None while predictions still change.

    Raises
    ------
    ArrayError
        A kappa is not finite, or `window` below 1.

    References
    ----------
    Bloodgood & Vijay-Shanker 2009.
    """
    width = checked_count(window, "window")
    if any(kappa is not None and not np.isfinite(kappa) for kappa in kappas):
        raise ArrayError("kappas: found NaN or infinity, expected numbers, or None for a degenerate one")
    for last in range(width - 1, len(kappas)):
        recent = [kappa for kappa in kappas[last - width + 1 : last + 1] if kappa is not None]
        # Rounding must not keep a mean of exactly the threshold below it.
        if len(recent) == width and sum(recent) / width >= threshold - 1e-12:
            return last
    return None
