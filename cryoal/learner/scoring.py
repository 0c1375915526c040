"""Scoring of every micrograph by the newest round, one file of candidates each."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from cryoal.data.micrograph import MicrographEntry
from cryoal.errors import MicrographError, OptionError
from cryoal.io.durable import remove_leftovers
from cryoal.learner.pipeline import Pipeline
from cryoal.learner.pretrained import publish_pretrained
from cryoal.learner.progress import Progress
from cryoal.learner.project import Project
from cryoal.learner.scorer import Scorer
from cryoal.model.devices import devices_named
from cryoal.workspace.candidates import scored_keys
from cryoal.workspace.layout import RoundLayout
from cryoal.workspace.rounds import newest_round, published_rounds
from cryoal.workspace.set_aside import read_set_aside, take_back


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """What `score` is told.

    Attributes
    ----------
    device : str
        One device, or GPUs that work side by side, between commas.
    shard : (int, int)
        (I, N): the I-th of N parts, from 1; any order, any subset, any number of times.
    workers : int, optional
        Micrographs read at the same time; by default as many as the processors can be expected to need.
    retry_failed : bool
        Try again what was set aside.
    """

    device: str = "auto"
    shard: tuple[int, int] = (1, 1)
    workers: int | None = None
    retry_failed: bool = False

    def __post_init__(self) -> None:
        index, count = self.shard
        if not 1 <= index <= count:
            raise OptionError(f"--shard: {index}/{count} is not allowed; give I/N with I from 1 to N")
        if self.workers is not None and self.workers < 1:
            raise OptionError(f"--workers: {self.workers} is not allowed; give 1 or more")


@dataclass(frozen=True, slots=True)
class Scored:
    """What scoring did.

    Attributes
    ----------
    round_number : int
    scored, already_scored, set_aside : int
        Micrographs: done now, done before, and not usable (those found now).
    candidates : int
        Proposed on the micrographs done now.
    """

    round_number: int
    scored: int
    already_scored: int
    set_aside: int
    candidates: int


def score(project: Project, options: ScoreOptions | None = None) -> Iterator[Progress | Scored]:
    """Score all micrographs that the newest round has not scored; the last value sums it up.

    Before there is a round, the committee that ships with the package becomes the first one.

    Raises
    ------
    WorkspaceError
        No micrograph is to be found.
    DeviceError
        The device is not there, or has too little memory for the smallest tile.
    """
    options = options or ScoreOptions()
    devices = devices_named(options.device)
    plan = plan_scoring(project, options)
    scorers = Scorer.load_all(plan.layout, project.config, devices)
    failed, candidates = yield from score_entries(project, plan.layout, scorers, plan.entries, options.workers)
    yield Scored(plan.layout.number, len(plan.entries) - failed, plan.already, failed, candidates)


@dataclass(frozen=True, slots=True)
class ScorePlan:
    """What is to be scored.

    Attributes
    ----------
    layout : RoundLayout
        The round that scores.
    entries : tuple of MicrographEntry
        Those that are to be scored.
    already : int
        How many of the shard are scored.
    """

    layout: RoundLayout
    entries: tuple[MicrographEntry, ...]
    already: int


def plan_scoring(project: Project, options: ScoreOptions) -> ScorePlan:
    """Find out what is to be scored; publishes the shipped committee before there is a round.

    Raises
    ------
    WorkspaceError
        No micrograph is to be found.
    """
    project.check_reachable()
    if not published_rounds(project.layout):
        publish_pretrained(project)
    layout = newest_round(project.layout)
    remove_leftovers(layout.folder)
    index, count = options.shard
    mine = project.entries[index - 1 :: count]
    if options.retry_failed:
        for entry in mine:
            take_back(project.layout, entry.key)
    aside, done = read_set_aside(project.layout), scored_keys(layout)
    todo = tuple(entry for entry in mine if entry.key not in aside and entry.key not in done)
    return ScorePlan(layout, todo, sum(entry.key in done for entry in mine))


def score_entries(
    project: Project,
    layout: RoundLayout,
    scorers: Sequence[Scorer],
    entries: Sequence[MicrographEntry],
    workers: int | None = None,
) -> Generator[Progress, None, tuple[int, int]]:
    """Score some micrographs, and set aside what cannot be read; gives how many were set aside, and the candidates.

    Reading, scoring and writing overlap; see `Pipeline`.

    Parameters
    ----------
    scorers : sequence of Scorer
        One a device.
    workers : int, optional
        Micrographs read at the same time; by default as many as the processors can be expected to need.

    Raises
    ------
    DeviceError
        The device has too little memory for the smallest tile.
    FileError
        The candidates cannot be written.
    """
    failed, candidates = 0, 0
    with Pipeline(project, layout, scorers, entries, workers) as pipeline:
        for done, (entry, found) in enumerate(pipeline):
            yield Progress("scoring", done, len(entries))
            try:
                candidates += found.result()
            except MicrographError as error:
                failed += 1
                yield Progress("scoring", done, len(entries), project.put_aside(entry, error))
    yield Progress("scoring", len(entries), len(entries))
    return failed, candidates
