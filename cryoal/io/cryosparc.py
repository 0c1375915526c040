"""cryoSPARC's ``.cs`` particle locations: NumPy structured arrays, plain or compressed."""

import hashlib
import io
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import FileError, FileFormatError, LabelError, MicrographError
from cryoal.io.durable import write_atomic
from cryoal.io.micrographs import read_micrograph, shape_of
from cryoal.io.names import NameIndex
from cryoal.io.options import ExportOptions, ImportOptions

PLAIN_MAGIC = b"\x93NUMPY"
COMPRESSED_MAGIC = (b"\x94CSDAT", b"\x95CSDAT")  # cryosparc-tools 4, 5
FILE_NAME = "picked_particles.cs"
_PATH, _SHAPE = "location/micrograph_path", "location/micrograph_shape"
_X, _Y, _SCORE = "location/center_x_frac", "location/center_y_frac", "pick_stats/ncc_score"
_EXPOSURE = {  # our name of a value -> the names it has in exposures and in locations
    "micrograph_path": ("micrograph_blob/path", _PATH),
    "micrograph_shape": ("micrograph_blob/shape", _SHAPE),
    "micrograph_psize_A": ("micrograph_blob/psize_A", "location/micrograph_psize_A"),
    "exp_group_id": ("mscope_params/exp_group_id", "location/exp_group_id"),
    "micrograph_uid": ("uid", "location/micrograph_uid"),
}
_UID_PREFIX = re.compile(r"^(\d{18,21})_")
_CHECKED = 3  # micrographs on which the direction of y is checked
_STRONGER, _SURE = 2.0, 5.0

Rows = np.ndarray[Any, np.dtype[np.void]]


class YDirectionWarning(UserWarning):
    """The picture suggests that cryoSPARC's y runs the other way."""


def read(path: Path, options: ImportOptions | None = None) -> dict[str, Picks]:
    """Read particle locations: x = ``center_x_frac`` · nx, y = ``center_y_frac`` · ny, or ny minus that (`cs_y`).

    nx and ny are those of the listed micrograph where `options` tells its shape, which may be binned, else the file's.
    Where `options` lists the micrographs, the picture's contrast at the picks is compared both ways.

    Warns
    -----
    YDirectionWarning
        The other direction fits much better.

    Raises
    ------
    FileError
        The file cannot be read, or is compressed and cryosparc-tools is not installed.
    FileFormatError
        It is not a ``.cs`` file, or has no locations.
    """
    options = options or ImportOptions()
    rows = _load(path)
    missing = [name for name in (_PATH, _SHAPE, _X, _Y) if name not in (rows.dtype.names or ())]
    if missing:
        raise FileFormatError(
            f"{path}: no field {', '.join(missing)}; give the .cs file that holds the particles' location"
        )
    _check_rows(path, rows)
    paths, first, which = np.unique(rows[_PATH], return_index=True, return_inverse=True)
    names = [_text(path) for path in paths]
    ny, nx = _shapes(names, rows[_SHAPE][first], options)[which].T
    y = rows[_Y].astype(np.float64) * ny
    score = rows[_SCORE].astype(np.float64) if _SCORE in (rows.dtype.names or ()) else np.full(len(rows), np.nan)
    picks = Picks(rows[_X].astype(np.float64) * nx, ny - y if options.cs_y == "inverted" else y, score)
    of_name = np.split(np.argsort(which, kind="stable"), np.cumsum(np.bincount(which))[:-1])
    found = {name: picks.select(index) for name, index in zip(names, of_name, strict=False)}
    _check_direction(found, options)
    return found


def write(picks: Sequence[tuple[MicrographEntry, Picks]], out: Path, options: ExportOptions) -> list[Path]:
    """Write ``picked_particles.cs``; what belongs to the micrograph is copied from its row in `options.exposures`.

    Without exposures, the micrograph's uid is the number its name begins with, else a digest of the name.

    Raises
    ------
    LabelError
        A micrograph is not among the exposures.
    FileError, MicrographError
        A file cannot be read or written, or a micrograph's shape is not known.
    """
    exposures = _read_exposures(options.exposures) if options.exposures else None
    parts = []
    for entry, found in picks:
        told = _made(entry) | (exposures.of(entry) if exposures else {})
        if "micrograph_shape" not in told:
            told["micrograph_shape"] = shape_of(entry, options.shapes)
        parts.append(_locations(entry, options.select(entry, found), told, options))
    width = max([1, *(part.dtype[_PATH].itemsize for part in parts)])
    rows = np.concatenate([np.empty(0, _dtype(width)), *(part.astype(_dtype(width)) for part in parts)])
    buffer = io.BytesIO()
    np.save(buffer, rows, allow_pickle=False)
    write_atomic(out / FILE_NAME, buffer.getvalue())
    return [out / FILE_NAME]


def contrast(pixels: NDArray[np.generic], picks: Picks, window_px: int = 16) -> float:
    """How far the picture at the picks differs from the rest: |mean difference| in standard errors.

    The picture is averaged over windows of `window_px`; 0 where fewer than two picks lie inside.
    """
    ny, nx = (n // window_px for n in pixels.shape)
    if ny == 0 or nx == 0:
        return 0.0
    cut = pixels[: ny * window_px, : nx * window_px].astype(np.float32)
    blocks = cut.reshape(ny, window_px, nx, window_px).mean(axis=(1, 3))
    column, row = (np.floor(position / window_px).astype(int) for position in (picks.x, picks.y))
    inside = (column >= 0) & (column < nx) & (row >= 0) & (row < ny)
    spread = float(blocks.std())
    if inside.sum() < 2 or spread == 0:
        return 0.0
    difference = float(blocks[row[inside], column[inside]].mean() - blocks.mean())
    return abs(difference) / spread * float(np.sqrt(inside.sum()))


def _check_direction(found: Mapping[str, Picks], options: ImportOptions) -> None:
    """Warn if the picks fit the pictures much better upside down."""
    this = other = 0.0
    for name in sorted(found, key=lambda name: -len(found[name]))[: _CHECKED if options.entries else 0]:
        entry, picks = options.index.find(name), found[name]
        if entry is None:
            continue
        try:
            pixels = read_micrograph(entry.path).pixels
        except (FileError, MicrographError):
            continue
        this += contrast(pixels, picks)
        other += contrast(pixels, Picks(picks.x, pixels.shape[0] - picks.y))
    if other > _STRONGER * this and other > _SURE:
        better = "file" if options.cs_y == "inverted" else "inverted"
        message = f"the picture's contrast at the picks is {other:.1f} with y upside down and {this:.1f} as read"
        warnings.warn(f"{message}; try --cs-y {better}", YDirectionWarning, stacklevel=3)


def _load(path: Path) -> Rows:
    """Read the structured array, through cryosparc-tools where it is compressed."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error
    if data.startswith(COMPRESSED_MAGIC):
        return _load_compressed(path)
    if not data.startswith(PLAIN_MAGIC):
        raise FileFormatError(f"{path}: is not a .cs file (it begins with {data[:6]!r}); give one of cryoSPARC")
    try:
        rows = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise FileFormatError(f"{path}: cannot be read as a .cs file ({error}); copy it again") from error
    if rows.ndim != 1 or rows.dtype.names is None:
        raise FileFormatError(f"{path}: a NumPy array without fields; give a .cs file of cryoSPARC")
    return rows  # type: ignore[no-any-return]


def _load_compressed(path: Path) -> Rows:
    """Read a compressed file."""
    try:
        from cryosparc.dataset import Dataset  # noqa: PLC0415  an optional part
        from cryosparc.errors import DatasetLoadError  # noqa: PLC0415
    except ImportError as error:
        raise FileError(f"{path}: is compressed; install what reads it: pip install 'cryoal[cryosparc]'") from error
    try:
        return Dataset.load(path).to_records(fixed=True)  # type: ignore[no-any-return]
    except DatasetLoadError as error:
        raise FileFormatError(f"{path}: cannot be read by cryosparc-tools ({error}); copy it again") from error


def _check_rows(path: Path, rows: Rows) -> None:
    """Refuse shapes that are none, and fractions that are no numbers."""
    if rows[_SHAPE].ndim != 2 or rows[_SHAPE].shape[1] != 2:
        raise FileFormatError(f"{path}: {_SHAPE} has the form {rows[_SHAPE].shape[1:]}, not (2,); export it again")
    wrong = np.flatnonzero(~(np.isfinite(rows[_X]) & np.isfinite(rows[_Y])))
    if wrong.size:
        i = int(wrong[0])
        raise FileFormatError(
            f"{path}: row {i}: {_X} is {rows[_X][i]}, {_Y} is {rows[_Y][i]}; expected numbers from 0 to 1"
        )


def _shapes(names: Sequence[str], told: NDArray[np.generic], options: ImportOptions) -> NDArray[np.float64]:
    """(ny, nx) of each micrograph, shape (N, 2): as listed, else as told by the file."""
    shapes = told.astype(np.float64).reshape(-1, 2)
    for row, name in enumerate(names):
        entry = options.index.find(name)
        if entry is not None and entry.key in options.shapes:
            shapes[row] = options.shapes[entry.key]
    return shapes


def _text(value: object) -> str:
    """Text of a field that is bytes or str."""
    return value.decode() if isinstance(value, bytes) else str(value)


def _dtype(path_width: int) -> np.dtype[np.void]:
    """Fields that cryoSPARC's extraction needs."""
    return np.dtype(
        [
            ("uid", "<u8"),
            ("location/micrograph_uid", "<u8"),
            ("location/exp_group_id", "<u4"),
            (_PATH, f"S{path_width}"),
            (_SHAPE, "<u4", (2,)),
            ("location/micrograph_psize_A", "<f4"),
            (_X, "<f4"),
            (_Y, "<f4"),
            (_SCORE, "<f4"),
            ("pick_stats/power", "<f4"),
        ]
    )


@dataclass(frozen=True, slots=True)
class _Exposures:
    """Rows of an exposures file, found by name."""

    path: Path
    rows: Rows
    row_of: Mapping[str, int]
    index: NameIndex

    def of(self, entry: MicrographEntry) -> dict[str, Any]:
        """What the exposures tell of a micrograph."""
        found = self.index.find(entry.name)
        if found is None:
            raise LabelError(f"{self.path}: no exposure of micrograph {entry.name}; give the exposures it comes from")
        row = self.rows[self.row_of[found.name]]
        fields = {value: _field(self.rows, value) for value in _EXPOSURE}
        told = {value: row[field] for value, field in fields.items() if field is not None}
        return told | {"micrograph_path": found.name.encode()}


def _read_exposures(path: Path) -> _Exposures:
    """Read an exposures file."""
    rows = _load(path)
    field = _field(rows, "micrograph_path")
    if field is None:
        raise FileFormatError(f"{path}: no field micrograph_blob/path; give the exposures .cs file of the micrographs")
    names = [_text(name) for name in rows[field]]
    index = NameIndex(MicrographEntry(name, Path(name)) for name in names)
    return _Exposures(path, rows, {name: i for i, name in enumerate(names)}, index)


def _field(rows: Rows, value: str) -> str | None:
    """Name that a value has in this file."""
    return next((name for name in _EXPOSURE[value] if name in (rows.dtype.names or ())), None)


def _made(entry: MicrographEntry) -> dict[str, Any]:
    """What can be said of a micrograph without its exposure."""
    prefix = _UID_PREFIX.match(PurePosixPath(entry.name).name)
    return {
        "micrograph_path": entry.name.encode(),
        "micrograph_psize_A": entry.pixel_size_angstrom,
        "exp_group_id": entry.optics_group,
        "micrograph_uid": int(prefix[1]) % 2**64 if prefix else _digest(entry.name),
    }


def _digest(text: str) -> int:
    """A 64-bit number that stays the same from run to run."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def _locations(entry: MicrographEntry, picks: Picks, told: Mapping[str, Any], options: ExportOptions) -> Rows:
    """Rows of one micrograph's picks."""
    rows = np.zeros(len(picks), _dtype(max(1, len(told["micrograph_path"]))))
    ny, nx = (int(n) for n in told["micrograph_shape"])
    rows["uid"] = [_digest(f"{entry.name} {told['micrograph_uid']} {i}") for i in range(len(picks))]
    for value in _EXPOSURE:
        rows[f"location/{value}"] = told[value]
    rows[_X] = picks.x / nx
    rows[_Y] = (ny - picks.y if options.cs_y == "inverted" else picks.y) / ny
    rows[_SCORE] = picks.score
    return rows
