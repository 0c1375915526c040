"""The table of pick formats, the format of a file by its content, and picks matched to micrographs."""

import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import FileError, FileFormatError, LabelError, OptionError
from cryoal.io import cryolo, cryosparc, csv, eman, relion, topaz, xmipp
from cryoal.io.names import WORKSPACE_FILE, without_coordinate_suffix
from cryoal.io.options import ExportOptions, ImportOptions, on_image
from cryoal.io.text import decoded, described

Reader = Callable[[Path, ImportOptions], dict[str, Picks]]
Writer = Callable[[Sequence[tuple[MicrographEntry, Picks]], Path, ExportOptions], list[Path]]


@dataclass(frozen=True, slots=True)
class Format:
    """One way to store picks: its name on the command line, its files, its reader and writer.

    `is_table`: the picks of all micrographs are in one file.
    """

    name: str
    description: str
    suffixes: tuple[str, ...]
    read: Reader
    write: Writer
    is_table: bool = False


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format("relion", "RELION coordinate sets, 3.0 to 5, and particles", (".star",), relion.read, relion.write),
        Format("cryosparc", "cryoSPARC particle locations", (".cs",), cryosparc.read, cryosparc.write, is_table=True),
        Format("eman", "EMAN boxes", (".box",), eman.read_box, eman.write_box),
        Format("eman2", "EMAN2 info files", (".json",), eman.read_info, eman.write_info),
        Format("cryolo", "crYOLO boxes", (".cbox",), cryolo.read, cryolo.write),
        Format("topaz", "Topaz coordinate table", (".txt",), topaz.read, topaz.write, is_table=True),
        Format("xmipp", "Xmipp positions", (".pos",), xmipp.read, xmipp.write),
        Format("csv", "comma-separated table; CryoPPP's is read, too", (".csv",), csv.read, csv.write, is_table=True),
    )
}
KEEP_CLASSES = ("relion", "csv")
"""The formats that have a place for class numbers."""
_SUFFIXES = {suffix: each.name for each in FORMATS.values() for suffix in each.suffixes}
_HEAD_BYTES = 65536
_STAR_BLOCK = re.compile(r"^\s*data_", re.MULTILINE | re.IGNORECASE)
_STAR_LABEL = re.compile(r"^\s*(_\w+)", re.MULTILINE)
_STAR_LABELS = (  # the first whose labels all occur tells the format
    ("cryolo", ("_CoordinateX", "_Width")),
    ("xmipp", ("_xcoor", "_ycoor")),
    ("xmipp", ("data_header", "_pickingMicrographState")),
    ("relion", ("_rlnCoordinateX", "_rlnCoordinateY")),
    ("relion", ("_rlnMicrographCoordinates",)),
)
_MAY_BE_EMPTY = (".star", ".box", ".cbox", ".pos")
_PLAIN_COLUMNS = {4: "eman", 5: "eman", 7: "cryolo"}
_NUMBERS = re.compile(r"^[\s\d.eE+<NA>-]+$")


@dataclass(frozen=True, slots=True)
class FoundPicks:
    """Picks of one micrograph as a file gives them."""

    path: Path
    name: str
    picks: Picks

    @property
    def place(self) -> str:
        """The name to match: with the file's folders where the file names its micrograph by its own name."""
        return (self.path.parent / self.name).as_posix() if self._is_own else self.name

    @property
    def micrograph(self) -> str:
        """The micrograph's name where there is no list to match: a file's own name is cut before ``_autopick``."""
        return without_coordinate_suffix(self.name) if self._is_own else self.name

    @property
    def _is_own(self) -> bool:
        return self.path.name.startswith(self.name)


class LostClassesWarning(UserWarning):
    """The format written has no place for class numbers."""


class OutsideWarning(UserWarning):
    """Positions that lie on no pixel of their image were left out."""


def format_named(name: str) -> Format:
    """Look a format up.

    Raises
    ------
    OptionError
        There is no such format.
    """
    if name not in FORMATS:
        raise OptionError(f"--format: '{name}' is not known; give one of {', '.join(FORMATS)}")
    return FORMATS[name]


def detect(path: Path) -> str:
    """Name of the format of a file, by its content; an empty file is told by its suffix.

    Raises
    ------
    FileError
        The file cannot be read.
    FileFormatError
        It holds no coordinates in a known format.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error
    if head.startswith((cryosparc.PLAIN_MAGIC, *cryosparc.COMPRESSED_MAGIC)):
        return "cryosparc"
    text = decoded(head)
    name = None if text is None else _detect_text(path, text)
    if name is None:
        known = ", ".join(each.description for each in FORMATS.values())
        held = described(head) if text is None else _described(text)
        raise FileFormatError(f"{path}: holds no coordinates in a known format, but {held}; give one of: {known}")
    return name


def read_files(
    paths: Sequence[Path], options: ImportOptions | None = None, format_name: str | None = None
) -> list[FoundPicks]:
    """Read picks from files, and from all coordinate files in folders, named as the files name them.

    The format of each file is told by its content unless `format_name` is given.

    Raises
    ------
    FileError
        A file cannot be read.
    FileFormatError
        A file holds no coordinates, is wrong, or a folder has no coordinate file.
    LabelError
        See `read_picks`.
    """
    options = options or ImportOptions()
    found = []
    for path in paths:
        for file in _coordinate_files(path) if path.is_dir() else [path]:
            each = format_named(format_name or detect(file))
            found += [FoundPicks(file, name, picks) for name, picks in each.read(file, options).items()]
    return found


def read_picks(paths: Sequence[Path], options: ImportOptions, format_name: str | None = None) -> dict[str, Picks]:
    """Read picks and match them to the micrographs `options.entries`; the result is by micrograph key.

    Warns
    -----
    OutsideWarning
        Up to half of all positions lie outside their images (where `options.shapes` tells); they are left out.

    Raises
    ------
    FileError, FileFormatError
        As `read_files`.
    LabelError
        A name means no micrograph or several, two files hold picks of one micrograph, or more than half of the
        positions lie outside their images.
    """
    matched: dict[str, FoundPicks] = {}
    strangers = []
    for found in read_files(paths, options, format_name):
        entry = options.index.find(found.place)
        if entry is None:
            strangers += [found] if len(found.picks) else []
            continue
        if entry.key in matched:
            both = f"{matched[entry.key].path} and {found.path}"
            raise LabelError(f"{both}: both hold picks of micrograph {entry.name}; give one of them")
        matched[entry.key] = found
    if strangers:
        listed = ", ".join(found.name for found in strangers[:5])
        more = f" and {len(strangers) - 5} more" if len(strangers) > 5 else ""
        raise LabelError(
            f"{strangers[0].path}: no micrograph is named {listed}{more}; give the picks of listed micrographs"
        )
    return _inside(matched, options.shapes)


def write_picks(
    format_name: str, picks: Sequence[tuple[MicrographEntry, Picks]], out: Path, options: ExportOptions
) -> list[Path]:
    """Write picks in a format; the first of the files is what the other program is told.

    Warns
    -----
    LostClassesWarning
        The picks have class numbers, and the format no place for them.

    Raises
    ------
    OptionError
        The format is not known, or lacks an option.
    LabelError
        The format cannot hold these picks.
    FileError
        A file cannot be written.
    """
    written = format_named(format_name).write(picks, out, options)
    if format_name not in KEEP_CLASSES and any(found.class_number.any() for _, found in picks):
        keepers = " and ".join(KEEP_CLASSES)
        text = f"the format {format_name} has no place for class numbers, they are left out; {keepers} keep them"
        warnings.warn(text, LostClassesWarning, stacklevel=2)
    return written


def _detect_text(path: Path, text: str) -> str | None:
    """Tell a text format, None where it is none."""
    if not text.strip():
        return _SUFFIXES[suffix] if (suffix := path.suffix.lower()) in _MAY_BE_EMPTY else None
    if path.name.startswith("coords_suffix_"):
        return "relion"
    if text.lstrip().startswith("{"):
        return "eman2" if '"boxes"' in text or path.stem.endswith("_info") else None
    table = _detect_table(_first_line(text))  # first, since a name in it may begin with data_
    if table is None and _STAR_BLOCK.search(text):
        return next((name for name, labels in _STAR_LABELS if all(label in text for label in labels)), None)
    return table


def _detect_table(first: str) -> str | None:
    """Tell a table by its first line."""
    if _NUMBERS.match(first):
        return _PLAIN_COLUMNS.get(len(first.split()))
    if topaz.is_topaz(first):
        return "topaz"
    return "csv" if csv.is_csv_header(first) else None


def _first_line(text: str) -> str:
    """The first line that is neither blank nor a comment; empty where there is none."""
    return next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")


def _described(text: str) -> str:
    """What a text without coordinates holds, for an error."""
    labels = _STAR_LABEL.findall(text)
    if _STAR_BLOCK.search(text):
        return f"the STAR columns {', '.join(dict.fromkeys(labels)) or '(none)'}"
    first = _first_line(text)
    return f"'{first.strip()[:60]}' in its first line" if first else "nothing: it is empty"


def _coordinate_files(folder: Path) -> Iterator[Path]:
    """Yield the coordinate files below a folder, those that a list among them names only through the list."""
    detected: dict[Path, str] = {}
    for file in sorted(_files_below(folder)):
        if file.suffix.lower() not in _SUFFIXES or not file.is_file() or file.name.startswith((".", "coords_suffix_")):
            continue
        try:
            detected[file] = detect(file)
        except FileFormatError:
            continue  # other files of the same suffixes lie beside coordinates: logs, job.star
    listed = {
        file.resolve() for path, name in detected.items() if name == "relion" for file in relion.listed_files(path)
    }
    files = [file for file in detected if file.resolve() not in listed]
    if not files:
        raise FileFormatError(f"{folder}: no coordinate file in this folder; give the folder or the files of picks")
    yield from files


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield what lies below a folder, but not in hidden folders (RELION's .Nodes) nor in workspaces."""
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != "." and not Path(here, name, WORKSPACE_FILE).exists()]
        yield from (Path(here, name) for name in files)


def _inside(matched: Mapping[str, FoundPicks], shapes: Mapping[str, tuple[int, int]]) -> dict[str, Picks]:
    """Leave out positions that lie on no pixel of their image and say so; refuse them where they are the most."""
    kept, outside = {key: found.picks for key, found in matched.items()}, []
    for key in matched.keys() & shapes.keys():
        inside = on_image(kept[key], shapes[key])
        if not inside.all():
            outside.append((matched[key].path, key, ~inside))
            kept[key] = kept[key].select(inside)
    if not outside:
        return kept
    path, key, off = min(outside, key=lambda each: each[:2])
    found, first, (ny, nx) = matched[key].picks, int(off.argmax()), shapes[key]
    text = (
        f"{path}: {int(off.sum())} of {len(off)} positions on {matched[key].name} lie outside its {nx} × {ny} pixels, "
        f"the first, number {first + 1}, at x {found.x[first]:g}, y {found.y[first]:g}"
    )
    n_off, n_all = sum(int(each.sum()) for *_, each in outside), sum(len(each.picks) for each in matched.values())
    if len(outside) > 1:
        text += f" ({n_off} of {n_all} on {len(outside)} of {len(matched)} micrographs in all)"
    if n_off > n_all / 2:
        raise LabelError(f"{text}; give coordinates in pixels of these very micrographs, with the same binning")
    warnings.warn(f"{text}; left out", OutsideWarning, stacklevel=3)
    return kept
