import math
from dataclasses import replace

import numpy as np
import pytest

from cryoal.errors import OptionError
from cryoal.evaluation.statistics import paired_sign_flip_test
from cryoal.report.strategies import HEADS, markdown, rows, strategies_figure, write_rows
from cryoal.simulation.design import FULL, FULL_TWICE
from cryoal.simulation.learning import Step
from cryoal.simulation.outcome import outcome

SEEDS = 8


def run(strategy, seed, heights, seconds=(0.0, 50.0, 100.0)):
    return [
        Step(strategy, seed, i, s, 10 * i, 5 * i, h, h, h, 0.1)
        for i, (s, h) in enumerate(zip(seconds, heights, strict=True))
    ]


def experiment(gain=0.1, twice=0.0, rise=0.2):
    """Random rises, foreground-random is equal to it, and another strategy is better by a gain."""
    steps = []
    for seed in range(SEEDS):
        base = 0.5 + 0.01 * seed
        flat = (base, base + rise / 2, base + rise)
        steps += [*run("random", seed, flat), *run("foreground-random", seed, flat)]
        steps += run("other", seed, (base, base + rise / 2 + gain, base + rise + gain), (0.0, 40.0, 120.0))
        steps.append(Step(FULL, seed, 0, 900.0, 360, 360, 0.8, 0.8, 0.8, 0.1))
        if seed < 3:
            steps.append(Step(FULL_TWICE, seed, 0, 900.0, 360, 360, 0.8 + twice, 0.8, 0.8, 0.1))
    return steps


def test_areas_are_taken_over_the_seconds_that_all_runs_share():
    found = outcome(experiment())
    assert found.budget_seconds == 100.0
    by_name = {one.strategy: one for one in found.strategies}
    assert by_name["random"].area[0] == pytest.approx(0.6)
    # 0.5 to 0.7 in 40 s, on towards 0.8 at 120 s, cut at 100 s: (0.6 · 40 + 0.7375 · 60) / 100
    assert by_name["other"].area[0] == pytest.approx(0.6825, abs=1e-3)
    assert found.strategies[0].strategy == "other"


def test_differences_are_paired_and_corrected():
    found = outcome(experiment())
    other, random = (next(o for o in found.strategies if o.strategy == name) for name in ("other", "random"))
    assert other.versus["random"].difference == pytest.approx((other.area - random.area).mean())
    raw = paired_sign_flip_test(other.area, random.area)
    assert raw == 2 / 2**SEEDS
    assert other.versus["random"].p == pytest.approx(2 * raw)  # two strategies against this baseline
    equal = next(o for o in found.strategies if o.strategy == "foreground-random")
    assert equal.versus["random"].p == 1.0
    assert "random" not in random.versus


def test_cost_to_reach_the_target():
    found = outcome(experiment())
    by_name = {one.strategy: one for one in found.strategies}
    assert math.isinf(by_name["random"].cost[0.95][0])  # 0.7 never reaches 0.95 · 0.8
    assert by_name["other"].cost[0.95][0] == pytest.approx(40 + 80 * (0.76 - 0.7) / 0.1)


def test_losses_are_told_as_plainly_as_gains():
    cells = {row[0]: row for row in rows(outcome(experiment(gain=-0.1)))}
    assert cells["other"][2].endswith("loss")
    assert cells["foreground-random"][2].endswith("p = 1.000")


def test_training_limited_experiments_are_not_ranked():
    objections = outcome(experiment(twice=0.05)).objections
    assert len(objections) == 1
    assert "training-limited" in objections[0]
    assert not outcome(experiment()).objections


def test_no_room_is_said():
    (objection,) = outcome(experiment(rise=0.0)).objections
    assert "no room" in objection
    assert "Not to be ranked" in markdown(outcome(experiment(rise=0.0)))


def test_runs_without_a_common_span_are_refused():
    steps = experiment()
    late = [replace(step, seconds=step.seconds + 500) if step.strategy == "other" else step for step in steps]
    with pytest.raises(OptionError, match="share no span"):
        outcome(late)


def test_runs_of_one_round_are_refused():
    with pytest.raises(OptionError, match="1 round"):
        outcome([step for step in experiment() if step.queries == 0])


def test_table_figure_and_rows(tmp_path):
    steps = experiment()
    found = outcome(steps)
    assert len(markdown(found).splitlines()) == 4 + 3
    assert all(len(row) == len(HEADS) for row in rows(found))
    left, right = strategies_figure(found, steps).axes
    assert len(left.lines) == len(right.lines) == 3 + 3
    assert right.lines[0].get_xdata() == pytest.approx([0, 10, 20])
    write_rows(tmp_path / "rounds.csv", steps)
    lines = (tmp_path / "rounds.csv").read_text().splitlines()
    assert lines[0].startswith("strategy,seed,queries,seconds")
    assert len(lines) == 1 + len(steps)


def test_bands_hold_the_mean():
    one = outcome(experiment()).strategies[0]
    assert (one.low <= one.curve + 1e-12).all()
    assert (one.curve <= one.high + 1e-12).all()
    assert np.isfinite(one.low).all()
