"""What members say of labels they did not learn from: the only ground for calibration and reported figures."""

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from cryoal.config import Config
from cryoal.data.classes import NO_CLASSES
from cryoal.data.labels import Field
from cryoal.data.micrograph import edge_distance_px
from cryoal.evaluation.curves import precision_recall_curve
from cryoal.evaluation.matching import Match, match
from cryoal.evaluation.reliability import expected_calibration_error
from cryoal.learner.audit import AuditedField
from cryoal.learner.centring import Centring
from cryoal.learner.held_out_classes import HeldOutClasses, joined, judge_classes
from cryoal.learner.progress import Progress
from cryoal.model.calibration import Calibration, choose_calibration, moved_calibration
from cryoal.model.committee import Committee, Member
from cryoal.model.label_maps import at
from cryoal.model.margin import BELIEVED
from cryoal.model.patches import TrainingImage
from cryoal.model.scoring import score
from cryoal.picking.proposals import propose


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Candidates in held-out regions, each judged.

    Attributes
    ----------
    logit : float64 array, shape (N,)
        Score before calibration, mean over the members that did not learn from the region.
    surroundings : float64 array, shape (N,)
        See `ScaledMicrograph.surroundings`.
    edge_diameters : float64 array, shape (N,)
        Distance from the micrograph's edge.
    is_particle : int64 array, shape (N,)
    unit : int64 array, shape (N,)
        Index of the micrograph.
    offset_diameters : float64 array, shape (M, 2)
        Labels less candidates of the matched pairs, (x, y), in particle diameters.
    n_particles : int
        Particles in the held-out regions, found or not.
    of_classes : HeldOutClasses
    audited : tuple of AuditedField
        Fields drawn at random inside them.
    """

    logit: NDArray[np.float64]
    surroundings: NDArray[np.float64]
    edge_diameters: NDArray[np.float64]
    is_particle: NDArray[np.int64]
    unit: NDArray[np.int64]
    offset_diameters: NDArray[np.float64]
    n_particles: int
    of_classes: HeldOutClasses
    audited: tuple[AuditedField, ...] = ()

    def calibration(self, shipped: Calibration | None) -> Calibration:
        """What these candidates ask for, starting from the shipped calibration where training started from it."""
        start = shipped or replace(choose_calibration(self.logit, self.is_particle, self.unit), unmarked=BELIEVED)
        return moved_calibration(start, self.logit, self.surroundings, self.is_particle, self.edge_diameters)

    def metrics(self, calibration: Calibration, centring: Centring) -> dict[str, float]:
        """Figures for metrics.json; empty where nothing was held out."""
        if not self.n_particles or not self.logit.size:
            return {}
        probability = calibration(self.logit, self.surroundings, self.edge_diameters)
        curve = precision_recall_curve(probability, self.is_particle.astype(bool), self.n_particles)
        best_f1, threshold = curve.best_f1
        raw = 1 / (1 + np.exp(-self.logit))
        error = np.linalg.norm(self.offset_diameters - centring.offset_diameters, axis=1)
        return {
            "candidates": int(self.logit.size),
            "particles": self.n_particles,
            "average_precision": round(curve.average_precision, 4),
            "best_f1": round(best_f1, 4),
            "best_f1_probability": round(float(threshold), 4) if best_f1 else float("nan"),
            "ece_before": round(expected_calibration_error(raw, self.is_particle), 4),
            "ece_after": round(expected_calibration_error(probability, self.is_particle), 4),
            "median_error_diameters": round(float(np.median(error)), 4) if best_f1 else float("nan"),
        }


def judge_held_out(
    images: Sequence[TrainingImage],
    members: Mapping[int, Sequence[Member]],
    config: Config,
    device: torch.device,
    random_fields: Sequence[Collection[Field]] = (),
    stage: str = "judging on held-out labels",
) -> Generator[Progress, None, HeldOut]:
    """Score each image by the members that did not learn from parts of it, and judge their candidates there.

    `random_fields` are, for each image, the complete fields that were drawn at random; `stage` is the progress' name.
    """
    committees = {fold: Committee(some, device) for fold, some in members.items() if some}
    parts = []
    for done, image in enumerate(images):
        yield Progress(stage, done, len(images))
        here = [fold for fold in map(int, np.unique(image.folds)) if fold in committees]
        drawn = random_fields[done] if random_fields else ()
        parts += [_judge(image, fold, committees[fold], config, done, drawn) for fold in here]
    yield Progress(stage, len(images), len(images))
    nothing = np.empty(0, np.int64)
    classes = images[0].classed.classes if images and images[0].classed else NO_CLASSES
    return HeldOut(
        np.concatenate([np.empty(0), *(part.logit for part in parts)]),
        np.concatenate([np.empty(0), *(part.surroundings for part in parts)]),
        np.concatenate([np.empty(0), *(part.edge_diameters for part in parts)]),
        np.concatenate([nothing, *(part.is_particle for part in parts)]),
        np.concatenate([nothing, *(part.unit for part in parts)]),
        np.concatenate([np.empty((0, 2)), *(part.offset_diameters for part in parts)]),
        sum(part.n_particles for part in parts),
        joined([part.of_classes for part in parts], classes),
        tuple(one for part in parts for one in part.audited),
    )


def _judge(
    image: TrainingImage, fold: int, committee: Committee, config: Config, unit: int, drawn: Collection[Field]
) -> HeldOut:
    """One region."""
    region = image.maps.judged & (image.folds == fold)
    size = config.preprocess.pixels_per_diameter
    maps = score(committee, image.scaled, config.picking.max_tile_px, config.picking.smoothing_diameters * size)
    found = propose(maps.logits, image.scaled.valid, size, config.picking)
    inside = at(region, found.xy)
    logit = found.member_logit.mean(axis=0).astype(np.float64)
    surroundings = at(image.scaled.surroundings, found.xy).astype(np.float64)
    scaled = image.scaled
    edge = edge_distance_px(scaled.to_original(found.xy), scaled.shape_px) / (size * scaled.scale[0])
    truth = image.maps.particles
    pairs = match(found.xy, truth, config.picking.match_radius_diameters * size, logit)
    correct = pairs.correct
    n_particles = int(at(region, truth).sum())
    matched_inside = inside[pairs.pick]
    # Particles just outside that candidates inside were matched to count as there to be found.
    extra = int((~at(region, truth[pairs.truth[matched_inside]])).sum())
    return HeldOut(
        logit[inside],
        surroundings[inside],
        edge[inside],
        correct[inside].astype(np.int64),
        np.full(int(inside.sum()), unit, np.int64),
        ((truth[pairs.truth] - found.xy[pairs.pick]) / size)[matched_inside],
        n_particles + extra,
        judge_classes(image, region, maps, found.xy[inside & ~correct]),
        tuple(_audit(image, fold, sorted(drawn), found.xy, np.column_stack([logit, surroundings, edge]), pairs, size)),
    )


def _audit(
    image: TrainingImage,
    fold: int,
    drawn: Sequence[Field],
    found_xy: NDArray[np.float64],
    score: NDArray[np.float64],
    pairs: Match,
    size: int,
) -> Iterator[AuditedField]:
    """The randomly drawn fields of a fold."""
    scaled = image.scaled
    middles = np.array([(one.x + one.size / 2, one.y + one.size / 2) for one in drawn]).reshape(-1, 2)
    found, truth = scaled.to_original(found_xy), scaled.to_original(image.maps.particles)
    for field, is_here in zip(drawn, at(image.folds == fold, scaled.to_scaled(middles)), strict=True):
        if is_here:
            yield AuditedField.judge(field, size * scaled.scale[0], found, truth, score, pairs, scaled.shape_px)
