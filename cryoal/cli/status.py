"""`cryoal status`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryoal.cli.options import QUIET, WORKSPACE

if TYPE_CHECKING:
    from cryoal.learner.status import Status
    from cryoal.workspace.settings import Settings


def command(
    workspace: WORKSPACE,
    json: Annotated[Path | None, typer.Option(help="Write it all here.", show_default=False)] = None,
    quiet: QUIET = False,
) -> None:
    """Show what is labelled, trained and scored, whether another round is likely to pay, and what to do next."""
    from cryoal.cli import console
    from cryoal.io.durable import write_atomic
    from cryoal.learner.project import Project
    from cryoal.learner.status import status

    project = Project.open(workspace)
    now = status(project)
    if json is not None:
        write_atomic(json, _json(now))
    if quiet:
        return
    console.say(
        f"{workspace}: {console.listed({'micrograph': now.micrographs})} ({len(now.set_aside):,} set aside), "
        f"particle diameter {project.settings.diameter_angstrom:g} Å{_judged(project.settings)}"
    )
    console.doubt(project.settings)
    console.say(f"labels: {console.listed(now.labels)}")
    if now.rounds:
        heads = ["round", "particles", "scored", "best F1", "AP", "ECE", "CKA", "query", "picks"]
        usable = now.micrographs - len(now.set_aside)
        nan = float("nan")
        rows = [
            (
                str(one.number),
                one.labels.get("particle", 0),
                f"{one.scored:,}/{usable:,}",
                float(one.metrics.get("best_f1", nan)),
                float(one.metrics.get("average_precision", nan)),
                float(one.metrics.get("ece_after", nan)),
                float(one.metrics.get("embedding_cka", nan)),
                "yes" if one.queried else "no",
                "yes" if one.picked else "no",
            )
            for one in now.rounds
        ]
        title = "rounds; F1, AP and ECE on labels kept out of training; CKA: embedding's likeness to the round before"
        console.table(title, heads, rows)
        for noun in ("class", "junk"):
            console.class_table(now.rounds[-1].metrics, noun, project.settings, quiet=False)
    if now.outlook:
        console.say(str(now.outlook))
    if now.set_aside:
        console.table(
            "set aside (cryoal score --retry-failed tries again)", ["micrograph", "why"], [*now.set_aside.items()]
        )
    console.say(f"next: {now.advice}")


def _judged(settings: "Settings") -> str:
    """How the diameter is known, where it was not given."""
    return " (judged from the micrographs)" if settings.diameter_estimate_angstrom == settings.diameter_angstrom else ""


def _json(now: "Status") -> str:
    """All of it as JSON, NaN as null."""
    import json as json_module
    from dataclasses import asdict

    def plain(value: object) -> object:
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [plain(one) for one in value]
        return None if value != value else value  # noqa: PLR0124

    return json_module.dumps(plain(asdict(now)), indent=1) + "\n"
