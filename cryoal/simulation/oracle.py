"""A simulated expert: answers queries from the truth, as fast and as fallibly as it is told."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cryoal.data.candidates import QueriedField
from cryoal.data.labels import Label, Origin, Verdict
from cryoal.errors import OptionError
from cryoal.evaluation.matching import match
from cryoal.workspace.journal import CompleteField, Decision

_WHO = "simulated expert"
_GOOD_ENOUGH_DIAMETERS = 0.3  # a proposal this near is accepted where it is, not moved


@dataclass(frozen=True, slots=True)
class Expert:
    """How an expert works.

    Attributes
    ----------
    look_seconds, verify_seconds, add_seconds : float
        For each field, for each proposal shown, and for each particle that was not proposed.
    misses : float
        Chance that a particle is overlooked: not added, or rejected.
    false_accepts : float
        Chance that a proposal that is no particle is accepted.
    jitter_diameters : float
        Standard deviation along x and y of added marks about the true centre.

    Raises
    ------
    OptionError
        A chance outside 0 to 1, or a time or a jitter below 0.
    """

    look_seconds: float = 2.0
    verify_seconds: float = 1.5
    add_seconds: float = 2.5
    misses: float = 0.0
    false_accepts: float = 0.0
    jitter_diameters: float = 0.0

    def __post_init__(self) -> None:
        for name in ("misses", "false_accepts"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"{name}: {getattr(self, name)} is not allowed; give a chance from 0 to 1")
        for name in ("look_seconds", "verify_seconds", "add_seconds", "jitter_diameters"):
            if not 0 <= getattr(self, name) < np.inf:
                raise OptionError(f"{name}: {getattr(self, name)} is not allowed; give 0 or more")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the expert said of one field.

    Attributes
    ----------
    decisions : list of Decision
    labels : int
        Proposals judged and particles added.
    seconds : float
    """

    decisions: list[Decision]
    labels: int
    seconds: float


def answer(
    asked: QueriedField,
    truth: NDArray[np.float64],
    diameter_px: float,
    threshold: float,
    expert: Expert,
    rng: Generator,
) -> Answer:
    """Judge the proposals of a field, add what they miss, and call the field finished.

    Parameters
    ----------
    asked : QueriedField
        Its candidates of at least the threshold are shown as proposals.
    truth : float64 array, shape (N, 2)
        True centres on its micrograph, (x, y) in pixels.
    diameter_px : float
        Particle diameter, pixels.
    threshold : float
        Lowest probability of a proposal.
    expert : Expert
    rng : Generator
    """
    square = asked.field
    inside = truth[square.contains(truth)]
    proposed = asked.candidates[asked.candidates[:, 2] >= threshold]
    pairs = match(proposed[:, :2], inside, _GOOD_ENOUGH_DIAMETERS * diameter_px, proposed[:, 2])
    seen = rng.random(len(inside)) >= expert.misses
    accepted = rng.random(len(proposed)) < expert.false_accepts
    accepted[pairs.pick] = seen[pairs.truth]
    proposals_miss = seen.copy()
    proposals_miss[pairs.truth] = False
    added = inside[proposals_miss]
    added = added + rng.standard_normal(added.shape) * expert.jitter_diameters * diameter_px
    particles = np.concatenate([proposed[accepted, :2], added[square.contains(added)]])
    labels = [_label(xy, Verdict.PARTICLE) for xy in particles]
    labels += [_label(xy, Verdict.REJECTED) for xy in proposed[~accepted, :2]]
    decisions = [Decision(label, square.micrograph, who=_WHO) for label in labels]
    decisions.append(Decision(CompleteField(square, asked.reason), square.micrograph, who=_WHO))
    seconds = expert.look_seconds + expert.verify_seconds * len(proposed) + expert.add_seconds * len(added)
    return Answer(decisions, len(proposed) + len(added), seconds)


def _label(xy: NDArray[np.float64], verdict: Verdict) -> Label:
    return Label(float(xy[0]), float(xy[1]), verdict, Origin.COMPLETE)
