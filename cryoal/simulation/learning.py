"""One run of active learning against a simulated expert, through the same learner as the command line's."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from cryoal.data.labels import Label, Origin, Verdict
from cryoal.data.micrograph import MicrographEntry, ScaledMicrograph
from cryoal.evaluation.curves import precision_recall_curve
from cryoal.evaluation.matching import match
from cryoal.evaluation.reliability import expected_calibration_error
from cryoal.io.durable import atomic_path
from cryoal.learner.asking import ask_fields
from cryoal.learner.project import Project
from cryoal.learner.scorer import Scorer
from cryoal.learner.scoring import score
from cryoal.learner.training import train
from cryoal.model.thresholds import threshold_for_expected_f1
from cryoal.simulation.design import FULL, FULL_TWICE, Task
from cryoal.simulation.oracle import answer
from cryoal.workspace.candidates import read_candidates
from cryoal.workspace.journal import RANDOM, CompleteMicrograph, Decision, append_decisions
from cryoal.workspace.labelling import count_labels
from cryoal.workspace.layout import Layout
from cryoal.workspace.micrographs import write_micrographs
from cryoal.workspace.rounds import newest_round, published_rounds
from cryoal.workspace.settings import write_settings


@dataclass(frozen=True, slots=True)
class Step:
    """One round of a run, judged on micrographs that were never labelled.

    Attributes
    ----------
    strategy : str
    seed : int
    queries : int
        Answered before it.
    seconds : float
        The expert's, so far.
    labels, particles : int
        Proposals judged and particles added; particles marked; so far.
    average_precision, best_f1, f1, ece : float
        Best F1 over all thresholds, and F1 at the threshold that `pick` would choose.
    """

    strategy: str
    seed: int
    queries: int
    seconds: float
    labels: int
    particles: int
    average_precision: float
    best_f1: float
    f1: float
    ece: float


@dataclass(frozen=True, kw_only=True)
class CachedProject(Project):
    """A workspace whose micrographs were scaled before."""

    scaled: Path
    reads_files: ClassVar[bool] = False

    def read_scaled(self, entry: MicrographEntry) -> ScaledMicrograph:
        """Read what `write_scaled` wrote."""
        return read_scaled(self.scaled, entry)


def write_scaled(folder: Path, entry: MicrographEntry, one: ScaledMicrograph) -> None:
    """Keep a scaled micrograph for many runs."""
    path = _scaled_path(folder, entry)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **{name: getattr(one, name) for name in ScaledMicrograph.__slots__})


def read_scaled(folder: Path, entry: MicrographEntry) -> ScaledMicrograph:
    """Read it again."""
    with np.load(_scaled_path(folder, entry), allow_pickle=False) as kept:
        scale, shape = kept["scale"], kept["shape_px"]
        return ScaledMicrograph(
            kept["pixels"],
            kept["valid"],
            (float(scale[0]), float(scale[1])),
            (int(shape[0]), int(shape[1])),
            kept["surroundings"],
        )


def is_scaled(folder: Path, entry: MicrographEntry) -> bool:
    """Whether it was kept, whole."""
    return _scaled_path(folder, entry).exists()


def run(task: Task, workspace: Path) -> Iterator[Step]:
    """Run a task in a new workspace, one step a round.

    Raises
    ------
    CryoalError
        As the learner's functions raise.
    """
    layout = Layout(workspace)
    experiment, (pool, _) = task.experiment, task.split
    write_micrographs(layout, pool, workspace)
    write_settings(layout, experiment.settings)
    project = CachedProject(layout, experiment.settings, pool, task.config, scaled=experiment.scaled)
    yield from _full(project, task) if task.strategy in (FULL, FULL_TWICE) else _rounds(project, task)


def _full(project: Project, task: Task) -> Iterator[Step]:
    """Everything labelled at once."""
    decisions: list[Decision] = []
    truth = task.experiment.truth
    for entry in project.entries:
        marks = [Label(float(x), float(y), Verdict.PARTICLE, Origin.COMPLETE) for x, y in truth[entry.key]]
        decisions += [Decision(mark, entry.key) for mark in marks]
        decisions.append(Decision(CompleteMicrograph(), entry.key))
    append_decisions(project.layout.labels, decisions)
    particles = sum(len(truth[entry.key]) for entry in project.entries)
    seconds = task.experiment.expert.add_seconds * particles
    exhaust(train(project, task.seed, "cpu"))
    yield judge(project, task, 0, seconds, particles, particles)


def _rounds(project: Project, task: Task) -> Iterator[Step]:
    """Query, answer, train, again and again; the first query is the cold start's."""
    rng = np.random.default_rng([task.seed, 3])
    seconds, labels = 0.0, 0
    step: Step | None = None  # without a particle nothing can be learnt from nothing, but the expert's time has passed
    if task.config.training.start == "pretrained":
        exhaust(score(project))
        yield (step := judge(project, task, 0, seconds, labels, 0))
    for query in range(1, task.experiment.rounds + 1):
        decisions, spent, judged = _answers(project, task, _first_strategy(project, task), rng)
        append_decisions(project.layout.labels, decisions)
        seconds, labels = seconds + spent, labels + judged
        known = count_labels(project.labels())
        if known["particle"] or task.config.training.start == "pretrained":
            exhaust(train(project, task.seed, "cpu"))
            exhaust(score(project))
            step = judge(project, task, query, seconds, labels, known["particle"])
        elif step is None:
            continue
        yield (step := replace(step, queries=query, seconds=round(seconds, 1), labels=labels))


def _first_strategy(project: Project, task: Task) -> str:
    """The run's strategy, but random fields, the same for all strategies, where nothing is scored yet."""
    return task.strategy if published_rounds(project.layout) else RANDOM


def _answers(
    project: Project, task: Task, strategy: str, rng: np.random.Generator
) -> tuple[list[Decision], float, int]:
    """Ask, and let the expert answer: decisions, seconds, labels."""
    _, asked = ask_fields(project, strategy, task.experiment.fields, task.seed)
    threshold = shown_from(project)
    decisions: list[Decision] = []
    seconds, labels = 0.0, 0
    for one in asked:
        key = one.field.micrograph
        diameter_px = project.diameter_px(project.by_key[key])
        given = answer(one, task.experiment.truth[key], diameter_px, threshold, task.experiment.expert, rng)
        decisions += given.decisions
        seconds, labels = seconds + given.seconds, labels + given.labels
    return decisions, seconds, labels


def shown_from(project: Project) -> float:
    """Lowest probability of the proposals that the window shows at first."""
    rounds = published_rounds(project.layout)
    if not rounds:
        return 1.0
    found = [read_candidates(rounds[-1], entry.key).probability for entry in project.entries]
    probability = np.concatenate(found).astype(np.float64)
    return float(threshold_for_expected_f1(probability)) if probability.size else 1.0


def judge(project: Project, task: Task, queries: int, seconds: float, labels: int, particles: int) -> Step:
    """Judge the newest committee on the test micrographs."""
    scorer = Scorer.load(newest_round(project.layout), project.config, torch.device("cpu"))
    probability, correct, n_truth = [], [], 0
    for entry in task.split[1]:
        found = scorer(read_scaled(task.experiment.scaled, entry))
        truth = task.experiment.truth[entry.key]
        radius_px = project.config.picking.match_radius_diameters * project.diameter_px(entry)
        probability.append(found.probability.astype(np.float64))
        correct.append(match(found.xy, truth, radius_px, found.probability).correct)
        n_truth += len(truth)
    p, y = np.concatenate(probability), np.concatenate(correct)
    curve = precision_recall_curve(p, y, max(n_truth, 1))
    picked = p >= threshold_for_expected_f1(p) if p.size else y
    return Step(
        task.strategy,
        task.seed,
        queries,
        round(seconds, 1),
        labels,
        particles,
        round(curve.average_precision, 5),
        round(curve.best_f1[0], 5),
        round(float(2 * y[picked].sum() / (picked.sum() + n_truth)), 5),
        round(expected_calibration_error(p, y.astype(np.int64)), 5) if p.size else float("nan"),
    )


def exhaust(work: Iterator[object]) -> None:
    """Do work whose progress nobody watches."""
    for _ in work:
        pass


def _scaled_path(folder: Path, entry: MicrographEntry) -> Path:
    return folder / f"{entry.key}.npz"
