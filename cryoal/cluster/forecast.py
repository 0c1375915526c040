"""How long a collection takes, from a few micrographs of it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cryoal.errors import MicrographError, OptionError, WorkspaceError
from cryoal.learner.centring import Centring
from cryoal.learner.progress import Progress
from cryoal.learner.project import Project
from cryoal.learner.scoring import Scorer
from cryoal.model.calibration import Calibration
from cryoal.model.committee import Committee
from cryoal.model.devices import device_named
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
    sample : int
        Micrographs that were read and scored.
    read_seconds, score_seconds : float
        Median of one micrograph: reading and scaling; scoring and finding candidates.
    micrographs, to_score : int
        All that are not set aside, and those of them that the newest round has not scored.
    """

    device: str
    sample: int
    read_seconds: float
    score_seconds: float
    micrographs: int
    to_score: int

    def bounds_seconds(self, micrographs: int, readers: int) -> tuple[float, float]:
        """So long so many micrographs take: reading and scoring side by side, n·max(r/k, s), and in turn, n·(r + s).

        Parameters
        ----------
        micrographs, readers : int
        """
        side_by_side = max(self.read_seconds / readers, self.score_seconds)
        return micrographs * side_by_side, micrographs * (self.read_seconds + self.score_seconds)


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
    scorer = _scorer(project, device)
    project.check_reachable()
    usable = project.usable()
    chosen = [usable[i] for i in np.unique(np.linspace(0, len(usable) - 1, _SAMPLE).astype(int))] if usable else []
    read: list[float] = []
    scored: list[float] = []
    for done, entry in enumerate(chosen):
        yield Progress("measuring", done, len(chosen))
        start = time.perf_counter()
        try:
            scaled = project.read_scaled(entry)
        except MicrographError as error:
            yield Progress("measuring", done, len(chosen), str(error))
            continue
        read.append(time.perf_counter() - start)
        if not scored:
            scorer(scaled)
        start = time.perf_counter()
        scorer(scaled)
        scored.append(time.perf_counter() - start)
    yield Progress("measuring", len(chosen), len(chosen))
    if not scored:
        raise WorkspaceError(f"{project.layout.root}: no micrograph can be read; see cryoal status")
    rounds = published_rounds(project.layout)
    known = scored_keys(rounds[-1]) if rounds else set()
    to_score = [entry for entry in usable if entry.key not in known]
    yield Forecast(
        str(device_named(device)),
        len(scored),
        float(np.median(read)),
        float(np.median(scored)),
        len(usable),
        len(to_score),
    )


def _scorer(project: Project, device: str) -> Scorer:
    """The newest round's, or before there is one the shipped committee's."""
    on = device_named(device)
    rounds = published_rounds(project.layout)
    if rounds:
        return Scorer.load(rounds[-1], project.config, on)
    members = pretrained_members(project.config.network)
    if not members:
        raise OptionError("network: the shipped committee has another size; train one by cryoal train")
    return Scorer(Committee(members, on), Calibration(), Centring(), project.config)
