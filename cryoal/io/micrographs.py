"""Micrograph lists (a glob or a RELION STAR file of any version), and reading a micrograph by its content."""

import glob
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryoal.data.micrograph import Micrograph, MicrographEntry
from cryoal.errors import FileError, FileFormatError, MicrographError, OptionError
from cryoal.io import mrc, star, tiff
from cryoal.io.pixel_sizes import optics_groups, star_pixel_sizes, warn_if_different

_NAME, _X = "rlnMicrographName", "rlnCoordinateX"
_READERS = 8  # headers wait for the file system, not for the processor


def list_micrographs(
    source: str, pixel_size_angstrom: float | None, root: Path, *, must_exist: bool = True
) -> list[MicrographEntry]:
    """List the micrographs that a glob matches or that a RELION STAR file (3.0, 3.1, 4, 5) names, in that order.

    The pixel size is the STAR file's, else the header's, else `pixel_size_angstrom`, else NaN. Names are the STAR
    file's letter for letter; a glob's are relative to `root` where they lie below it, else absolute.

    Parameters
    ----------
    source : str
        Glob or STAR file; relative ones start at `root`.
    pixel_size_angstrom : float or None
        For micrographs whose pixel size is told nowhere else.
    root : Path
        RELION's project folder; if the first micrographs of a STAR file are not there, its own folder and the
        folders above are tried.
    must_exist : bool
        Refuse a STAR file none of whose micrographs is there; names and pixel sizes are enough to judge picks.

    Warns
    -----
    PixelSizeWarning
        Two of the sources differ by more than 1 %.

    Raises
    ------
    OptionError
        The pixel size is not positive.
    FileError
        Nothing matches, or the STAR file or all its micrographs are missing.
    FileFormatError
        The STAR file lacks names or lists a micrograph twice, or two micrographs share a key.
    """
    if pixel_size_angstrom is not None and not 0 < pixel_size_angstrom < float("inf"):
        raise OptionError(f"pixel size: {pixel_size_angstrom} Å; give a positive number of Å/pixel")
    path = root / source
    if path.is_file() and _is_star(path):
        entries = _from_star(path, pixel_size_angstrom, root, must_exist)
    else:
        entries = _from_glob(source, pixel_size_angstrom, root)
    _check_distinct(source, entries)
    return entries


def list_names(source: str, root: Path) -> list[MicrographEntry]:
    """List what `list_micrographs` lists, and what a STAR file names before it is there, without reading any header.

    The pixel size is the STAR file's, or NaN. A glob that matches nothing is an empty list.

    Raises
    ------
    FileError, FileFormatError
        The STAR file cannot be read, or lacks names.
    """
    path = root / source
    if path.is_file() and _is_star(path):
        blocks = star.read(path)
        table = _micrograph_table(blocks, path)
        names, groups = [str(name) for name in table[_NAME]], optics_groups(table, path)
        folder, sizes = (
            _project_folder(path, names, root, must_exist=False),
            star_pixel_sizes(blocks, table, groups, path),
        )
        rows = zip(names, sizes.tolist(), groups.tolist(), strict=True)
        return [MicrographEntry(name, folder / name, size, group) for name, size, group in rows]
    matches = glob.glob(source, root_dir=root, recursive=True)  # noqa: PTH207  Path.glob takes no absolute pattern
    return [MicrographEntry(_relative(root / match, root), root / match) for match in sorted(matches)]


def with_pixel_size(entry: MicrographEntry, pixel_size_angstrom: float | None) -> MicrographEntry:
    """The micrograph with its own pixel size where that is known, else its header's, else the one given, else NaN."""
    if entry.pixel_size_angstrom > 0:
        return entry
    header = _headers([entry])[0]
    told = header[1] if header is not None and header[1] > 0 else pixel_size_angstrom
    return replace(entry, pixel_size_angstrom=np.nan if told is None else told)


def read_micrograph(path: Path) -> Micrograph:
    """Read an MRC or TIFF micrograph, told by its content, and refuse pixels that hold no picture.

    Raises
    ------
    FileError
        The file is missing or not readable.
    MicrographError
        The content is damaged or not one image, or its pixels are constant, NaN or infinite.
    """
    micrograph = tiff.read(path) if _is_tiff(path) else mrc.read(path)
    _check_pixels(path, micrograph.pixels)
    return micrograph


def read_shape(path: Path) -> tuple[tuple[int, int], float]:
    """Shape (ny, nx) and pixel size (Å/pixel, or NaN), from the header alone.

    Raises
    ------
    FileError, MicrographError
        As `read_micrograph`, the pixels unseen.
    """
    return tiff.read_shape(path) if _is_tiff(path) else mrc.read_shape(path)


def read_shapes(entries: Sequence[MicrographEntry]) -> dict[str, tuple[int, int]]:
    """Shapes (ny, nx) by key, from the headers; micrographs that cannot be read are left out."""
    headers = _headers(entries)
    return {entry.key: header[0] for entry, header in zip(entries, headers, strict=True) if header is not None}


def shape_of(entry: MicrographEntry, shapes: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """Shape (ny, nx) of a micrograph: by `shapes`, keyed by micrograph, else from its header.

    Raises
    ------
    FileError, MicrographError
        As `read_shape`.
    """
    return shapes[entry.key] if entry.key in shapes else read_shape(entry.path)[0]


def write_list(path: Path, entries: Sequence[MicrographEntry]) -> None:
    """Write a micrograph list as RELION 3.1, 4 and 5 and `list_micrographs` read it.

    An unknown pixel size is written as 0. Micrographs of one optics group that differ in pixel size get groups of
    their own.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    sizes = [entry.pixel_size_angstrom if entry.pixel_size_angstrom > 0 else 0.0 for entry in entries]
    pairs = [(entry.optics_group, size) for entry, size in zip(entries, sizes, strict=True)]
    distinct = list(dict.fromkeys(pairs))
    groups = [group for group, _ in distinct]
    numbers = groups if len(set(groups)) == len(groups) else list(range(1, len(groups) + 1))
    optics: star.Columns = {
        "rlnOpticsGroupName": [f"opticsGroup{number}" for number in numbers],
        "rlnOpticsGroup": numbers,
        "rlnMicrographPixelSize": [size for _, size in distinct],
    }
    number_of = dict(zip(distinct, numbers, strict=True))
    table: star.Columns = {
        _NAME: [entry.name for entry in entries],
        "rlnOpticsGroup": [number_of[pair] for pair in pairs],
    }
    star.write(path, {"optics": optics, "micrographs": table})


def _is_tiff(path: Path) -> bool:
    """Look at the first bytes."""
    return tiff.is_tiff(_start(path, 4))


def _is_star(path: Path) -> bool:
    """Tell a STAR file by its suffix, or by text that begins a block."""
    start = _start(path, 4096)
    return path.suffix.lower() == ".star" or (b"\0" not in start and b"data_" in start)


def _start(path: Path, size: int) -> bytes:
    """Read the first bytes of a file."""
    try:
        with path.open("rb") as stream:
            return stream.read(size)
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error


def _check_pixels(path: Path, pixels: NDArray[np.generic]) -> None:
    """Refuse NaN, infinity and constant images; whole images are compared only if a sample is constant."""
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        n = int(pixels.size - np.isfinite(pixels).sum())
        raise MicrographError(f"{path}: {n} pixels are NaN or infinite; correct the image or leave it out")
    first = pixels[0, 0]
    if bool((pixels[::61, ::61] == first).all()) and bool((pixels == first).all()):
        raise MicrographError(f"{path}: all pixels are {first}; a constant image holds no particles, leave it out")


def _from_glob(source: str, option: float | None, root: Path) -> list[MicrographEntry]:
    """List what a glob matches, with the headers' pixel sizes."""
    matches = glob.glob(source, root_dir=root, recursive=True)  # noqa: PTH207  Path.glob takes no absolute pattern
    paths = [root / match for match in sorted(matches)]
    files = [path for path in paths if path.is_file()]
    if not files:
        remedy = f"give a glob of images such as '{source}/*.mrc'" if paths else "check the path, and quote the glob"
        raise FileError(f"{source}: no micrograph matches (looked in {root.absolute()}); {remedy}")
    bare = [MicrographEntry(_relative(path, root), path) for path in files]
    headers = np.array([header[1] if header else np.nan for header in _headers(bare)])
    warn_if_different("the headers say", headers, "the option says", option, [entry.name for entry in bare])
    fallback = np.nan if option is None else option
    sizes = np.where(np.isnan(headers), fallback, headers).tolist()
    return [MicrographEntry(entry.name, entry.path, size) for entry, size in zip(bare, sizes, strict=True)]


def _relative(path: Path, root: Path) -> str:
    """Name of a file found by a glob."""
    absolute, base = path.absolute(), root.absolute()
    return (absolute.relative_to(base) if absolute.is_relative_to(base) else absolute).as_posix()


def _from_star(path: Path, option: float | None, root: Path, must_exist: bool) -> list[MicrographEntry]:
    """List what a STAR file names, with its pixel sizes."""
    blocks = star.read(path)
    table = _micrograph_table(blocks, path)
    if table.empty:
        raise FileFormatError(f"{path}: lists no micrographs; give a list that has some")
    names = [str(name) for name in table[_NAME]]
    folder = _project_folder(path, names, root, must_exist)
    groups = optics_groups(table, path)
    sizes = star_pixel_sizes(blocks, table, groups, path)
    bare = [MicrographEntry(name, folder / name) for name in names]
    told = ~np.isnan(sizes)
    asked = np.union1d(np.flatnonzero(~told), np.unique(groups, return_index=True)[1])  # one header a group checks it
    headers = np.full(len(bare), np.nan)
    headers[asked] = [header[1] if header else np.nan for header in _headers([bare[i] for i in asked])]
    warn_if_different(f"{path.name} says", sizes, "the headers say", headers, names)
    sizes = np.where(told, sizes, headers)
    warn_if_different(f"{path.name} or the headers say", sizes, "the option says", option, names)
    sizes = np.where(np.isnan(sizes), np.nan if option is None else option, sizes)
    columns = zip(bare, sizes.tolist(), groups.tolist(), strict=True)
    return [MicrographEntry(entry.name, entry.path, size, group) for entry, size, group in columns]


def _micrograph_table(blocks: star.Blocks, path: Path) -> pd.DataFrame:
    """The block that names micrographs, in a file that lists these and not particles."""
    table = star.table_with(blocks, [_NAME], path)
    if _X in table:
        raise FileFormatError(
            f"{path}: a list of particles (column _{_X}), not of micrographs; give the list of their micrographs"
        )
    return table


def _project_folder(path: Path, names: list[str], root: Path, must_exist: bool) -> Path:
    """Find the folder that the names are relative to: where one of the first micrographs is."""
    candidates = [root, path.parent, *path.absolute().parent.parents]
    for some in (names[:10], names):
        for folder in candidates if some is not names else candidates[:2]:
            if any((folder / name).is_file() for name in some):
                return folder
    if not must_exist:
        return root
    raise FileError(
        f"{path}: none of its {len(names)} micrographs exists (the first is {names[0]}, looked for below "
        f"{root.absolute()} and {path.absolute().parent}); run from RELION's project folder"
    )


def _headers(entries: Sequence[MicrographEntry]) -> list[tuple[tuple[int, int], float] | None]:
    """Shape and pixel size from each header, None where it cannot be read."""

    def header(entry: MicrographEntry) -> tuple[tuple[int, int], float] | None:
        try:
            return read_shape(entry.path)
        except (FileError, MicrographError):
            return None

    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(header, entries))


def _check_distinct(source: str, entries: Iterable[MicrographEntry]) -> None:
    """Refuse a micrograph listed twice, and two that share a key."""
    by_key: dict[str, str] = {}
    for entry in entries:
        other = by_key.get(entry.key)
        if other is not None:
            what = "is listed twice" if other == entry.name else f"and {other} share the key '{entry.key}'"
            raise FileFormatError(f"{source}: {entry.name} {what}; give a list with each micrograph once")
        by_key[entry.key] = entry.name
