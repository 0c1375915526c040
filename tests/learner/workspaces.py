"""Small workspaces for tests of the learner."""

import json
from pathlib import Path

import numpy as np

from cryoal.config import Config, NetworkConfig, TrainingConfig
from cryoal.data.classes import NO_CLASSES, Classes
from cryoal.data.labels import Field, Label, Origin, Verdict
from cryoal.learner.progress import Progress
from cryoal.learner.project import NewWorkspace, Project, create
from cryoal.model.calibration import Calibration
from cryoal.workspace.candidates import ScoredMicrograph, write_candidates
from cryoal.workspace.journal import CompleteField, CompleteMicrograph, Decision, append_decisions
from cryoal.workspace.labelling import count_labels
from cryoal.workspace.rounds import SCRATCH, RoundInfo, next_round
from tests.command_line import DIAMETER, new_project

TRAINING = TrainingConfig(members=2, min_steps=20, max_steps=20, crop_diameters=3.0)
CONFIG = Config(network=NetworkConfig(8, 16, (1,)), training=TRAINING)


def result_of(work: object) -> object:
    """Drive a piece of work to its end."""
    last = None
    for report in work:  # type: ignore[attr-defined]
        last = report
    assert not isinstance(last, Progress)
    return last


def new_workspace(folder: Path, config: Config = CONFIG) -> Project:
    """A workspace of six micrographs, 416 × 370 pixels, particles 41 pixels wide, nothing labelled."""
    root = new_project(folder)
    new = NewWorkspace(root / "ws", "micrographs.star", float(DIAMETER), particles_dark=True, root=root)
    return result_of(create(new, config))  # type: ignore[return-value]


def say(project: Project, key: str, *said: Label | Field | None) -> None:
    """Journal what the expert says of a micrograph: labels, complete fields, or None for a complete micrograph."""
    what = [
        CompleteMicrograph() if one is None else CompleteField(one, "random") if isinstance(one, Field) else one
        for one in said
    ]
    append_decisions(project.layout.labels, [Decision(one, key) for one in what])


def label(x: float, y: float, verdict: str = "particle", origin: str = "answer", number: int = 0) -> Label:
    """One label."""
    return Label(x, y, Verdict(verdict), Origin(origin), number)


def teach(project: Project, key: str = "Micrographs/a_01") -> None:
    """Journal as many labels as end the cold start."""
    enough = project.config.query.cold_start_labels
    said = [
        label(40.0 * (i + 1), 30.0 * (1 + (verdict == "rejected")), verdict)
        for i in range(enough)
        for verdict in ("particle", "rejected")
    ]
    say(project, key, *said)


def publish_round(
    project: Project,
    candidates: dict[str, list[tuple[float, ...]]],
    classes: Classes = NO_CLASSES,
    start: str = SCRATCH,
) -> None:
    """Publish a round that proposes x, y and probability, and scored only the micrographs named.

    With classes the candidates are sure of the L that each row goes on with.
    """
    with next_round(project.layout, RoundInfo(2, 0, count_labels(project.labels()), {"start": start})) as making:
        making.calibration.write_text(json.dumps(Calibration().to_dict()))
        for key, rows in candidates.items():
            values = np.array(rows, np.float32).reshape(-1, 3 + classes.n_logits)
            given = np.stack([values[:, 3:]] * 2)
            p = values[:, 2]
            members = np.stack([np.clip(p - 0.05, 0, 1), np.clip(p + 0.05, 0, 1)])
            embedding = np.tile(values[:, :2] / 400, (1, 4)).astype(np.float16)
            write_candidates(making, key, ScoredMicrograph(values[:, :2], members, p, embedding, classes, given))
