"""RELION's coordinates: sets of 3.0 to 5, manual picks and particles with origins; written for 3.1 and for 4 and 5."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import FileError, FileFormatError, LabelError
from cryoal.io import star
from cryoal.io.durable import write_atomic
from cryoal.io.micrographs import write_list
from cryoal.io.names import NameIndex, coordinate_path, own_name
from cryoal.io.options import ExportOptions, ImportOptions, rounded
from cryoal.io.text import read_text

SUFFIX = "_autopick.star"
_SUFFIX_FILE = "coords_suffix_"
_NAME, _FILES = "rlnMicrographName", "rlnMicrographCoordinates"
_XY = ["rlnCoordinateX", "rlnCoordinateY"]
_FOM, _CLASS = "rlnAutopickFigureOfMerit", "rlnClassNumber"
_NO_SCORE = -999.0
_NO_SCORE_BELOW = -998.0  # RELION's own marks for "none" are -999


def read(path: Path, options: ImportOptions | None = None) -> dict[str, Picks]:
    """Read picks by micrograph name: of one coordinate file, a set of them, or a particle list.

    A set is the list ``autopick.star`` of RELION 4 and 5 or the file ``coords_suffix_*.star`` of 3.1. The centre of a
    particle is its coordinate minus its origin, ``x − rlnOriginXAngst / pixel size`` (3.0: ``rlnOriginX`` times the
    particle's pixel size), with the micrograph's pixel size from the list of `options`, else from the file, else from
    `ImportOptions.pixel_size_angstrom`.

    Raises
    ------
    FileError
        A file is missing or not readable.
    FileFormatError
        It has no coordinates, or a value is wrong; the text names the line.
    LabelError
        Origins need the pixel size of a micrograph that nothing tells.
    """
    if path.name.startswith(_SUFFIX_FILE):
        return _read_suffix_set(path)
    blocks = star.read(path)
    if not blocks:
        return {own_name(path): Picks.empty()}
    for table in blocks.values():
        if {_NAME, _FILES} <= set(table.columns):
            return _read_listed(path, table)
    table = star.table_with(blocks, _XY, path)
    picks = _picks(table, path, _shifts(table, blocks, path, options or ImportOptions()))
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
    for (entry, found), file in zip(picks, files, strict=True):
        if not options.writes(entry):
            continue
        kept = options.select(entry, found)
        star.write(file, {"": _columns(rounded(kept) if options.round_coordinates else kept)})
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
    """Coordinate files that a set's list names; none where `path` is no list.

    Raises
    ------
    FileError
        The list, or a file in it, is missing or not readable.
    """
    is_list = _FILES in read_text(path, "a STAR file")  # thousands are asked, few are lists
    for table in star.read(path).values() if is_list else ():
        if {_NAME, _FILES} <= set(table.columns):
            return [_find(str(name), path) for name in table[_FILES]]
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


def _read_suffix_set(path: Path) -> dict[str, Picks]:
    """Read what RELION 3.1 finds below the folder of its suffix file."""
    ending = path.name.removeprefix(_SUFFIX_FILE.removesuffix("_"))
    files = sorted(file for file in path.parent.rglob(f"*{ending}") if file != path)
    if not files:
        raise FileError(f"{path}: no coordinate file *{ending} below {path.parent}; give the folder of the picks")
    return {
        file.relative_to(path.parent).as_posix().removesuffix(ending): next(iter(read(file).values())) for file in files
    }


def _read_listed(path: Path, table: pd.DataFrame) -> dict[str, Picks]:
    """Read the coordinate files that the list of RELION 4 and 5 names."""
    picks: dict[str, Picks] = {}
    for line, name, file in zip(table.index, table[_NAME], table[_FILES], strict=True):
        if name in picks:
            raise FileFormatError(f"{path}: line {line}: micrograph {name} is listed twice; keep one of the rows")
        picks[str(name)] = next(iter(read(_find(str(file), path)).values()), Picks.empty())
    return picks


def _find(name: str, path: Path) -> Path:
    """Find a file that a list names relative to the project folder: the current one, or one above the list."""
    for folder in (Path(), *path.absolute().parents):
        if (folder / name).is_file():
            return folder / name
    raise FileError(f"{path}: names the coordinate file {name}, which is not there; run from RELION's project folder")


def _picks(table: pd.DataFrame, path: Path, shift: NDArray[np.float64]) -> Picks:
    """Positions, scores and classes of a table, RELION's marks for "none" taken as such."""
    x, y = (star.numbers(table, label, path) for label in _XY)
    score, classes = None, None
    if _FOM in table:
        score = star.numbers(table, _FOM, path, missing=True)
        score = np.where(score <= _NO_SCORE_BELOW, np.nan, score)
    if _CLASS in table:
        classes = np.maximum(star.numbers(table, _CLASS, path), 0).astype(np.int64)
    return Picks(x - shift[0], y - shift[1], score, classes)  # type: ignore[arg-type]


def _shifts(table: pd.DataFrame, blocks: star.Blocks, path: Path, options: ImportOptions) -> NDArray[np.float64]:
    """Origins in pixels of the micrograph, shape (2, N)."""
    for labels in (["rlnOriginXAngst", "rlnOriginYAngst"], ["rlnOriginX", "rlnOriginY"]):
        if set(labels) <= set(table.columns):
            break
    else:
        return np.zeros((2, len(table)))
    origins = np.array([star.numbers(table, label, path) for label in labels])
    if not origins.any():
        return origins
    if labels[0] == "rlnOriginX":
        origins *= _particle_pixel_sizes(table, path)
    sizes = _micrograph_pixel_sizes(table, blocks, path, options)
    unknown = np.isnan(sizes) & origins.any(axis=0)
    if unknown.any():
        name = table[_NAME].iloc[int(np.argmax(unknown))] if _NAME in table else path.stem
        raise LabelError(
            f"{path}: particles are shifted by their origins, but the pixel size of micrograph {name} is not known; "
            f"give the micrograph list these particles come from, or a pixel size"
        )
    return np.where(origins == 0, 0.0, origins / sizes)


def _particle_pixel_sizes(table: pd.DataFrame, path: Path) -> NDArray[np.float64]:
    """Pixel size of the extracted particles by RELION 3.0 (Å/pixel)."""
    if not {"rlnDetectorPixelSize", "rlnMagnification"} <= set(table.columns):
        raise FileFormatError(
            f"{path}: _rlnOriginX is in pixels of the particle, but _rlnDetectorPixelSize and _rlnMagnification are "
            f"missing; give a particle list of RELION 3.1 or later"
        )
    return 1e4 * star.numbers(table, "rlnDetectorPixelSize", path) / star.numbers(table, "rlnMagnification", path)


def _micrograph_pixel_sizes(
    table: pd.DataFrame, blocks: star.Blocks, path: Path, options: ImportOptions
) -> NDArray[np.float64]:
    """Pixel size of each row's micrograph: by the micrograph list, the file, or the option; NaN where unknown."""
    index = NameIndex(options.entries)
    names = table[_NAME] if _NAME in table else pd.Series([own_name(path)] * len(table), table.index)
    found = {name: index.find(str(name)) for name in names.unique()}
    sizes = names.map({name: entry.pixel_size_angstrom if entry else np.nan for name, entry in found.items()})
    told = _told_pixel_sizes(table, blocks, path)
    listed = sizes.to_numpy(np.float64)
    known = np.where(np.isnan(listed), told, listed)
    return np.where(np.isnan(known), options.pixel_size_angstrom, known)


def _told_pixel_sizes(table: pd.DataFrame, blocks: star.Blocks, path: Path) -> NDArray[np.float64]:
    """Pixel size of the micrographs as the particle list tells it, NaN where it does not."""
    label = "rlnMicrographPixelSize"
    if label in table:
        return star.numbers(table, label, path, missing=True)
    optics = blocks.get("optics")
    if optics is None or not {label, "rlnOpticsGroup"} <= set(optics.columns) or "rlnOpticsGroup" not in table:
        return np.full(len(table), np.nan)
    sizes = dict(zip(optics["rlnOpticsGroup"], star.numbers(optics, label, path, missing=True), strict=True))
    return table["rlnOpticsGroup"].map(sizes).to_numpy(np.float64)
