"""The journal of decisions, labels.jsonl: one JSON object a line, only ever appended to, fsynced.

::

    {"id": "5f0c…", "when": "2025-03-01T09:30:00.123Z", "who": "ada", "seconds": 1.2, "what": "label",
     "micrograph": "Micrographs/a", "x": 100.5, "y": 60.0, "verdict": "particle", "origin": "answer", "class": 0}
    {"id": …, "what": "field", "micrograph": "Micrographs/a", "x": 0.0, "y": 512.0, "size": 512.0, "drawn": "random"}
    {"id": …, "what": "micrograph", "micrograph": "Micrographs/a"}
    {"id": …, "what": "retract", "retracts": "5f0c…"}

A last line without a line end is what a crash left of a write; it never counts and the next write cuts it off.
"""

import json
import math
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryoal.data.labels import Field, Label, Origin, Verdict
from cryoal.errors import FileError, FileFormatError
from cryoal.io.durable import append_lines

RANDOM = "random"
_POSITION_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class CompleteField:
    """All particles of a field are marked.

    Attributes
    ----------
    field : Field
    drawn : str
        How it was chosen: `RANDOM`, or the strategy's name.
    """

    field: Field
    drawn: str


@dataclass(frozen=True, slots=True)
class CompleteMicrograph:
    """All particles of a micrograph are marked."""


@dataclass(frozen=True, slots=True)
class Retraction:
    """An earlier decision, or an earlier retraction, is undone.

    Attributes
    ----------
    retracts : str
        The id of what is undone.
    """

    retracts: str


What = Label | CompleteField | CompleteMicrograph | Retraction


def _new_id() -> str:
    """An id that no other decision has."""
    return secrets.token_hex(8)


def _now() -> str:
    """UTC, ISO 8601, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision of one person.

    Attributes
    ----------
    what : Label, CompleteField, CompleteMicrograph or Retraction
    micrograph : str
        Key of the micrograph; empty for a retraction.
    who : str
    seconds : float
        Time the person took; 0 for an import.
    id : str
    when : str
        UTC, ISO 8601.
    """

    what: What
    micrograph: str = ""
    who: str = ""
    seconds: float = 0.0
    id: str = field(default_factory=_new_id)
    when: str = field(default_factory=_now)


def append_decisions(path: Path, decisions: Iterable[Decision]) -> None:
    """Append decisions; they are on disk when it returns.

    What makes a field or micrograph complete is written after the labels, so that a crash between two lines
    cannot turn particles into background.

    Raises
    ------
    FileError
        The journal cannot be written; none of the decisions is in it.
    """
    last = (CompleteField, CompleteMicrograph)
    ordered = sorted(decisions, key=lambda decision: isinstance(decision.what, last))
    append_lines(path, [json.dumps(_to_json(decision)) for decision in ordered])


def read_journal(path: Path) -> list[Decision]:
    """All decisions in the order they were made, retracted ones and retractions included.

    Raises
    ------
    FileFormatError
        A line, but for a torn last one, is broken; the text names it.
    FileError
        The journal cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    lines = data.split(b"\n")[:-1]
    return [_parse(path, number, line) for number, line in enumerate(lines, start=1)]


def _to_json(decision: Decision) -> dict[str, Any]:
    """The object of one line."""
    head = {"id": decision.id, "when": decision.when, "who": decision.who, "seconds": round(decision.seconds, 3)}
    match decision.what:
        case Retraction(retracts):
            return {**head, "what": "retract", "retracts": retracts}
        case CompleteMicrograph():
            return {**head, "what": "micrograph", "micrograph": decision.micrograph}
        case CompleteField(square, drawn):
            place = {"x": px(square.x), "y": px(square.y), "size": px(square.size)}
            return {**head, "what": "field", "micrograph": decision.micrograph, **place, "drawn": drawn}
        case Label() as label:
            place = {"x": px(label.x), "y": px(label.y)}
            said = {"verdict": label.verdict.value, "origin": label.origin.value, "class": int(label.class_number)}
            return {**head, "what": "label", "micrograph": decision.micrograph, **place, **said}


def px(value: float) -> float:
    """A position as the journal keeps it."""
    return round(float(value), _POSITION_DECIMALS)


def _parse(path: Path, number: int, line: bytes) -> Decision:
    """One line, or an error that names it."""
    try:
        row = json.loads(line)
        what = _PARSERS[row["what"]](row)
        micrograph = "" if isinstance(what, Retraction) else _text(row, "micrograph")
        return Decision(
            what, micrograph, _text(row, "who"), _number(row, "seconds"), _text(row, "id"), _text(row, "when")
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = f"{error} is missing or unknown" if isinstance(error, KeyError) else str(error)
        raise FileFormatError(
            f"{path}, line {number}: not a decision ({reason}); mend the line or delete it"
        ) from error


def _parse_label(row: dict[str, Any]) -> Label:
    """A label's own fields."""
    verdict, origin = Verdict(row["verdict"]), Origin(row["origin"])
    number = row.get("class", 0)
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise ValueError(f"class is {number!r}, a whole number from 0 up is needed")
    return Label(_number(row, "x"), _number(row, "y"), verdict, origin, number)


def _parse_field(row: dict[str, Any]) -> CompleteField:
    """A complete field's own fields."""
    square = Field(_text(row, "micrograph"), _number(row, "x"), _number(row, "y"), _number(row, "size"))
    return CompleteField(square, _text(row, "drawn"))


_PARSERS: dict[str, Callable[[dict[str, Any]], What]] = {
    "label": _parse_label,
    "field": _parse_field,
    "micrograph": lambda _: CompleteMicrograph(),
    "retract": lambda row: Retraction(_text(row, "retracts")),
}


def _number(row: dict[str, Any], name: str) -> float:
    """A finite number."""
    value = row[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}, a number is needed")
    return float(value)


def _text(row: dict[str, Any], name: str) -> str:
    """A text."""
    value = row[name]
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}, a text is needed")
    return value
