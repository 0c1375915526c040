"""`cryoal init`."""

from pathlib import Path
from typing import Annotated

import typer

from cryoal.cli.options import DIAMETER, PIXEL_SIZE, POLARITY, PROJECT, QUIET, WORKSPACE, dark_particles


def command(
    workspace: WORKSPACE,
    micrographs: Annotated[str, typer.Option(help="A glob in quotes, or a STAR file.", show_default=False)],
    diameter: DIAMETER,
    pixel_size: PIXEL_SIZE = None,
    polarity: POLARITY = "auto",
    project: PROJECT = Path(),
    seed: Annotated[int, typer.Option(min=0, help="Seed of all randomness of the workspace.")] = 0,
    quiet: QUIET = False,
) -> None:
    """Make a workspace from micrographs: a glob, or a RELION 3.0 to 5 micrograph list."""
    from cryoal.cli import console
    from cryoal.learner.project import NewWorkspace, create
    from cryoal.learner.status import advice

    new = NewWorkspace(workspace, micrographs, diameter, pixel_size, dark_particles(polarity), seed, project)
    made = console.run(create(new), quiet=quiet)
    tone = "dark on light" if made.settings.particles_dark else "light on dark"
    number = console.listed({"micrograph": len(made.entries)})
    console.say(f"{workspace}: {number}, particles {tone}, {diameter:g} Å", quiet=quiet)
    console.say(f"next: {advice(made)}", quiet=quiet)
