"""The truth behind the window, without Qt: the queue, the micrograph and target of the moment, commands and undo."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from cryoal.data.labels import Label, Origin, Verdict
from cryoal.data.picks import Picks
from cryoal.errors import MicrographError
from cryoal.learner.picks import not_judged, with_marks
from cryoal.learner.project import Project
from cryoal.model.thresholds import threshold_for_expected_f1
from cryoal.workspace.journal import CompleteField, CompleteMicrograph, Retraction, What
from napari_plugin.ledger import Ledger, Step
from napari_plugin.marks import NOT_REJECTED, Marks, State, marks_of
from napari_plugin.newest_round import NewestRound
from napari_plugin.places import Bookmark, Place, read_bookmark, write_bookmark
from napari_plugin.questions import Questions

_LONGEST_SECONDS = 60.0
_OPEN = (State.PROPOSED, State.ASKED)


class Document:
    """A workspace under review.

    Parameters
    ----------
    project : Project

    Attributes
    ----------
    place : Place
    questions : Questions
        The queue of the newest round.
    threshold : float
        Proposals from this probability up are shown, and exported.
    class_number : int
        Of particles that are added, and of those accepted of which the committee does not tell the class; 0 for none.
    round_number : int
        0 before the first round.

    Raises
    ------
    FileFormatError
        The journal or the query is broken.
    WorkspaceError
        No micrograph of the workspace can be used.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.keys = [entry.key for entry in project.entries if entry.key in project.shapes]
        if not self.keys:
            raise MicrographError(f"{project.layout.root}: none of its micrographs can be read; see cryoal status")
        self.ledger = Ledger(project.layout.labels, project.answer_reach_px)
        self.place = Place(self.keys[0])
        self._moved = time.monotonic()
        self._marks: tuple[object, Marks] | None = None
        self.class_number = 0
        self.reload()
        self._resume()

    def reload(self) -> None:
        """Take up the newest round and its query."""
        self._round = NewestRound(self.project, self.keys)
        self.round_number, self.scores = self._round.number, self._round.scores
        self.questions = Questions(self._round.queue, self.ledger, self.diameter_px)
        self.threshold = float(threshold_for_expected_f1(self.scores)) if self.scores.size else 0.5
        self.go(Place(self.place.micrograph))
        self.next_field(open_only=True)

    def marks(self, key: str | None = None) -> Marks:
        """What is to be seen on a micrograph, by default the present one."""
        key = key or self.place.micrograph
        now = key, self.threshold, self.ledger.made, self._round
        if self._marks is None or self._marks[0] != now:
            scored, labels = self._round.candidates(key), self.ledger.labels(key)
            drawn = marks_of(scored, labels, self.questions.open_on(key), self.threshold, self.diameter_px(key))
            self._marks = now, drawn
        return self._marks[1]

    def picks(self, key: str | None = None) -> Picks:
        """What an export of a micrograph holds: all that is drawn as particle or proposal, and what is left unsure."""
        key = key or self.place.micrograph
        scored, labels = self._round.candidates(key), self.ledger.labels(key)
        free = Picks.empty() if scored is None else not_judged(scored, labels, self.diameter_px(key))
        return with_marks(free.select(free.score >= self.threshold), labels)

    @property
    def is_scored(self) -> bool:
        """Whether the committee has proposed on the present micrograph."""
        return self._round.is_scored(self.place.micrograph)

    def diameter_px(self, key: str | None = None) -> float:
        """Particle diameter in pixels of a micrograph."""
        return self.project.diameter_px(self.project.by_key[key or self.place.micrograph])

    def score_at(self, xy: tuple[float, float] | None) -> float:
        """The committee's probability at a position; NaN where it proposes nothing."""
        scored = self._round.candidates(self.place.micrograph)
        if scored is None or xy is None or not len(scored):
            return float("nan")
        distance = np.hypot(*(scored.xy - xy).T)
        best = int(distance.argmin())
        return float(scored.probability[best]) if distance[best] <= 0.3 * self.diameter_px() else float("nan")

    def snapshot(self) -> bytes:
        """Everything the expert can change, as bytes."""
        labels = {key: asdict(self.ledger.labels(key)) for key in self.keys}
        content = {"place": asdict(self.place), "labels": labels, "threshold": self.threshold}
        return json.dumps(content, default=sorted, sort_keys=True).encode()

    def go(self, place: Place) -> None:
        """Be at a place; without a target the nearest open proposal becomes it."""
        self.place = place
        self._moved = time.monotonic()
        if place.target is None:
            middle = place.centre(self.project.shapes[place.micrograph])
            self.place = Place(place.micrograph, place.field, self._next_target(middle))

    def next_field(self, *, open_only: bool = False) -> bool:
        """Go to the next field of the queue that is not finished; False where there is none.

        Parameters
        ----------
        open_only : bool
            Prefer one with proposals to judge.
        """
        rest = self.questions.following(self.place.field)
        full = (field for field in rest if open_only and len(self._open_xy(Place(field.micrograph, field))))
        field = next(full, rest[0] if rest else None)
        if field is not None:
            self.go(Place(field.micrograph, field))
        return field is not None

    def step_micrograph(self, by: int) -> None:
        """Go to the micrograph so many places further in the list, and its first open field."""
        key = self.keys[(self.keys.index(self.place.micrograph) + by) % len(self.keys)]
        self.go(Place(key, next(iter(self.questions.open_on(key)), None)))

    def aim(self, xy: tuple[float, float]) -> None:
        """Make a proposal of the present micrograph the target."""
        self.place = Place(self.place.micrograph, self.place.field, xy)

    def judge(self, verdict: Verdict, class_number: int | None = None) -> bool:
        """Judge the target and go to the next one, which may be in the next field; whether anything was decided."""
        if self.place.target is None:
            self.next_field(open_only=True)
            return False
        label = self._label(self.place.target, verdict, class_number)
        return self._do(self.place.micrograph, [label], go_on=True)

    def judge_all(self, xy: Iterable[Sequence[float]], verdict: Verdict, class_number: int | None = None) -> bool:
        """Judge positions as one step."""
        rows: list[What] = [self._label(one, verdict, class_number) for one in xy]
        return self._do(self.place.micrograph, rows)

    def click(self, xy: tuple[float, float]) -> bool:
        """Accept the circle under a position, or add a particle where there is none."""
        if not self.is_inside(xy):
            return False
        marks = self.marks()
        hit = marks.clicked(xy, self.diameter_px())
        if hit is None:
            return self.judge_all([xy], Verdict.PARTICLE)
        if marks.of(State.ACCEPTED, State.ADDED)[hit]:
            return False
        return self.judge_all([marks.xy[hit]], Verdict.PARTICLE)

    def reject_at(self, xy: tuple[float, float]) -> bool:
        """Reject what lies under a position."""
        marks = self.marks()
        hit = marks.nearest(xy, self.diameter_px() / 2, *NOT_REJECTED)
        return hit is not None and self.judge_all([marks.xy[hit]], Verdict.REJECTED)

    def judge_inside(self, x: tuple[float, float], y: tuple[float, float], verdict: Verdict) -> bool:
        """Judge, as one step, what lies in a rectangle: to accept, the proposals; to reject, all that is not yet."""
        marks = self.marks()
        states = _OPEN if verdict == Verdict.PARTICLE else NOT_REJECTED
        return self.judge_all(marks.xy[marks.inside(x, y) & marks.of(*states)], verdict)

    def move(self, start: tuple[float, float], end: tuple[float, float]) -> bool:
        """Move what lies under a position: it is a particle at the new one."""
        marks = self.marks()
        hit = marks.nearest(start, self.diameter_px() / 2, *State)
        if hit is None or not self.is_inside(end):
            return False
        whats: list[What] = []
        for label in self.ledger.labels(self.place.micrograph).labels:
            decision = self.ledger.decision_of(self.place.micrograph, label)
            if (label.x, label.y) == tuple(marks.xy[hit]) and decision is not None:
                whats.append(Retraction(decision.id))
        whats.append(self._label(end, Verdict.PARTICLE, int(marks.class_number[hit])))
        return self._do(self.place.micrograph, whats)

    def finish_field(self) -> bool:
        """The field is complete: what is unmarked in it is background; goes to the next."""
        field = self.place.to_finish
        if field is None or self.questions.is_finished(field):
            self.next_field()
            return False
        queried = self.questions.queried(field)
        drawn = queried.reason if queried else "by hand"
        return self._do(field.micrograph, [CompleteField(field, drawn)], go_on=True)

    def finish_micrograph(self) -> bool:
        """The whole micrograph is complete."""
        if self.ledger.labels(self.place.micrograph).complete:
            return False
        return self._do(self.place.micrograph, [CompleteMicrograph()], go_on=True)

    def undo(self) -> bool:
        """Take the newest step back and go where it was made."""
        step = self.ledger.undo()
        return self._return_to(step, step.before if step else None)

    def redo(self) -> bool:
        """Do what was undone last again."""
        step = self.ledger.redo()
        return self._return_to(step, step.after if step else None)

    def remember(self) -> None:
        """Keep where the expert is, for the next time; labels need no keeping, they are kept already."""
        write_bookmark(self.project.layout.root, Bookmark(self.round_number, self.threshold, self.place))

    def is_inside(self, xy: tuple[float, float]) -> bool:
        """Whether a position lies on a pixel of the present micrograph."""
        ny, nx = self.project.shapes[self.place.micrograph]
        return bool(-0.5 <= xy[0] < nx - 0.5 and -0.5 <= xy[1] < ny - 0.5)

    def _do(self, key: str, whats: Sequence[What], *, go_on: bool = False) -> bool:
        """Decide as one step, and find the next target; to go on is to leave a field where all is judged."""
        if not whats:
            return False
        before = self.place
        now = time.monotonic()
        step = self.ledger.do(key, whats, min(max(now - self._moved, 0.001), _LONGEST_SECONDS))
        self._moved = now
        self.place = Place(before.micrograph, before.field, self._kept_target())
        if go_on and self.place.target is None and self.next_field(open_only=True):
            left = before.field if before.field and not self.questions.is_finished(before.field) else None
            self.place = replace(self.place, left=left if left != self.place.field else None)
        step.before, step.after = before, self.place
        return True

    def _label(self, xy: Sequence[float], verdict: Verdict, class_number: int | None) -> Label:
        """An answer; without a class, a particle has the one that is drawn there, else the one chosen last."""
        x, y = float(xy[0]), float(xy[1])
        if class_number is None:
            drawn = self._round.class_at(self.place.micrograph, (x, y), 0.3 * self.diameter_px())
            class_number = (drawn or self.class_number) if verdict == Verdict.PARTICLE else 0
        return Label(x, y, verdict, Origin.ANSWER, class_number)

    def _kept_target(self) -> tuple[float, float] | None:
        """The target, or where it is judged the nearest to it that is not."""
        target = self.place.target
        if target is None:
            return None
        still = self._open_xy(self.place)
        if len(still) and np.hypot(*(still - target).T).min() < 1e-6:
            return target
        return self._next_target(target)

    def _next_target(self, near: tuple[float, float]) -> tuple[float, float] | None:
        """The open proposal of the field nearest to a position."""
        xy = self._open_xy(self.place)
        if not len(xy):
            return None
        x, y = xy[np.hypot(*(xy - near).T).argmin()]
        return float(x), float(y)

    def _open_xy(self, place: Place) -> NDArray[np.float64]:
        """Proposals shown and not judged, of the field or else the micrograph."""
        marks = self.marks(place.micrograph)
        xy = marks.xy[marks.of(*_OPEN)]
        return xy[place.field.contains(xy)] if place.field else xy

    def _return_to(self, step: Step | None, place: object) -> bool:
        """Be where a step was made."""
        if step is None:
            return False
        if not isinstance(place, Place) or (place.field is not None and self.questions.queried(place.field) is None):
            place = Place(step.micrograph, next(iter(self.questions.open_on(step.micrograph)), None))
        self.go(place)
        return True

    def _resume(self) -> None:
        """Go where the expert was when the bookmark was written, if it still means something."""
        bookmark = read_bookmark(self.project.layout.root)
        if bookmark is None or bookmark.round_number != self.round_number or bookmark.place.micrograph not in self.keys:
            return
        self.threshold = bookmark.threshold
        field = bookmark.place.field
        if field is None or (self.questions.queried(field) is not None and not self.questions.is_finished(field)):
            self.place = bookmark.place
            self.place = Place(self.place.micrograph, field, self._kept_target())
        else:
            self.next_field()
        if bookmark.place.target is not None and self.place.target is None:  # judged after the bookmark was written
            self.next_field(open_only=True)
