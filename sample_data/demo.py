"""The whole loop on the sample data, labels from its truth: ``python sample_data/demo.py [OUT]``, or ``make demo``.

The committee that ships with the package picks first, without a label. Then a simulated expert answers a few fields a
round on seven micrographs; the picks are judged on the other three, whose truth the picker never sees.
"""

import argparse
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cryoal.cli import console
from cryoal.config import Config, TrainingConfig
from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.evaluation.curves import precision_recall_curve
from cryoal.evaluation.matching import match
from cryoal.io.formats import read_picks
from cryoal.io.micrographs import read_micrograph
from cryoal.io.options import ImportOptions
from cryoal.learner.asking import ask_fields
from cryoal.learner.labelling import LabelImport, import_labels
from cryoal.learner.picks import Picked, export, export_options, newest_picks, pick
from cryoal.learner.project import NewWorkspace, Project, create
from cryoal.learner.scoring import score
from cryoal.learner.training import count_labels, train
from cryoal.report.plots import JudgedPicks, learning_curve_figure, picks_figure, save
from cryoal.workspace.candidates import read_candidates
from cryoal.workspace.rounds import newest_round

SAMPLE = Path(__file__).resolve().parent
HELD_OUT = ("sample_02", "sample_08", "sample_10")  # ice crystals, a carbon edge, ethane and aggregates
SHOWN = "sample_10"
ROUNDS = 3
FIELDS_A_ROUND = 10
CONFIG = Config(training=TrainingConfig(members=4))  # an even number keeps both of two cores busy


@dataclass(frozen=True)
class Outcome:
    """What a round reached on each held-out micrograph, and the labels it took."""

    particles: int
    fields: int
    f1: list[float]
    average_precision: list[float]


def main(out: Path, config: Config, rounds: int = ROUNDS) -> None:
    """Run the loop afresh in the folder `out`."""
    shutil.rmtree(out, ignore_errors=True)
    diameter = float((SAMPLE / "diameter_angstrom.txt").read_text(encoding="utf-8"))
    new = NewWorkspace(out / "workspace", "micrographs.star", diameter, root=SAMPLE)
    project = console.run(create(new, config), quiet=False)
    truth = read_picks([SAMPLE / "truth"], ImportOptions(entries=project.entries, shapes=project.shapes))
    console.say("\nbefore anything is labelled: the committee that ships with the package")
    outcomes = [picked_and_judged(project, truth)]
    console.say(told(outcomes[-1]))
    for number in range(1, rounds + 1):
        console.say(f"\nround {number} of {rounds}: {FIELDS_A_ROUND} fields chosen by {config.query.strategy}")
        outcomes.append(one_round(project, truth))
        console.say(told(outcomes[-1]))
    export(project, "relion", out / "relion", export_options(project))
    draw(project, truth, outcomes, out)
    console.say(f"\non micrographs never labelled, after {told(outcomes[-1])}")
    for name, what in (
        ("picks.png", f"{SHOWN} with its picks"),
        ("learning_curve.png", "F1 and average precision, round by round"),
        ("relion/autopick.star", "the picks for RELION"),
        ("workspace", "the workspace: try cryoal status on it"),
    ):
        console.say(f"  {out / name}: {what}")


def one_round(project: Project, truth: dict[str, Picks]) -> Outcome:
    """Ask, let the truth answer, train, score and pick."""
    learning = tuple(entry for entry in project.entries if entry.path.stem not in HELD_OUT)
    query, _ = ask_fields(replace(project, entries=learning), n=FIELDS_A_ROUND)
    import_labels(project, LabelImport((SAMPLE / "truth",), query=query))
    console.run(train(project, device="cpu"), quiet=False)
    return picked_and_judged(project, truth)


def picked_and_judged(project: Project, truth: dict[str, Picks]) -> Outcome:
    """Score and pick with the newest committee, or the shipped one."""
    console.run(score(project), quiet=False)
    picked = console.run(pick(project), quiet=True)
    return judged(project, picked, truth)


def judged(project: Project, picked: Picked, truth: dict[str, Picks]) -> Outcome:
    """Figures on the micrographs that were held out."""
    f1, average_precision = [], []
    for entry in held_out(project):
        found = read_candidates(newest_round(project.layout), entry.key)
        true_xy, radius_px = truth[entry.key].xy, match_radius_px(project, entry)
        chosen = match(found.xy[found.probability >= picked.threshold], true_xy, radius_px)
        f1.append(2 * len(chosen.pick) / (chosen.n_picks + chosen.n_truth))
        in_turn = match(found.xy, true_xy, radius_px, found.probability)
        curve = precision_recall_curve(found.probability, in_turn.correct, len(true_xy))
        average_precision.append(curve.average_precision)
    counts = count_labels(project.labels())
    return Outcome(counts["particle"], counts["complete fields"], f1, average_precision)


def held_out(project: Project) -> Iterator[MicrographEntry]:
    """The micrographs whose labels are never used."""
    return (entry for entry in project.entries if entry.path.stem in HELD_OUT)


def match_radius_px(project: Project, entry: MicrographEntry) -> float:
    """How near to a true centre a pick must be."""
    return project.config.picking.match_radius_diameters * project.diameter_px(entry)


def told(outcome: Outcome) -> str:
    """An outcome in words."""
    return (
        f"{outcome.particles} particles in {outcome.fields} fields labelled: F1 {np.mean(outcome.f1):.3f}, "
        f"average precision {np.mean(outcome.average_precision):.3f}"
    )


def draw(project: Project, truth: dict[str, Picks], outcomes: list[Outcome], out: Path) -> None:
    """Draw one held-out micrograph with the last round's picks, and the learning curve."""
    shown = next(entry for entry in project.entries if entry.path.stem == SHOWN)
    picks = dict(newest_picks(project)[1])[shown]
    drawn = JudgedPicks.by_truth(picks.xy, truth[shown.key].xy, match_radius_px(project, shown))
    pixels = read_micrograph(shown.path).pixels
    title = f"{SHOWN}, never labelled: picks after {len(outcomes) - 1} rounds"
    save(picks_figure(pixels, drawn, project.diameter_px(shown), shown.pixel_size_angstrom, title), out / "picks.png")
    metrics = {
        "F1 at the threshold chosen": np.array([outcome.f1 for outcome in outcomes]),
        "average precision": np.array([outcome.average_precision for outcome in outcomes]),
    }
    labels = [outcome.particles for outcome in outcomes]
    figure = learning_curve_figure(labels, metrics, "Learning on the sample data", "particles labelled")
    save(figure, out / "learning_curve.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?", default=SAMPLE.parent / "demo")
    main(parser.parse_args().out, CONFIG)
