"""BatchBALD: a batch that is informative as a whole."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cryoal.acquisition.bayesian import mutual_information
from cryoal.acquisition.checks import FloatArray, IndexArray, checked_count, checked_probabilities
from cryoal.acquisition.stochastic import top
from cryoal.acquisition.uncertainty import entropy_of_block

_TIE = 1e-12
_AT_A_TIME = 64  # candidates scored together
_EXACT_OUTCOMES = 4096
_MERGED_OUTCOMES = 512
_SATURATED = 1e-6  # nats; a smaller gain over merged outcomes ranks nothing
_SMALLEST = np.finfo(np.float64).tiny


@dataclass(frozen=True, slots=True)
class JointBatch:
    """A batch and the joint information of its labels and the model.

    Attributes
    ----------
    indices : int64 array, shape (B,)
        In the order of choice.
    scores : float64 array, shape (B,)
        I(y_1..y_b; θ) after each choice, in nats.
    """

    indices: IndexArray
    scores: FloatArray


def batch_bald(probability: ArrayLike, n: int, *, max_candidates: int = 5_000) -> JointBatch:
    """Greedy choice of the batch with the largest joint information I(y_1..y_b; θ).

    I = H[(1/K) Σ_k Π_i p_k(y_i|x_i)] − Σ_i (1/K) Σ_k H[p_k(·|x_i)], written as a sum over picks of the
    information of the next label given the outcomes of the earlier ones. It never exceeds ln K: with five
    members some twenty labels say all there is, and later picks are almost ties. Duplicates may be right.

    Exact while the C^b joint outcomes number at most 4096 (a batch of 12 for two classes). Beyond, outcomes
    that leave nearly the same posterior over the members are merged to at most 512, which can only lose
    information: scores are then lower bounds. Where nothing is left to gain over merged outcomes, the rest is
    filled by single BALD score.

    Parameters
    ----------
    probability : array, shape (K, N, C)
        Each member's class probabilities. Member k must be the same function for every candidate (with MC
        dropout, one mask).
    n : int
        How many to choose; where fewer are there, all of them.
    max_candidates : int
        Only this many, the most informative ones alone, are considered (and never fewer than `n`).

    Returns
    -------
    JointBatch
        Scores within 1e-12 are ties and go to the lowest index.

    Raises
    ------
    ArrayError
        `probability` breaks the contract of `cryoal.acquisition.checks.member_blocks`, or a number is below 1.

    References
    ----------
    Kirsch, van Amersfoort & Gal 2019; lazy evaluation of submodular gains: Minoux 1978.
    """
    size = max(checked_count(n), checked_count(max_candidates, "max_candidates"))
    single = mutual_information(probability)
    considered = np.sort(top(single, size))
    P = checked_probabilities(np.asarray(probability)[:, considered])
    picks, scores = _greedy(P, single[considered], min(n, considered.size))
    return JointBatch(considered[picks], scores)


def _greedy(P: FloatArray, single: FloatArray, n: int) -> tuple[list[int], FloatArray]:
    """Picks and the joint information after each; a label only lowers others' gains, so old gains bound new ones."""
    K = P.shape[0]
    member_entropy = -np.einsum("knc,knc->kn", P, np.log(np.maximum(P, _SMALLEST)))
    bound, known, exact = single.copy(), 0.0, True
    posterior, mass = np.full((1, K), 1.0 / K), np.ones(1)
    picks: list[int] = []
    scores: list[float] = []
    while len(picks) < n:
        best = _most_informative(bound, P, member_entropy, posterior, mass)
        if not exact and bound[best] < _SATURATED:
            rest = top(np.where(np.isneginf(bound), -np.inf, single), n - len(picks))
            picks += rest.tolist()
            scores += [scores[-1]] * rest.size
            break
        picks.append(best)
        known += float(bound[best])
        scores.append(known)
        bound[best] = -np.inf
        posterior, mass = _condition(posterior, mass, P[:, best])
        if mass.size > _EXACT_OUTCOMES:
            exact = False
            posterior, mass = _merge(posterior, mass)
            known = float(np.log(K) - mass @ entropy_of_block(posterior.T))
    return picks, np.maximum.accumulate(scores)


def _most_informative(
    bound: FloatArray, P: FloatArray, member_entropy: FloatArray, posterior: FloatArray, mass: FloatArray
) -> int:
    """Index of the largest gain; `bound` holds upper bounds and is sharpened on the way."""
    sharp = np.zeros(bound.size, dtype=bool)
    best = 0.0
    while True:
        hopeful = np.flatnonzero(~sharp & (bound > max(best - _TIE, _TIE)))
        if not hopeful.size:
            break
        if hopeful.size > _AT_A_TIME:
            hopeful = hopeful[np.argpartition(-bound[hopeful], _AT_A_TIME)[:_AT_A_TIME]]
        gain = _gains(P[:, hopeful], member_entropy[:, hopeful], posterior, mass)
        bound[hopeful] = np.minimum(gain, bound[hopeful])
        sharp[hopeful] = True
        best = max(best, float(bound[hopeful].max()))
    return int(np.flatnonzero(bound >= best - _TIE)[0])


def _gains(P: FloatArray, member_entropy: FloatArray, posterior: FloatArray, mass: FloatArray) -> FloatArray:
    """I(y; θ | earlier labels) of candidates P, shape (K, n, C)."""
    K, n, C = P.shape
    predicted = posterior @ P.reshape(K, n * C)
    predicted *= np.log(np.maximum(predicted, _SMALLEST))
    entropy = -(mass @ predicted).reshape(n, C).sum(axis=1)
    gain: FloatArray = entropy - (mass @ posterior) @ member_entropy
    return np.maximum(gain, 0.0, out=gain)


def _condition(posterior: FloatArray, mass: FloatArray, p: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Outcomes with one more label, whose probabilities by member are p, shape (K, C)."""
    joint = (posterior[:, np.newaxis] * p.T[np.newaxis]).reshape(-1, p.shape[0])
    share = joint.sum(axis=1)
    new_mass = np.repeat(mass, p.shape[1]) * share
    alive = new_mass > 0.0
    return joint[alive] / share[alive, np.newaxis], new_mass[alive]


def _merge(posterior: FloatArray, mass: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Join outcomes whose posteriors share a cell of a grid in Hellinger distance, fine enough to be few."""
    root, cells = np.sqrt(posterior), 64
    while mass.size > _MERGED_OUTCOMES:
        _, group = np.unique(np.rint(root * cells).astype(np.int16), axis=0, return_inverse=True)
        if group.max() < _MERGED_OUTCOMES or cells == 1:
            merged: FloatArray = np.bincount(group, weights=mass).astype(np.float64)
            weighted = [np.bincount(group, weights=column * mass) / merged for column in posterior.T]
            return np.stack(weighted, axis=1), merged
        cells //= 2
    return posterior, mass
