"""`cryoal convert`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryoal.cli.options import CS_Y, OUT, PIXEL_SIZE, PROJECT, QUIET, RIM
from cryoal.errors import LabelError, OptionError

if TYPE_CHECKING:
    from cryoal.data.micrograph import MicrographEntry
    from cryoal.data.picks import Picks
    from cryoal.io.options import ImportOptions


def command(
    source: Annotated[Path, typer.Argument(metavar="IN", help="File or folder of picks.", show_default=False)],
    to: Annotated[str, typer.Option("--to", help="relion, cryosparc, eman, eman2, cryolo, topaz, xmipp or csv.")],
    out: OUT,
    micrographs: Annotated[str | None, typer.Option(help="Micrographs: a STAR file, or a glob in quotes.")] = None,
    diameter: Annotated[float | None, typer.Option(help="Particle diameter, Å, for formats with boxes.")] = None,
    pixel_size: PIXEL_SIZE = None,
    box_size: Annotated[int | None, typer.Option(help="Box size, pixels; by default the diameter.")] = None,
    from_format: Annotated[str | None, typer.Option("--from", help="Format of IN; told by content.")] = None,
    fractions: Annotated[
        bool, typer.Option("--fractions", help="Keep fractions of pixels; RELION truncates them.")
    ] = False,
    rim: RIM = 0.0,
    exposures: Annotated[Path | None, typer.Option(help="cryoSPARC's exposures .cs.")] = None,
    cs_y: CS_Y = "file",
    project: PROJECT = Path(),
    quiet: QUIET = False,
) -> None:
    """Turn picks of one program into those of another; the format of IN is told by its content.

    With --micrographs names are matched to the list and repeated as it has them, as RELION needs; without it
    micrographs are called as IN calls them.
    """
    from cryoal.cli import console
    from cryoal.io.formats import FORMATS, write_picks
    from cryoal.io.micrographs import list_micrographs, read_shapes
    from cryoal.io.options import ExportOptions, ImportOptions

    if to not in FORMATS:
        raise OptionError(f"--to: {to!r} is not known; give one of {', '.join(FORMATS)}")
    listed = list_micrographs(micrographs, pixel_size, project, must_exist=False) if micrographs else []
    size = float("nan") if pixel_size is None else pixel_size
    reading = ImportOptions(listed, read_shapes(listed), cs_y, size)  # type: ignore[arg-type]
    picks = _listed_picks(source, reading, from_format) if listed else _named_picks(source, reading, from_format)
    if not listed and pixel_size is not None:
        picks = [(_sized(entry, pixel_size), found) for entry, found in picks]
    options = ExportOptions(
        diameter_angstrom=diameter if diameter is not None else float("nan"),
        box_size_px=box_size,
        round_coordinates=not fractions,
        shapes=reading.shapes,
        rim_diameters=rim,
        root=project,
        micrographs_star=micrographs if micrographs and micrographs.endswith(".star") else "",
        exposures=exposures,
        cs_y=cs_y,  # type: ignore[arg-type]
    )
    written = write_picks(to, picks, out, options)
    console.say(
        f"{options.count(picks):,} picks on {len(picks):,} micrographs, {len(written):,} files below "
        f"{out}; give {written[0]} to the next program",
        quiet=quiet,
    )


def _listed_picks(
    source: Path, reading: "ImportOptions", format_name: str | None
) -> "list[tuple[MicrographEntry, Picks]]":
    """Picks of listed micrographs, in the list's order."""
    from cryoal.io.formats import read_picks

    found = read_picks([source], reading, format_name)
    return [(entry, found[entry.key]) for entry in reading.entries if entry.key in found]


def _named_picks(
    source: Path, reading: "ImportOptions", format_name: str | None
) -> "Sequence[tuple[MicrographEntry, Picks]]":
    """Picks of the micrographs that the files name."""
    from cryoal.data.micrograph import MicrographEntry
    from cryoal.io.formats import read_files

    picks: dict[str, tuple[MicrographEntry, Picks]] = {}
    for found in read_files([source], reading, format_name):
        entry = MicrographEntry(found.micrograph, Path(found.micrograph))
        if entry.key in picks:
            raise LabelError(
                f"{found.path}: micrograph {entry.name} has picks in another file, too; give --micrographs to tell "
                "them apart by their folders"
            )
        picks[entry.key] = (entry, found.picks)
    return list(picks.values())


def _sized(entry: "MicrographEntry", pixel_size_angstrom: float) -> "MicrographEntry":
    """A micrograph of known pixel size."""
    from dataclasses import replace

    return replace(entry, pixel_size_angstrom=pixel_size_angstrom)
