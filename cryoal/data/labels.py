"""What the expert has said about one micrograph, and how far it reaches."""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Verdict(StrEnum):
    """The three labels."""

    PARTICLE = "particle"
    REJECTED = "rejected"
    UNSURE = "unsure"


class Origin(StrEnum):
    """How a label came, which tells what is known of its surroundings."""

    COMPLETE = "complete"  # its field or micrograph is complete: what is not marked is background
    ANSWER = "answer"  # one candidate accepted, rejected or unsure: nothing is known of the rest
    IMPORT = "import"  # positives only: the rest is a mixture of particles and background


@dataclass(frozen=True, slots=True, order=True)
class Field:
    """A square patch of a micrograph, shown to the expert as one.

    Attributes
    ----------
    micrograph : str
        Key of the micrograph.
    x, y : float
        Smallest x and y inside, pixels of the original micrograph.
    size : float
        Side, pixels of the original micrograph.
    """

    micrograph: str
    x: float
    y: float
    size: float

    def contains(self, xy: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which positions, shape (N, 2), lie inside (low edges in, high edges out)."""
        inside_x = (xy[:, 0] >= self.x) & (xy[:, 0] < self.x + self.size)
        return inside_x & (xy[:, 1] >= self.y) & (xy[:, 1] < self.y + self.size)

    def interior(self, rim_px: ArrayLike, shape_px: tuple[int, int]) -> NDArray[np.float64]:
        """Smallest and largest (x, y), shape (2, 2), of the field less a rim, behind which other fields may lie.

        The rim is as wide in x and y, or (x, y); there is none along the edges of the micrograph of (ny, nx) pixels.
        """
        low, rim_px = np.array([self.x, self.y]), np.asarray(rim_px, dtype=np.float64)
        high, end = low + self.size, np.array(shape_px[::-1]) - 0.5
        low = np.where(low > rim_px - 0.5, low + rim_px, low)
        return np.stack([low, np.where(high < end - rim_px, high - rim_px, high)])


@dataclass(frozen=True, slots=True)
class Label:
    """One decision about one position.

    Attributes
    ----------
    x, y : float
        Position in pixels of the original micrograph.
    verdict : Verdict
    origin : Origin
    class_number : int
        Class given by the expert, 0 where there is none.
    """

    x: float
    y: float
    verdict: Verdict
    origin: Origin
    class_number: int = 0


@dataclass(frozen=True, slots=True)
class MicrographLabels:
    """All that is known of one micrograph.

    Attributes
    ----------
    labels : tuple of Label
    complete : bool
        The whole micrograph is complete: what is not marked is background.
    fields : tuple of Field
        Complete fields.
    random_fields : frozenset of Field
        Those of `fields` that were drawn at random: an unbiased sample for calibration.
    """

    labels: tuple[Label, ...] = ()
    complete: bool = False
    fields: tuple[Field, ...] = ()
    random_fields: frozenset[Field] = field(default_factory=frozenset)

    def xy(self, verdict: Verdict, *origins: Origin) -> NDArray[np.float64]:
        """Positions of the labels with this verdict (and one of these origins), shape (N, 2)."""
        chosen = [(p.x, p.y) for p in self.labels if p.verdict == verdict and (not origins or p.origin in origins)]
        return np.array(chosen, dtype=np.float64).reshape(-1, 2)

    @property
    def positives_only(self) -> bool:
        """Particles were imported and nothing is known of the rest."""
        return not self.complete and any(p.origin == Origin.IMPORT for p in self.labels)
