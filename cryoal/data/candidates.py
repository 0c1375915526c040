"""The candidate pool that acquisition chooses from, and the query it leads to."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryoal.data.classes import NO_CLASSES, Classes
from cryoal.data.labels import Field


@dataclass(frozen=True, slots=True)
class CandidatePool:
    """Proposed positions not yet judged, from one or many micrographs.

    Attributes
    ----------
    micrographs : tuple of str
        Keys of the micrographs; `micrograph` indexes it.
    micrograph : int32 array, shape (N,)
    xy : float32 array, shape (N, 2)
        Position in pixels of the original micrograph.
    probability : float32 array, shape (K, N, C)
        Each member's calibrated class probabilities; they sum to one over C. Class 0 is background, then come the
        particle classes (one, if none are told apart), then the kinds of junk.
    embedding : float32 array, shape (N, D)
        The committee's features at the candidate.
    classes : Classes
        Which of the C classes are junk, and the numbers that labels call them by.
    """

    micrographs: tuple[str, ...]
    micrograph: NDArray[np.int32]
    xy: NDArray[np.float32]
    probability: NDArray[np.float32]
    embedding: NDArray[np.float32]
    classes: Classes = NO_CLASSES

    def __len__(self) -> int:
        return int(self.micrograph.size)

    @property
    def mean_probability(self) -> NDArray[np.float32]:
        """The committee's consensus, shape (N, C)."""
        mean: NDArray[np.float32] = self.probability.mean(axis=0)
        return mean

    @property
    def n_particle_classes(self) -> int:
        """Classes from 1 to this are particles, those above are junk."""
        return int(self.probability.shape[2]) - 1 - len(self.classes.junk)

    @property
    def background_classes(self) -> list[int]:
        """Indices of the classes that are no particles: background and junk."""
        return [0, *range(1 + self.n_particle_classes, self.probability.shape[2])]

    def select(self, index: NDArray[np.generic]) -> "CandidatePool":
        """The candidates at `index` (a boolean mask or integer indices)."""
        return CandidatePool(
            self.micrographs,
            self.micrograph[index],
            self.xy[index],
            self.probability[:, index],
            self.embedding[index],
            self.classes,
        )


@dataclass(frozen=True, slots=True)
class QueriedField:
    """A field to ask the expert about, and why.

    Attributes
    ----------
    field : Field
    utility : float
        The acquisition function's value for the field; higher was asked first.
    reason : str
        Name of the strategy that chose it.
    candidates : float64 array, shape (M, 3)
        x, y and consensus probability of a particle of the candidates inside.
    class_number : int64 array, shape (M,), optional
        Their most probable particle classes; None where classes are not told apart.
    """

    field: Field
    utility: float
    reason: str
    candidates: NDArray[np.float64]
    class_number: NDArray[np.int64] | None = None
