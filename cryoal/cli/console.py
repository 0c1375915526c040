"""What a person sees: progress bars on standard error, summaries and tables on standard output."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from cryoal.learner.progress import Progress

_Result = TypeVar("_Result")
_out = Console(soft_wrap=True, highlight=False)
_err = Console(stderr=True, soft_wrap=True, highlight=False)


def run(work: Iterator[Progress | _Result], *, quiet: bool) -> _Result:
    """Drive a piece of work with a bar a stage, and give its last value; notes come as a table at the end."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    notes: list[str] = []
    result: _Result | None = None
    with Bar(*columns, console=_err, disable=quiet) as bar:
        tasks: dict[str, TaskID] = {}
        for report in work:
            if not isinstance(report, Progress):
                result = report
                continue
            if report.stage not in tasks:
                tasks[report.stage] = bar.add_task(report.stage, total=report.total)
            bar.update(tasks[report.stage], completed=report.done, total=report.total)
            if report.note:
                notes.append(report.note)
    if notes:
        table("set aside", ["micrographs that could not be used, and why"], [[note] for note in notes], error=True)
    assert result is not None
    return result


def say(text: str, *, quiet: bool = False) -> None:
    """One line of a summary."""
    if not quiet:
        _out.print(escape(text))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, error: bool = False) -> None:
    """A table; on standard error where it tells of trouble."""
    drawn = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        drawn.add_column(column, overflow="fold", justify="left" if index == 0 else "right")
    for row in rows:
        drawn.add_row(*(escape(_text(value)) for value in row))
    (_err if error else _out).print(drawn)


def listed(counts: Mapping[str, int]) -> str:
    """Counts in words: '12 particle, 3 rejected'."""
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count) or "nothing"


def _text(value: object) -> str:
    """Numbers short, NaN as a dash."""
    if isinstance(value, float):
        return "–" if value != value else f"{value:.3f}"  # noqa: PLR0124  NaN is unlike itself
    return f"{value:,}" if isinstance(value, int) else str(value)
