"""Which class the labels of a micrograph give each scaled pixel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryoal.config import TrainingConfig
from cryoal.data.classes import Classes
from cryoal.data.labels import MicrographLabels, Verdict
from cryoal.data.micrograph import ScaledMicrograph
from cryoal.model.label_maps import LabelMaps, discs

_PARTICLE_RADIUS_DIAMETERS = 0.5


@dataclass(frozen=True, slots=True)
class ClassLabels:
    """Labels of one micrograph that carry a class.

    Attributes
    ----------
    classes : Classes
    place : uint8 array, shape (my, mx)
        1 + index of the logit that is right there, 0 where no class is known.
    xy : float64 array, shape (N, 2)
        (x, y) of the labels with a class, scaled pixels.
    logit : int64 array, shape (N,)
        Index of the logit that is right for each.
    """

    classes: Classes
    place: NDArray[np.uint8]
    xy: NDArray[np.float64]
    logit: NDArray[np.int64]


def class_labels(
    scaled: ScaledMicrograph,
    labels: MicrographLabels,
    maps: LabelMaps,
    classes: Classes,
    pixels_per_diameter: int,
    config: TrainingConfig,
) -> ClassLabels:
    """Draw the classes of one micrograph's labels, each in a disc of the radius of an answer.

    Where there are kinds of junk, known background half a diameter from every particle is plain, but not within
    `TrainingConfig.junk_clearance_diameters` of junk: a crystal is wider than the disc about its label. A rejected
    label without a kind is plain background.
    """
    shape = scaled.pixels.shape
    place = np.zeros(shape, np.uint8)
    logits = _logit_of(classes)
    wanted = [(p, logits[p.verdict, p.class_number]) for p in labels.labels if (p.verdict, p.class_number) in logits]
    xy = scaled.to_scaled(np.array([(p.x, p.y) for p, _ in wanted]))
    logit = np.array([index for _, index in wanted], dtype=np.int64)
    if classes.junk:
        clearance = config.junk_clearance_diameters * pixels_per_diameter
        near = discs(shape, maps.particles, _PARTICLE_RADIUS_DIAMETERS * pixels_per_diameter)
        near |= discs(shape, xy[logit >= len(classes.particles)], clearance)
        place[maps.judged & ~near] = 1 + len(classes.particles)
    for index in range(classes.n_logits):
        place[discs(shape, xy[logit == index], config.answer_radius_diameters * pixels_per_diameter)] = 1 + index
    place[~maps.known] = 0
    return ClassLabels(classes, place, xy, logit)


def _logit_of(classes: Classes) -> dict[tuple[Verdict, int], int]:
    """Index of the logit by verdict and class number."""
    plain = len(classes.particles)
    particles = {(Verdict.PARTICLE, number): index for index, number in enumerate(classes.particles)}
    return particles | {(Verdict.REJECTED, number): plain + 1 + index for index, number in enumerate(classes.junk)}
