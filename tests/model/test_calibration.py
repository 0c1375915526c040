"""Calibration, its choice, and the thresholds it recommends."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import expit

from cryoal.errors import ArrayError, OptionError
from cryoal.model.calibration import Calibration, _folds, choose_calibration, moved_calibration
from cryoal.model.margin import BELIEVED
from cryoal.model.scaling import fit_platt, fit_temperature_binary, fit_temperature_multiclass, shift_prior
from cryoal.model.thresholds import threshold_for_expected_f1, threshold_for_precision

SEEDS = st.integers(0, 2**32 - 1)


def make_labels(n=600, slope=1.0, intercept=0.0, seed=0):
    """Logits whose true probability is sigmoid(slope·z + intercept), and groups."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 3, n)
    return z, (rng.random(n) < expit(slope * z + intercept)).astype(int), rng.integers(0, 8, n)


@given(SEEDS)
def test_temperature_is_the_minimum(seed):
    rng = np.random.default_rng(seed)
    z, y = rng.normal(0, 2, 40), rng.integers(0, 2, 40)
    fit = fit_temperature_binary(z, y)

    def nll(beta):
        return float(np.mean(np.logaddexp(0, beta * z) - y * beta * z))

    found = minimize_scalar(nll, bounds=(0.05, 20), method="bounded")
    assert fit.nll <= found.fun + 1e-9
    assert fit.nll <= fit.nll_at_one + 1e-12
    assert 0.05 <= fit.temperature <= 20.0


@given(SEEDS)
def test_two_class_softmax_has_the_temperature_of_the_sigmoid(seed):
    rng = np.random.default_rng(seed)
    z, y = rng.normal(0, 2, (30, 2)), rng.integers(0, 2, 30)
    binary = fit_temperature_binary(z[:, 1] - z[:, 0], y)
    assert fit_temperature_multiclass(z, y).temperature == pytest.approx(binary.temperature, abs=1e-6)


def test_temperature_at_the_ends_of_its_range():
    assert fit_temperature_binary([1.0, -1.0], [1, 0]).temperature == pytest.approx(0.05)
    assert fit_temperature_binary([1.0, -1.0], [0, 1]).temperature == pytest.approx(20.0)


def test_platt_finds_slope_and_intercept():
    z, y, _ = make_labels(20_000, slope=0.5, intercept=-1.0)
    assert fit_platt(z, y) == pytest.approx((0.5, -1.0), abs=0.05)
    a, b = fit_platt(1e4 * z + 1e5, y)
    assert (1e4 * a, 1e5 * a + b) == pytest.approx(fit_platt(z, y), abs=1e-4)


def test_platt_of_constant_logits_is_the_smoothed_prevalence():
    a, b = fit_platt([2.0] * 6, [1, 1, 0, 0, 0, 0])
    assert expit(2 * a + b) == pytest.approx((2 * 3 / 4 + 4 * 1 / 6) / 6, abs=1e-6)


@given(SEEDS, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_prior_shift_there_and_back(seed, train, new):
    p = np.random.default_rng(seed).random(20)
    np.testing.assert_allclose(shift_prior(shift_prior(p, train, new), new, train), p, atol=1e-9)


def test_the_true_form_is_chosen():
    assert choose_calibration(*make_labels(5000, slope=0.4)).method == "temperature"
    chosen = choose_calibration(*make_labels(5000, slope=0.4, intercept=-1.5))
    assert chosen.method == "platt"
    assert (chosen.slope, chosen.intercept) == pytest.approx((0.4, -1.5), abs=0.1)
    assert "left-out" in chosen.note


def test_choice_never_hurts_much_on_unseen_labels():
    def nll(calibration, z, y):
        p = np.clip(calibration(z), 1e-12, 1 - 1e-12)
        return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))

    for seed in range(10):
        chosen = choose_calibration(*make_labels(200, seed=seed))
        z, y, _ = make_labels(5000, seed=100 + seed)
        assert nll(chosen, z, y) < nll(Calibration(), z, y) + 0.02


def test_surroundings_in_which_all_is_rejected_count_and_others_do_not():
    rng = np.random.default_rng(0)
    z, y, _ = make_labels(60, slope=0.4, seed=1)
    before = Calibration("temperature", 0.4, note="from elsewhere")
    film = np.where(rng.random(60) < 0.3, 2.0, 0.0)
    on_film = moved_calibration(before, z, film, np.where(film > 0, 0, y))
    assert on_film.surroundings < -0.8
    assert (on_film.slope, on_film.intercept) == pytest.approx((0.4, 0.0), abs=0.4)
    assert on_film(3.0, 2.0) < 0.5 < on_film(3.0)
    assert "from elsewhere" in on_film.note
    noise = moved_calibration(before, z, rng.normal(0, 0.3, 60), y)
    assert abs(noise.surroundings) < 0.6
    assert moved_calibration(before, z, np.zeros(60), y).surroundings == 0
    assert moved_calibration(before, [], [], []) == before


def test_a_margin_without_particles_is_found_and_candidates_in_it_are_held_back():
    rng = np.random.default_rng(0)
    z, y, _ = make_labels(300, slope=1.0, seed=1)
    edge = rng.uniform(0, 8, 300)
    before = Calibration(unmarked=BELIEVED)
    found = moved_calibration(before, z, np.zeros(300), np.where(edge < 0.9, 0, y), edge)
    assert found.margin_diameters == pytest.approx(0.9, abs=0.15)
    assert (found.slope, found.intercept) == pytest.approx((1.0, 0.0), abs=0.3)
    assert found(3.0, 0.0, 0.7) < 0.2
    assert found(3.0, 0.0, 1.3) == found(3.0) > 0.9
    assert "diameters from the edge" in found.note
    evenly = moved_calibration(before, z, np.zeros(300), y, edge)
    assert evenly(3.0, 0.0, 0.3) == pytest.approx(evenly(3.0), abs=0.01)
    assert evenly.margin_diameters == 0
    assert "edge" not in evenly.note


def test_labels_of_nothing_in_the_margin_do_not_move_the_rest():
    z, y, _ = make_labels(100, seed=1)
    edge = np.where(np.arange(200) < 100, 5.0, 0.2)
    rejected = np.zeros(100, int)
    before = Calibration(unmarked=BELIEVED)
    alone = moved_calibration(before, z, np.zeros(100), y, edge[:100])
    both = moved_calibration(before, np.tile(z, 2), np.zeros(200), np.concatenate([y, rejected]), edge)
    assert (both.slope, both.intercept) == pytest.approx((alone.slope, alone.intercept), abs=0.02)


@pytest.mark.parametrize("edge", [[1.0], [1.0, np.nan]])
def test_distances_from_the_edge_are_checked(edge):
    with pytest.raises(ArrayError, match="edge"):
        moved_calibration(Calibration(), [1.0, 2.0], [0.0, 0.0], [1, 0], edge)


@given(SEEDS, st.integers(1, 30))
def test_the_moved_calibration_is_the_likeliest(seed, n):
    rng = np.random.default_rng(seed)
    z, around, y = rng.normal(0, 2, n), rng.normal(0, 2, n), rng.integers(0, 2, n)
    found = moved_calibration(Calibration("platt", 1.5, -0.5), z, around, y)

    def loss(moves):
        linear = 1.5 * np.exp(moves[0]) * z - 0.5 + moves[1] + moves[2] * around
        prior = (moves[0] / 0.6) ** 2 + (moves[1] / 0.5) ** 2 + moves[2] ** 2
        return np.sum(np.logaddexp(0, linear) - y * linear) + prior / 2

    at = np.array([np.log(found.slope / 1.5), found.intercept + 0.5, found.surroundings])
    for step in 1e-2 * np.vstack([np.eye(3), -np.eye(3)]):
        assert loss(at) <= loss(at + step)


def test_many_labels_overrule_the_given_calibration():
    z, y, _ = make_labels(5000, slope=0.4, intercept=-1.5)
    found = moved_calibration(Calibration("platt", 2.0, 1.0), z, np.zeros(5000), y)
    assert (found.slope, found.intercept) == pytest.approx((0.4, -1.5), abs=0.15)
    assert (found.n_positive, found.n_negative) == (y.sum(), 5000 - y.sum())


@given(st.lists(st.integers(0, 9), min_size=2, max_size=60))
def test_a_group_is_left_out_as_a_whole(groups):
    folds = list(_folds(np.array(groups)))
    np.testing.assert_array_equal(np.sum(folds, axis=0), 1)
    for fold in folds:
        assert fold.any()
        assert not set(np.array(groups)[fold]) & set(np.array(groups)[~fold])


def test_a_right_calibration_is_hardly_moved():
    right = Calibration("platt", 0.4, -1.0, "from elsewhere")
    for seed in range(5):
        z, y, _ = make_labels(80, slope=0.4, intercept=-1.0, seed=seed)
        moved = moved_calibration(right, z, np.random.default_rng(seed).normal(0, 0.3, 80), y)
        assert np.abs(moved(z) - right(z)).mean() < 0.1


def test_few_labels_are_left_alone():
    z, y, group = make_labels(400)
    few = np.concatenate([np.flatnonzero(y == 1)[:9], np.flatnonzero(y == 0)])
    chosen = choose_calibration(z[few], y[few], group[few])
    assert (chosen.method, chosen.slope, chosen.intercept) == ("identity", 1.0, 0.0)
    assert "9 positives" in chosen.note
    assert chosen.n_positive == 9
    one = choose_calibration(z, y, np.zeros(400))
    assert one.method == "identity"
    assert "one micrograph" in one.note


def test_a_ranking_is_never_turned_round():
    z, y, group = make_labels(400, slope=-1.0)
    assert choose_calibration(z, y, group).slope > 0


def test_calibration_round_trip():
    calibration = Calibration("platt", 0.5, -1.25, "why", 30, 40, -0.7, (0.75, 0.5, 0.25))
    kept = json.loads(json.dumps(calibration.to_dict()))
    assert Calibration.from_dict(kept) == calibration
    del kept["surroundings"], kept["unmarked"]  # as earlier versions wrote it
    assert Calibration.from_dict(kept) == replace(calibration, surroundings=0.0, unmarked=())
    kept["margin_diameters"] = 1.2
    assert Calibration.from_dict(kept).margin_diameters == 1.2
    np.testing.assert_allclose(calibration(np.array([[2.5]])), [[0.5]])
    with pytest.raises(OptionError, match="slope"):
        Calibration.from_dict({"method": "platt"})


@given(st.lists(st.integers(0, 20).map(lambda i: i / 20), min_size=1, max_size=15), st.floats(0.05, 1.0))
def test_threshold_for_precision_against_all(p, precision):
    p = np.array(p)
    good = [t for t in np.unique(p) if p[p >= t].mean() >= precision - 1e-12]
    if good:
        assert threshold_for_precision(p, precision) == min(good)
    else:
        with pytest.raises(OptionError, match="cannot be reached"):
            threshold_for_precision(p, precision)


@given(st.lists(st.integers(0, 20).map(lambda i: i / 20), min_size=1, max_size=15))
def test_threshold_for_expected_f1_against_all(p):
    p = np.array(p)

    def f1(t):
        total = (p >= t).sum() + p.sum()
        return 2 * p[p >= t].sum() / total

    assert f1(threshold_for_expected_f1(p)) == pytest.approx(max(f1(t) for t in np.unique(p)))


@pytest.mark.parametrize(
    "call",
    [
        lambda: choose_calibration([1.0], [1], [0, 1]),
        lambda: choose_calibration([np.nan] * 40, [0, 1] * 20, [0, 1] * 20),
        lambda: fit_temperature_binary([], []),
        lambda: fit_temperature_multiclass([[0.0, 1.0]], [2]),
        lambda: fit_platt([1.0], [0.5]),
        lambda: shift_prior([0.5], 0.0, 0.5),
        lambda: threshold_for_precision([], 0.5),
        lambda: threshold_for_expected_f1([1.5]),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(ArrayError, match=": "):
        call()


@pytest.mark.parametrize("precision", [0.0, 1.1, np.nan])
def test_precision_out_of_range(precision):
    with pytest.raises(OptionError, match="above 0 and at most 1"):
        threshold_for_precision([0.5], precision)
