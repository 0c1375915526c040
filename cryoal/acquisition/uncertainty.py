"""Uncertainty sampling: how undecided one set of class probabilities is."""

import numpy as np
from numpy.typing import ArrayLike

from cryoal.acquisition.checks import FloatArray, class_blocks
from cryoal.errors import ArrayError

_SMALLEST = np.finfo(np.float64).tiny


def predictive_entropy(probability: ArrayLike) -> FloatArray:
    """Shannon entropy of each candidate, H = −Σ_c p_c ln p_c in nats, with 0 ln 0 = 0.

    Parameters
    ----------
    probability : array, shape (N, C)
        Class probabilities; each row sums to one.

    Returns
    -------
    array, shape (N,)
        From 0 to ln C; higher = more uncertain.

    Raises
    ------
    ArrayError
        `probability` is empty, not finite, not normalised or has one class.

    References
    ----------
    Shannon 1948; Settles 2009 (Computer Sciences Technical Report 1648), section 3.1.
    """
    return np.concatenate([entropy_of_block(block) for _, block in class_blocks(probability)])


def least_confidence(probability: ArrayLike) -> FloatArray:
    """One minus the largest class probability, 1 − max_c p_c.

    Parameters, returns (0 to 1 − 1/C) and errors as for `predictive_entropy`.

    References
    ----------
    Lewis & Gale 1994; Culotta & McCallum 2005; Settles 2009.
    """
    scores = [np.maximum(1.0 - block.max(axis=0), 0.0) for _, block in class_blocks(probability)]
    return np.concatenate(scores)


def margin_uncertainty(probability: ArrayLike) -> FloatArray:
    """One minus the lead of the most probable class over the second, 1 − (p_(1) − p_(2)).

    Parameters, returns (0 to 1) and errors as for `predictive_entropy`.

    References
    ----------
    Scheffer, Decomain & Wrobel 2001; Settles 2009.
    """
    return np.concatenate([_margin_of_block(block) for _, block in class_blocks(probability)])


def expand_binary(probability: ArrayLike) -> FloatArray:
    """Give the column of a sigmoid its second class: p, shape (...,), to [1 − p, p], shape (..., 2).

    Raises
    ------
    ArrayError
        A value is not finite or lies outside [0, 1].
    """
    p = np.asarray(probability, dtype=np.float64)
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise ArrayError("probability: found values outside 0 to 1 or not finite, expected the output of a sigmoid")
    return np.stack([1.0 - p, p], axis=-1)


def entropy_of_block(block: FloatArray) -> FloatArray:
    """Entropy over the leading axis of non-negative probabilities, never below zero."""
    logs = np.log(np.maximum(block, _SMALLEST))
    logs *= block
    entropy: FloatArray = np.negative(logs.sum(axis=0))
    return np.maximum(entropy, 0.0, out=entropy)


def _margin_of_block(block: FloatArray) -> FloatArray:
    top = np.partition(block, block.shape[0] - 2, axis=0)[-2:] if block.shape[0] > 2 else block
    margin: FloatArray = 1.0 - np.abs(top[1] - top[0])
    return np.maximum(margin, 0.0, out=margin)
