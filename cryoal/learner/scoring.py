"""Scoring of every micrograph by the newest round: read ahead, score, propose, calibrate, one file each."""

import json
import os
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cryoal.config import Config
from cryoal.data.micrograph import MicrographEntry, ScaledMicrograph
from cryoal.errors import DeviceError, FileFormatError, MicrographError, OptionError
from cryoal.io.durable import remove_leftovers
from cryoal.learner.centring import Centring, read_centring
from cryoal.learner.classes import read_class_calibration
from cryoal.learner.pretrained import publish_pretrained
from cryoal.learner.progress import Progress
from cryoal.learner.project import Project
from cryoal.model.calibration import Calibration
from cryoal.model.checkpoint import load_members
from cryoal.model.class_calibration import ClassCalibration
from cryoal.model.committee import Committee
from cryoal.model.devices import device_named
from cryoal.model.scoring import ScoreMaps
from cryoal.model.scoring import score as score_maps
from cryoal.picking.proposals import propose
from cryoal.workspace.candidates import ScoredMicrograph, scored_keys, write_candidates
from cryoal.workspace.layout import RoundLayout
from cryoal.workspace.rounds import newest_round, published_rounds
from cryoal.workspace.set_aside import read_set_aside, take_back

_MIN_TILE_PX = 256


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """What `score` is told.

    Attributes
    ----------
    device : str
    shard : (int, int)
        (I, N): the I-th of N parts, from 1; any order, any subset, any number of times.
    workers : int
        Micrographs read ahead at the same time.
    retry_failed : bool
        Try again what was set aside.
    """

    device: str = "auto"
    shard: tuple[int, int] = (1, 1)
    workers: int = 2
    retry_failed: bool = False

    def __post_init__(self) -> None:
        index, count = self.shard
        if not 1 <= index <= count:
            raise OptionError(f"--shard: {index}/{count} is not allowed; give I/N with I from 1 to N")
        if self.workers < 1:
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
    on = device_named(options.device)
    plan = plan_scoring(project, options)
    scorer = Scorer.load(plan.layout, project.config, on)
    failed, candidates = yield from score_entries(project, plan.layout, scorer, plan.entries, options.workers)
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
    project: Project, layout: RoundLayout, scorer: "Scorer", entries: Sequence[MicrographEntry], workers: int
) -> Generator[Progress, None, tuple[int, int]]:
    """Score some micrographs, and set aside what cannot be read; gives how many were set aside, and the candidates.

    Raises
    ------
    DeviceError
        The device has too little memory for the smallest tile.
    FileError
        The candidates cannot be written.
    """
    failed, candidates = 0, 0
    for done, (entry, reading) in enumerate(_read_ahead(project, entries, workers)):
        yield Progress("scoring", done, len(entries))
        try:
            found = scorer(reading.result())
        except MicrographError as error:
            failed += 1
            yield Progress("scoring", done, len(entries), project.put_aside(entry, error))
            continue
        write_candidates(layout, entry.key, found)
        candidates += len(found)
    yield Progress("scoring", len(entries), len(entries))
    return failed, candidates


class Scorer:
    """A round's committee, calibration and centring, ready to propose candidates.

    Parameters
    ----------
    committee : Committee
    calibration : Calibration
    centring : Centring
    config : Config
    of_classes : ClassCalibration
    """

    def __init__(
        self,
        committee: Committee,
        calibration: Calibration,
        centring: Centring,
        config: Config,
        of_classes: ClassCalibration | None = None,
    ) -> None:
        self._of_classes = of_classes or ClassCalibration()
        self._committee = committee
        self._calibration = calibration
        self._centring = centring
        self._config = config
        self._max_tile_px = config.picking.max_tile_px
        self._smoothing_px = config.picking.smoothing_diameters * config.preprocess.pixels_per_diameter

    @classmethod
    def load(cls, layout: RoundLayout, config: Config, device: torch.device) -> "Scorer":
        """Read a round.

        Raises
        ------
        FileFormatError
            A file of the round is missing or broken.
        """
        members = load_members(layout.members)
        calibration, centring = read_calibration(layout.calibration), read_centring(layout.centring)
        of_classes = read_class_calibration(layout.classes)
        return cls(Committee(members, device), calibration, centring, config, of_classes)

    def __call__(self, scaled: ScaledMicrograph) -> ScoredMicrograph:
        """Candidates of one micrograph, with calibrated probabilities and embeddings."""
        size, classes = self._config.preprocess.pixels_per_diameter, self._committee.classes
        maps = self._score(scaled)
        found = propose(maps.logits, scaled.valid, size, self._config.picking)
        logit = found.member_logit.astype(np.float64)
        xy = scaled.to_original(found.xy + self._centring.offset_diameters * size)
        return ScoredMicrograph(
            np.clip(xy, 0, np.array(scaled.shape_px[::-1]) - 1).astype(np.float32),
            self._calibration(logit).astype(np.float32),
            self._calibration(logit.mean(axis=0)).astype(np.float32),
            maps.features_at(found.xy).astype(np.float16),
            classes,
            self._of_classes(maps.class_logits_at(found.xy), classes).astype(np.float32),
        )

    def _score(self, scaled: ScaledMicrograph) -> ScoreMaps:
        """Score maps; out of memory makes the tiles smaller, for this and all that follow."""
        while True:
            try:
                return score_maps(self._committee, scaled, self._max_tile_px, self._smoothing_px)
            except torch.OutOfMemoryError as error:
                self._max_tile_px //= 2
                if self._max_tile_px < _MIN_TILE_PX:
                    raise DeviceError(
                        f"{self._committee.device}: too little memory even for tiles of {2 * self._max_tile_px} "
                        "pixels; free some, or give --device cpu"
                    ) from error


def read_calibration(path: Path) -> Calibration:
    """Read calibration.json.

    Raises
    ------
    FileFormatError
        It is missing or broken.
    """
    try:
        return Calibration.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path}: not a calibration of cryoal ({error}); train again") from error


def _read_ahead(
    project: Project, entries: Sequence[MicrographEntry], workers: int
) -> Iterator[tuple[MicrographEntry, "Future[ScaledMicrograph]"]]:
    """Read and scale micrographs in threads, at most two more a worker than are asked for."""
    workers = min(workers, len(os.sched_getaffinity(0)))
    with ThreadPoolExecutor(workers, "reader") as pool:
        ahead: deque[tuple[MicrographEntry, Future[ScaledMicrograph]]] = deque()
        try:
            for entry in entries:
                ahead.append((entry, pool.submit(project.read_scaled, entry)))
                if len(ahead) > 2 * workers:
                    yield ahead.popleft()
            while ahead:
                yield ahead.popleft()
        finally:
            for _, future in ahead:
                future.cancel()
