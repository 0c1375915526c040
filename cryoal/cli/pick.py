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

    done = console.run(pick(Project.open(workspace), threshold, precision), quiet=quiet)
    console.say(
        f"round {done.round_number}: {done.picks:,} picks on {done.micrographs:,} micrographs, probability "
        f"≥ {done.threshold:.3f}, expected precision {done.expected_precision:.2f}",
        quiet=quiet,
    )
    console.say(f"next: cryoal export {workspace} --format relion --out DIR", quiet=quiet)
