"""What a learning curve says: area under it, cost to reach a target, savings against a reference."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import trapezoid

from cryoal.errors import ArrayError


def area_under_learning_curve(cost: ArrayLike, metric: ArrayLike) -> float:
    """Mean height of a learning curve: its trapezoid area over the cost, divided by the span of the cost.

    Parameters
    ----------
    cost : array, shape (R,)
        Labels or expert seconds after each round, ascending.
    metric : array, shape (R,)
        The metric after each round.

    Raises
    ------
    ArrayError
        Fewer than two rounds, lengths differ, values are not finite, or the cost does not ascend.
    """
    x, y = _checked(cost, metric)
    if x.size < 2:
        raise ArrayError(f"cost: {x.size} rounds, expected at least two")
    return float(trapezoid(y, x) / (x[-1] - x[0]))


def cost_to_target(cost: ArrayLike, metric: ArrayLike, target: float) -> float | None:
    """First cost at which the linearly interpolated curve reaches the target; None if it never does.

    Parameters and errors as for `area_under_learning_curve`, but one round is enough.

    References
    ----------
    Reitmaier & Sick 2013 (data utilisation rate).
    """
    x, y = _checked(cost, metric)
    if not np.isfinite(target):
        raise ArrayError(f"target: {target}, expected a finite number")
    reached = np.flatnonzero(y >= target)
    if not reached.size:
        return None
    i = int(reached[0])
    if i == 0 or y[i] == target:
        return float(x[i])
    return float(x[i - 1] + (x[i] - x[i - 1]) * (target - y[i - 1]) / (y[i] - y[i - 1]))


def savings(cost: float | None, reference_cost: float | None) -> float | None:
    """Share of the reference's cost that is saved, 1 − cost/reference; None where either never reached the target.

    Raises
    ------
    ArrayError
        The reference's cost is not above zero.
    """
    if cost is None or reference_cost is None:
        return None
    if not reference_cost > 0:
        raise ArrayError(f"reference_cost: {reference_cost}, expected a cost above 0")
    return 1.0 - cost / reference_cost


def _checked(cost: ArrayLike, metric: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(cost, dtype=np.float64), np.asarray(metric, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or not x.size:
        raise ArrayError(f"cost: shape {x.shape} with metric of shape {y.shape}, expected one of each a round")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ArrayError("cost, metric: expected finite numbers")
    if not (np.diff(x) > 0).all():
        raise ArrayError("cost: expected strictly ascending values; sort the rounds")
    return x, y
