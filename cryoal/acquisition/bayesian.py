"""Bayesian acquisition: what an answer would tell about the model (BALD) or about the predictions (EPIG).

The members are samples of the posterior: an ensemble, or MC dropout with one mask a member for all
candidates of the round.
"""

import numpy as np
from numpy.typing import ArrayLike

from cryoal.acquisition.checks import FloatArray, checked_probabilities, member_blocks
from cryoal.acquisition.uncertainty import entropy_of_block
from cryoal.errors import ArrayError

_SMALLEST = np.finfo(np.float64).tiny
_JOINT_VALUES = 2**18


def mutual_information(probability: ArrayLike) -> FloatArray:
    """BALD, the mutual information of label and model: H[p̄] − (1/K) Σ_k H[p_k], in nats.

    Parameters
    ----------
    probability : array, shape (K, N, C)
        Each member's class probabilities.

    Returns
    -------
    array, shape (N,)
        From 0 to min(ln K, ln C); rounding below zero is returned as 0. One member gives 0.

    Raises
    ------
    ArrayError
        `probability` breaks the contract of `cryoal.acquisition.checks.member_blocks`; a single sigmoid
        column is such a break.

    References
    ----------
    Houlsby et al. 2011; Gal, Islam & Ghahramani 2017; as a Jensen-Shannon divergence, Lin 1991.
    """
    return np.concatenate([_bald_of_block(block) for _, block in member_blocks(probability)])


def epig(probability: ArrayLike, target_probability: ArrayLike) -> FloatArray:
    """EPIG, the mean information that a candidate's label holds about the labels of target positions.

    EPIG(x) = (1/T) Σ_x* I(y; y* | x, x*), with the joint p(y, y*) = (1/K) Σ_k p_k(y|x) p_k(y*|x*).
    Time and logarithms grow as N·T·C²; memory does not.

    Parameters
    ----------
    probability : array, shape (K, N, C)
        Each member's class probabilities of the candidates.
    target_probability : array, shape (K, T, C*)
        The same members' probabilities of positions drawn from where predictions will matter.

    Returns
    -------
    array, shape (N,)
        Nats, at least 0.

    Raises
    ------
    ArrayError
        An array breaks the contract of `member_blocks`, or the two have different numbers of members.

    References
    ----------
    Bickford Smith et al. 2023 (AISTATS).
    """
    targets = checked_probabilities(target_probability)
    K, T, C_target = targets.shape
    flat = targets.reshape(K, T * C_target) / K
    entropy_target = entropy_of_block(targets.mean(axis=0).T).mean()
    scores = []
    for _, block in member_blocks(probability):
        if block.shape[1] != K:
            raise ArrayError(f"target_probability: {K} members, the candidates have {block.shape[1]}; use the same")
        joint = _mean_joint_entropy(block, flat) / T
        information = entropy_of_block(block.mean(axis=1)) + entropy_target - joint
        scores.append(np.maximum(information, 0.0))
    return np.concatenate(scores)


def _mean_joint_entropy(block: FloatArray, flat: FloatArray) -> FloatArray:
    """Σ over the targets of H[y, y*] for each candidate of a block (C, K, n); flat is (K, T·C*) / K."""
    n = block.shape[2]
    total = np.zeros(n)
    step = max(1, _JOINT_VALUES // flat.shape[1])
    for start in range(0, n, step):
        part = slice(start, start + step)
        for of_class in block[:, :, part]:
            joint = of_class.T @ flat
            logs = np.log(np.maximum(joint, _SMALLEST))
            total[part] -= np.einsum("ij,ij->i", joint, logs)
    return total


def _bald_of_block(block: FloatArray) -> FloatArray:
    information: FloatArray = entropy_of_block(block.mean(axis=1))
    information -= entropy_of_block(block).mean(axis=0)
    return np.maximum(information, 0.0, out=information)
