"""A micrograph: where it is listed, and its pixels once read."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

_JOB_PREFIX = re.compile(r"^(?:.*/)?[A-Za-z0-9]+/job\d{3,}/")
_IMAGE_SUFFIXES = (".gz", ".bz2", ".mrc", ".mrcs", ".tif", ".tiff", ".map")
_KEYS_KEPT = 2**16  # a command asks for each key many times


@dataclass(frozen=True, slots=True)
class MicrographEntry:
    """One row of a micrograph list.

    Attributes
    ----------
    name : str
        The name exactly as the list gives it; exports repeat it letter for letter.
    path : Path
        The file to read.
    pixel_size_angstrom : float
        Pixel size of the stored image, Å/pixel; NaN while it is unknown.
    optics_group : int
        RELION's optics group.
    """

    name: str
    path: Path
    pixel_size_angstrom: float = float("nan")
    optics_group: int = 1

    @property
    def key(self) -> str:
        """The micrograph's path inside a workspace or an export (see `micrograph_key`)."""
        return micrograph_key(self.name)


@dataclass(frozen=True, slots=True)
class Micrograph:
    """The pixels of one micrograph.

    Attributes
    ----------
    pixels : array, shape (ny, nx)
        As stored, row 0 is the file's first row; any real dtype.
    pixel_size_angstrom : float
        From the file's header, Å/pixel; NaN where the header has none.
    """

    pixels: NDArray[np.generic]
    pixel_size_angstrom: float = float("nan")


@lru_cache(_KEYS_KEPT)
def micrograph_key(name: str) -> str:
    """Name without RELION's ``JobType/jobNNN/`` prefix, leading slashes and image extension.

    >>> micrograph_key("MotionCorr/job002/Micrographs/a.b.mrc")
    'Micrographs/a.b'
    """
    key = _JOB_PREFIX.sub("", name).lstrip("/")
    while key.lower().endswith(_IMAGE_SUFFIXES):
        key = key[: key.rindex(".")]
    return str(PurePosixPath(*(part for part in PurePosixPath(key).parts if part not in ("..", "."))))


@dataclass(frozen=True, slots=True)
class ScaledMicrograph:
    """A micrograph at the picker's scale, as the network sees it.

    Attributes
    ----------
    pixels : float32 array, shape (my, mx)
        Particles bright, background 0, robust standard deviation 1; 0 where not valid.
    valid : bool array, shape (my, mx)
        False on borders and areas that carry no image.
    scale : (float, float)
        Original pixels per scaled pixel along (x, y), as really reached.
    shape_px : (int, int)
        (ny, nx) of the original.
    surroundings : float32 array, shape (my, mx), optional
        How much brighter than the median the wider surroundings are, in standard deviations of `pixels`, particles
        bright: high on carbon and in thick ice. By default 0.
    """

    pixels: NDArray[np.float32]
    valid: NDArray[np.bool_]
    scale: tuple[float, float]
    shape_px: tuple[int, int]
    surroundings: NDArray[np.float32] = field(default=None)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        if self.surroundings is None:
            object.__setattr__(self, "surroundings", np.zeros_like(self.pixels))

    def to_scaled(self, xy: NDArray[np.floating]) -> NDArray[np.float64]:
        """Original (x, y), shape (N, 2), to scaled: x' = (x + 1/2) / scale − 1/2, as pixels are areas."""
        return (np.asarray(xy, dtype=np.float64).reshape(-1, 2) + 0.5) / self.scale - 0.5

    def to_original(self, xy: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scaled (x, y), shape (N, 2), to original."""
        return to_original(xy, self.scale)


def edge_distance_px(xy: NDArray[np.floating], shape_px: tuple[int, int]) -> NDArray[np.float64]:
    """Distance of positions (x, y), shape (N, 2), from the nearest edge of an image of (ny, nx) pixels, shape (N,)."""
    inside = np.asarray(xy, dtype=np.float64) + 0.5
    distance: NDArray[np.float64] = np.minimum(inside, np.array(shape_px[::-1]) - inside).min(axis=1)
    return distance


def to_original(xy: NDArray[np.floating], scale: tuple[float, float]) -> NDArray[np.float64]:
    """Scaled (x, y), shape (N, 2), to original; original pixels per scaled pixel along (x, y)."""
    return (np.asarray(xy, dtype=np.float64).reshape(-1, 2) + 0.5) * scale - 0.5
