"""What long work reports while it runs."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TypeVar

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a piece of work has come.

    Attributes
    ----------
    stage : str
        What is being done, a few words.
    done, total : int
        In the stage's own steps.
    note : str
        Something the user should know, such as a micrograph that was set aside; usually empty.
    """

    stage: str
    done: int
    total: int
    note: str = ""


def last_value(work: Iterator[Progress | _Result]) -> Generator[Progress, None, _Result]:
    """Hand on the progress of a piece of work, and return its last value."""
    result: _Result | None = None
    for report in work:
        if isinstance(report, Progress):
            yield report
        else:
            result = report
    assert result is not None
    return result
