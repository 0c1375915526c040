"""MRC images: every mode, byte order and compression that micrographs come in, read fast and checked."""

import bz2
import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import mrcfile
import numpy as np
from mrcfile.dtypes import HEADER_DTYPE
from numpy.typing import NDArray

from cryoal.data.micrograph import Micrograph
from cryoal.errors import ArrayError, FileError, MicrographError
from cryoal.io.durable import atomic_path

_HEADER_BYTES = 1024
_DTYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_REFUSED_MODES = {
    3: "complex numbers (a transform)",
    4: "complex numbers (a transform)",
    16: "colours (RGB)",
    101: "packed 4-bit numbers",
}
_IMOD_STAMP = 1146047817


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the pixels of one image lie in the (decompressed) file."""

    shape: tuple[int, int]
    dtype: np.dtype[np.generic]
    offset: int
    pixel_size_angstrom: float


def read(path: Path) -> Micrograph:
    """Read one micrograph from an MRC file, plain or compressed by gzip or bzip2.

    Modes 0, 1, 2, 6 and 12, both byte orders, extended headers, ``ispg`` 0 or 1; the content decides, not the
    suffix. Pixels come in the machine's byte order, row 0 first.

    Raises
    ------
    FileError
        The file is missing, a folder or not readable.
    MicrographError
        It is not MRC, is truncated or empty, or does not hold one real-valued image.

    Notes
    -----
    Format: MRC2014, https://www.ccpem.ac.uk/mrc_format/mrc2014.php; unsigned mode 0 as IMOD marks it.
    """
    with _opened(path) as (stream, compressed):
        layout = _layout(path, stream)
        pixels = _decompressed(path, stream, layout) if compressed else _direct(path, stream, layout)
    if not pixels.dtype.isnative:
        pixels = pixels.byteswap(inplace=True).view(pixels.dtype.newbyteorder("="))
    return Micrograph(pixels.reshape(layout.shape), layout.pixel_size_angstrom)


def read_shape(path: Path) -> tuple[tuple[int, int], float]:
    """Shape (ny, nx) and pixel size (Å/pixel, NaN where the header has none), from the header alone.

    Raises
    ------
    FileError, MicrographError
        As `read`, but a truncated image goes unnoticed.
    """
    with _opened(path) as (stream, _):
        layout = _layout(path, stream)
    return layout.shape, layout.pixel_size_angstrom


def write(path: Path, pixels: NDArray[np.generic], pixel_size_angstrom: float) -> None:
    """Write one image, shape (ny, nx), as MRC; dtypes that MRC lacks become float32.

    Raises
    ------
    ArrayError
        `pixels` is not two-dimensional.
    FileError
        The file cannot be written.
    """
    if pixels.ndim != 2:
        raise ArrayError(f"{path}: pixels have shape {pixels.shape}; give one image, shape (ny, nx)")
    stored = pixels if pixels.dtype.str[1:] in _DTYPES.values() else pixels.astype(np.float32)
    with atomic_path(path) as temporary, mrcfile.new(temporary, overwrite=True) as mrc:
        mrc.set_data(stored)
        mrc.voxel_size = pixel_size_angstrom


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], bool]]:
    """Give the file's decompressed bytes and whether they were compressed; every failure as one of our errors."""
    try:
        with path.open("rb") as raw:
            magic = raw.read(3)
            raw.seek(0)
            if magic[:2] == b"\x1f\x8b":
                with gzip.open(raw) as stream:
                    yield cast("IO[bytes]", stream), True
            elif magic == b"BZh":
                with bz2.open(raw) as stream:
                    yield stream, True
            else:
                yield raw, False
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise MicrographError(f"{path}: compressed data are damaged ({error}); copy the file again") from error
    except OSError as error:
        if error.errno is None:  # bz2 reports damaged data so
            raise MicrographError(f"{path}: compressed data are damaged ({error}); copy the file again") from error
        raise FileError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error


def _layout(path: Path, stream: IO[bytes]) -> _Layout:
    """Parse the header and refuse what is not one real-valued image."""
    raw = stream.read(_HEADER_BYTES)
    if not raw:
        raise MicrographError(f"{path}: is empty (0 bytes); copy the file again or leave it out")
    if len(raw) < _HEADER_BYTES or raw[208:211] != b"MAP":
        raise MicrographError(f"{path}: is not an MRC file (no 'MAP ' at byte 208); give MRC or TIFF micrographs")
    header = np.frombuffer(raw, HEADER_DTYPE.newbyteorder(_byte_order(raw)))[0]
    nx, ny, nz, mode, extended = (int(header[field]) for field in ("nx", "ny", "nz", "mode", "nsymbt"))
    if mode not in _DTYPES:
        held = _REFUSED_MODES.get(mode, "an unknown type")
        raise MicrographError(
            f"{path}: MRC mode {mode}, {held}; convert it to mode 0, 1, 2, 6 or 12 (newstack -mode 2)"
        )
    if nz > 1:
        raise MicrographError(f"{path}: holds {nz} images of {nx} × {ny}, not one; give motion-corrected micrographs")
    if min(nx, ny) < 2 or nz < 1 or extended < 0:
        raise MicrographError(f"{path}: an image of {nx} × {ny} × {nz} pixels; a micrograph has many; leave it out")
    order = HEADER_DTYPE.newbyteorder(_byte_order(raw))["mode"].byteorder
    code = "u1" if mode == 0 and _is_imod_unsigned(header) else _DTYPES[mode]
    dtype = np.dtype(code).newbyteorder(order)
    return _Layout((ny, nx), dtype, _HEADER_BYTES + extended, _pixel_size(header))


def _byte_order(raw: bytes) -> str:
    """'<' or '>', by the machine stamp, or where that is wrong by which order makes the mode plausible."""
    if raw[212] in (0x44, 0x11):
        return "<" if raw[212] == 0x44 else ">"
    return "<" if 0 <= int.from_bytes(raw[12:16], "little") < 2**16 else ">"


def _is_imod_unsigned(header: np.void) -> bool:
    """IMOD marks its files, and sets a flag when their bytes are signed."""
    extra = header["extra2"].tobytes()
    stamp, flags = np.frombuffer(extra, header["nx"].dtype, count=2, offset=40)
    return int(stamp) == _IMOD_STAMP and not int(flags) & 1


def _pixel_size(header: np.void) -> float:
    """Cell length over sampling; NaN where either is missing or absurd."""
    cell, sampling = float(header["cella"]["x"]), int(header["mx"])
    size = cell / sampling if sampling > 0 else float("nan")
    return size if 0 < size < float("inf") else float("nan")


def _direct(path: Path, stream: IO[bytes], layout: _Layout) -> NDArray[np.generic]:
    """Read the pixels of a plain file, once, into their array."""
    count = layout.shape[0] * layout.shape[1]
    _check_length(path, os.fstat(stream.fileno()).st_size, layout)
    return np.fromfile(stream, layout.dtype, count, offset=layout.offset - stream.tell())


def _decompressed(path: Path, stream: IO[bytes], layout: _Layout) -> NDArray[np.generic]:
    """Decompress the pixels into their array."""
    pixels = np.empty(layout.shape[0] * layout.shape[1], layout.dtype)
    stream.seek(layout.offset)
    view, filled = pixels.view(np.uint8).data, 0
    while filled < len(view):
        n = stream.readinto(view[filled:])  # type: ignore[attr-defined]
        if not n:
            _check_length(path, layout.offset + filled, layout)
        filled += n
    return pixels


def _check_length(path: Path, found: int, layout: _Layout) -> None:
    """Refuse a file that ends before its pixels do."""
    ny, nx = layout.shape
    needed = layout.offset + ny * nx * layout.dtype.itemsize
    if found < needed:
        raise MicrographError(
            f"{path}: truncated, {found} bytes where {nx} × {ny} pixels need {needed}; copy it again or leave it out"
        )
