"""The classes that a round tells apart beside particle and background, and what a candidate's probabilities are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryoal.errors import OptionError


@dataclass(frozen=True, slots=True)
class Classes:
    """Class numbers that the labels of a round carry.

    The C classes of a candidate are, in this order, background, the particle classes (one, where none are told
    apart) and the kinds of junk. What a network gives beside its score are L logits: one for each particle class
    where there are several, then plain background and the kinds of junk where there are any.

    Attributes
    ----------
    particles : tuple of int
        Numbers of the particle classes; empty where a particle is a particle.
    junk : tuple of int
        Numbers of the kinds of junk, a series of their own; empty where none is told from the background.

    Raises
    ------
    OptionError
        A number is below 1 or occurs twice, or there is one particle class only.
    """

    particles: tuple[int, ...] = ()
    junk: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name, numbers in (("particles", self.particles), ("junk", self.junk)):
            if len(set(numbers)) < len(numbers) or any(number < 1 for number in numbers):
                raise OptionError(f"classes: {name} {numbers} are not allowed; give different numbers from 1 up")
        if len(self.particles) == 1:
            raise OptionError(f"classes: one particle class, {self.particles[0]}; there is nothing to tell apart")

    def __bool__(self) -> bool:
        return self.n_logits > 0

    @property
    def n_particles(self) -> int:
        """Particle classes among the C classes."""
        return max(1, len(self.particles))

    @property
    def n_classes(self) -> int:
        """C, background included."""
        return 1 + self.n_particles + len(self.junk)

    @property
    def n_logits(self) -> int:
        """L, what a network gives beside its score."""
        return len(self.particles) + (len(self.junk) + 1 if self.junk else 0)

    @property
    def particle_logits(self) -> slice:
        """Which of the L logits tell the particle classes apart."""
        return slice(0, len(self.particles))

    @property
    def background_logits(self) -> slice:
        """Which of the L logits tell plain background and the kinds of junk apart."""
        return slice(len(self.particles), self.n_logits)


NO_CLASSES = Classes()
"""Particle and background, no more."""


def full_probability(
    particle: NDArray[np.floating], conditional: NDArray[np.floating], classes: Classes
) -> NDArray[np.float32]:
    """Probabilities of all classes from that of a particle, d, and those of the classes given particle or background.

    p = [(1 − d) b₀, d q₁, …, d q_P, (1 − d) b₁, …, (1 − d) b_J], with q over the particle classes and b over plain
    background and the kinds of junk, each summing to one.

    Parameters
    ----------
    particle : array, shape (K, N)
    conditional : array, shape (K, N, L)
        q, then b; see `Classes`.
    classes : Classes

    Returns
    -------
    float32 array, shape (K, N, C)
        Sums to one over C.
    """
    d = particle[..., np.newaxis]
    if not classes:
        two: NDArray[np.float32] = np.concatenate([1 - d, d], axis=-1).astype(np.float32)
        return two
    one = np.ones_like(d, dtype=np.float64)
    q = conditional[..., classes.particle_logits] if classes.particles else one
    b = conditional[..., classes.background_logits] if classes.junk else one
    p = np.concatenate([(1 - d) * b[..., :1], d * q, (1 - d) * b[..., 1:]], axis=-1, dtype=np.float64)
    full: NDArray[np.float32] = (p / p.sum(axis=-1, keepdims=True)).astype(np.float32)
    return full


def class_name(number: int, names: Sequence[str], noun: str = "class") -> str:
    """The name a person gave class `number`, name i belonging to number i from 1; else the noun and the number."""
    return names[number - 1] if 1 <= number <= len(names) else f"{noun} {number}"
