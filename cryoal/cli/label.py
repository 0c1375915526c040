"""`cryoal label`."""

from pathlib import Path
from typing import Annotated

import typer

from cryoal.cli.arguments import expanded
from cryoal.cli.options import CS_Y, QUIET, WORKSPACE
from cryoal.errors import OptionError


def command(
    workspace: WORKSPACE,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files or folders of picks.", show_default=False)
    ],
    verdict: Annotated[
        str | None, typer.Option("--as", help="particle or rejected: answers about single candidates.")
    ] = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="What is not marked in those micrographs is background.")
    ] = False,
    query: Annotated[
        Path | None, typer.Option(help="Take what lies in this query's fields, and make them complete.")
    ] = None,
    class_text: Annotated[
        str | None,
        typer.Option("--class", help="Name or number of their class, or kind of junk; by default as the files say."),
    ] = None,
    classes: Annotated[
        bool,
        typer.Option("--classes", help="Class numbers of autopick or a classification are kinds of particles, too."),
    ] = False,
    file_format: Annotated[str | None, typer.Option("--format", help="Format of the files; told by content.")] = None,
    cs_y: CS_Y = "file",
    quiet: QUIET = False,
) -> None:
    """Import labels from picks of any program (STAR, box, cbox, Topaz, CSV, .cs).

    A plain import is positives only: nothing is said of the rest of the micrograph. Importing a file again adds
    nothing.
    """
    from cryoal.cli import console
    from cryoal.data.labels import Verdict
    from cryoal.learner.labelling import LabelImport, import_labels
    from cryoal.learner.project import Project
    from cryoal.learner.status import advice

    if verdict not in (None, "particle", "rejected"):
        raise OptionError(f"--as: {verdict!r} is not known; give particle or rejected")
    said = Verdict(verdict) if verdict else None
    what = LabelImport(expanded(files), said, complete, query, file_format, cs_y, class_text, classes)
    project = Project.open(workspace)
    done = import_labels(project, what)
    console.say(f"{workspace}: {done.micrographs:,} micrographs named, added {console.listed(done.added)}", quiet=quiet)
    console.say(f"next: {advice(project)}", quiet=quiet)
