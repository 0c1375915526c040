"""A round's picks on disk: a STAR file a micrograph, written and read by the ten thousand."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.io import star
from cryoal.io.durable import names_below, write_many
from cryoal.io.relion import read as read_relion
from cryoal.io.threads import in_threads

_SUFFIX = ".star"
_LABELS = ("rlnCoordinateX", "rlnCoordinateY", "rlnAutopickFigureOfMerit", "rlnClassNumber")
_HEADER = "".join(f"_{label} #{number}\n" for number, label in enumerate(_LABELS, start=1))
_BEFORE_ROWS = f"{star.RELION_HEADING}data_\n\nloop_\n{_HEADER}"


def write_picks_files(folder: Path, keys: Sequence[str], picks: Sequence[Picks]) -> None:
    """Write the picks of many micrographs.

    Raises
    ------
    FileError
        A file cannot be written.
    """
    paths = [folder / f"{key}{_SUFFIX}" for key in keys]
    write_many((path, star.text(path, {"": _columns(one)})) for path, one in zip(paths, picks, strict=True))


def picked_keys(folder: Path) -> set[str]:
    """Keys of the micrographs that have a file of picks."""
    return names_below(folder, _SUFFIX)


def read_picks_files(folder: Path, entries: Sequence[MicrographEntry]) -> list[tuple[MicrographEntry, Picks]]:
    """Read the picks of those micrographs that have any file of them.

    Raises
    ------
    FileError, FileFormatError
        A file cannot be read.
    """
    keys = picked_keys(folder)
    picked = [entry for entry in entries if entry.key in keys]
    paths = [folder / f"{entry.key}{_SUFFIX}" for entry in picked]
    return list(zip(picked, map(_decoded, paths, in_threads(_read, paths)), strict=True))


def _columns(picks: Picks) -> star.Columns:
    """Columns of a file."""
    return dict(zip(_LABELS, (picks.x, picks.y, picks.score, picks.class_number), strict=True))


def _read(path: Path) -> bytes:
    """What is in a file; nothing where it is none, which the reader of all kinds of files will say."""
    return path.read_bytes() if path.is_file() else b""


def _decoded(path: Path, data: bytes) -> Picks:
    """The picks in a file, by hand where it is as it was written: that takes a tenth of the time."""
    text = data.decode("utf-8", errors="replace")
    rows = text.removeprefix(_BEFORE_ROWS)
    if len(rows) < len(text):
        try:
            values = np.loadtxt(io.StringIO(rows), comments=None, ndmin=2) if rows.strip() else np.empty((0, 4))
        except ValueError:
            values = np.empty((0, 0))
        if values.shape[1] == len(_LABELS) and np.isfinite(values).all():
            return Picks(*values.T)
    return next(iter(read_relion(path).values()))
