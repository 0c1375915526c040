"""Scoring of micrographs as they appear, with picks and an export kept up to date."""

import math
import time
from collections.abc import Generator
from dataclasses import dataclass, field

from cryoal.data.micrograph import MicrographEntry
from cryoal.errors import OptionError
from cryoal.learner.arrivals import Arrivals, signature
from cryoal.learner.kept_picks import Handover, KeptPicks
from cryoal.learner.pretrained import publish_pretrained
from cryoal.learner.progress import Progress
from cryoal.learner.project import Project
from cryoal.learner.scorer import Scorer
from cryoal.learner.scoring import score_entries
from cryoal.model.devices import devices_named
from cryoal.workspace.candidates import is_scored, scored_keys
from cryoal.workspace.layout import RoundLayout
from cryoal.workspace.lock import writer_lock
from cryoal.workspace.rounds import found_picks, newest_round, published_rounds

_BATCH = 50  # so many are scored before picks and export are brought up to date


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What `watch` is told.

    Attributes
    ----------
    device : str
    workers : int, optional
        Micrographs read at the same time; by default as many as the processors can be expected to need.
    every_seconds : float
        Time from one look to the next.
    once : bool
        Stop when all that is there whole is done.
    handover : Handover
        What picks are wished, and the export that is kept up to date.

    Raises
    ------
    OptionError
        A value is not allowed.
    """

    device: str = "auto"
    workers: int | None = None
    every_seconds: float = 10.0
    once: bool = False
    handover: Handover = field(default_factory=Handover)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.every_seconds) and self.every_seconds > 0):
            raise OptionError(f"--every: {self.every_seconds} is not allowed; give seconds, above 0")
        if self.workers is not None and self.workers < 1:
            raise OptionError(f"--workers: {self.workers} is not allowed; give 1 or more")


@dataclass(frozen=True, slots=True)
class Watched:
    """What was done since the report before.

    Attributes
    ----------
    round_number : int
    added, scored : int
        Micrographs new to the list; and scored now.
    set_aside : tuple of str
        Why micrographs could not be used.
    waiting, to_score : int
        Files that may still be written to; and micrographs that are whole and not scored yet.
    micrographs, picked : int
        In the list; and with picks.
    note : str
        What could not be done and is tried again; usually empty.
    """

    round_number: int
    added: int
    scored: int
    set_aside: tuple[str, ...]
    waiting: int
    to_score: int
    micrographs: int
    picked: int
    note: str = ""


def watch(project: Project, options: WatchOptions) -> Generator[Progress | Watched, None, None]:
    """Score micrographs as they appear, until closed; a report whenever something was done.

    A file is taken when its size and time are the same in two looks; it is read whole or set aside with the reason,
    and tried again when it changes. When a new round is published, it scores all micrographs, and its picks take the
    place of the older ones' when it has.

    Raises
    ------
    WorkspaceLockedError
        Another process watches the workspace.
    DeviceError
        The device is not there, or has too little memory for the smallest tile.
    FileError
        A file cannot be written.
    """
    devices_named(options.device)
    with writer_lock(project.layout.micrographs_lock, "cryoal watch"):
        if not published_rounds(project.layout):
            publish_pretrained(project)
        watching = _Watching(project, options)
        looked, due = 0, time.monotonic()
        while True:
            added = 0
            if time.monotonic() >= due:
                added, looked, due = watching.look(), looked + 1, time.monotonic() + options.every_seconds
            yield from watching.work(added)
            if watching.idle:
                if options.once and looked > 1:
                    return
                time.sleep(max(due - time.monotonic(), 0))


class _Watching:
    """What a watch knows: the round, what to score, and the picks."""

    _round: RoundLayout
    _scorers: tuple[Scorer, ...]
    _picks: KeptPicks
    _to_score: list[MicrographEntry]
    _has_older_picks: bool

    def __init__(self, project: Project, options: WatchOptions) -> None:
        self._arrivals = Arrivals(project)
        self._options = options
        self._begin(newest_round(project.layout))
        self._note = ""

    @property
    def idle(self) -> bool:
        """Nothing is to be scored now."""
        return not self._to_score

    def look(self) -> int:
        """Look for micrographs and for a new round; gives how many micrographs are new."""
        before = len(self._arrivals.project.entries)
        arrived = self._arrivals.look()
        newest = newest_round(self._arrivals.project.layout)
        if newest.number != self._round.number:
            self._begin(newest)
        else:
            self._to_score += arrived
        return len(self._arrivals.project.entries) - before

    def work(self, added: int) -> Generator[Progress | Watched, None, None]:
        """Score some, pick them and export them."""
        project = self._arrivals.project
        batch, self._to_score = self._to_score[:_BATCH], self._to_score[_BATCH:]
        seen = {entry.key: signature(entry.path) for entry in batch}
        reasons = []
        for report in score_entries(project, self._round, self._scorers, batch, self._options.workers):
            reasons += [report.note] if report.note else []
            yield report
        scored = [entry for entry in batch if is_scored(self._round, entry.key)]
        self._arrivals.remember_failed({key: seen[key] for key in seen.keys() - {entry.key for entry in scored}})
        hold = bool(self._to_score) and self._has_older_picks and found_picks(self._round) is None
        note = yield from self._picks.update(project, scored, hold=hold)
        if batch or added or note != self._note:
            self._note = note
            counts = (self._arrivals.waiting, len(self._to_score), len(project.entries), len(self._picks.picked))
            yield Watched(self._round.number, added, len(scored), tuple(reasons), *counts, note)

    def _begin(self, newest: RoundLayout) -> None:
        """Take up a round."""
        project = self._arrivals.project
        self._round = newest
        self._scorers = Scorer.load_all(newest, project.config, devices_named(self._options.device))
        self._picks = KeptPicks(project, newest, self._options.handover)
        done = scored_keys(newest)
        self._to_score = [entry for entry in project.usable() if entry.key not in done]
        self._has_older_picks = any(found_picks(one) for one in published_rounds(project.layout)[:-1])
