"""A micrograph: where it is listed, and its pixels once read."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

_JOB_PREFIX = re.compile(r"^(?:.*/)?[A-Za-z0-9]+/job\d{3,}/")
_IMAGE_SUFFIXES = (".gz", ".bz2", ".mrc", ".mrcs", ".tif", ".tiff", ".map")


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


def micrograph_key(name: str) -> str:
    """Name without RELION's ``JobType/jobNNN/`` prefix, leading slashes and image extension.

    >>> micrograph_key("MotionCorr/job002/Micrographs/a.b.mrc")
    'Micrographs/a.b'
    """
    key = _JOB_PREFIX.sub("", name).lstrip("/")
    while key.lower().endswith(_IMAGE_SUFFIXES):
        key = key[: key.rindex(".")]
    return str(PurePosixPath(*(part for part in PurePosixPath(key).parts if part not in ("..", "."))))
