"""What the journal's decisions add up to: the labels that hold now, and which of an import are new."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cryoal.data.labels import Field, Label, MicrographLabels, Origin, Verdict
from cryoal.workspace.journal import RANDOM, CompleteField, CompleteMicrograph, Decision, Retraction, px

SAME_POSITION_PX = 0.01


def labels_by_micrograph(decisions: Iterable[Decision], answer_radius_px: float) -> dict[str, MicrographLabels]:
    """The labels that hold, by key of the micrograph.

    A later label takes the place of earlier ones about the same position: within `answer_radius_px` if one of
    the two is an answer about a candidate, else within `SAME_POSITION_PX`.

    Parameters
    ----------
    decisions : iterable of Decision
        In the order they were made.
    answer_radius_px : float
        How far an answer reaches, pixels of the original micrograph; a small part of a particle's radius.
    """
    states: defaultdict[str, _State] = defaultdict(lambda: _State(_Positions(answer_radius_px)))
    for decision in not_retracted(decisions):
        state = states[decision.micrograph]
        match decision.what:
            case Label() as label:
                state.positions.put(label)
            case CompleteMicrograph():
                state.complete = True
            case CompleteField(square, drawn):
                state.fields[square] = state.fields.get(square, False) or drawn == RANDOM
    return {key: state.result() for key, state in states.items()}


def count_labels(labels: Mapping[str, MicrographLabels]) -> dict[str, int]:
    """How many labels of each kind, labels with a class, complete fields and complete micrographs there are."""
    counts = {verdict.value: sum(len(one.xy(verdict)) for one in labels.values()) for verdict in Verdict}
    classed = sum(p.class_number > 0 for one in labels.values() for p in one.labels)
    counts |= {"classed labels": classed} if classed else {}
    counts["complete fields"] = sum(len(one.fields) for one in labels.values())
    counts["complete micrographs"] = sum(one.complete for one in labels.values())
    return counts


def not_retracted(decisions: Iterable[Decision]) -> list[Decision]:
    """The decisions that hold, without retractions; a retraction may itself be retracted."""
    retracted: set[str] = set()
    kept = []
    for decision in reversed(list(decisions)):
        if decision.id in retracted:
            continue
        if isinstance(decision.what, Retraction):
            retracted.add(decision.what.retracts)
        else:
            kept.append(decision)
    return kept[::-1]


def new_decisions(earlier: Iterable[Decision], imported: Iterable[Decision]) -> list[Decision]:
    """Those of an import that are not in the journal yet, so that importing a file twice adds nothing.

    A label is there already if the newest one of its origin about its position (within `SAME_POSITION_PX`) has the
    same verdict, and the same class unless the import has none: importing a file again never overrules what the
    expert answered since.
    """
    known = _Known()
    for decision in not_retracted(earlier):
        known.learn(decision)
    return [decision for decision in imported if known.learn(decision)]


def _says(other: Label, label: Label) -> bool:
    """Whether a label is said by another of its position already."""
    return other.verdict == label.verdict and label.class_number in (0, other.class_number)


class _Known:
    """What the journal holds already."""

    def __init__(self) -> None:
        self._labels: defaultdict[tuple[str, Origin], _Positions] = defaultdict(lambda: _Positions(SAME_POSITION_PX))
        self._complete: set[tuple[str | float, ...]] = set()

    def learn(self, decision: Decision) -> bool:
        """Take a decision in; whether it was new."""
        match decision.what:
            case Label() as label:
                positions = self._labels[decision.micrograph, label.origin]
                if any(_says(other, label) for other in positions.near(label, SAME_POSITION_PX)):
                    return False
                positions.put(label)
                return True
            case CompleteField(square):
                place: tuple[str | float, ...] = (square.micrograph, px(square.x), px(square.y), px(square.size))
            case CompleteMicrograph():
                place = (decision.micrograph,)
            case _:
                return True
        is_new = place not in self._complete
        self._complete.add(place)
        return is_new


@dataclass(slots=True)
class _State:
    """What is known of one micrograph while the journal is replayed; a field's value: drawn at random."""

    positions: "_Positions"
    complete: bool = False
    fields: dict[Field, bool] = field(default_factory=dict)

    def result(self) -> MicrographLabels:
        """What is known in the end."""
        at_random = frozenset(square for square, is_random in self.fields.items() if is_random)
        return MicrographLabels(self.positions.labels(), self.complete, tuple(self.fields), at_random)


class _Positions:
    """Labels of one micrograph by position: a grid of cells as wide as the reach, so that neighbours are near."""

    def __init__(self, reach_px: float) -> None:
        self._reach_px = max(reach_px, SAME_POSITION_PX)
        self._cells: defaultdict[tuple[int, int], list[Label]] = defaultdict(list)
        self._order: dict[Label, None] = {}

    def put(self, label: Label) -> None:
        """Add a label in the place of those about the same position."""
        for other in self.near(label, self._reach_px):
            answered = Origin.ANSWER in (label.origin, other.origin)
            if answered or math.dist((label.x, label.y), (other.x, other.y)) <= SAME_POSITION_PX:
                self._cells[self._cell(other)].remove(other)
                del self._order[other]
        self._cells[self._cell(label)].append(label)
        self._order[label] = None

    def near(self, label: Label, distance_px: float) -> list[Label]:
        """The labels within a distance of at most the reach."""
        column, row = self._cell(label)
        cells = [(column + i, row + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        others = [other for cell in cells for other in self._cells.get(cell, ())]
        return [other for other in others if math.dist((label.x, label.y), (other.x, other.y)) <= distance_px]

    def labels(self) -> tuple[Label, ...]:
        """All, oldest first."""
        return tuple(self._order)

    def _cell(self, label: Label) -> tuple[int, int]:
        """Where in the grid a position lies."""
        return math.floor(label.x / self._reach_px), math.floor(label.y / self._reach_px)
