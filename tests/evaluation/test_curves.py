"""Precision-recall curves, reliability, learning curves, statistics, drift."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from cryoal.errors import ArrayError
from cryoal.evaluation.curves import precision_recall_curve
from cryoal.evaluation.drift import linear_cka
from cryoal.evaluation.learning_curves import area_under_learning_curve, cost_to_target, savings
from cryoal.evaluation.reliability import expected_calibration_error, negative_log_likelihood, reliability_diagram
from cryoal.evaluation.statistics import bootstrap_interval, holm_adjust, paired_sign_flip_test, wilson_interval

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS)
def test_average_precision_is_scikit_learns_where_all_truth_is_found(seed):
    rng = np.random.default_rng(seed)
    scores, correct = rng.integers(0, 8, 30), rng.random(30) < 0.5
    correct[0] = True
    curve = precision_recall_curve(scores, correct, int(correct.sum()))
    assert curve.average_precision == pytest.approx(average_precision_score(correct, scores))
    shared = precision_recall_curve(scores, correct, 2 * int(correct.sum()))
    assert shared.average_precision == pytest.approx(curve.average_precision / 2)


@given(SEEDS)
def test_best_f1_against_all_thresholds(seed):
    rng = np.random.default_rng(seed)
    scores, correct = rng.integers(0, 8, 20), rng.random(20) < 0.5
    curve = precision_recall_curve(scores, correct, 25)
    every = {t: 2 * correct[scores >= t].sum() / ((scores >= t).sum() + 25) for t in np.unique(scores)}
    f1, threshold = curve.best_f1
    assert f1 == pytest.approx(max(every.values()))
    if f1:
        assert every[threshold] == pytest.approx(f1)


def test_curve_of_no_picks():
    curve = precision_recall_curve([], [], 5)
    assert curve.average_precision == 0.0
    assert curve.best_f1 == (0.0, np.inf)


def test_curve_refuses_impossible_counts():
    with pytest.raises(ArrayError, match="n_truth"):
        precision_recall_curve([1.0, 2.0], [True, True], 1)
    with pytest.raises(ArrayError, match="scores"):
        precision_recall_curve([np.nan], [True], 1)


def test_reliability_diagram():
    diagram = reliability_diagram([0.0, 0.5, 0.50001, 1.0], [0, 1, 0, 1], 2)
    assert diagram.count.tolist() == [2, 2]
    np.testing.assert_allclose(diagram.mean_probability, [0.25, 0.750005])
    np.testing.assert_allclose(diagram.frequency, [0.5, 0.5])
    assert np.isnan(reliability_diagram([0.1], [0], 2).frequency[1])


def test_calibrated_probabilities_have_a_small_error():
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    y = rng.random(20_000) < p
    assert expected_calibration_error(p, y) < 0.02
    assert expected_calibration_error(p**3, y) > 0.1
    assert negative_log_likelihood(p, y) < negative_log_likelihood(p**3, y)


def test_savings():
    assert savings(25.0, 100.0) == 0.75
    assert savings(None, 100.0) is None
    assert savings(10.0, None) is None
    with pytest.raises(ArrayError, match="reference_cost"):
        savings(1.0, 0.0)


@given(SEEDS)
def test_area_lies_between_the_extremes(seed):
    rng = np.random.default_rng(seed)
    cost, metric = np.cumsum(rng.random(6) + 0.01), rng.random(6)
    assert metric.min() <= area_under_learning_curve(cost, metric) <= metric.max()
    reached = cost_to_target(cost, metric, 0.5)
    assert (reached is None) == (metric.max() < 0.5)


@given(SEEDS, st.integers(2, 8))
def test_sign_flips_against_all_patterns(seed, n):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 5, n), rng.integers(0, 5, n)
    patterns = [abs(np.dot(signs, a - b)) for signs in product((1, -1), repeat=n)]
    assert paired_sign_flip_test(a, b) == pytest.approx(np.mean(np.array(patterns) >= abs((a - b).sum())))


def test_sign_flip_of_ten_seeds_that_all_gain():
    a = np.linspace(0.8, 0.9, 10)
    assert paired_sign_flip_test(a + 0.01, a) == pytest.approx(2 / 2**10)


def test_sign_flips_of_many_seeds_are_drawn():
    rng = np.random.default_rng(0)
    a = rng.normal(size=30)
    assert paired_sign_flip_test(a + 2.0, a + rng.normal(0, 0.1, 30), rng) == pytest.approx(1e-4)
    with pytest.raises(ArrayError, match="generator"):
        paired_sign_flip_test(a, a + 1)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_between_the_value_and_bonferroni(p):
    adjusted = holm_adjust(p)
    assert (adjusted >= np.array(p) - 1e-12).all()
    assert (adjusted <= np.minimum(1.0, len(p) * np.array(p)) + (np.array(p) > 0)).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()


@given(st.integers(0, 30), st.integers(1, 30))
def test_wilson_interval_holds_the_proportion(k, n):
    if k > n:
        with pytest.raises(ArrayError):
            wilson_interval(k, n)
    else:
        low, high = wilson_interval(k, n)
        assert 0.0 <= low <= k / n <= high <= 1.0


def test_bootstrap_interval_covers_the_mean():
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        low, high = bootstrap_interval(rng.normal(1.0, 1.0, 40), rng)
        covered += low <= 1.0 <= high
    assert 85 <= covered <= 100
    assert bootstrap_interval([2.0, 2.0], np.random.default_rng(0)) == (2.0, 2.0)


@given(SEEDS)
def test_cka_ignores_rotation_scale_and_shift(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(12, 4))
    rotation, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    assert linear_cka(x, 3.0 * x @ rotation + 7.0) == pytest.approx(1.0)
    assert 0.0 <= linear_cka(x, rng.normal(size=(12, 3))) < 1.0


def test_cka_of_a_constant_embedding_is_refused():
    with pytest.raises(ArrayError, match="same for all items"):
        linear_cka(np.full((5, 2), 0.1), np.eye(5))
