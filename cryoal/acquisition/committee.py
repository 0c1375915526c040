"""Query by committee: how far the members disagree about a candidate.

P[k, n, c] is member k's probability of class c for candidate n; p̄ is the mean over the K members.
"""

import numpy as np
from numpy.typing import ArrayLike

from cryoal.acquisition.checks import FloatArray, IndexArray, member_blocks
from cryoal.acquisition.uncertainty import entropy_of_block

_SMALLEST = np.finfo(np.float64).tiny


def vote_entropy(probability: ArrayLike) -> FloatArray:
    """Entropy of the members' votes, −Σ_c (V_c/K) ln(V_c/K), where V_c members find class c most probable.

    Parameters
    ----------
    probability : array, shape (K, N, C)
        Each member's class probabilities; a member's tie goes to the lowest class.

    Returns
    -------
    array, shape (N,)
        From 0 to min(ln K, ln C), in nats; not divided by its maximum.

    Raises
    ------
    ArrayError
        `probability` breaks the contract of `cryoal.acquisition.checks.member_blocks`.

    References
    ----------
    Dagan & Engelson 1995; Engelson & Dagan 1996.
    """
    scores = [entropy_of_block(_votes(block) / block.shape[1]) for _, block in member_blocks(probability)]
    return np.concatenate(scores)


def consensus_entropy(probability: ArrayLike) -> FloatArray:
    """Entropy of the committee's mean, H[p̄], in nats; the soft vote entropy.

    Parameters, returns (0 to ln C) and errors as for `vote_entropy`.

    References
    ----------
    Settles 2009, section 3.2.
    """
    return np.concatenate([entropy_of_block(block.mean(axis=1)) for _, block in member_blocks(probability)])


def consensus_kl(probability: ArrayLike) -> FloatArray:
    """Mean Kullback-Leibler divergence of the members from their consensus, (1/K) Σ_k KL(p_k ‖ p̄), in nats.

    The same number as BALD (`cryoal.acquisition.bayesian.mutual_information`). Parameters, returns
    (0 to min(ln K, ln C)) and errors as for `vote_entropy`.

    References
    ----------
    McCallum & Nigam 1998.
    """
    return np.concatenate([_kl_of_block(block) for _, block in member_blocks(probability)])


def variation_ratio(probability: ArrayLike) -> FloatArray:
    """Share of the members that vote against the majority, 1 − max_c V_c / K.

    Parameters, returns (0 to 1 − 1/min(K, C)) and errors as for `vote_entropy`.

    References
    ----------
    Freeman 1965; Beluch et al. 2018.
    """
    scores = [1.0 - _votes(block).max(axis=0) / block.shape[1] for _, block in member_blocks(probability)]
    return np.concatenate(scores)


def _votes(block: FloatArray) -> IndexArray:
    """How many members find each class most probable, shape (C, n); ties go to the lowest class."""
    if block.shape[0] == 2:
        second = (block[1] > block[0]).sum(axis=0)
        return np.stack([block.shape[1] - second, second])
    winner = block.argmax(axis=0)
    return np.stack([(winner == c).sum(axis=0) for c in range(block.shape[0])])


def _kl_of_block(block: FloatArray) -> FloatArray:
    mean = block.mean(axis=1)
    ratio = np.log(np.maximum(block, _SMALLEST))
    ratio -= np.log(np.maximum(mean, _SMALLEST))[:, np.newaxis]
    ratio *= block
    divergence: FloatArray = ratio.sum(axis=(0, 1)) / block.shape[1]
    return np.maximum(divergence, 0.0, out=divergence)
