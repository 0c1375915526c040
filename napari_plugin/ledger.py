"""The journal as the window keeps it: decisions by micrograph, steps that can be undone, one fsynced write a step."""

import getpass
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from cryoal.data.labels import Label, MicrographLabels, Verdict
from cryoal.workspace.journal import Decision, Retraction, What, append_decisions, read_journal
from cryoal.workspace.labelling import labels_by_micrograph, not_retracted

_STEPS_KEPT = 1000


@dataclass(slots=True)
class Step:
    """What one gesture did, all on one micrograph.

    Attributes
    ----------
    micrograph : str
    ids : tuple of str
        The decisions made.
    before, after : object, optional
        Where the expert was; the document's own.
    """

    micrograph: str
    ids: tuple[str, ...]
    before: object = None
    after: object = None


@dataclass(slots=True)
class Ledger:
    """Decisions of a workspace, applied in memory and appended to its journal.

    Attributes
    ----------
    path : Path
        The journal.
    reach_px : float
        How far an answer reaches (see `labels_by_micrograph`).
    made : int
        Decisions appended since the ledger was opened.
    """

    path: Path
    reach_px: float
    made: int = 0
    _of: defaultdict[str, list[Decision]] = field(default_factory=lambda: defaultdict(list))
    _owner: dict[str, str] = field(default_factory=dict)
    _labels: dict[str, MicrographLabels] = field(default_factory=dict)
    _done: list[Step] = field(default_factory=list)
    _undone: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        decisions = read_journal(self.path)
        for decision in decisions:
            self._take(decision)
        for key, of_key in self._of.items():
            self._labels[key] = self._replayed(key, of_key)
        self._done = _steps(decisions, _user())

    def labels(self, key: str) -> MicrographLabels:
        """What is known of one micrograph."""
        return self._labels.get(key, MicrographLabels())

    def counts(self) -> Counter[Verdict]:
        """Labels by verdict over all micrographs."""
        return Counter(label.verdict for known in self._labels.values() for label in known.labels)

    def classes(self) -> Counter[int]:
        """Particles by class over all micrographs."""
        known = (label for one in self._labels.values() for label in one.labels)
        return Counter(label.class_number for label in known if label.verdict == Verdict.PARTICLE)

    def last(self) -> Decision | None:
        """The newest decision that holds and is not a retraction."""
        holding = not_retracted(self._of[self._done[-1].micrograph]) if self._done else []
        return holding[-1] if holding else None

    def decision_of(self, key: str, label: Label) -> Decision | None:
        """The decision that a label comes from."""
        return next((one for one in reversed(not_retracted(self._of[key])) if one.what == label), None)

    def do(self, key: str, whats: Sequence[What], seconds: float = 0.0) -> Step:
        """Decide, as one step: it is on disk when this returns.

        Raises
        ------
        FileError
            The journal cannot be written; nothing is changed.
        """
        step = self._append(key, whats, seconds)
        self._done.append(step)
        self._undone.clear()
        return step

    def undo(self) -> Step | None:
        """Take the newest step back; gives it, or None where there is none."""
        if not self._done:
            return None
        step = self._done[-1]
        taken_back = self._append(step.micrograph, [Retraction(one) for one in reversed(step.ids)], 0.0)
        self._done.pop()
        taken_back.before, taken_back.after = step.before, step.after
        self._undone.append(taken_back)
        return step

    def redo(self) -> Step | None:
        """Do what was undone last again, by retracting the retractions."""
        if not self._undone:
            return None
        taken_back = self._undone[-1]
        again = self._append(taken_back.micrograph, [Retraction(one) for one in reversed(taken_back.ids)], 0.0)
        self._undone.pop()
        again.before, again.after = taken_back.before, taken_back.after
        self._done.append(again)
        return again

    def _append(self, key: str, whats: Sequence[What], seconds: float) -> Step:
        """Write, then apply."""
        decisions = [Decision(what, "" if isinstance(what, Retraction) else key, _user()) for what in whats]
        when, share = decisions[0].when, seconds / len(decisions)  # one time a step: that is how it is known again
        decisions = [Decision(one.what, one.micrograph, one.who, share, one.id, when) for one in decisions]
        append_decisions(self.path, decisions)
        for decision in decisions:
            self._take(decision)
        self._labels[key] = self._replayed(key, self._of[key])
        self.made += len(decisions)
        return Step(key, tuple(one.id for one in decisions))

    def _take(self, decision: Decision) -> None:
        """File a decision under its micrograph; a retraction under that of what it retracts."""
        what = decision.what
        owner = self._owner.get(what.retracts, "") if isinstance(what, Retraction) else decision.micrograph
        self._owner[decision.id] = owner
        self._of[owner].append(decision)

    def _replayed(self, key: str, decisions: Sequence[Decision]) -> MicrographLabels:
        """What the decisions of one micrograph add up to."""
        return labels_by_micrograph(decisions, self.reach_px).get(key, MicrographLabels())


def _steps(decisions: Sequence[Decision], who: str) -> list[Step]:
    """The steps of one person that can still be undone, oldest first; imports, which took no time, are none."""
    mine = [one for one in not_retracted(decisions) if one.who == who and one.seconds > 0]
    groups = groupby(mine[-_STEPS_KEPT:], key=lambda one: (one.when, one.micrograph))
    return [Step(key, tuple(one.id for one in group)) for (_, key), group in groups]


def _user() -> str:
    """The login name, empty where the system has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
