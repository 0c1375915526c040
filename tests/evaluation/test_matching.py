"""Matching against brute force."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryoal.errors import ArrayError
from cryoal.evaluation.matching import match

SEEDS = st.integers(0, 2**32 - 1)


def _best_by_trying_all(picks, truth, radius):
    """Most pairs and, among those, the smallest sum of distances."""
    distance = np.hypot(*(picks[:, None] - truth[None]).transpose(2, 0, 1))
    best = (0, 0.0)
    slots = list(range(len(truth))) + [None] * len(picks)
    for choice in set(permutations(slots, len(picks))):
        pairs = [(i, j) for i, j in enumerate(choice) if j is not None]
        if all(distance[pair] <= radius for pair in pairs):
            best = min(best, (-len(pairs), sum(distance[pair] for pair in pairs)))
    return -best[0], best[1]


@given(SEEDS, st.integers(1, 4), st.integers(1, 4))
@settings(deadline=None, max_examples=60)
def test_largest_matching_by_brute_force(seed, n_picks, n_truth):
    rng = np.random.default_rng(seed)
    picks, truth = rng.integers(0, 10, (n_picks, 2)), rng.integers(0, 10, (n_truth, 2))
    found = match(picks, truth, 4.0)
    count, total = _best_by_trying_all(picks, truth, 4.0)
    assert found.n_matched == count
    assert found.distance_px.sum() == pytest.approx(total)


@given(SEEDS)
@settings(deadline=None)
def test_greedy_matching_against_the_double_loop(seed):
    rng = np.random.default_rng(seed)
    picks, truth, scores = rng.integers(0, 30, (25, 2)), rng.integers(0, 30, (20, 2)), rng.integers(0, 5, 25)
    free, pairs = set(range(20)), {}
    for i in np.argsort(-scores, kind="stable"):
        near = sorted((np.hypot(*(picks[i] - truth[j])), j) for j in free)
        if near and near[0][0] <= 5.0:
            pairs[int(i)] = near[0][1]
            free.remove(near[0][1])
    found = match(picks, truth, 5.0, scores)
    assert dict(zip(found.pick.tolist(), found.truth.tolist(), strict=True)) == pairs
    assert found.correct.sum() == len(pairs) <= match(picks, truth, 5.0).n_matched


@given(SEEDS)
@settings(deadline=None)
def test_one_to_one_inside_the_radius_and_symmetric(seed):
    rng = np.random.default_rng(seed)
    picks, truth = rng.uniform(0, 50, (40, 2)), rng.uniform(0, 50, (30, 2))
    found = match(picks, truth, 6.0)
    assert np.unique(found.pick).size == np.unique(found.truth).size == found.n_matched
    assert (found.distance_px <= 6.0).all()
    np.testing.assert_allclose(found.distance_px, np.linalg.norm(picks[found.pick] - truth[found.truth], axis=1))
    assert match(truth, picks, 6.0).n_matched == found.n_matched


def test_a_greedy_choice_would_lose_a_pair():
    picks, truth = [[0, 0], [3, 0]], [[1, 0], [-2, 0]]
    assert match(picks, truth, 2.5).n_matched == 2
    assert match(picks, truth, 2.5, [2, 1]).n_matched == 1


def test_radius_itself_is_inside():
    assert match([[0.0, 0.0]], [[3.0, 4.0]], 5.0).n_matched == 1
    assert match([[0.0, 0.0]], [[3.0, 4.0]], 4.999).n_matched == 0


def test_precision_recall_f1():
    found = match([[0, 0], [10, 10], [20, 20]], [[0, 1], [50, 50]], 2.0)
    assert (found.precision, found.recall, found.f1) == pytest.approx((1 / 3, 1 / 2, 2 / 5))
    assert found.correct.tolist() == [True, False, False]


def test_nothing_to_match():
    nothing = match([], [], 3.0)
    assert np.isnan([nothing.precision, nothing.recall, nothing.f1]).all()
    assert match([], [[1, 1]], 3.0).recall == 0.0
    assert match([[1, 1]], [], 3.0, [0.5]).precision == 0.0
    assert match([[1, 1]], [[90, 90]], 3.0).f1 == 0.0


@pytest.mark.parametrize(
    ("picks", "truth", "radius", "scores"),
    [
        ([[np.nan, 0]], [[0, 0]], 1.0, None),
        ([[0, 0, 0]], [[0, 0]], 1.0, None),
        ([[0, 0]], [[0, 0]], 0.0, None),
        ([[0, 0]], [[0, 0]], np.nan, None),
        ([[0, 0]], [[0, 0]], 1.0, [np.nan]),
        ([[0, 0]], [[0, 0]], 1.0, [1.0, 2.0]),
    ],
)
def test_bad_input_is_refused(picks, truth, radius, scores):
    with pytest.raises(ArrayError, match=": "):
        match(picks, truth, radius, scores)
