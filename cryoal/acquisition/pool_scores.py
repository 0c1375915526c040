"""Acquisition functions of the seam: a candidate pool to scores, higher = ask first."""
# ruff: noqa: ARG001  every one has the seam's signature

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cryoal.acquisition.bayesian import epig, mutual_information
from cryoal.acquisition.checks import FloatArray, member_blocks
from cryoal.acquisition.committee import consensus_entropy
from cryoal.acquisition.model_change import gradient_length_softmax
from cryoal.data.candidates import CandidatePool

AcquisitionFunction = Callable[[CandidatePool, np.random.Generator], FloatArray]
"""(pool, rng) -> scores (N,), higher = ask first."""

_EPIG_TARGETS = 32


def score_constant(pool: CandidatePool, rng: np.random.Generator) -> FloatArray:
    """Zero for every candidate: the selector decides alone."""
    return np.zeros(len(pool))


def score_foreground(pool: CandidatePool, rng: np.random.Generator) -> FloatArray:
    """The consensus probability of being a particle of any class, 1 − p̄₀ − Σ p̄ of junk."""
    others = pool.background_classes
    means = [block[others].mean(axis=1).sum(axis=0) for _, block in member_blocks(pool.probability)]
    return 1.0 - np.concatenate(means)


def of_committee(function: Callable[[NDArray[np.floating]], FloatArray]) -> AcquisitionFunction:
    """Make a function of member probabilities, shape (K, N, C), an acquisition function."""

    def score(pool: CandidatePool, rng: np.random.Generator) -> FloatArray:
        return function(pool.probability)

    return score


def of_consensus(function: Callable[[NDArray[np.floating]], FloatArray]) -> AcquisitionFunction:
    """Make a function of class probabilities, shape (N, C), an acquisition function of the consensus."""

    def score(pool: CandidatePool, rng: np.random.Generator) -> FloatArray:
        return function(consensus(pool))

    return score


def score_epig(pool: CandidatePool, rng: np.random.Generator) -> FloatArray:
    """EPIG towards 32 candidates drawn at random."""
    targets = rng.choice(len(pool), min(_EPIG_TARGETS, len(pool)), replace=False)
    return epig(pool.probability, pool.probability[:, targets])


def score_gradient_length(pool: CandidatePool, rng: np.random.Generator) -> FloatArray:
    """Expected gradient length of the last layer under the consensus."""
    return gradient_length_softmax(consensus(pool), pool.embedding)


def consensus(pool: CandidatePool) -> FloatArray:
    """The members' mean, shape (N, C), in double precision so that it still sums to one."""
    mean: FloatArray = pool.probability.mean(axis=0, dtype=np.float64)
    return mean


score_entropy = of_committee(consensus_entropy)
score_bald = of_committee(mutual_information)
