"""`cryoal report`."""

from pathlib import Path
from typing import Annotated

import typer

from cryoal.cli.options import QUIET, WORKSPACE


def command(
    workspace: WORKSPACE,
    out: Annotated[
        Path | None, typer.Option(help="File to write; by default report.html in the workspace.", show_default=False)
    ] = None,
    quiet: QUIET = False,
) -> None:
    """Write one HTML page about a workspace, with the plots.

    It holds all its images and needs neither scripts nor a network; it can be written at any stage of a workspace.
    """
    from cryoal.cli import console
    from cryoal.io.durable import write_atomic
    from cryoal.learner.project import Project
    from cryoal.report.page import page

    project = Project.open(workspace)
    path = out or project.layout.report
    html = console.run(page(project), quiet=quiet)
    write_atomic(path, html)
    console.say(f"written: {path}, {len(html) / 2**20:.1f} MiB", quiet=quiet)
