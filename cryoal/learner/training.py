"""One round of training: labels, folds, members, calibration on what each member did not see, a published round."""

import json
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from cryoal.config import Config, TrainingConfig
from cryoal.data.classes import Classes
from cryoal.data.labels import Field, MicrographLabels
from cryoal.data.micrograph import MicrographEntry
from cryoal.errors import LabelError, MicrographError
from cryoal.io.durable import write_atomic
from cryoal.learner.audit import audit_json
from cryoal.learner.centring import estimate_centring
from cryoal.learner.classes import classes_of
from cryoal.learner.drift import embedding_alignment
from cryoal.learner.folds import fold_maps
from cryoal.learner.held_out import judge_held_out
from cryoal.learner.progress import Progress
from cryoal.learner.project import Project
from cryoal.learner.status import can_learn
from cryoal.learner.trust import judge_shipped, trust_in
from cryoal.model.checkpoint import save_members
from cryoal.model.class_labels import class_labels
from cryoal.model.committee import Member
from cryoal.model.devices import device_named
from cryoal.model.label_maps import LabelMaps, label_maps
from cryoal.model.patches import TrainingImage
from cryoal.model.pretrained import pretrained_calibration, pretrained_members
from cryoal.model.schedule import fine_learning_rate, number_of_steps, share_of_start
from cryoal.model.training import MemberTask, TrainedMember, train_members
from cryoal.workspace.labelling import count_labels
from cryoal.workspace.lock import writer_lock
from cryoal.workspace.rounds import PRETRAINED, SCRATCH, RoundInfo, next_round, published_rounds
from cryoal.workspace.set_aside import take_back

_DROPOUT_FOLDS = 5


@dataclass(frozen=True, slots=True)
class RoundTrained:
    """A published round.

    Attributes
    ----------
    number : int
    labels : mapping of str to int
        How many labels of each kind it learnt from.
    metrics : mapping
        Measured on labels kept out of training.
    calibration_note, centring_note, classes_note : str
        For the user; the latter two are usually empty.
    classes : Classes
        What it tells apart beside particle and background.
    trust : float
        Probability that the shipped committee knows these particles; 0 where training started from nothing.
    """

    number: int
    labels: Mapping[str, int]
    metrics: Mapping[str, Any]
    calibration_note: str
    centring_note: str
    classes_note: str
    classes: Classes
    trust: float


def train(project: Project, seed: int | None = None, device: str = "auto") -> Iterator[Progress | RoundTrained]:
    """Train and calibrate the committee of the next round; the last value is what became of it.

    Raises
    ------
    LabelError
        There are too few labels.
    WorkspaceLockedError
        Another process is making a round.
    """
    seed = project.settings.seed if seed is None else seed
    on = device_named(device)
    labels = project.labels()
    counts = count_labels(labels)
    if not can_learn(project, counts) or not (counts["particle"] or _shipped(project)):
        raise LabelError(f"{project.layout.root}: no particle is labelled yet; run cryoal label, or label in napari")
    classes, classes_note = classes_of(labels, project.settings, project.config.training)
    with writer_lock(project.layout.rounds_lock, "cryoal train"):
        images, folds, random_fields = yield from _training_images(project, labels, classes, seed)
        by_shipped = yield from judge_shipped(_shipped(project), images, project.config, on, seed)
        tasks = _tasks(project, images, folds, classes, seed, trust_in(by_shipped))
        config = project.config
        members = _members((yield from _trained(tasks, config, on)), config.training, seed)
        without = {fold: _without(fold, members, tasks, config.training) for fold in range(folds)}
        held_out = yield from judge_held_out(images, without, config, on, random_fields)
        calibration = held_out.calibration(None if tasks[0].start is None else pretrained_calibration())
        centring = estimate_centring(held_out.offset_diameters)
        metrics = held_out.metrics(calibration, centring) | held_out.of_classes.metrics(classes)
        earlier = published_rounds(project.layout)
        if earlier and (alignment := embedding_alignment(earlier[-1], members, images, config, on)) is not None:
            metrics["embedding_cka"] = round(alignment, 4)
        start = PRETRAINED if tasks[0].start is not None else SCRATCH
        details = {"committee": config.training.committee, "folds": folds, "start": start, "trust": tasks[0].trust}
        info = RoundInfo(len(members), seed, counts, details)
        with next_round(project.layout, info) as making:
            save_members(members, making.members)
            write_atomic(making.calibration, json.dumps(calibration.to_dict(), indent=1) + "\n")
            if classes:
                of_classes = held_out.of_classes.choose(classes)
                write_atomic(making.classes, json.dumps(of_classes.to_dict(), indent=1) + "\n")
            write_atomic(making.centring, centring.to_json())
            write_atomic(making.audit, audit_json(one.calibrated(calibration) for one in held_out.audited))
            write_atomic(making.metrics, json.dumps(metrics, indent=1) + "\n")
    notes = calibration.note, centring.note, classes_note
    yield RoundTrained(making.number, counts, metrics, *notes, classes, tasks[0].trust)


def _training_images(
    project: Project, labels: Mapping[str, MicrographLabels], classes: Classes, seed: int
) -> Generator[Progress, None, tuple[list[TrainingImage], int, list[frozenset[Field]]]]:
    """Read the labelled micrographs and deal them out to folds; also their number, and the randomly drawn fields."""
    config, size = project.config, project.config.preprocess.pixels_per_diameter
    project.check_reachable()
    entries = _learnt_from(project, labels, seed)
    scaled, maps, used, classed = [], [], [], []
    for done, entry in enumerate(entries):
        yield Progress("reading labelled micrographs", done, len(entries))
        try:
            one = project.read_scaled(entry)
        except MicrographError as error:
            yield Progress("reading labelled micrographs", done, len(entries), project.put_aside(entry, error))
            continue
        take_back(project.layout, entry.key)
        scaled.append(one)
        used.append(labels[entry.key])
        maps.append(label_maps(one, labels[entry.key], size, config.training))
        drawn = class_labels(one, used[-1], maps[-1], classes, size, config.training) if classes else None
        classed.append(drawn)
    yield Progress("reading labelled micrographs", len(entries), len(entries))
    if not scaled:
        raise LabelError(f"{project.layout.root}: none of the labelled micrographs can be read; see cryoal status")
    wanted = config.training.members if config.training.committee == "ensemble" else _DROPOUT_FOLDS
    leave_out, folds = fold_maps(scaled, used, maps, max(wanted, 2), np.random.default_rng(seed))
    maps = _unlabelled_or_held(project, maps)
    images = [TrainingImage.build(*parts) for parts in zip(scaled, maps, leave_out, classed, strict=True)]
    return images, folds, [one.random_fields for one in used]


def _unlabelled_or_held(project: Project, maps: list[LabelMaps]) -> list[LabelMaps]:
    """With few imported particles the shipped committee knows more of the rest than the risk of unlabelled pixels."""
    marked = sum(len(one.particles) for one in maps if one.unlabelled.any())
    if not 0 < marked < project.config.training.min_imported_particles or not _shipped(project):
        return maps
    return [replace(one, unlabelled=np.zeros_like(one.unlabelled)) for one in maps]


def _learnt_from(project: Project, labels: Mapping[str, MicrographLabels], seed: int) -> list[MicrographEntry]:
    """The labelled micrographs, set aside or not, for one may be mended; at random where there are too many."""
    entries = [entry for entry in project.entries if entry.key in labels]
    order = np.random.default_rng(seed).permutation(len(entries))
    judged_first = sorted(order, key=lambda i: labels[entries[i].key].positives_only)
    return [entries[i] for i in sorted(judged_first[: project.config.training.max_micrographs])]


def _tasks(
    project: Project, images: Sequence[TrainingImage], folds: int, classes: Classes, seed: int, trust: float
) -> list[MemberTask]:
    """What each member learns from; members by dropout share one network."""
    config = project.config.training
    members = config.members if config.committee == "ensemble" else 1
    diameters2 = project.config.preprocess.pixels_per_diameter**2
    known = sum(int(image.used(None).sum()) for image in images) / diameters2
    prior = _unlabelled_prior(images, diameters2, config)
    seeds = np.random.SeedSequence(seed).generate_state(members)
    shipped = _shipped(project)
    trust = trust if shipped else 0.0
    steps = number_of_steps(known, config, trust)
    share = share_of_start(known, config, trust)
    rate = fine_learning_rate(known, config, trust) if shipped else config.learning_rate
    return [
        MemberTask(
            images,
            member % folds if folds else None,
            steps,
            int(seeds[member]),
            prior,
            shipped[member % len(shipped)] if shipped else None,
            share,
            trust,
            rate,
            classes,
            number_of_steps(known, config),
        )
        for member in range(members)
    ]


def _shipped(project: Project) -> list[Member]:
    """The members to start from; none where training starts from nothing."""
    return pretrained_members(project.config.network) if project.config.training.start == "pretrained" else []


def _unlabelled_prior(images: Sequence[TrainingImage], diameters2: int, config: TrainingConfig) -> float:
    """Mean target that unlabelled pixels are thought to have: that of the particles expected less those marked."""
    unlabelled = sum(int(image.maps.unlabelled.sum()) for image in images if image.maps.unlabelled.any())
    marked = sum(len(image.maps.particles) for image in images if image.maps.unlabelled.any())
    if not unlabelled:
        return 0.0
    area = unlabelled / diameters2
    remaining = max(config.particles_per_diameter2 * area - marked, 0.05 * marked)
    return remaining / area * 2 * math.pi * config.target_sigma_diameters**2


def _trained(
    tasks: Sequence[MemberTask], config: Config, device: torch.device
) -> Generator[Progress, None, list[TrainedMember]]:
    """Train, and tell how far it has come."""
    members: list[TrainedMember] = []
    for report in train_members(tasks, config.preprocess.pixels_per_diameter, config.network, config.training, device):
        if isinstance(report, list):
            members = report
        else:
            yield Progress("training", report.done, report.total)
    return members


def _members(trained: Sequence[TrainedMember], config: TrainingConfig, seed: int) -> list[Member]:
    """The committee's voices."""
    if config.committee == "ensemble":
        return [Member(one.network, one.prior_shift_logit) for one in trained]
    one = trained[0]
    return [
        Member(one.network, one.prior_shift_logit, dropout_seed=int(s))
        for s in np.random.SeedSequence([seed, 1]).generate_state(config.members)
    ]


def _without(fold: int, members: Sequence[Member], tasks: Sequence[MemberTask], config: TrainingConfig) -> list[Member]:
    """The members that did not learn from a fold."""
    if config.committee == "dropout":
        return list(members) if tasks[0].held_out == fold else []
    return [member for member, task in zip(members, tasks, strict=True) if task.held_out == fold]
