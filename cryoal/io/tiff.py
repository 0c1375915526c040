"""TIFF images, rows flipped on reading as RELION and EMAN2 do, so that one coordinate convention holds."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tifffile

from cryoal.data.micrograph import Micrograph
from cryoal.errors import FileError, MicrographError

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DAMAGE = (tifffile.TiffFileError, struct.error, ValueError, RuntimeError, KeyError, IndexError, TypeError)


def is_tiff(start: bytes) -> bool:
    """Whether a file that begins so is TIFF."""
    return start[:4] in _MAGIC


def read(path: Path) -> Micrograph:
    """Read one micrograph from a TIFF file, compressed or not; the file's last row becomes row 0.

    Raises
    ------
    FileError
        The file is missing or not readable.
    MicrographError
        It is damaged, or does not hold one real-valued grey image.

    Notes
    -----
    The flip follows RELION, whose rows run from the bottom: ``src/rwTIFF.h``.
    """
    with _page(path) as page:
        pixels = page.asarray()
    return Micrograph(np.ascontiguousarray(pixels[::-1]))


def read_shape(path: Path) -> tuple[tuple[int, int], float]:
    """Shape (ny, nx) from the header alone, and NaN for the pixel size, which TIFF does not tell reliably.

    Raises
    ------
    FileError, MicrographError
        As `read`.
    """
    with _page(path) as page:
        return (int(page.shape[0]), int(page.shape[1])), float("nan")


@contextmanager
def _page(path: Path) -> Iterator[tifffile.TiffPage]:
    """Give the only page of the file, checked; every failure as one of our errors."""
    try:
        with tifffile.TiffFile(path) as tiff:
            yield _checked(path, tiff)
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error
    except _DAMAGE as error:
        raise MicrographError(f"{path}: damaged TIFF ({error}); copy it again or leave it out") from error


def _checked(path: Path, tiff: tifffile.TiffFile) -> tifffile.TiffPage:
    """Give the first page, and refuse what is not one whole real-valued grey image."""
    if len(tiff.pages) != 1:
        raise MicrographError(f"{path}: holds {len(tiff.pages)} images, not one; give motion-corrected micrographs")
    page = tiff.pages.first
    if page.ndim != 2 or min(page.shape) < 2 or page.dtype is None or page.dtype.kind not in "iuf":
        raise MicrographError(
            f"{path}: an image of shape {page.shape} and type {page.dtype}; give one grey image of real numbers"
        )
    ends = [start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if not ends or min(page.databytecounts) == 0 or max(ends) > tiff.filehandle.size:
        raise MicrographError(f"{path}: truncated TIFF; copy it again or leave it out")
    return page
