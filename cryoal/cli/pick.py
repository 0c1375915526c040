"""`cryoal pick`."""

from cryoal.cli.options import PRECISION, QUIET, THRESHOLD, WORKSPACE


def command(
    workspace: WORKSPACE, threshold: THRESHOLD = None, precision: PRECISION = None, quiet: QUIET = False
) -> None:
    """Turn the newest round's candidates into picks.

    Without an option the threshold is the one with the largest expected F1. What the expert said is never overruled.
    """
    from cryoal.cli import console
    from cryoal.learner.picks import pick
    from cryoal.learner.project import Project
    from cryoal.learner.status import advice

    project = Project.open(workspace)
    done = console.run(pick(project, threshold, precision), quiet=quiet)
    console.say(f"round {done.round_number}: {console.picked(done)}", quiet=quiet)
    if done.not_scored:
        console.say(f"left out, for they are not scored: {done.not_scored:,} micrographs", quiet=quiet)
    console.say(f"next: {advice(project)}", quiet=quiet)
