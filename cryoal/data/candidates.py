"""The candidate pool that acquisition chooses from, and the query it leads to."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cryoal.data.classes import NO_CLASSES, Classes
from cryoal.data.labels import Field


class Candidates(Protocol):
    """Proposed positions of a whole collection, in memory (`CandidatePool`) or read as they are needed."""

    @property
    def micrographs(self) -> tuple[str, ...]:
        """Keys of the micrographs, those without candidates included."""

    @property
    def classes(self) -> Classes:
        """As `CandidatePool.classes`."""

    def on(self, micrographs: Sequence[int]) -> "Candidates":
        """The candidates of some micrographs, given by their places in `micrographs`, as a collection of their own."""

    def parts(self) -> Iterator["CandidatePool"]:
        """All candidates as one pool or more, each of some micrographs that are whole, in their order."""


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

    def on(self, micrographs: Sequence[int]) -> "CandidatePool":
        """The candidates of some micrographs, given by their places in `micrographs`, which are those then."""
        place = np.full(len(self.micrographs), -1, np.int32)
        place[list(micrographs)] = np.arange(len(micrographs))
        part = self.select(place[self.micrograph] >= 0)
        return replace(
            part, micrographs=tuple(self.micrographs[i] for i in micrographs), micrograph=place[part.micrograph]
        )

    def parts(self) -> Iterator["CandidatePool"]:
        """All of it at once."""
        yield self

    @classmethod
    def joined(cls, parts: Iterable["CandidatePool"]) -> "CandidatePool":
        """The parts of one collection, of which there is at least one, as one pool."""
        pools = list(parts)
        if len(pools) == 1:
            return pools[0]
        before = np.cumsum([0, *(len(one.micrographs) for one in pools[:-1])], dtype=np.int32)
        return cls(
            tuple(key for one in pools for key in one.micrographs),
            np.concatenate([one.micrograph + shift for one, shift in zip(pools, before, strict=True)]),
            np.concatenate([one.xy for one in pools]),
            np.concatenate([one.probability for one in pools], axis=1),
            np.concatenate([one.embedding for one in pools]),
            pools[0].classes,
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
