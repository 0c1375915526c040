"""What a person sees: progress on standard error, summaries and tables on standard output."""

import os
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from cryoal.learner.progress import Progress

if TYPE_CHECKING:
    from cryoal.evaluation.confusion import Confusion
    from cryoal.learner.picks import Picked
    from cryoal.workspace.settings import Settings

_Result = TypeVar("_Result")
_LOG_WIDTH = 400  # a log has no edge that a table must be folded at
_LOG_SECONDS = float(os.environ.get("CRYOAL_LOG_SECONDS", "30"))  # the napari plugin asks for more
_MIN_NAME_WIDTH = 16
_ADJECTIVES = ("rejected", "unsure")


def run(work: Iterator[Progress | _Result], *, quiet: bool) -> _Result:
    """Drive a piece of work, show how far it has come, and give its last value.

    On a terminal there is a bar a stage; in a log, a line a stage, and one every half minute of a long stage. Notes
    come as a table at the end. However it ends, the work is stopped and its locks are released.
    """
    notes: list[str] = []
    result: _Result | None = None
    with ExitStack() as stack:
        if isinstance(work, Generator):
            stack.callback(work.close)
        shown: _Nothing | _Bars | _Lines = _Nothing() if quiet else _Bars() if sys.stderr.isatty() else _Lines()
        stack.enter_context(shown)
        for report in work:
            if not isinstance(report, Progress):
                result = report
                continue
            if report.total:
                shown.show(report)
            if report.note:
                notes.append(report.note)
    if notes:
        table("set aside", ["micrographs that could not be used, and why"], [[note] for note in notes], error=True)
    assert result is not None
    return result


def say(text: str, *, quiet: bool = False) -> None:
    """One line of a summary."""
    if not quiet:
        _console().print(escape(text), soft_wrap=True)


def doubt(settings: "Settings", *, quiet: bool = False) -> None:
    """What the micrographs say against the diameter, if anything."""
    if settings.diameter_doubt:
        say(f"diameter: {settings.diameter_doubt}", quiet=quiet)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, error: bool = False) -> None:
    """A table; on standard error where it tells of trouble.

    Only the last column folds; the first, where there are several, is cut from the left where room is short: names of
    micrographs differ at their ends.
    """
    console = _console(error=error)
    texts = [[_text(value) for value in row] for row in rows]
    if len(columns) > 2:
        widths = [max(map(len, [head, *cells])) for head, *cells in zip(columns, *texts, strict=True)]
        room = max(console.width - sum(widths[1:]) - 2 * len(widths) + 1, _MIN_NAME_WIDTH)
        texts = [[_end_of(row[0], room), *row[1:]] for row in texts]
    drawn = Table(box=None, pad_edge=False)
    for index, column in enumerate(columns):
        is_text = index == 0 or len(columns) == 2
        drawn.add_column(column, overflow="fold", justify="left" if is_text else "right", no_wrap=len(columns) > 2)
    for row in texts:
        drawn.add_row(*(escape(text) for text in row))
    console.print(escape(title), style="bold", soft_wrap=True)
    console.print(drawn)


def listed(counts: Mapping[str, int]) -> str:
    """Counts in words: '12 particles, 1 complete field, 3 rejected'."""
    return ", ".join(_counted(count, kind.removesuffix("s")) for kind, count in counts.items() if count) or "nothing"


def picked(done: "Picked") -> str:
    """What picking did, in words."""
    return (
        f"{done.picks:,} picks on {done.micrographs:,} micrographs; those no expert has judged have a probability "
        f"≥ {done.threshold:.3f} and an expected precision of {_text(done.expected_precision)}"
    )


def class_table(metrics: Mapping[str, object], noun: str, settings: "Settings", *, quiet: bool) -> None:
    """How a round calls held-out labels of each class, or kind of junk; nothing where it tells none apart."""
    from cryoal.data.classes import class_name
    from cryoal.learner.held_out_classes import PLAIN, class_metrics

    found = class_metrics(metrics, noun)
    if quiet or found is None:
        return
    given = settings.classes if noun == "class" else settings.junk
    names = ["plain background" if n == PLAIN else class_name(n, given, noun) for n in found.numbers]
    told = "particles whose class" if noun == "class" else "background whose kind"
    confusion_table(f"{told} was kept out of training", names, found)


def confusion_table(title: str, names: Sequence[str], found: "Confusion") -> None:
    """A row for each true class: how often it was called what."""
    rows = [[name, *map(int, counts)] for name, counts in zip(names, found.counts, strict=True)]
    mean = f"accuracy {_text(found.accuracy)}, mean over classes {_text(found.balanced_accuracy)}"
    table(f"{title}: {mean}", ["", *(f"called {name}" for name in names)], rows)


class _Nothing(ExitStack):
    """Shows nothing."""

    def show(self, report: Progress) -> None:
        """Nothing."""


class _Bars(ExitStack):
    """A bar a stage, on a terminal."""

    def __init__(self) -> None:
        super().__init__()
        times = (TimeElapsedColumn(), TimeRemainingColumn())
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *times)
        self._bar = self.enter_context(Bar(*columns, console=_console(error=True)))
        self._tasks: dict[str, TaskID] = {}

    def show(self, report: Progress) -> None:
        """Move the stage's bar; the bars of earlier stages stand still."""
        if report.stage not in self._tasks:
            self._tasks[report.stage] = self._bar.add_task(report.stage, total=report.total)
        self._bar.update(self._tasks[report.stage], completed=report.done, total=report.total)


class _Lines(ExitStack):
    """A line a stage when it is done, and now and then before, in a log."""

    def __init__(self) -> None:
        super().__init__()
        self._started: dict[str, float] = {}
        self._done: set[str] = set()
        self._told = time.monotonic()

    def show(self, report: Progress) -> None:
        """Write a line if it is time to."""
        now = time.monotonic()
        started = self._started.setdefault(report.stage, now)
        if report.done == report.total:
            if report.stage in self._done:
                return
            self._done.add(report.stage)
        elif now - self._told < _LOG_SECONDS:
            return
        self._told = now
        sys.stderr.write(f"{report.stage}: {report.done:,}/{report.total:,}, {now - started:.0f} s\n")
        sys.stderr.flush()


def _console(*, error: bool = False) -> Console:
    """The terminal or the log, as it is now."""
    is_terminal = (sys.stderr if error else sys.stdout).isatty()
    return Console(stderr=error, highlight=False, width=None if is_terminal else _LOG_WIDTH)


def _counted(count: int, noun: str) -> str:
    """'1 particle', '2 particles', '2 rejected'."""
    return f"{count:,} {noun}" if count == 1 or noun in _ADJECTIVES else f"{count:,} {noun}s"


def _end_of(name: str, width: int) -> str:
    """The name, or as much of its end as there is room for."""
    return name if len(name) <= width else "…" + name[1 - width :]


def _text(value: object) -> str:
    """Numbers short, NaN as a dash."""
    if isinstance(value, float):
        return "–" if value != value else f"{value:.3f}"  # noqa: PLR0124  NaN is unlike itself
    return f"{value:,}" if isinstance(value, int) else str(value)
