"""`cryoal status`."""

from cryoal.cli.options import QUIET, WORKSPACE


def command(workspace: WORKSPACE, quiet: QUIET = False) -> None:
    """Show what is labelled, trained and scored, and what to do next."""
    from cryoal.cli import console
    from cryoal.learner.project import Project
    from cryoal.learner.status import status

    project = Project.open(workspace)
    now = status(project)
    if quiet:
        return
    console.say(
        f"{workspace}: {console.listed({'micrograph': now.micrographs})} ({len(now.set_aside):,} set aside), "
        f"particle diameter {project.settings.diameter_angstrom:g} Å"
    )
    console.say(f"labels: {console.listed(now.labels)}")
    if now.rounds:
        heads = ["round", "particles", "scored", "best F1", "AP", "ECE", "query", "picks"]
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
                "yes" if one.queried else "no",
                "yes" if one.picked else "no",
            )
            for one in now.rounds
        ]
        console.table("rounds; F1, AP and ECE on labels kept out of training", heads, rows)
    if now.set_aside:
        console.table(
            "set aside (cryoal score --retry-failed tries again)", ["micrograph", "why"], [*now.set_aside.items()]
        )
    console.say(f"next: {now.advice}")
