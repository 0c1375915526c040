"""A strategy at work on candidates: their scores, and a choice of single ones."""

import numpy as np

from cryoal.acquisition.checks import FloatArray, IndexArray, checked_vector
from cryoal.acquisition.selectors import constrained_batch
from cryoal.acquisition.spatial import Spacing
from cryoal.acquisition.strategies import Strategy
from cryoal.data.candidates import CandidatePool
from cryoal.errors import NoCandidatesError, OptionError


def score_candidates(pool: CandidatePool, strategy: Strategy, rng: np.random.Generator) -> FloatArray:
    """Scores of the candidates by the strategy's acquisition function, shape (N,), checked.

    Raises
    ------
    NoCandidatesError
        The pool is empty.
    ArrayError
        It breaks the acquisition function's contract.
    OptionError
        The committee is too small for the strategy.
    """
    if not len(pool):
        raise no_candidates()
    members = pool.probability.shape[0]
    if members < strategy.min_members:
        raise OptionError(
            f"strategy: {strategy.name} measures disagreement and needs {strategy.min_members} members, the committee "
            f"has {members}; train with --members 5, or use entropy"
        )
    return checked_vector(strategy.acquisition(pool, rng), f"scores of {strategy.name}", length=len(pool))


def no_candidates() -> NoCandidatesError:
    """What to say where there is nothing to choose from."""
    return NoCandidatesError("pool: no candidates; score micrographs first, or use the strategy random on fields")


def choose_candidates(
    pool: CandidatePool,
    strategy: Strategy,
    n: int,
    rng: np.random.Generator,
    *,
    min_distance_px: float = 0.0,
    per_micrograph: int | None = None,
) -> IndexArray:
    """Choose candidates one by one, regardless of fields.

    Parameters
    ----------
    pool : CandidatePool
    strategy : Strategy
    n : int
        How many; fewer are returned only where distance and quota leave no more.
    rng : numpy.random.Generator
    min_distance_px : float
        Smallest distance within a micrograph.
    per_micrograph : int, optional
        Largest number from one micrograph.

    Returns
    -------
    int64 array
        Indices into the pool, in the order of choice.

    Raises
    ------
    ArrayError, OptionError
        As `score_candidates`; or n is below 1 or larger than the pool.
    """
    scores = score_candidates(pool, strategy, rng)
    if not 1 <= n <= len(pool):
        raise OptionError(f"n: {n} candidates asked for, the pool has {len(pool)}; ask for 1 to {len(pool)}")
    spacing = Spacing(pool.xy.astype(np.float64), pool.micrograph, min_distance_px, per_micrograph)
    return constrained_batch(scores, pool, strategy.selector, n, rng, spacing)
