"""How good the picks are on the real sets: no labels, 16 random fields, complete labels; on micrographs not trained on.

    python benchmarks/accuracy.py [--sets apoferritin_10146 ...] [--draws 5] [--only none fields complete]

Cross-validation: the micrographs are dealt out to folds in order; each fold is scored by a committee trained on the
rest (8 of 12, 8 of 12, 4 of 5). The radius of a match is 0.3 particle diameters. Needs ../shared/data beside the
repository.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cryoal.config import Config
from cryoal.data.labels import Origin, Verdict
from cryoal.evaluation.curves import precision_recall_curve
from cryoal.evaluation.matching import match
from cryoal.evaluation.reliability import expected_calibration_error
from cryoal.io.relion import read
from cryoal.learner.asking import open_fields
from cryoal.learner.labelling import LabelImport, import_labels
from cryoal.learner.pretrained import publish_pretrained
from cryoal.learner.project import NewWorkspace, create
from cryoal.learner.scorer import Scorer
from cryoal.learner.training import train
from cryoal.model.thresholds import threshold_for_expected_f1, threshold_for_precision
from cryoal.workspace.journal import RANDOM, CompleteField, Decision, Label, append_decisions
from cryoal.workspace.labelling import count_labels
from cryoal.workspace.rounds import newest_round

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = {"apoferritin_10146": (126, 4), "bgal_10017": (191, 4), "ribosome80S_10028": (300, 1)}
"""Particle diameter (Å) and test micrographs a fold."""


@dataclass(frozen=True)
class Trial:
    """Candidates of the test micrographs, judged, and what it took."""

    probability: np.ndarray
    correct: np.ndarray
    error_diameters: np.ndarray
    n_truth: int
    labels: int
    seconds: float

    @property
    def best_f1(self):
        """Over all thresholds."""
        return precision_recall_curve(self.probability, self.correct, self.n_truth).best_f1[0]


def last(work):
    for report in work:
        result = report
    return result


def truth_of(folder, entry):
    return next(iter(read(folder / "truth" / f"{Path(entry.name).stem}.star").values())).xy


def judge(project, folder, test, labels, seconds):
    scorer = Scorer.load(newest_round(project.layout), project.config, torch.device("cpu"))
    scores, correct, errors, n_truth = [], [], [], 0
    for entry in test:
        found = scorer(project.read_scaled(entry))
        diameter_px = project.diameter_px(entry)
        pairs = match(found.xy, truth_of(folder, entry), 0.3 * diameter_px, found.probability)
        scores.append(found.probability)
        correct.append(pairs.correct)
        n_truth += pairs.n_truth
        kept = found.probability[pairs.pick] >= 0.3
        errors.append(pairs.distance_px[kept] / diameter_px)
    p, y = np.concatenate(scores).astype(float), np.concatenate(correct)
    return Trial(p, y, np.concatenate(errors), n_truth, labels, seconds)


def workspace(folder, diameter, root, seed):
    return last(create(NewWorkspace(root, "micrographs.star", diameter, root=folder, seed=seed), Config()))


def label_complete(project, folder, training):
    files = tuple(folder / "truth" / f"{Path(entry.name).stem}.star" for entry in training)
    import_labels(project, LabelImport(files, complete=True))


def label_fields(project, folder, training, n, rng):
    keys = {entry.key for entry in training}
    fields = [field for field in open_fields(project, {}) if field.micrograph in keys]
    decisions = []
    for index in rng.choice(len(fields), n, replace=False):
        field = fields[index]
        xy = truth_of(folder, project.by_key[field.micrograph])
        for x, y in xy[field.contains(xy)]:
            decisions.append(Decision(Label(x, y, Verdict.PARTICLE, Origin.COMPLETE), field.micrograph))
        decisions.append(Decision(CompleteField(field, RANDOM), field.micrograph))
    append_decisions(project.layout.labels, decisions)


def trial(folder, diameter, split, seed, fields=None):
    """Train on all but one fold's micrographs, on random fields of them, or (0) not at all; judge on that fold."""
    with tempfile.TemporaryDirectory() as root:
        project = workspace(folder, diameter, Path(root) / "w", seed)
        test = [project.entries[i] for i in split]
        training = [entry for i, entry in enumerate(project.entries) if i not in split]
        start = time.monotonic()
        if fields == 0:
            publish_pretrained(project)
        elif fields is None:
            label_complete(project, folder, training)
        else:
            label_fields(project, folder, training, fields, np.random.default_rng([seed, 7]))
        labels = count_labels(project.labels())["particle"]
        if labels:
            last(train(project, seed))
        result = judge(project, folder, test, labels, time.monotonic() - start)
    print(f"    {folder.name} test {split} seed {seed}: best F1 {result.best_f1:.4f}", file=sys.stderr, flush=True)
    return result


def figures(trials):
    """Best F1, average precision and F1 at the default threshold by trial, averaged; the rest pooled over trials."""
    p, y = np.concatenate([t.probability for t in trials]), np.concatenate([t.correct for t in trials])
    picked = [t.probability >= threshold_for_expected_f1(t.probability) for t in trials]
    curves = [precision_recall_curve(t.probability, t.correct, t.n_truth) for t in trials]
    precise = [t.correct[t.probability >= _threshold(t.probability, 0.9)] for t in trials]
    out = {
        "best_f1": np.mean([curve.best_f1[0] for curve in curves]),
        "f1_at_default": np.mean(
            [2 * t.correct[k].sum() / (k.sum() + t.n_truth) for t, k in zip(trials, picked, strict=True)]
        ),
        "average_precision": np.mean([curve.average_precision for curve in curves]),
        "median_error_diameters": np.median(np.concatenate([t.error_diameters for t in trials])),
        "ece": expected_calibration_error(p, y),
        "precision_at_0.9": np.concatenate(precise).mean() if np.concatenate(precise).size else np.nan,
        "labels": np.mean([t.labels for t in trials]),
        "seconds": np.mean([t.seconds for t in trials]),
    }
    return {name: round(float(value), 4) for name, value in out.items()}


def _threshold(p, precision):
    """The threshold for a precision; above all candidates where it cannot be reached."""
    try:
        return threshold_for_precision(p, precision)
    except ValueError:
        return np.inf


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--fields", type=int, default=16)
    parser.add_argument("--only", nargs="*", default=["none", "fields", "complete"])
    parser.add_argument("--out", type=Path, default=Path("build/accuracy.json"))
    options = parser.parse_args()
    if not SHARED.is_dir():
        sys.exit(f"{SHARED}: the real micrographs are not there; nothing was measured")
    args_out = {}
    with tempfile.TemporaryDirectory() as projects:
        maker = [sys.executable, SHARED / "make_project.py", projects, "--sets", *options.sets]
        subprocess.run(maker, check=True, stdout=subprocess.DEVNULL)
        for name in options.sets:
            diameter, per_fold = SETS[name]
            folder = Path(projects) / name
            count = len(list((folder / "Micrographs").glob("*.mrc")))
            splits = [list(range(count - start - per_fold, count - start)) for start in range(0, count, per_fold)]
            cases = {
                "none": [(split, 0, 0) for split in splits],
                "fields": [(splits[i % len(splits)], i, options.fields) for i in range(options.draws)],
                "complete": [(split, 0, None) for split in splits],
            }
            args_out[name] = {}
            for case in options.only:
                done = [trial(folder, diameter, *one) for one in cases[case]]
                print(f"{name}, labels: {case}\n  {figures(done)}", flush=True)
                print("  best F1, each:", [round(one.best_f1, 3) for one in done], flush=True)
                args_out[name][case] = figures(done)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(args_out, indent=1) + "\n")


if __name__ == "__main__":
    main()
