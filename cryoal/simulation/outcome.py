"""What simulated runs say: learning curves, areas, cost to a target, paired tests; and whether they may be ranked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryoal.errors import OptionError
from cryoal.evaluation.learning_curves import area_under_learning_curve, cost_to_target
from cryoal.evaluation.statistics import bootstrap_interval, holm_adjust, paired_sign_flip_test
from cryoal.simulation.design import FULL, FULL_TWICE
from cryoal.simulation.learning import Step

BASELINES = ("random", "foreground-random")
TARGET_SHARES = (0.9, 0.95)
_GRID = 41
_PLATEAU = 0.01
SIGNIFICANT = 0.05

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Versus:
    """A strategy against a baseline, over paired seeds.

    Attributes
    ----------
    difference : float
        Of the areas under the learning curves, mean over seeds; positive is a gain.
    interval : (float, float)
        95 % bootstrap interval of the mean.
    p : float
        Exact paired sign-flip test, Holm's correction over the strategies.
    """

    difference: float
    interval: tuple[float, float]
    p: float


@dataclass(frozen=True, slots=True)
class StrategyOutcome:
    """One strategy over all seeds.

    Attributes
    ----------
    strategy : str
    area : float64 array, shape (S,)
        Mean average precision over the common budget of seconds, by seed.
    cost : dict of float to float64 array, shape (S,)
        Expert seconds to each of `TARGET_SHARES` of full supervision; infinite where it was not reached.
    final : float64 array, shape (S,)
        Average precision after the last round.
    seconds, curve, low, high : float64 array, shape (G,)
        Mean learning curve over the common budget, with 95 % bootstrap intervals.
    versus : dict of str to Versus
        By baseline; without itself.
    """

    strategy: str
    area: Floats
    cost: dict[float, Floats]
    final: Floats
    seconds: Floats
    curve: Floats
    low: Floats
    high: Floats
    versus: dict[str, Versus]


@dataclass(frozen=True, slots=True)
class Outcome:
    """An experiment.

    Attributes
    ----------
    strategies : tuple of StrategyOutcome
        The largest mean area first.
    full : float64 array, shape (S,)
        Average precision of full supervision, by seed.
    full_seconds : float
        What full supervision costs the expert, mean over seeds.
    budget_seconds : float
        Up to where all runs of all strategies reach.
    objections : tuple of str
        Why the strategies must not be ranked; empty where they may.
    """

    strategies: tuple[StrategyOutcome, ...]
    full: Floats
    full_seconds: float
    budget_seconds: float
    objections: tuple[str, ...]


def outcome(steps: Sequence[Step]) -> Outcome:
    """Sum up an experiment.

    Raises
    ------
    OptionError
        A run is missing, or has fewer than two rounds with labels.
    """
    curves = _curves(steps)
    seeds = sorted({step.seed for step in steps})
    full = {step.seed: step.average_precision for step in steps if step.strategy == FULL}
    twice = {step.seed: step.average_precision for step in steps if step.strategy == FULL_TWICE}
    names = list(dict.fromkeys(name for name, _ in curves))
    start = max(seconds[0] for seconds, _ in curves.values())
    budget = min(seconds[-1] for seconds, _ in curves.values())
    if not budget > start:
        raise OptionError(f"--rounds: the runs share no span of expert seconds ({start:g} to {budget:g}); run more")
    grid = np.linspace(start, budget, _GRID)
    heights = {name: np.stack([np.interp(grid, *curves[name, seed]) for seed in seeds]) for name in names}
    areas = {name: np.array([area_under_learning_curve(grid, row) for row in rows]) for name, rows in heights.items()}
    versus = _versus(areas)
    targets = np.array([full[seed] for seed in seeds])
    found = []
    for name in names:
        cost = {share: _costs([curves[name, seed] for seed in seeds], share * targets) for share in TARGET_SHARES}
        low, high = _band(heights[name])
        found.append(
            StrategyOutcome(
                name,
                areas[name],
                cost,
                np.array([curves[name, seed][1][-1] for seed in seeds]),
                grid,
                heights[name].mean(axis=0),
                low,
                high,
                versus[name],
            )
        )
    found.sort(key=lambda one: -float(one.area.mean()))
    seconds = float(np.mean([step.seconds for step in steps if step.strategy == FULL]))
    return Outcome(tuple(found), targets, seconds, float(budget), _objections(curves, seeds, full, twice))


def _curves(steps: Sequence[Step]) -> dict[tuple[str, int], tuple[Floats, Floats]]:
    """Expert seconds and average precision of each run."""
    rows: dict[tuple[str, int], list[Step]] = {}
    for step in steps:
        if step.strategy not in (FULL, FULL_TWICE):
            rows.setdefault((step.strategy, step.seed), []).append(step)
    out = {}
    for (name, seed), run in rows.items():
        if len(run) < 2:
            raise OptionError(f"--rounds: {name}, seed {seed} has {len(run)} round with labels; run more")
        out[name, seed] = (np.array([s.seconds for s in run]), np.array([s.average_precision for s in run]))
    return out


def _costs(runs: Sequence[tuple[Floats, Floats]], targets: Floats) -> Floats:
    """Expert seconds of each run to its target; infinite where it was not reached."""
    costs = [cost_to_target(*run, float(target)) for run, target in zip(runs, targets, strict=True)]
    return np.array([np.inf if cost is None else cost for cost in costs])


def _versus(areas: dict[str, Floats]) -> dict[str, dict[str, Versus]]:
    """Every strategy against each baseline that was run."""
    out: dict[str, dict[str, Versus]] = {name: {} for name in areas}
    for baseline in (name for name in BASELINES if name in areas):
        others = [name for name in areas if name != baseline]
        if not others or areas[baseline].size < 2:
            continue
        rng = np.random.default_rng(0)
        p = holm_adjust([paired_sign_flip_test(areas[name], areas[baseline], rng) for name in others])
        for name, one in zip(others, p, strict=True):
            difference = areas[name] - areas[baseline]
            out[name][baseline] = Versus(float(difference.mean()), bootstrap_interval(difference, rng), float(one))
    return out


def _band(heights: Floats) -> tuple[Floats, Floats]:
    """95 % bootstrap interval of the mean at each point; the curve itself with one seed."""
    if len(heights) < 2:
        return heights[0], heights[0]
    rng = np.random.default_rng(0)
    intervals = np.array([bootstrap_interval(column, rng) for column in heights.T])
    return intervals[:, 0], intervals[:, 1]


def _objections(
    curves: dict[tuple[str, int], tuple[Floats, Floats]],
    seeds: Sequence[int],
    full: dict[int, float],
    twice: dict[int, float],
) -> tuple[str, ...]:
    """Reasons not to rank: training, not labels, limits; or labels chosen at random do not help either."""
    out = []
    gain = float(np.mean([twice[seed] - full[seed] for seed in twice])) if twice else 0.0
    if gain > _PLATEAU:
        out.append(f"training-limited, not label-limited: twice the steps gain {gain:.3f} with all labels")
    if (BASELINES[0], seeds[0]) in curves and len(seeds) > 1:
        first, last = (np.array([curves[BASELINES[0], seed][1][i] for seed in seeds]) for i in (0, -1))
        p = paired_sign_flip_test(last, first, np.random.default_rng(0))
        if last.mean() <= first.mean() or p >= SIGNIFICANT:
            all_labels = float(np.mean(list(full.values())))
            rise = f"{first.mean():.3f} to {last.mean():.3f}, full supervision {all_labels:.3f}"
            out.append(f"no room: random's curve does not rise ({rise})")
    return tuple(out)
