"""`cryoal watch`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryoal.cli.options import DEVICES, PRECISION, QUIET, THRESHOLD, WORKERS, WORKSPACE

if TYPE_CHECKING:
    from cryoal.learner.watching import Watched


def command(
    workspace: WORKSPACE,
    device: DEVICES = "auto",
    workers: WORKERS = None,
    every: Annotated[float, typer.Option(help="Seconds from one look to the next.")] = 10.0,
    once: Annotated[bool, typer.Option("--once", help="Look twice, do what is there whole, and end.")] = False,
    threshold: THRESHOLD = None,
    precision: PRECISION = None,
    file_format: Annotated[
        str | None, typer.Option("--export", help="Format of an export to keep up to date.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of that export.", show_default=False)] = None,
    quiet: QUIET = False,
) -> None:
    """Score micrographs as they appear, until stopped.

    A file is taken when it is the same in two looks. Picks, and with --export and --out an export, are kept up to
    date. Ctrl-C stops it (exit status 130); started again, it goes on where it was.
    """
    from contextlib import closing

    from cryoal.cli import console
    from cryoal.learner.kept_picks import Handover
    from cryoal.learner.project import Project
    from cryoal.learner.watching import Watched, WatchOptions, watch

    options = WatchOptions(device, workers, every, once, Handover(threshold, precision, file_format, out))
    project = Project.open(workspace)
    console.say(f"watching {project.settings.source}, a look every {every:g} s; Ctrl-C stops", quiet=quiet)
    with closing(watch(project, options)) as reports:
        for report in reports:
            if isinstance(report, Watched):
                _tell(report, quiet=quiet)


def _tell(report: "Watched", *, quiet: bool) -> None:
    """A line on what was done, one on each micrograph that could not be used."""
    import sys
    from datetime import datetime

    from cryoal.cli import console

    counts = (
        f"{report.added:,} new, {report.scored:,} scored, {report.to_score:,} to score, {report.waiting:,} still "
        f"written to; {report.micrographs:,} micrographs, {report.picked:,} with picks of round {report.round_number}"
    )
    console.say(f"{datetime.now().astimezone():%H:%M:%S} {counts}", quiet=quiet)
    for reason in report.set_aside:
        console.say(f"  set aside: {reason}", quiet=quiet)
    if report.note:
        console.say(f"  {report.note}", quiet=quiet)
    sys.stdout.flush()
