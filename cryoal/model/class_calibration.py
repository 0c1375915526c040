"""From a network's class logits to probabilities that mean what they say; no torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from cryoal.data.classes import Classes
from cryoal.errors import OptionError
from cryoal.model.scaling import fit_temperature_multiclass

MIN_LABELS = 10
"""With fewer held-out labels a temperature stays 1."""


@dataclass(frozen=True, slots=True)
class ClassCalibration:
    """Temperatures of the two softmaxes of `Classes`: over the particle classes, and over the kinds of background.

    Attributes
    ----------
    particle_temperature, background_temperature : float
    """

    particle_temperature: float = 1.0
    background_temperature: float = 1.0

    def __call__(self, logits: NDArray[np.floating], classes: Classes) -> NDArray[np.float64]:
        """Probabilities of each class given particle, and of each kind given background.

        Parameters
        ----------
        logits : array, shape (..., L)
        classes : Classes

        Returns
        -------
        float64 array, shape (..., L)
        """
        parts = (
            (classes.particle_logits, self.particle_temperature),
            (classes.background_logits, self.background_temperature),
        )
        probability = np.empty(logits.shape, np.float64)
        for some, temperature in parts:
            if some.start < some.stop:
                probability[..., some] = softmax(logits[..., some].astype(np.float64) / temperature, axis=-1)
        return probability

    def to_dict(self) -> dict[str, float]:
        """Plain values, fit for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "ClassCalibration":
        """Read what `to_dict` wrote.

        Raises
        ------
        OptionError
            A value is missing or of the wrong kind.
        """
        try:
            return cls(*(float(values[name]) for name in cls.__slots__))  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError) as error:
            raise OptionError(f"classes: {error!r} in {dict(values)}; train again to write it anew") from error


def choose_class_calibration(
    logits: NDArray[np.floating], right: NDArray[np.int64], classes: Classes
) -> ClassCalibration:
    """Fit the temperatures to labels kept out of training; see `fit_temperature_multiclass`.

    Parameters
    ----------
    logits : array, shape (N, L)
    right : int64 array, shape (N,)
        Index of the right logit.
    classes : Classes
    """
    parts = (classes.particle_logits, classes.background_logits)
    return ClassCalibration(*(_temperature(logits, right, some) for some in parts))


def _temperature(logits: NDArray[np.floating], right: NDArray[np.int64], some: slice) -> float:
    """Of one softmax, 1 where there are too few labels."""
    own = (right >= some.start) & (right < some.stop)
    if own.sum() < MIN_LABELS:
        return 1.0
    return fit_temperature_multiclass(logits[own, some], right[own] - some.start).temperature
