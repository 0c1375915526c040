"""How the labels' centres lie against those the committee sees, so that picks lie where the expert puts them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cryoal.errors import FileFormatError

_MIN_PAIRS = 30
_STANDARD_ERRORS = 3.0
_MAD_TO_SIGMA = 1.4826
_MEDIAN_TO_MEAN = 1.2533  # standard error of a median against that of a mean, normal distribution


@dataclass(frozen=True, slots=True)
class Centring:
    """A constant offset, labels less picks, along each axis.

    The network learns from rotated and mirrored patches, so it cannot learn an offset that all labels share, such as
    half a pixel from a change of scale, or a habit of another program; it is measured instead.

    Attributes
    ----------
    x_diameters, y_diameters : float
        To be added to picks, particle diameters; 0 along an axis where it is not sure.
    n_pairs : int
        Held-out particles it was measured on.
    """

    x_diameters: float = 0.0
    y_diameters: float = 0.0
    n_pairs: int = 0

    @property
    def offset_diameters(self) -> NDArray[np.float64]:
        """(x, y)."""
        return np.array([self.x_diameters, self.y_diameters])

    @property
    def note(self) -> str:
        """What to tell the user; empty where there is nothing to tell."""
        if not (self.x_diameters or self.y_diameters):
            return ""
        return (
            f"the labels lie ({self.x_diameters:+.3f}, {self.y_diameters:+.3f}) diameters in (x, y) off the centres "
            "that the committee sees; picks follow the labels"
        )

    def to_json(self) -> str:
        """The content of centring.json."""
        return json.dumps(asdict(self), indent=1) + "\n"


def estimate_centring(offset_diameters: NDArray[np.float64]) -> Centring:
    """Median offset along each axis where it is more than three standard errors from 0.

    Parameters
    ----------
    offset_diameters : float64 array, shape (M, 2)
        Labels less picks of matched pairs that no member learnt from, particle diameters.
    """
    n = len(offset_diameters)
    if n < _MIN_PAIRS:
        return Centring(n_pairs=n)
    median = np.median(offset_diameters, axis=0)
    sigma = _MAD_TO_SIGMA * np.median(np.abs(offset_diameters - median), axis=0)
    sure = np.abs(median) > _STANDARD_ERRORS * _MEDIAN_TO_MEAN * sigma / np.sqrt(n)
    x, y = np.round(np.where(sure, median, 0.0), 5)
    return Centring(float(x), float(y), n)


def read_centring(path: Path) -> Centring:
    """Read centring.json.

    Raises
    ------
    FileFormatError
        It is missing or broken.
    """
    try:
        values: Mapping[str, float] = json.loads(path.read_text(encoding="utf-8"))
        return Centring(float(values["x_diameters"]), float(values["y_diameters"]), int(values["n_pairs"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path}: not a centring of cryoal ({error}); train again") from error
