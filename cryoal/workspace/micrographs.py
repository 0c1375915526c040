"""The workspace's list of micrographs, micrographs.star."""

from collections.abc import Sequence
from pathlib import Path

from cryoal.data.micrograph import MicrographEntry
from cryoal.errors import WorkspaceError
from cryoal.io import star
from cryoal.workspace.layout import Layout

_NAME, _PATH, _PIXEL_SIZE, _OPTICS_GROUP = "rlnMicrographName", "cryoalPath", "rlnMicrographPixelSize", "rlnOpticsGroup"


def write_micrographs(layout: Layout, entries: Sequence[MicrographEntry], root: Path) -> None:
    """Write the list; paths below `root` (`Settings.root`) are kept relative to it, so that both may move together.

    Raises
    ------
    WorkspaceError
        Two micrographs have the same key.
    FileError
        The list cannot be written.
    """
    first: dict[str, MicrographEntry] = {}
    for entry in entries:
        other = first.setdefault(entry.key, entry)
        if other is not entry:
            raise WorkspaceError(
                f"{other.name} and {entry.name} cannot be told apart without job folder and extension; list only one"
            )
    columns: dict[str, Sequence[object]] = {
        _NAME: [entry.name for entry in entries],
        _PATH: [_relative(entry.path, root) for entry in entries],
        _PIXEL_SIZE: [f"{entry.pixel_size_angstrom:.9g}" for entry in entries],
        _OPTICS_GROUP: [entry.optics_group for entry in entries],
    }
    star.write(layout.micrographs, {"micrographs": columns})


def read_micrographs(layout: Layout, root: Path) -> list[MicrographEntry]:
    """Read the list, in the order it was written.

    Raises
    ------
    FileError
        The list is missing or cannot be read.
    FileFormatError
        It is broken; the text names the line.
    """
    path = layout.micrographs
    table = star.table_with(star.read(path), [_NAME, _PATH, _PIXEL_SIZE, _OPTICS_GROUP], path)
    pixel_sizes = star.numbers(table, _PIXEL_SIZE, path, missing=True)
    groups = star.numbers(table, _OPTICS_GROUP, path)
    rows = zip(table[_NAME], table[_PATH], pixel_sizes, groups, strict=True)
    return [MicrographEntry(name, root / place, float(size), int(group)) for name, place, size, group in rows]


def _relative(path: Path, root: Path) -> str:
    """Path from `root`, absolute where it lies elsewhere."""
    return (path.relative_to(root) if path.is_relative_to(root) else path.absolute()).as_posix()
