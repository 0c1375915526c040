"""Batch selectors of the seam: scores and a pool to the chosen set, in the order of choice."""
# ruff: noqa: ARG001  every one has the seam's signature

from collections.abc import Callable, Sequence

import numpy as np

from cryoal.acquisition.batch_bald import batch_bald
from cryoal.acquisition.checks import FloatArray, IndexArray
from cryoal.acquisition.cold_start import covering_radius, kmeans_clusters, probcover_select, typiclust_select
from cryoal.acquisition.diversity import badge_sample, k_center_greedy
from cryoal.acquisition.model_change import gradient_embedding
from cryoal.acquisition.spatial import Spacing, even_quota, stratified_quota
from cryoal.acquisition.stochastic import Noise, stochastic_batch, top
from cryoal.data.candidates import CandidatePool

BatchSelector = Callable[[FloatArray, CandidatePool, int, np.random.Generator], IndexArray]
"""(scores (N,), pool, n, rng) -> n different indices into the pool, in the order of choice."""

FOREGROUND = 0.5
OVERSAMPLING = 5  # times the batch from which the spread is chosen
_SHORTLIST = 100_000  # bounds time and memory of what compares features
_SHORTLIST_SQUARE = 10_000  # the same where time grows as N²
_MAX_CLUSTERS = 500  # TypiClust's own bound


def foreground_probability(pool: CandidatePool) -> FloatArray:
    """The consensus probability of being a particle of any class, 1 − p̄₀ − Σ p̄ of junk, shape (N,)."""
    probability: FloatArray = 1.0 - pool.probability[:, :, pool.background_classes].mean(axis=0, dtype=np.float64).sum(
        axis=1
    )
    return probability


def particle_class(pool: CandidatePool) -> IndexArray:
    """The most probable particle class of the consensus, from 1, shape (N,)."""
    of_particles = pool.probability[:, :, 1 : 1 + pool.n_particle_classes]
    winner: IndexArray = 1 + of_particles.mean(axis=0).argmax(axis=1)
    return winner


def select_top(scores: FloatArray, pool: CandidatePool, n: int, rng: np.random.Generator) -> IndexArray:
    """The highest scores; ties go to the lowest index."""
    return top(scores, n)


def select_random(scores: FloatArray, pool: CandidatePool, n: int, rng: np.random.Generator) -> IndexArray:
    """Uniformly at random."""
    return rng.permutation(len(pool))[:n]


def select_spread(scores: FloatArray, pool: CandidatePool, n: int, rng: np.random.Generator) -> IndexArray:
    """The top five times the batch by score, of these a k-center choice in the embedding, the best one first."""
    best = top(scores, OVERSAMPLING * n)
    return best[k_center_greedy(pool.embedding[best], n, first=0).indices]


def select_k_center(scores: FloatArray, pool: CandidatePool, n: int, rng: np.random.Generator) -> IndexArray:
    """K-center in the embedding, from a random first centre; scores play no part."""
    some = rng.permutation(len(pool))[:_SHORTLIST]
    return some[k_center_greedy(pool.embedding[some], n).indices]


def select_badge(scores: FloatArray, pool: CandidatePool, n: int, rng: np.random.Generator) -> IndexArray:
    """BADGE: k-means++ on gradient embeddings of the consensus."""
    some = np.sort(top(scores, _SHORTLIST))
    consensus = pool.probability[:, some].mean(axis=0, dtype=np.float64)
    return some[badge_sample(gradient_embedding(consensus, pool.embedding[some]), n, rng)]


def select_batch_bald(scores: FloatArray, pool: CandidatePool, n: int, rng: np.random.Generator) -> IndexArray:
    """BatchBALD; scores play no part."""
    return batch_bald(pool.probability, n).indices


def stochastic_selector(noise: Noise, beta: float = 1.0) -> BatchSelector:
    """Make a selector that samples by score (`cryoal.acquisition.stochastic.stochastic_batch`)."""

    def select(scores: FloatArray, pool: CandidatePool, n: int, rng: np.random.Generator) -> IndexArray:
        return stochastic_batch(scores, rng.gumbel(size=scores.size), beta, n, noise).indices

    select.__doc__ = f"Sampled by score: {noise} noise{'' if beta == 1 else f' of coldness {beta:g}'}."
    return select


def stratified_selector(within: BatchSelector, share: float = 0.5) -> BatchSelector:
    """Make a selector that takes a share from p̄ ≥ 0.5, evenly over the predicted classes, the rest from below."""

    def select(scores: FloatArray, pool: CandidatePool, n: int, rng: np.random.Generator) -> IndexArray:
        is_foreground = foreground_probability(pool) >= FOREGROUND
        winner = particle_class(pool)
        classes = [np.flatnonzero(is_foreground & (winner == c)) for c in range(1, 1 + pool.n_particle_classes)]
        background = np.flatnonzero(~is_foreground)
        foreground, rest = stratified_quota(n, share, int(is_foreground.sum()), background.size)
        quotas = [*even_quota(foreground, [members.size for members in classes]), rest]
        return _of_strata([*classes, background], quotas, within, scores, pool, rng)

    select.__doc__ = f"Half from p̄ ≥ {FOREGROUND}, evenly over the classes, half from below; in each: {within.__doc__}"
    return select


def class_selector(within: BatchSelector) -> BatchSelector:
    """Make a selector that takes evenly of the most probable particle classes, however probable a particle is."""

    def select(scores: FloatArray, pool: CandidatePool, n: int, rng: np.random.Generator) -> IndexArray:
        winner = particle_class(pool)
        classes = [np.flatnonzero(winner == c) for c in range(1, 1 + pool.n_particle_classes)]
        return _of_strata(classes, even_quota(n, [len(one) for one in classes]), within, scores, pool, rng)

    return select


def select_foreground_random(scores: FloatArray, pool: CandidatePool, n: int, rng: np.random.Generator) -> IndexArray:
    """Half at random from scores of at least 0.5, half at random from below; scores are probabilities."""
    strata = [rng.permutation(np.flatnonzero(mask)) for mask in (scores >= FOREGROUND, scores < FOREGROUND)]
    quotas = stratified_quota(n, 0.5, strata[0].size, strata[1].size)
    return interleave([members[:quota] for members, quota in zip(strata, quotas, strict=True)])


def select_typiclust(scores: FloatArray, pool: CandidatePool, n: int, rng: np.random.Generator) -> IndexArray:
    """TypiClust: the most typical candidates of as many k-means clusters as are asked for."""
    some = np.sort(rng.permutation(len(pool))[:_SHORTLIST_SQUARE])
    features = pool.embedding[some]
    clusters = kmeans_clusters(features, min(n, _MAX_CLUSTERS), rng)
    return _filled(some[typiclust_select(features, clusters, n)], len(pool), n, rng)


def select_probcover(scores: FloatArray, pool: CandidatePool, n: int, rng: np.random.Generator) -> IndexArray:
    """ProbCover: candidates whose balls cover the most of the embedding."""
    some = np.sort(rng.permutation(len(pool))[:_SHORTLIST_SQUARE])
    features = pool.embedding[some]
    delta = covering_radius(features, n, rng)
    return _filled(some[probcover_select(features, n, delta).indices], len(pool), n, rng)


def constrained_batch(
    scores: FloatArray, pool: CandidatePool, selector: BatchSelector, n: int, rng: np.random.Generator, spacing: Spacing
) -> IndexArray:
    """Let a selector choose again and again among what `spacing` leaves open, until there are n or nothing is left."""
    chosen: list[int] = []
    while len(chosen) < n and spacing.open.any():
        left = np.flatnonzero(spacing.open)
        remaining = pool if left.size == len(pool) else pool.select(left)
        order = selector(scores[left], remaining, min(n - len(chosen), left.size), rng)
        for index in left[order]:
            if spacing.open[index]:
                spacing.take(int(index))
                chosen.append(int(index))
    return np.array(chosen, dtype=np.int64)


def _of_strata(
    strata: Sequence[IndexArray],
    quotas: Sequence[int],
    within: BatchSelector,
    scores: FloatArray,
    pool: CandidatePool,
    rng: np.random.Generator,
) -> IndexArray:
    """So many of each stratum, by another selector."""
    chosen = [
        members[within(scores[members], pool.select(members), quota, rng)]
        for members, quota in zip(strata, quotas, strict=True)
        if quota
    ]
    return interleave(chosen)


def interleave(groups: list[IndexArray]) -> IndexArray:
    """One of each group in turn, so that the first of a batch are as mixed as all of it."""
    turn = np.concatenate([np.arange(group.size) for group in groups])
    order = np.argsort(turn, kind="stable")
    mixed: IndexArray = np.concatenate(groups)[order]
    return mixed


def _filled(chosen: IndexArray, size: int, n: int, rng: np.random.Generator) -> IndexArray:
    """Complete a short choice at random."""
    others = rng.permutation(np.setdiff1d(np.arange(size), chosen))
    return np.concatenate([chosen, others])[: min(n, size)]
