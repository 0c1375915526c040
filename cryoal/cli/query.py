"""`cryoal query`."""

from typing import Annotated

import typer

from cryoal.cli.options import DEFAULTS, QUIET, SEED, WORKSPACE
from cryoal.errors import OptionError


def command(
    workspace: WORKSPACE,
    strategy: Annotated[
        str | None,
        typer.Option(
            help=f"How to choose; by default {DEFAULTS.query.cold_start} at first, {DEFAULTS.query.strategy} then."
        ),
    ] = None,
    fields: Annotated[
        int | None, typer.Option(help=f"How many fields, or micrographs; by default {DEFAULTS.query.fields} at most.")
    ] = None,
    level: Annotated[str, typer.Option(help="field or micrograph.")] = "field",
    aggregation: Annotated[
        str | None, typer.Option(help="How candidates' scores become a field's or micrograph's.", show_default=False)
    ] = None,
    budget_seconds: Annotated[
        float | None,
        typer.Option(
            help="Micrographs only: so many expert seconds' worth, by utility per second.", show_default=False
        ),
    ] = None,
    even_classes: Annotated[
        bool, typer.Option("--even-classes", help="As many of each predicted class, whatever the strategy.")
    ] = False,
    seed: SEED = None,
    quiet: QUIET = False,
) -> None:
    """Choose what to ask the expert next; writes the query as STAR."""
    from cryoal.cli import console
    from cryoal.learner.asking import ask_fields, ask_micrographs
    from cryoal.learner.project import Project
    from cryoal.learner.status import advice

    project = Project.open(workspace)
    what = f"{level}s"
    if level == "field":
        if budget_seconds is not None:
            raise OptionError("--budget-seconds: is for whole micrographs; give --level micrograph, or --fields")
        path, asked = ask_fields(project, strategy, fields, seed, aggregation, even_classes=even_classes)
        what += f" {asked[0].field.size:.0f} pixels wide, x and y of their first corner"
        rows = [(f.field.micrograph, round(f.field.x), round(f.field.y), f.utility, f.reason) for f in asked]
        heads = ["micrograph", "x", "y", "utility", "chosen by"]
    elif level == "micrograph":
        if even_classes:
            raise OptionError("--even-classes: is for fields; leave out --level micrograph")
        path, whole = ask_micrographs(project, strategy, fields, seed, aggregation, budget_seconds)
        rows = [(m.micrograph, m.utility, round(m.seconds), m.reason) for m in whole]  # type: ignore[misc]
        heads = ["micrograph", "utility", "expert seconds", "chosen by"]
    else:
        raise OptionError(f"--level: {level!r} is not known; give field or micrograph")
    if not quiet:
        console.table(f"what to ask next: {len(rows)} {what}", heads, rows)
    console.say(f"written to {path}", quiet=quiet)
    console.say(f"next: {advice(project)}", quiet=quiet)
