"""`cryoal train`."""

from cryoal.cli.options import COMMITTEE, DEFAULTS, DEVICE, MEMBERS, QUIET, SEED, WORKSPACE, configured

_DOUBTFUL = 0.1


def command(
    workspace: WORKSPACE,
    members: MEMBERS = DEFAULTS.training.members,
    committee: COMMITTEE = DEFAULTS.training.committee,
    device: DEVICE = "auto",
    seed: SEED = None,
    quiet: QUIET = False,
) -> None:
    """Train and calibrate the committee of the next round."""
    from cryoal.cli import console
    from cryoal.learner.classes import described
    from cryoal.learner.project import Project
    from cryoal.learner.status import advice
    from cryoal.learner.training import train

    project = Project.open(workspace, configured(members, committee))
    done = console.run(train(project, seed, device), quiet=quiet)
    console.say(f"round {done.number}: learnt from {console.listed(done.labels)}", quiet=quiet)
    if 0 < done.trust < _DOUBTFUL:
        console.say("the shipped committee does not know these particles: your labels overrule it", quiet=quiet)
    if done.classes:
        console.say(f"told apart: {described(done.classes, project.settings)}", quiet=quiet)
    if "best_f1" in done.metrics:
        m = done.metrics
        console.say(
            f"on labels kept out of training: best F1 {m['best_f1']:.3f}, average precision "
            f"{m['average_precision']:.3f}, calibration error {m['ece_before']:.3f} → {m['ece_after']:.3f}",
            quiet=quiet,
        )
    for noun in ("class", "junk"):
        console.class_table(done.metrics, noun, project.settings, quiet=quiet)
    console.say(f"calibration: {done.calibration_note}", quiet=quiet)
    if done.classes_note:
        console.say(f"classes: {done.classes_note}", quiet=quiet)
    if done.centring_note:
        console.say(f"centring: {done.centring_note}", quiet=quiet)
    console.doubt(project.settings, quiet=quiet)
    console.say(f"next: {advice(project)}", quiet=quiet)
