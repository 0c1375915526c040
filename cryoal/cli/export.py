"""`cryoal export`."""

from pathlib import Path
from typing import Annotated

import typer

from cryoal.cli.options import CS_Y, FORMAT, OUT, QUIET, RIM, WORKSPACE


def command(
    workspace: WORKSPACE,
    out: OUT,
    file_format: FORMAT = "relion",
    box_size: Annotated[int | None, typer.Option(help="Box size, pixels; by default the diameter.")] = None,
    fractions: Annotated[
        bool, typer.Option("--fractions", help="Keep fractions of pixels; RELION truncates them.")
    ] = False,
    rim: RIM = 0.0,
    exposures: Annotated[Path | None, typer.Option(help="cryoSPARC's exposures .cs.")] = None,
    cs_y: CS_Y = "file",
    quiet: QUIET = False,
) -> None:
    """Write the picks for another program."""
    from cryoal.cli import console
    from cryoal.learner.picks import export, export_options, newest_picks
    from cryoal.learner.project import Project

    project = Project.open(workspace)
    options = export_options(
        project,
        box_size_px=box_size,
        round_coordinates=not fractions,
        rim_diameters=rim,
        exposures=exposures,
        cs_y=cs_y,
    )
    written = export(project, file_format, out, options)
    layout, picks = newest_picks(project)
    console.say(f"round {layout.number}: {options.count(picks):,} picks on {len(picks):,} micrographs", quiet=quiet)
    console.say(f"{len(written):,} files below {out}; give {written[0]} to the next program", quiet=quiet)
