"""How long a collection takes, from a few micrographs of it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from cryoal.data.micrograph import MicrographEntry
from cryoal.errors import MicrographError, OptionError, WorkspaceError
from cryoal.learner.pipeline import Pipeline
from cryoal.learner.progress import Progress
from cryoal.learner.project import Project
from cryoal.learner.scorer import Scorer
from cryoal.model.devices import devices_named
from cryoal.model.pretrained import pretrained_members
from cryoal.workspace.candidates import scored_keys
from cryoal.workspace.rounds import published_rounds

_SAMPLE = 5


@dataclass(frozen=True, slots=True)
class Forecast:
    """What micrographs cost.

    Attributes
    ----------
    device : str
        Where they were scored.
    dtype : str
        What the networks computed in.
    sample : int
        Micrographs that were read and scored.
    read_seconds, score_seconds : float
        Median of one micrograph, one at a time: the reader's part and the scorer's.
    readers, scorers : int
        How many of each work side by side.
    one_pool : bool
        Readers and scorers share the processors.
    micrographs, to_score : int
        All that are not set aside, and those of them that the newest round has not scored.
    """

    device: str
    dtype: str
    sample: int
    read_seconds: float
    score_seconds: float
    readers: int
    scorers: int
    one_pool: bool
    micrographs: int
    to_score: int

    def bounds_seconds(self, micrographs: int) -> tuple[float, float]:
        """So long so many micrographs take: from everything side by side to reading and scoring in turn.

        Per micrograph max(r/k, s/m) to r/k + s/m, for k readers and m scorers; at least (r + s)/m where they share the
        processors.
        """
        reading, scoring = self.read_seconds / self.readers, self.score_seconds / self.scorers
        shared = (self.read_seconds + self.score_seconds) / self.scorers if self.one_pool else 0.0
        least = max(reading, scoring, shared)
        return micrographs * least, micrographs * max(least, reading + scoring)


def forecast(project: Project, device: str = "auto") -> Iterator[Progress | Forecast]:
    """Read and score a few micrographs spread over the list; nothing is written; the last value is what they cost.

    Before there is a round, the committee that ships with the package scores. The first micrograph is scored twice,
    and the first time is not counted: it warms the device up.

    Raises
    ------
    DeviceError
        The device is not there.
    WorkspaceError
        No micrograph can be read.
    """
    scorers = _scorers(project, devices_named(device))
    project.check_reachable()
    usable = project.usable()
    chosen = [usable[i] for i in np.unique(np.linspace(0, len(usable) - 1, _SAMPLE).astype(int))] if usable else []
    read: list[float] = []
    scored: list[float] = []
    with Pipeline(project, project.layout.round(0), scorers, usable) as pipeline:
        torch.set_num_threads(pipeline.threads)
        for done, entry in enumerate(chosen):
            yield Progress("measuring", done, len(chosen))
            try:
                seconds = _measured(pipeline, entry, warm_up=not read)
            except MicrographError as error:
                yield Progress("measuring", done, len(chosen), str(error))
                continue
            read.append(seconds[0])
            scored.append(seconds[1])
    yield Progress("measuring", len(chosen), len(chosen))
    if not scored:
        raise WorkspaceError(f"{project.layout.root}: no micrograph can be read; see cryoal status")
    rounds = published_rounds(project.layout)
    known = scored_keys(rounds[-1]) if rounds else set()
    on_gpu = scorers[0].device.type != "cpu"
    yield Forecast(
        device=" and ".join(str(scorer.device) for scorer in scorers),
        dtype=str(scorers[0].dtype).removeprefix("torch."),
        sample=len(scored),
        read_seconds=float(np.median(read)),
        score_seconds=float(np.median(scored)),
        readers=pipeline.readers,
        scorers=len(scorers) if on_gpu else pipeline.lanes,
        one_pool=not on_gpu,
        micrographs=len(usable),
        to_score=sum(entry.key not in known for entry in usable),
    )


def _measured(pipeline: Pipeline, entry: MicrographEntry, *, warm_up: bool) -> tuple[float, float]:
    """Seconds to read a micrograph, and to score it."""
    if warm_up:
        pipeline.score(entry, pipeline.read(entry))
    start = time.perf_counter()
    image = pipeline.read(entry)
    middle = time.perf_counter()
    pipeline.score(entry, image)
    return middle - start, time.perf_counter() - middle


def _scorers(project: Project, devices: Sequence[torch.device]) -> tuple[Scorer, ...]:
    """The newest round's, or before there is one the shipped committee's."""
    rounds = published_rounds(project.layout)
    if rounds:
        return Scorer.load_all(rounds[-1], project.config, devices)
    members = pretrained_members(project.config.network)
    if not members:
        raise OptionError("network: the shipped committee has another size; train one by cryoal train")
    return Scorer.of_members(members, project.config, devices)
