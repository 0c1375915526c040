"""Estimates from random fields: worked out by hand, and their coverage by simulation."""

import numpy as np
import pytest

from cryoal.errors import ArrayError
from cryoal.evaluation.field_estimates import FieldCounts, f1_gain, field_ratio
from cryoal.evaluation.statistics import wilson_interval


def test_like_fields_give_wilsons_interval_with_students_quantile() -> None:
    found = field_ratio([9] * 1000, [10] * 1000)
    assert found.value == 0.9
    assert (found.low, found.high) == pytest.approx(wilson_interval(9000, 10_000), abs=1e-4)


def test_unlike_fields_widen_the_interval() -> None:
    like, unlike = field_ratio([5] * 10, [10] * 10), field_ratio([10, 0] * 5, [10] * 10)
    assert like.value == unlike.value == 0.5
    # all or nothing in fields of ten: ten times the variance, a design effect of 10 · 10 / 9
    effective, z = 100 / (10 * 10 / 9), 2.2622
    half = z * np.sqrt(0.25 / effective + z**2 / (4 * effective**2)) / (1 + z**2 / effective)
    assert unlike.high - unlike.low == pytest.approx(2 * half, rel=1e-3)
    assert like.high - like.low < 0.5 * (unlike.high - unlike.low)


def test_little_is_known_of_few_fields() -> None:
    assert np.isnan(field_ratio([0, 0], [0, 0]).value)
    one = field_ratio([7, 0], [8, 0])
    assert (one.value, one.low, one.high) == (7 / 8, 0.0, 1.0)
    perfect = field_ratio([8, 7, 9], [8, 7, 9])
    assert perfect.value == perfect.high == 1.0
    assert perfect.low < 0.7


@pytest.mark.parametrize("likeness", [0.0, 0.2])
def test_the_interval_covers_the_truth(likeness: float) -> None:
    rng, covered = np.random.default_rng(0), []
    for _ in range(600):
        n = rng.poisson(8, 10)
        p = rng.beta(0.85 * (1 / likeness - 1), 0.15 * (1 / likeness - 1), 10) if likeness else np.full(10, 0.85)
        found = field_ratio(rng.binomial(n, p), n)
        covered.append(found.low <= 0.85 <= found.high)
    assert np.mean(covered) > 0.92


def counts(rows: object) -> FieldCounts:
    return FieldCounts(*np.array(rows, dtype=np.int64).reshape(-1, 4).T)


def test_precision_recall_and_f1() -> None:
    some = counts([(10, 9, 12, 9), (5, 3, 4, 3), (0, 0, 0, 0)])
    assert some.precision.value == pytest.approx(12 / 15)
    assert some.recall.value == pytest.approx(12 / 16)
    assert some.f1.value == pytest.approx(24 / 31)


def test_gain_is_paired_by_field() -> None:
    rng = np.random.default_rng(1)
    particles = rng.poisson(8, 30)
    found = rng.binomial(particles, rng.uniform(0.3, 1, 30))
    before = counts(np.column_stack([particles, found, particles, found]))
    nothing = f1_gain(before, before)
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)
    better = np.minimum(found + (np.arange(30) % 3 == 0), particles)
    gain = f1_gain(before, counts(np.column_stack([particles, better, particles, better])))
    assert gain.value == pytest.approx((better - found).sum() / particles.sum())
    assert 0 < gain.low < gain.value < gain.high
    # the fields differ far more from each other than the two rounds do
    assert gain.high - gain.low < 0.5 * (before.f1.high - before.f1.low)


@pytest.mark.parametrize(("successes", "trials"), [([3], [2]), ([1, 2], [3]), ([np.nan], [1.0]), ([-1], [2])])
def test_bad_counts_are_refused(successes: list[float], trials: list[float]) -> None:
    with pytest.raises(ArrayError, match="successes, trials"):
        field_ratio(successes, trials)


def test_gains_need_the_same_fields() -> None:
    with pytest.raises(ArrayError, match="1 and 1 fields"):
        f1_gain(counts([(1, 1, 1, 1)]), counts([(1, 1, 1, 1)]))
