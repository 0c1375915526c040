"""The result of simulated active learning: a figure, a table and rows for further analysis."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cryoal.io.durable import write_atomic
from cryoal.report.plots import BLUE, GREEN, SKY, VERMILION
from cryoal.simulation.learning import Step
from cryoal.simulation.outcome import BASELINES, SIGNIFICANT, TARGET_SHARES, Outcome, StrategyOutcome

_COLOURS = (BLUE, VERMILION, GREEN, "#CC79A7", "#E69F00", SKY, "#000000")
_LINES = ("-", "--", "-.", ":")

HEADS = (
    "strategy",
    "area",
    *(f"against {baseline}" for baseline in BASELINES),
    *(f"seconds to {share:.0%}" for share in TARGET_SHARES),
    "final AP",
)


def write_rows(path: Path, steps: Sequence[Step]) -> None:
    """Write every round of every run as CSV.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [field.name for field in fields(Step)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(step) for step in steps)
    write_atomic(path, text.getvalue())


def rows(found: Outcome) -> list[tuple[str, ...]]:
    """The table's cells, a row a strategy, under `HEADS`."""
    return [_row(one) for one in found.strategies]


def markdown(found: Outcome) -> str:
    """The table and what it rests on, in Markdown."""
    legend = (
        f"Average precision of full supervision {found.full.mean():.3f} ({found.full_seconds:,.0f} expert seconds). "
        f"Area: mean average precision over {found.budget_seconds:,.0f} seconds. Seconds to a share of full "
        f"supervision: median, and how many of {found.full.size} paired seeds reached it. Differences of areas with "
        "95 % intervals; p by the exact sign-flip test, Holm's correction."
    )
    lines = [legend, ""]
    for objection in found.objections:
        lines += [f"**Not to be ranked**: {objection}.", ""]
    lines += ["| " + " | ".join(HEADS) + " |", "|" + "---|" * len(HEADS)]
    lines += ["| " + " | ".join(row) + " |" for row in rows(found)]
    return "\n".join(lines) + "\n"


def strategies_figure(found: Outcome, steps: Sequence[Step], title: str = "") -> Figure:
    """Draw learning curves against expert seconds, with 95 % intervals, and against the number of labels."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    by_seconds, by_labels = figure.subplots(1, 2, sharey=True)
    for index, one in enumerate(found.strategies):
        colour, line = _COLOURS[index % len(_COLOURS)], _LINES[index // len(_COLOURS) % len(_LINES)]
        by_seconds.fill_between(one.seconds, one.low, one.high, color=colour, alpha=0.12, lw=0)
        by_seconds.plot(one.seconds, one.curve, line, color=colour, lw=1.8, label=one.strategy)
        labels, height = _by_labels(steps, one.strategy)
        by_labels.plot(labels, height, line, marker="o", ms=3, color=colour, lw=1.4)
    for axes, name in ((by_seconds, "expert seconds"), (by_labels, "labels")):
        _finish(axes, found, name)
    by_seconds.set_ylabel("average precision, micrographs never labelled")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    return figure


def _finish(axes: Axes, found: Outcome, x_label: str) -> None:
    """Reference lines, grid and label."""
    full = float(found.full.mean())
    axes.axhline(full, color="#606060", lw=1, ls=":")
    for share in TARGET_SHARES:
        axes.axhline(share * full, color="#606060", lw=1, ls=(0, (1, 4)))
    axes.annotate(
        "full supervision; below: 95 % and 90 % of it",
        (0.02, full),
        xycoords=("axes fraction", "data"),
        fontsize=8,
        va="bottom",
    )
    axes.set_xlabel(x_label)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _by_labels(steps: Sequence[Step], strategy: str) -> tuple[list[float], list[float]]:
    """Mean labels and mean average precision after each query."""
    mine = [step for step in steps if step.strategy == strategy]
    queries = sorted({step.queries for step in mine})
    at = [[step for step in mine if step.queries == number] for number in queries]
    labels = [float(np.mean([step.labels for step in some])) for some in at]
    return labels, [float(np.mean([step.average_precision for step in some])) for some in at]


def _row(one: StrategyOutcome) -> tuple[str, ...]:
    """One strategy's cells."""
    return (
        one.strategy,
        f"{one.area.mean():.4f}",
        *(_versus(one, baseline) for baseline in BASELINES),
        *(_cost(one.cost[share]) for share in TARGET_SHARES),
        f"{one.final.mean():.4f}",
    )


def _cost(cost: NDArray[np.float64]) -> str:
    """Median expert seconds, and how many seeds reached the target."""
    middle = float(np.median(cost))
    seconds = f"{middle:.0f}" if np.isfinite(middle) else "not reached"
    return f"{seconds} ({np.isfinite(cost).sum()} of {cost.size})"


def _versus(one: StrategyOutcome, baseline: str) -> str:
    """Gain or loss, its interval and what the test says."""
    versus = one.versus.get(baseline)
    if versus is None:
        return "–"
    low, high = versus.interval
    word = "" if versus.p >= SIGNIFICANT else " gain" if versus.difference > 0 else " loss"
    return f"{versus.difference:+.4f} ({low:+.4f} to {high:+.4f}), p = {versus.p:.3f}{word}"
