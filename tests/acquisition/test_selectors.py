"""Batch selectors against naive references and brute force."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from cryoal.acquisition import batch_bald as batch_bald_module
from cryoal.acquisition.batch_bald import batch_bald
from cryoal.acquisition.bayesian import mutual_information
from cryoal.acquisition.cold_start import covering_radius, kmeans_clusters, probcover_select, typicality
from cryoal.acquisition.diversity import badge_sample, badge_weights, k_center_greedy
from cryoal.acquisition.micrographs import aggregate_groups, aggregate_scores, cost_aware_select
from cryoal.acquisition.spatial import even_quota, nms_points, stratified_quota
from cryoal.acquisition.stochastic import stochastic_batch, top
from cryoal.acquisition.stopping import cohen_kappa, stabilised_round
from cryoal.errors import ArrayError

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.integers(1, 8))
def test_k_center_against_brute_force(seed, n):
    x = np.random.default_rng(seed).integers(0, 6, (9, 2)).astype(float)
    distance = cdist(x, x)
    centres = [3]
    while len(centres) < n:
        nearest = distance[:, centres].min(axis=1)
        nearest[centres] = -1
        centres.append(int(nearest.argmax()))
    cover = k_center_greedy(x, n, first=3)
    assert cover.indices.tolist() == centres
    assert cover.radius == pytest.approx(distance[:, centres].min(axis=1).max())
    best = min(distance[:, list(c)].min(axis=1).max() for c in combinations(range(9), n))
    assert cover.radius <= 2 * best + 1e-12


@given(SEEDS)
def test_k_center_radius_falls(seed):
    x = np.random.default_rng(seed).normal(size=(30, 3))
    radii = [k_center_greedy(x, n).radius for n in range(1, 31)]
    assert (np.diff(radii) <= 1e-12).all()
    assert radii[-1] == 0.0


def test_k_center_never_returns_what_is_labelled():
    x = np.zeros((6, 2))
    assert k_center_greedy(x, 10, labelled=[0, 4]).indices.tolist() == [1, 2, 3, 5]
    assert k_center_greedy(x, 10, labelled=range(6)).indices.size == 0


def test_badge_draws_by_its_weights():
    g = np.array([[3.0], [0.0], [1.0], [-1.0]])
    rng = np.random.default_rng(0)
    draws = np.array([badge_sample(g, 2, rng) for _ in range(4000)])
    assert (draws[:, 0] == 0).all()
    shares = np.bincount(draws[:, 1], minlength=4) / 4000
    np.testing.assert_allclose(shares, badge_weights(g, [0]), atol=0.04)


def test_badge_with_identical_gradients_is_uniform_without_repeats():
    g = np.ones((5, 3))
    np.testing.assert_allclose(badge_weights(g, [0, 2]), [0, 1 / 3, 0, 1 / 3, 1 / 3])
    drawn = badge_sample(g, 9, np.random.default_rng(0))
    assert sorted(drawn.tolist()) == [0, 1, 2, 3, 4]


def _joint_information(P, members):
    """By enumeration of all outcomes."""
    K = P.shape[0]
    joint = np.ones((K, 1))
    for i in members:
        joint = (joint[:, :, None] * P[:, i, None, :]).reshape(K, -1)
    mean = joint.mean(axis=0)
    entropy = -np.sum(mean[mean > 0] * np.log(mean[mean > 0]))
    each = P[:, members]
    return entropy + (each * np.log(np.maximum(each, 1e-300))).sum() / K


@given(SEEDS, st.integers(2, 3))
@settings(deadline=None, max_examples=40)
def test_batch_bald_against_enumeration(seed, n_classes):
    P = np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.5), size=(4, 7))
    chosen = []
    for _ in range(4):
        scores = [-1.0 if i in chosen else _joint_information(P, [*chosen, i]) for i in range(7)]
        chosen.append(int(np.flatnonzero(np.array(scores) >= max(scores) - 1e-12)[0]))
    batch = batch_bald(P, 4)
    assert batch.indices.tolist() == chosen
    np.testing.assert_allclose(batch.scores, [_joint_information(P, chosen[: b + 1]) for b in range(4)], atol=1e-10)


def test_batch_bald_with_merged_outcomes_is_a_lower_bound_and_nearly_as_good(monkeypatch):
    P = np.random.default_rng(5).dirichlet((1, 1), size=(5, 60))
    exact = batch_bald(P, 10)
    monkeypatch.setattr(batch_bald_module, "_EXACT_OUTCOMES", 32)
    monkeypatch.setattr(batch_bald_module, "_MERGED_OUTCOMES", 32)
    merged = batch_bald(P, 10)
    reached = _joint_information(P, merged.indices.tolist())
    assert merged.scores[-1] <= reached + 1e-9
    assert reached >= 0.95 * exact.scores[-1]
    assert (np.diff(merged.scores) >= 0).all()


def test_batch_bald_of_a_large_batch_is_complete_and_saturates():
    P = np.random.default_rng(6).dirichlet((0.3, 0.3), size=(5, 80))
    batch = batch_bald(P, 200)
    assert sorted(batch.indices.tolist()) == list(range(80))
    assert batch.scores[-1] <= np.log(5) + 1e-9


def test_a_duplicate_may_be_batch_balds_right_answer():
    doubtful = [[0.9, 0.1], [0.6, 0.4]]  # two members that differ, and a label that does not decide between them
    certain = [[0.999, 0.001], [0.998, 0.002]]
    P = np.array([doubtful, certain, doubtful]).transpose(1, 0, 2)
    assert batch_bald(P, 2).indices.tolist() == [0, 2]


def test_batch_bald_considers_the_best_candidates_only():
    P = np.random.default_rng(7).dirichlet((1, 1), size=(5, 300))
    best = np.argsort(-mutual_information(P), kind="stable")[:20]
    assert set(batch_bald(P, 6, max_candidates=20).indices) <= set(best)


@given(SEEDS, st.integers(1, 40))
def test_top_is_a_stable_sort(seed, n):
    scores = np.random.default_rng(seed).integers(0, 4, 30).astype(float)
    assert top(scores, n).tolist() == np.argsort(-scores, kind="stable")[:n].tolist()


@given(SEEDS, st.sampled_from(["power", "softmax", "softrank"]))
def test_cold_noise_is_the_plain_top(seed, noise):
    rng = np.random.default_rng(seed)
    scores = rng.permutation(20) / 20
    batch = stochastic_batch(scores, rng.gumbel(size=20), 1e9, 5, noise)
    assert batch.indices.tolist() == np.argsort(-scores)[:5].tolist()


@given(SEEDS, st.floats(0, 30), st.integers(1, 4))
@settings(deadline=None)
def test_nms_against_the_double_loop(seed, d_min, quota):
    rng = np.random.default_rng(seed)
    xy, score, image = rng.integers(0, 40, (60, 2)), rng.integers(0, 9, 60), rng.integers(0, 3, 60)
    kept = []
    for i in np.argsort(-score, kind="stable"):
        same = [j for j in kept if image[j] == image[i]]
        if len(same) < quota and all(np.hypot(*(xy[i] - xy[j])) >= d_min for j in same):
            kept.append(int(i))
    assert nms_points(xy, score, image, d_min, per_micrograph=quota).tolist() == kept
    assert nms_points(xy, score, image, d_min, 3, quota).tolist() == kept[:3]


@given(st.integers(0, 50), st.floats(0, 1), st.integers(0, 30), st.integers(0, 30))
def test_quota_is_filled(n, share, n_foreground, n_background):
    foreground, background = stratified_quota(n, share, n_foreground, n_background)
    assert 0 <= foreground <= n_foreground
    assert 0 <= background <= n_background
    assert foreground + background == min(n, n_foreground + n_background)


def test_even_quota():
    assert even_quota(7, [10, 1, 10]) == [3, 1, 3]
    assert even_quota(9, [1, 0, 2]) == [1, 0, 2]
    assert even_quota(0, []) == []


@given(SEEDS, st.sampled_from([0.0, 1.0, 2.0, 2.5]))
@settings(deadline=None)
def test_probcover_against_the_full_matrix(seed, delta):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 6, (25, 2)).astype(float) + 1000.0
    near = cdist(x, x) <= delta
    covered = near[[2]].any(axis=0)
    chosen = []
    while len(chosen) < 6 and not covered.all():
        chosen.append(int((near & ~covered).sum(axis=1).argmax()))
        covered |= near[chosen[-1]]
    found = probcover_select(x, 6, delta, labelled=[2])
    assert found.indices.tolist() == chosen
    assert found.coverage == pytest.approx(covered.mean())


@given(SEEDS)
def test_typicality_against_the_full_matrix(seed):
    x = np.random.default_rng(seed).normal(size=(12, 3))
    nearest = np.sort(cdist(x, x), axis=1)[:, 1:5]
    np.testing.assert_allclose(typicality(x, 4), 1 / (nearest.mean(axis=1) + 1e-5))


def test_clusters_and_covering_radius_of_well_parted_blobs():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(c, 0.01, (50, 2)) for c in (0, 10, 20)]).astype(np.float32)
    clusters = kmeans_clusters(x, 3, np.random.default_rng(1))
    assert [np.unique(clusters[i * 50 : i * 50 + 50]).size for i in range(3)] == [1, 1, 1]
    assert covering_radius(x, 3, np.random.default_rng(1)) < 0.1


@given(SEEDS, st.sampled_from(["topk_mean", "sum", "mean", "max", "power_count"]))
def test_groups_are_aggregated_like_one_by_one(seed, mode):
    rng = np.random.default_rng(seed)
    scores, group = rng.normal(size=30), rng.integers(0, 6, 30)
    found = aggregate_groups(scores, group, 7, mode, k=3, gamma=0.4)
    alone = [aggregate_scores(scores[group == g], mode, k=3, gamma=0.4) for g in range(7)]
    np.testing.assert_allclose(found, alone, atol=1e-12)
    assert found[6] == 0.0


@given(SEEDS, st.floats(0, 20))
def test_budget_is_kept_and_nothing_affordable_is_left(seed, budget):
    rng = np.random.default_rng(seed)
    utility, cost = rng.random(12), rng.integers(1, 9, 12).astype(float)
    bought = cost_aware_select(utility, cost, budget)
    assert bought.total_cost == cost[bought.indices].sum() <= budget
    left = np.setdiff1d(np.arange(12), bought.indices)
    assert not left.size or cost[left].min() > budget - bought.total_cost


def test_kappa():
    assert cohen_kappa([0, 1, 0, 1], [0, 1, 0, 1]) == 1.0
    assert cohen_kappa([0, 0, 1, 1], [0, 1, 0, 1]) == 0.0
    assert cohen_kappa([0, 0, 0, 1], [0, 0, 1, 1]) == pytest.approx(0.5)
    assert cohen_kappa([1, 1], [1, 1]) is None
    assert cohen_kappa([0, 0], [1, 1]) == 0.0


def test_degenerate_kappa_delays_but_does_not_raise():
    assert stabilised_round([None, 1.0, 1.0]) is None
    assert stabilised_round([None, 1.0, 1.0, 1.0]) == 3
    assert stabilised_round([]) is None


@pytest.mark.parametrize(
    "call",
    [
        lambda: k_center_greedy(np.empty((0, 2)), 1),
        lambda: k_center_greedy([[0.0]], 0),
        lambda: k_center_greedy([[0.0]], 1, labelled=[1]),
        lambda: badge_sample([[np.nan]], 1, np.random.default_rng(0)),
        lambda: badge_weights([[1.0]], [0]),
        lambda: stochastic_batch([-0.1], [0.0], 1.0, 1, "power"),
        lambda: stochastic_batch([0.1], [0.0], 1.0, 1, "pwoer"),
        lambda: nms_points([[0, 0]], [1.0], [0], -1.0),
        lambda: nms_points([[0, 0]], [1.0], [0, 1], 1.0),
        lambda: stratified_quota(4, 1.5, 1, 1),
        lambda: probcover_select([[0.0]], 1, -1.0),
        lambda: typicality(np.empty((0, 2)), 3),
        lambda: aggregate_groups([1.0], [3], 2, "sum"),
        lambda: cost_aware_select([1.0], [0.0], 1.0),
        lambda: cohen_kappa([0.5], [1]),
        lambda: stabilised_round([np.nan]),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(ArrayError, match=": "):
        call()
