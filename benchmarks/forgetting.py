"""Whether a handful of labels, one-sided ones too, leaves a committee worse than the one that ships with cryoal.

    python benchmarks/forgetting.py [--sets junk bgal_10017 ...] [--kinds "5 rejected" ...] [--draws 0 1] [--members 3]

A draw keeps a third of the micrographs for judging. Proposals that the shipped committee would show on one of the
others are accepted or rejected as the truth has it, or particles are imported; then `cryoal train`. Shown are the
changes of average precision, best F1, F1 at the chosen threshold and calibration error. Each trial is a small file
below OUT and none is done twice. Radius 0.3 particle diameters.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
from few_labels import JUNK, REAL, SHARED, experiment_of, keep, workspace

from cryoal.config import Config
from cryoal.data.labels import Label, Origin, Verdict
from cryoal.evaluation.matching import match
from cryoal.learner.scoring import score
from cryoal.learner.training import train
from cryoal.simulation.design import Task
from cryoal.simulation.learning import exhaust, judge, shown_from
from cryoal.workspace.candidates import read_candidates
from cryoal.workspace.journal import Decision, append_decisions
from cryoal.workspace.rounds import newest_round

KINDS = {
    "1 accepted": (1, 0),
    "5 accepted": (5, 0),
    "1 rejected": (0, 1),
    "5 rejected": (0, 5),
    "1 accepted, 3 rejected": (1, 3),
    "3 accepted, 2 rejected": (3, 2),
    "25 on the worst micrograph": None,
    "5 imported": None,
}
FIGURES = ("average_precision", "best_f1", "f1", "ece")


def shown(task, project):
    """Proposals that the window would show, by micrograph: (x, y) and whether each is a particle."""
    threshold, out = shown_from(project), {}
    for entry in project.entries:
        found = read_candidates(newest_round(project.layout), entry.key)
        kept = found.probability >= threshold
        radius_px = 0.3 * project.diameter_px(entry)
        true = match(found.xy, task.experiment.truth[entry.key], radius_px, found.probability).correct
        out[entry.key] = found.xy[kept], true[kept]
    return out


def labels_of(kind, proposals, truth, rng):
    """(micrograph, labels) of one kind, or None where no micrograph has so many of them."""
    keys = list(proposals)
    if kind == "5 imported":
        key = keys[rng.integers(len(keys))]
        xy = rng.permutation(truth[key])[:5]
        return key, [_label(*one, Verdict.PARTICLE, Origin.IMPORT) for one in xy]
    if KINDS[kind] is None:
        key = max(keys, key=lambda key: (~proposals[key][1]).mean())
        xy, true = proposals[key]
        chosen = rng.permutation(len(xy))[:25]
        return key, [_answer(xy[i], true[i]) for i in chosen]
    n_true, n_false = KINDS[kind]
    for key in rng.permutation(keys):
        xy, true = proposals[key]
        if true.sum() >= n_true and (~true).sum() >= n_false:
            chosen = [*rng.permutation(np.flatnonzero(true))[:n_true]]
            chosen += [*rng.permutation(np.flatnonzero(~true))[:n_false]]
            return key, [_answer(xy[i], true[i]) for i in chosen]
    return None


def _answer(xy, is_true):
    return _label(*xy, Verdict.PARTICLE if is_true else Verdict.REJECTED, Origin.ANSWER)


def _label(x, y, verdict, origin):
    return Label(float(x), float(y), verdict, origin)


def trial(task, kind, folder):
    """Before and after, to a file each."""
    path, before = folder / f"{kind}.json", folder / "shipped.json"
    if path.exists():
        return
    with tempfile.TemporaryDirectory() as made:
        project = workspace(task, Path(made) / "workspace")
        exhaust(score(project))
        if not before.exists():
            keep(before, asdict(judge(project, task, 0, 0, 0, 0)))
        chosen = labels_of(kind, shown(task, project), task.experiment.truth, np.random.default_rng(task.seed))
        if chosen is None:
            print(f"{folder.parent.name} {folder.name} {kind}: no micrograph has so many", flush=True)
            return
        key, labels = chosen
        append_decisions(project.layout.labels, [Decision(one, key) for one in labels])
        exhaust(train(project, task.seed, "cpu"))
        keep(path, asdict(judge(project, task, 0, 0, len(labels), 0)))


def table(name, folder):
    """Mean change, and in brackets the worst of the draws."""
    lines = [f"| {name} | average precision | best F1 | F1 at the chosen threshold | ECE |", "|---|---|---|---|---|"]
    read = {path: json.loads(path.read_text()) for path in sorted(folder.glob("draw*/*.json"))}
    shipped = [one for path, one in read.items() if path.stem == "shipped"]
    if shipped:
        lines.append(f"| no label | {' | '.join(f'{np.mean([one[f] for one in shipped]):.3f}' for f in FIGURES)} |")
    for kind in KINDS:
        pairs = [(read[path.parent / "shipped.json"], one) for path, one in read.items() if path.stem == kind]
        if pairs:
            cells = [_change([after[f] - before[f] for before, after in pairs], f) for f in FIGURES]
            lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _change(values, figure):
    worst = max(values) if figure == "ece" else min(values)
    return f"{np.mean(values):+.3f} ({worst:+.3f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="*", default=[JUNK, *REAL])
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=KINDS)
    parser.add_argument("--draws", nargs="*", type=int, default=[0, 1])
    parser.add_argument("--members", type=int, default=Config().training.members)
    parser.add_argument("--out", type=Path, default=Path("build/forgetting"))
    options = parser.parse_args()
    for name in options.sets:
        if name != JUNK and not SHARED.is_dir():
            print(f"{name}: left out, {SHARED} is not there", file=sys.stderr)
            continue
        experiment = experiment_of(name, options)
        for draw in options.draws:
            for kind in options.kinds:
                trial(Task(experiment, "default", draw), kind, experiment.folder / f"draw{draw}")
        print(table(name, experiment.folder), flush=True)


if __name__ == "__main__":
    main()
