"""`cryoal run`."""

from pathlib import Path
from typing import Annotated

import typer

from cryoal.cli.arguments import expanded
from cryoal.cli.options import (
    COMMITTEE,
    DEFAULTS,
    DEVICE,
    DIAMETER_OR_JUDGED,
    FORMAT,
    MEMBERS,
    OUT,
    PIXEL_SIZE,
    POLARITY,
    PRECISION,
    PROJECT,
    QUIET,
    THRESHOLD,
    configured,
    dark_particles,
)


def command(
    micrographs: Annotated[str, typer.Option(help="A glob in quotes, or a STAR file.", show_default=False)],
    out: OUT,
    diameter: DIAMETER_OR_JUDGED = None,
    labels: Annotated[
        list[Path] | None,
        typer.Option(help="Files or folders of picks; without any, the shipped committee picks.", show_default=False),
    ] = None,
    file_format: FORMAT = "relion",
    complete: Annotated[
        bool, typer.Option("--complete", help="What is not marked in the labelled micrographs is background.")
    ] = False,
    pixel_size: PIXEL_SIZE = None,
    polarity: POLARITY = "auto",
    project: PROJECT = Path(),
    members: MEMBERS = DEFAULTS.training.members,
    committee: COMMITTEE = DEFAULTS.training.committee,
    threshold: THRESHOLD = None,
    precision: PRECISION = None,
    device: DEVICE = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Seed of all randomness.")] = 0,
    quiet: QUIET = False,
) -> None:
    """Do the whole job in one go: label, train, score, pick and export.

    The workspace is OUT/workspace; an interrupted run goes on where it stopped.
    """
    from cryoal.cli import console
    from cryoal.learner.labelling import LabelImport
    from cryoal.learner.project import NewWorkspace
    from cryoal.learner.whole_job import Job, run_job

    new = NewWorkspace(out / "workspace", micrographs, diameter, pixel_size, dark_particles(polarity), seed, project)
    known = LabelImport(expanded(labels), complete=complete) if labels else None
    job = Job(new, known, out, file_format, device, precision, threshold)
    done = console.run(run_job(job, configured(members, committee)), quiet=quiet)
    if diameter is None:
        console.say(
            f"particle diameter: {done.settings.diameter_angstrom:g} Å, judged from the micrographs", quiet=quiet
        )
    console.doubt(done.settings, quiet=quiet)
    console.say(console.picked(done.picked), quiet=quiet)
    if known is None:
        console.say("no labels: the committee has only seen simulated micrographs; check the picks", quiet=quiet)
    if done.set_aside:
        console.say(f"set aside: {done.set_aside:,} micrographs; cryoal status {new.folder} says why", quiet=quiet)
    console.say(f"{len(done.written):,} files below {out}; give {done.written[0]} to the next program", quiet=quiet)
