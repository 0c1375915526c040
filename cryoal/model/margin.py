"""How near to a micrograph's edge the expert marks particles: what is thought beforehand, and what labels say of it."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

FloatArray = NDArray[np.float64]

STEP_DIAMETERS = 0.05
_SHARE_WITH_MARGIN = 0.5
WIDEST_DIAMETERS = 1.25
"""Half a box of 2.5 diameters: whose box is cut is often not marked, for it cannot be extracted."""
_MARGIN_LOGIT = 5.0
"""What a margin takes off the log-odds of candidates in it."""
_SUREST_LOGIT = 0.85
"""A candidate that is no particle may be none for another reason, however sure the committee is."""

_OPEN_DIAMETERS = 0.08
"""Before any label the sum of the cells' variances, times their width, is 0.21 diameters."""

BELIEVED = tuple(
    float(_SHARE_WITH_MARGIN * (1 - cell * STEP_DIAMETERS / WIDEST_DIAMETERS))
    for cell in range(round(WIDEST_DIAMETERS / STEP_DIAMETERS))
)
"""Probability that nothing is marked at a distance from the edge, one a cell of 0.05 diameters, before any label.

A margin is as likely as none, and as likely to have any width up to 1.25 diameters.
"""


def unmarked_at(edge_diameters: ArrayLike, unmarked: tuple[float, ...]) -> FloatArray:
    """Probability that nothing is marked at distances from the edge; 0 beyond the cells."""
    cell = np.minimum(np.asarray(edge_diameters) / STEP_DIAMETERS, len(unmarked)).astype(np.int64)
    at: FloatArray = np.array([*unmarked, 0.0])[np.maximum(cell, 0)]
    return at


def marked_probability(linear: FloatArray, edge_diameters: ArrayLike, unmarked: tuple[float, ...]) -> FloatArray:
    """Probabilities of log-odds where a margin is thought possible."""
    in_margin = unmarked_at(edge_diameters, unmarked)
    probability: FloatArray = (1 - in_margin) * expit(linear) + in_margin * expit(linear - _MARGIN_LOGIT)
    return probability


def moved_margin(
    unmarked: tuple[float, ...], linear: FloatArray, label: FloatArray, edge_diameters: FloatArray
) -> tuple[float, ...]:
    """What is thought of the margin after labels, by Bayes' rule over its widths.

    Parameters
    ----------
    unmarked : tuple of float
        What was thought before.
    linear : array, shape (N,)
        Log-odds of candidates were there no margin.
    label : array, shape (N,)
        1 for particle, 0 for background.
    edge_diameters : array, shape (N,)
    """
    if not unmarked:
        return unmarked
    prior = -np.diff([1.0, *unmarked, 0.0])  # of no margin, then of one that ends with each cell
    z = np.minimum(linear, _SUREST_LOGIT)
    gain = np.logaddexp(0.0, z) - np.logaddexp(0.0, z - _MARGIN_LOGIT) - _MARGIN_LOGIT * label
    cell = np.clip(edge_diameters / STEP_DIAMETERS, 0, len(unmarked)).astype(np.int64)
    of_cell = np.bincount(cell, gain, len(unmarked) + 1)[: len(unmarked)]
    evidence = np.concatenate([[0.0], np.cumsum(of_cell)])
    weight = prior * np.exp(evidence - evidence.max())
    wider = np.cumsum(weight[::-1])[::-1] / weight.sum()
    return tuple(float(one) for one in np.clip(wider[1:], 0.0, 1.0).round(6))


def margin_diameters(unmarked: tuple[float, ...]) -> float:
    """How far from the edge it is likelier than not that nothing is marked."""
    return round(STEP_DIAMETERS * sum(one > 0.5 for one in unmarked), 3)


def is_open(unmarked: tuple[float, ...]) -> bool:
    """Whether labels near an edge would still tell much: over more than some width both cases are possible."""
    doubt = np.array(unmarked)
    return bool(STEP_DIAMETERS * float(np.sum(doubt * (1 - doubt))) > _OPEN_DIAMETERS)


def unmarked_within(margin: float) -> tuple[float, ...]:
    """A margin of this width, in diameters, for certain."""
    return (1.0,) * round(margin / STEP_DIAMETERS)
