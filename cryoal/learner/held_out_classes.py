"""What members say of the classes of labels they did not learn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryoal.data.classes import Classes
from cryoal.evaluation.confusion import Confusion, confusion
from cryoal.model.class_calibration import ClassCalibration, choose_class_calibration
from cryoal.model.label_maps import at
from cryoal.model.patches import TrainingImage
from cryoal.model.scoring import ScoreMaps

PLAIN = 0
"""Stands for plain background among the numbers of junk."""


@dataclass(frozen=True, slots=True)
class HeldOutClasses:
    """Labels with a class, and candidates on plain background, in held-out regions.

    Attributes
    ----------
    logit : float64 array, shape (N, L)
        Mean over the members that did not learn from the region.
    right : int64 array, shape (N,)
        Index of the right logit.
    """

    logit: NDArray[np.float64]
    right: NDArray[np.int64]

    def choose(self, classes: Classes) -> ClassCalibration:
        """The temperatures that these ask for."""
        return choose_class_calibration(self.logit, self.right, classes)

    def metrics(self, classes: Classes) -> dict[str, object]:
        """Figures for metrics.json: accuracy, its mean over classes, and the confusion, of particles and of junk."""
        parts = (
            ("class", classes.particles, classes.particle_logits),
            ("junk", (PLAIN, *classes.junk) if classes.junk else (), classes.background_logits),
        )
        out: dict[str, object] = {}
        for noun, numbers, some in parts:
            if numbers:
                found = self._confusion(numbers, some)
                out[f"{noun}_numbers"] = list(numbers)
                out[f"{noun}_labels"] = int(found.counts.sum())
                out[f"{noun}_accuracy"] = round(found.accuracy, 4)
                out[f"{noun}_balanced_accuracy"] = round(found.balanced_accuracy, 4)
                out[f"{noun}_confusion"] = found.counts.tolist()
        return out

    def _confusion(self, numbers: Sequence[int], some: slice) -> Confusion:
        """Of one softmax."""
        own = (self.right >= some.start) & (self.right < some.stop)
        known = np.array(numbers)
        called = known[self.logit[own, some].argmax(axis=1)]
        return confusion(known[self.right[own] - some.start], called, tuple(numbers))


def judge_classes(
    image: TrainingImage, region: NDArray[np.bool_], maps: ScoreMaps, background_xy: NDArray[np.float64]
) -> HeldOutClasses:
    """What is said of the labels with a class in a region, and of candidates there that are no particles."""
    classed = image.classed
    if classed is None:
        return HeldOutClasses(np.empty((0, 0)), np.empty(0, np.int64))
    inside = at(region, classed.xy)
    plain = 1 + len(classed.classes.particles)
    plain_xy = background_xy[at(classed.place == plain, background_xy)] if classed.classes.junk else np.empty((0, 2))
    logit = maps.class_logits_at(np.concatenate([classed.xy[inside], plain_xy])).mean(axis=0)
    right = np.concatenate([classed.logit[inside], np.full(len(plain_xy), plain - 1)])
    return HeldOutClasses(logit.astype(np.float64), right)


def joined(parts: Sequence[HeldOutClasses], classes: Classes) -> HeldOutClasses:
    """All regions together."""
    logits = [part.logit for part in parts if part.right.size]
    right = [part.right for part in parts if part.right.size]
    return HeldOutClasses(
        np.concatenate([np.empty((0, classes.n_logits)), *logits]),
        np.concatenate([np.empty(0, np.int64), *right]),
    )


def class_metrics(metrics: Mapping[str, object], noun: str) -> Confusion | None:
    """The confusion that metrics.json tells of ``class`` or ``junk``; None where it does not."""
    counts, numbers = metrics.get(f"{noun}_confusion"), metrics.get(f"{noun}_numbers")
    if not isinstance(counts, list) or not isinstance(numbers, list):
        return None
    return Confusion(tuple(numbers), np.array(counts, dtype=np.int64))
