"""What there is to see on one micrograph: proposals and labels, each with its state, and which lies where."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from cryoal.data.labels import Field, MicrographLabels, Verdict
from cryoal.learner.picks import unjudged
from cryoal.workspace.candidates import ScoredMicrograph

_SAME_DIAMETERS = 0.3
ASK_FLOOR = 0.1
"""In queried fields, candidates from this probability up are asked about, whatever the threshold."""


class State(StrEnum):
    """How a position is drawn."""

    PROPOSED = "proposed"
    ASKED = "asked"  # below the threshold, but in a field that the committee asks about
    ACCEPTED = "accepted"
    ADDED = "added"
    REJECTED = "rejected"
    UNSURE = "unsure"


NOT_REJECTED = tuple(state for state in State if state != State.REJECTED)


@dataclass(frozen=True, slots=True)
class Marks:
    """Positions of one micrograph.

    Attributes
    ----------
    xy : float64 array, shape (N, 2)
        Pixels of the original micrograph.
    state : str array, shape (N,)
    score : float64 array, shape (N,)
        The committee's probability; NaN where it proposed nothing.
    class_number : int64 array, shape (N,)
        As labelled; of proposals as the committee sees it; 0 for none.
    """

    xy: NDArray[np.float64]
    state: NDArray[np.str_]
    score: NDArray[np.float64]
    class_number: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.xy)

    def of(self, *states: State) -> NDArray[np.bool_]:
        """Which are in one of these states."""
        return np.isin(self.state, [state.value for state in states])

    def nearest(self, xy: tuple[float, float], radius_px: float, *states: State) -> int | None:
        """Index of the nearest in one of these states, or None where none is within the radius."""
        index = np.flatnonzero(self.of(*states))
        if not len(index):
            return None
        distance = np.hypot(*(self.xy[index] - xy).T)
        best = int(distance.argmin())
        return int(index[best]) if distance[best] <= radius_px else None

    def clicked(self, xy: tuple[float, float], diameter_px: float) -> int | None:
        """Index of the circle under a position, or else of a rejected one's cross."""
        hit = self.nearest(xy, diameter_px / 2, *NOT_REJECTED)
        return hit if hit is not None else self.nearest(xy, _SAME_DIAMETERS * diameter_px, State.REJECTED)

    def inside(self, x: tuple[float, float], y: tuple[float, float]) -> NDArray[np.bool_]:
        """Which are in a rectangle."""
        low, high = (min(x), min(y)), (max(x), max(y))
        return np.asarray((self.xy >= low).all(axis=1) & (self.xy <= high).all(axis=1), np.bool_)


def marks_of(
    scored: ScoredMicrograph | None,
    labels: MicrographLabels,
    asked: Sequence[Field],
    threshold: float,
    diameter_px: float,
) -> Marks:
    """Labels, and the candidates that nobody judged.

    A particle is added, not accepted, where the committee proposes nothing within 0.3 diameters.

    Parameters
    ----------
    scored : ScoredMicrograph, optional
    labels : MicrographLabels
    asked : sequence of Field
        Fields of the query that are not finished.
    threshold : float
        Candidates from here up are proposals.
    diameter_px : float
        Particle diameter, original pixels.
    """
    proposed = np.empty((0, 2)) if scored is None else scored.xy.astype(np.float64)
    score = np.empty(0) if scored is None else scored.probability.astype(np.float64)
    number = np.empty(0, np.int64) if scored is None else scored.class_number
    label_xy = np.array([(one.x, one.y) for one in labels.labels], dtype=np.float64).reshape(-1, 2)
    near, label_score = _nearest_score(label_xy, proposed, score, _SAME_DIAMETERS * diameter_px)
    words = {Verdict.REJECTED: State.REJECTED, Verdict.UNSURE: State.UNSURE, Verdict.PARTICLE: State.ACCEPTED}
    states = [words[one.verdict] for one in labels.labels]
    states = [State.ADDED if s == State.ACCEPTED and not close else s for s, close in zip(states, near, strict=True)]
    in_asked = np.zeros(len(proposed), dtype=bool)
    for field in asked:
        in_asked |= field.contains(proposed)
    free = unasked(proposed, labels, diameter_px) & ((score >= threshold) | (in_asked & (score >= ASK_FLOOR)))
    shown = np.flatnonzero(free)
    return Marks(
        np.concatenate([label_xy, proposed[shown]]),
        np.array([*states, *np.where(score[shown] >= threshold, State.PROPOSED, State.ASKED)], dtype=np.str_),
        np.concatenate([label_score, score[shown]]),
        np.concatenate([np.array([one.class_number for one in labels.labels], np.int64), number[shown]]),
    )


def unasked(xy: NDArray[np.float64], labels: MicrographLabels, diameter_px: float) -> NDArray[np.bool_]:
    """Which positions, shape (N, 2), the expert has neither judged nor called unsure."""
    free = unjudged(xy, labels, diameter_px)
    unsure = labels.xy(Verdict.UNSURE)
    if len(unsure) and len(xy):
        free &= cKDTree(unsure).query(xy)[0] > _SAME_DIAMETERS * diameter_px
    return free


def _nearest_score(
    xy: NDArray[np.float64], proposed: NDArray[np.float64], score: NDArray[np.float64], radius_px: float
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Whether a proposal lies near, and its score, NaN where none does."""
    if not len(xy) or not len(proposed):
        return np.zeros(len(xy), dtype=bool), np.full(len(xy), np.nan)
    distance, index = cKDTree(proposed).query(xy)
    near: NDArray[np.bool_] = np.asarray(distance <= radius_px)
    return near, np.where(near, score[index], np.nan)
