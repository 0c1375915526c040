"""`cryoal init`."""

from pathlib import Path
from typing import Annotated

import typer

from cryoal.cli.options import (
    DIAMETER_OR_JUDGED,
    PIXEL_SIZE,
    POLARITY,
    PROJECT,
    QUIET,
    WORKSPACE,
    dark_particles,
    names_listed,
)


def command(
    workspace: WORKSPACE,
    micrographs: Annotated[str, typer.Option(help="A glob in quotes, or a STAR file.", show_default=False)],
    diameter: DIAMETER_OR_JUDGED = None,
    pixel_size: PIXEL_SIZE = None,
    polarity: POLARITY = "auto",
    project: PROJECT = Path(),
    classes: Annotated[
        str, typer.Option(help="Names of particle classes 1, 2, …: open,closed.", show_default=False)
    ] = "",
    junk: Annotated[str, typer.Option(help="Names of kinds of junk 1, 2, …: ice,carbon.", show_default=False)] = "",
    seed: Annotated[int, typer.Option(min=0, help="Seed of all randomness of the workspace.")] = 0,
    quiet: QUIET = False,
) -> None:
    """Make a workspace from micrographs: a glob, or a RELION 3.0 to 5 micrograph list."""
    from cryoal.cli import console
    from cryoal.learner.project import NewWorkspace, create
    from cryoal.learner.status import advice

    dark = dark_particles(polarity)
    names = names_listed(classes), names_listed(junk)
    new = NewWorkspace(workspace, micrographs, diameter, pixel_size, dark, seed, project, *names)
    made = console.run(create(new), quiet=quiet)
    tone = "dark on light" if made.settings.particles_dark else "light on dark"
    number = console.listed({"micrograph": len(made.entries)})
    judged = " (judged from the micrographs; --diameter overrules it)" if diameter is None else ""
    console.say(f"{workspace}: {number}, particles {tone}, {made.settings.diameter_angstrom:g} Å{judged}", quiet=quiet)
    console.doubt(made.settings, quiet=quiet)
    console.say(f"next: {advice(made)}", quiet=quiet)
