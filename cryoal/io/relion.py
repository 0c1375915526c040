"""RELION's coordinates: sets of 3.0 to 5, manual picks and particles with origins; written for 3.1 and for 4 and 5."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import FileError, FileFormatError
from cryoal.io import star
from cryoal.io.durable import write_atomic, write_many
from cryoal.io.micrographs import write_list
from cryoal.io.names import coordinate_path, own_name
from cryoal.io.options import ExportOptions, ImportOptions, rounded
from cryoal.io.relion_origins import origins_px
from cryoal.io.text import read_text

SUFFIX = "_autopick.star"
_SUFFIX_FILE = "coords_suffix_"
_NAME, _FILES = "rlnMicrographName", "rlnMicrographCoordinates"
_XY = ["rlnCoordinateX", "rlnCoordinateY"]
_FOM, _CLASS, _IMAGE = "rlnAutopickFigureOfMerit", "rlnClassNumber", "rlnImageName"
_TOMOGRAM, _Z = "rlnTomoName", "rlnCoordinateZ"
_NO_SCORE = -999.0
_NO_SCORE_BELOW = -998.0  # RELION's own marks for "none" are -999
_OTHER_CLASSES = (
    "class numbers beside figures of merit are those of autopick's templates, and of extracted particles those of a "
    "classification: they are left out; cryoal label --classes takes them as kinds of particles"
)


class ClassNumberWarning(UserWarning):
    """Class numbers that may be no kinds of particles were left out."""


class MissingFileWarning(UserWarning):
    """A set names coordinate files that are not there."""


def read(path: Path, options: ImportOptions | None = None) -> dict[str, Picks]:
    """Read picks by micrograph name: of one coordinate file, a set of them, or a particle list.

    A set is the list ``autopick.star`` of RELION 4 and 5 or the file ``coords_suffix_*.star`` of 3.1. The centre of a
    particle is its coordinate minus its origin, ``x − rlnOriginXAngst / pixel size`` (3.0: ``rlnOriginX`` times the
    particle's pixel size), with the micrograph's pixel size from the list of `options`, else from the file, else from
    `ImportOptions.pixel_size_angstrom`.

    Warns
    -----
    ClassNumberWarning
        Without `ImportOptions.all_class_numbers`: class numbers beside figures of merit, which are those of autopick's
        templates, and of extracted particles, which are those of a classification, were left out.
    MissingFileWarning
        Some of the files that a set names are not there, as where nothing was picked; they are left out.

    Raises
    ------
    FileError
        A file is missing or not readable.
    FileFormatError
        It has no coordinates, those of a tomogram, or a value is wrong; the text names the line.
    LabelError
        Origins need the pixel size of a micrograph that nothing tells.
    """
    options = options or ImportOptions()
    if path.name.startswith(_SUFFIX_FILE):
        return _read_suffix_set(path, options)
    blocks = star.read(path)
    if not blocks:
        return {own_name(path): Picks.empty()}
    for table in blocks.values():
        if {_NAME, _FILES} <= set(table.columns):
            return _read_listed(path, table, options)
    table = star.table_with(blocks, _XY, path)
    _check_micrographs(table, path)
    picks = _picks(table, path, origins_px(table, blocks, path, options), options)
    if _NAME not in table:
        return {own_name(path): picks}
    rows = table.reset_index(drop=True).groupby(_NAME, sort=False).indices
    return {str(name): picks.select(np.asarray(index)) for name, index in rows.items()}


def write(picks: Sequence[tuple[MicrographEntry, Picks]], out: Path, options: ExportOptions) -> list[Path]:
    """Write a coordinate set for RELION 3.1 (``--coord_dir``, ``--coord_suffix``) and for 4 and 5 (``autopick.star``).

    Micrographs keep their names letter for letter; one without picks gets a header without rows; a pick without a
    score gets RELION's -999. Where `options` names no micrograph list, one is written beside.

    Raises
    ------
    FileError
        A file cannot be written.
    """
    files = [coordinate_path(entry, out, SUFFIX, flat=False) for entry, _ in picks]
    each = zip(files, picks, strict=True)
    kept = ((file, options.select(*pair)) for file, pair in each if options.writes(pair[0]))
    whole = ((file, rounded(one) if options.round_coordinates else one) for file, one in kept)
    write_many((file, star.text(file, {"": _columns(one)})) for file, one in whole)
    autopick, suffix_file = out / "autopick.star", out / f"{_SUFFIX_FILE}autopick.star"
    names = [entry.name for entry, _ in picks]
    star.write(autopick, {"coordinate_files": {_NAME: names, _FILES: [_in_project(file, options) for file in files]}})
    written = [autopick, suffix_file, *files]
    micrographs_star = options.micrographs_star
    if not micrographs_star:
        micrographs_star = _in_project(out / "micrographs.star", options)
        write_list(out / "micrographs.star", [entry for entry, _ in picks])
        written.append(out / "micrographs.star")
    write_atomic(suffix_file, f"{micrographs_star}\n")
    return written


def listed_files(path: Path) -> list[Path]:
    """Coordinate files that a set's list names and that are there; none where `path` is no list.

    Raises
    ------
    FileError
        The list is missing or not readable.
    """
    is_list = _FILES in read_text(path, "a STAR file")  # thousands are asked, few are lists
    for table in star.read(path).values() if is_list else ():
        if {_NAME, _FILES} <= set(table.columns):
            return [file for name in table[_FILES] if (file := _find(str(name), path))]
    return []


def _columns(picks: Picks) -> star.Columns:
    """Columns of a coordinate file, in RELION's order."""
    return {
        "rlnCoordinateX": picks.x,
        "rlnCoordinateY": picks.y,
        _FOM: np.where(np.isnan(picks.score), _NO_SCORE, picks.score),
        _CLASS: picks.class_number,
        "rlnAnglePsi": np.zeros(len(picks)),
    }


def _in_project(file: Path, options: ExportOptions) -> str:
    """Path as RELION, run in its project folder, finds it."""
    absolute, root = file.absolute(), options.root.absolute()
    return (absolute.relative_to(root) if absolute.is_relative_to(root) else absolute).as_posix()


def _read_suffix_set(path: Path, options: ImportOptions) -> dict[str, Picks]:
    """Read what RELION 3.1 finds below the folder of its suffix file."""
    ending = path.name.removeprefix(_SUFFIX_FILE.removesuffix("_"))
    files = sorted(file for file in path.parent.rglob(f"*{ending}") if file != path)
    if not files:
        raise FileError(f"{path}: no coordinate file *{ending} below {path.parent}; give the folder of the picks")
    return {
        file.relative_to(path.parent).as_posix().removesuffix(ending): _of_one_micrograph(file, options)
        for file in files
    }


def _read_listed(path: Path, table: pd.DataFrame, options: ImportOptions) -> dict[str, Picks]:
    """Read the coordinate files that the list of RELION 4 and 5 names; RELION, too, goes on without those missing."""
    twice = np.flatnonzero(table[_NAME].duplicated())
    if twice.size:
        line, name = table.index[twice[0]], table[_NAME].iloc[twice[0]]
        raise FileFormatError(f"{path}: line {line}: micrograph {name} is listed twice; keep one of the rows")
    files = {str(name): _find(str(file), path) for name, file in zip(table[_NAME], table[_FILES], strict=True)}
    picks = {name: _of_one_micrograph(file, options) for name, file in files.items() if file is not None}
    missing = [str(told) for told, file in zip(table[_FILES], files.values(), strict=True) if file is None]
    if missing and not picks:
        raise FileError(
            f"{path}: names the coordinate file {missing[0]}, which is not there, nor is any other; run from RELION's "
            "project folder"
        )
    if missing:
        warnings.warn(
            f"{path}: {len(missing)} of the {len(files)} coordinate files that it names are not there, {missing[0]} "
            "first; left out",
            MissingFileWarning,
            stacklevel=4,
        )
    return picks


def _of_one_micrograph(path: Path, options: ImportOptions) -> Picks:
    """Read a file of a set; what micrograph it is of, the set tells."""
    found = read(path, options)
    if len(found) > 1:
        raise FileFormatError(f"{path}: positions on {len(found)} micrographs, but a set has a file for each; mend it")
    return next(iter(found.values()), Picks.empty())


def _find(name: str, path: Path) -> Path | None:
    """Find a file that a list names relative to the project folder: the current one, or one above the list."""
    folders = (Path(), *path.absolute().parents)
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def _check_micrographs(table: pd.DataFrame, path: Path) -> None:
    """Refuse positions in tomograms, and particles that do not tell where they are from."""
    if _TOMOGRAM in table or (_Z in table and table[_Z].nunique() > 1):
        told = _TOMOGRAM if _TOMOGRAM in table else _Z
        raise FileFormatError(f"{path}: positions in tomograms (column _{told}); give those of micrographs")
    if _IMAGE in table and _NAME not in table:
        raise FileFormatError(
            f"{path}: particles (column _{_IMAGE}) whose micrographs nothing tells, for there is no column _{_NAME}; "
            "give a list that has it"
        )


def _picks(table: pd.DataFrame, path: Path, shift: NDArray[np.float64], options: ImportOptions) -> Picks:
    """Positions, scores and classes of a table, RELION's marks for "none" taken as such."""
    x, y = (star.numbers(table, label, path) for label in _XY)
    score, classes = None, None
    if _FOM in table:
        score = star.numbers(table, _FOM, path, missing=True)
        score = np.where(score <= _NO_SCORE_BELOW, np.nan, score)
    if _CLASS in table:
        classes = np.maximum(star.numbers(table, _CLASS, path), 0).astype(np.int64)
        by_program = _IMAGE in table or (score is not None and bool(np.isfinite(score).any()))
        if by_program and not options.all_class_numbers and classes.any():
            classes = None
            warnings.warn(_OTHER_CLASSES, ClassNumberWarning, stacklevel=3)
    return Picks(x - shift[0], y - shift[1], score, classes)  # type: ignore[arg-type]
