"""False picks on junk: blobs, the shipped committee, and the committee after 25 answers, on five hard simulated cases.

    python benchmarks/hard_data.py [--cases carbon ice ...] [--seeds 3] [--answers 25 | --complete 3] [--strategy S]
        [--picture FILE]

Each case (`cryoal.simulation.hard_cases`) has 12 micrographs. A seed keeps a third of them for judging; on the others
the simulated expert answers one query, field by field, until 25 proposals are judged or particles added, and the
committee is trained with all defaults. A pick is true when it is matched one to one to a particle within 0.3 diameters;
a false one is on junk when its centre lies on junk or within a quarter of a diameter of it. Shown twice: at each
picker's own threshold, and at equal recall: that of the committee's own threshold, or the largest that blobs reach at
all. Runs are kept below OUT and never done twice. `--complete 3` labels the whole of three micrographs in place of the
answers: what is left then is not for want of labels.

`--contaminated FOLDER` counts picks on the contaminated part of the real micrograph in the tests of the PyPI package
micrograph_cleaner_em (FOLDER holds mics/ and masks/), which has no marked particles, for a particle 30 pixels wide.
"""

import argparse
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from accuracy import label_complete, last, truth_of, workspace
from scipy import ndimage
from scipy.special import expit

from cryoal.config import Config
from cryoal.data.labels import Origin
from cryoal.evaluation.curves import precision_recall_curve
from cryoal.evaluation.matching import match
from cryoal.io.durable import atomic_path
from cryoal.io.micrographs import read_micrograph
from cryoal.learner.asking import ask_fields
from cryoal.learner.project import NewWorkspace, create
from cryoal.learner.scorer import Scorer
from cryoal.learner.scoring import score
from cryoal.learner.training import train
from cryoal.model.thresholds import threshold_for_expected_f1
from cryoal.picking.blobs import find_blobs
from cryoal.simulation.hard_cases import HARD_CASES, hard_micrographs
from cryoal.simulation.optics import Optics
from cryoal.simulation.oracle import Expert, answer
from cryoal.simulation.project import write_project
from cryoal.workspace.candidates import read_candidates
from cryoal.workspace.journal import CompleteField, append_decisions
from cryoal.workspace.rounds import newest_round

MICROGRAPHS, JUDGED = 12, 4
RADIUS_DIAMETERS, JUNK_DIAMETERS = 0.3, 0.25
EVEN_ODDS_SIGMAS = 2.0  # as the cold start has it
CONTAMINATED_DIAMETER_PX, CONTAMINATED_FROM = 30.0, 0.2
STAGES = ("blobs", "no answer", "answers")


@dataclass(frozen=True)
class Judged:
    """Scored positions on the micrographs that are kept for judging."""

    score: np.ndarray
    xy: np.ndarray
    micrograph: np.ndarray
    correct: np.ndarray
    on_junk: np.ndarray
    n_truth: int
    threshold: float

    @property
    def recall(self):
        return self.correct[self.score >= self.threshold].sum() / self.n_truth

    @property
    def f1(self):
        chosen = self.score >= self.threshold
        return 2 * self.correct[chosen].sum() / (chosen.sum() + self.n_truth)

    @property
    def curve(self):
        return precision_recall_curve(self.score, self.correct, self.n_truth)

    def junk_picks(self, threshold=None):
        """On junk, a micrograph."""
        return self.on_junk[self.score >= (self.threshold if threshold is None else threshold)].sum() / JUDGED

    def threshold_at(self, recall):
        """Highest threshold that finds so much."""
        return self.curve.threshold[np.flatnonzero(self.curve.recall >= recall - 1e-9)[0]]


def project_of(case, out):
    """The case's folder, made once: a RELION project with truth, centres of junk, and masks of it."""
    folder = out / "projects" / case
    if not (folder / "diameter_angstrom.txt").exists():
        write_project(folder, _with_masks(case, folder), Optics(), HARD_CASES[case].diameter_angstrom, junk=True)
    return folder


def _with_masks(case, folder):
    for name, one in hard_micrographs(case, MICROGRAPHS):
        (folder / "masks").mkdir(parents=True, exist_ok=True)
        np.save(folder / "masks" / f"{name}.npy", one.junk)
        yield name, one


def judge(positions, entries, folder, diameter_px, threshold=None):
    """Hold scored positions, one pair a micrograph, against truth and junk."""
    correct, on_junk, n_truth = [], [], 0
    for (xy, scores), entry in zip(positions, entries, strict=True):
        truth = truth_of(folder, entry)
        correct.append(match(xy, truth, RADIUS_DIAMETERS * diameter_px, scores).correct)
        mask = np.load(folder / "masks" / f"{entry.path.stem}.npy")
        away = ndimage.distance_transform_edt(~mask) if mask.any() else np.full(mask.shape, np.inf)
        x, y = np.rint(xy).astype(int).T
        near = away[y.clip(0, mask.shape[0] - 1), x.clip(0, mask.shape[1] - 1)] <= JUNK_DIAMETERS * diameter_px
        on_junk.append(near & ~correct[-1])
        n_truth += len(truth)
    p = np.concatenate([scores for _, scores in positions]).astype(float)
    xy, numbers = np.concatenate([xy for xy, _ in positions]), [len(xy) for xy, _ in positions]
    threshold = threshold_for_expected_f1(p) if threshold is None else threshold
    place = np.repeat(np.arange(len(entries)), numbers)
    return Judged(p, xy, place, np.concatenate(correct), np.concatenate(on_junk), n_truth, float(threshold))


def by_blobs(project, entries, folder):
    size = project.config.preprocess.pixels_per_diameter
    distance_px, found = project.config.picking.min_distance_diameters * size, []
    for entry in entries:
        scaled = project.read_scaled(entry)
        xy, response = find_blobs(scaled, size, distance_px, 0.0)
        found.append((scaled.to_original(xy), expit(response - EVEN_ODDS_SIGMAS)))
    return judge(found, entries, folder, project.diameter_px(entries[0]), 0.5)


def by_committee(project, entries, folder):
    scorer = Scorer.load(newest_round(project.layout), project.config, torch.device("cpu"))
    found = [scorer(project.read_scaled(entry)) for entry in entries]
    positions = [(one.xy.astype(float), one.probability) for one in found]
    return judge(positions, entries, folder, project.diameter_px(entries[0]))


def answers(project, folder, strategy, limit, rng):
    """What the expert says of a query until so many answers are given; the last field may stay unfinished."""
    _, asked = ask_fields(project, strategy)
    layout = newest_round(project.layout)
    shown = np.concatenate([read_candidates(layout, entry.key).probability for entry in project.entries])
    threshold, decisions = float(threshold_for_expected_f1(shown.astype(float))), []
    for one in asked:
        entry = project.by_key[one.field.micrograph]
        given = answer(one, truth_of(folder, entry), project.diameter_px(entry), threshold, Expert(), rng)
        if given.labels > limit:
            labels = [one for one in given.decisions if not isinstance(one.what, CompleteField)][:limit]
            return decisions + [replace(one, what=replace(one.what, origin=Origin.ANSWER)) for one in labels]
        decisions, limit = decisions + given.decisions, limit - given.labels
    return decisions


def run(case, seed, options, out):
    """All stages of one seed: the blobs, the shipped committee, the taught one."""
    folder = project_of(case, out)
    order = np.random.default_rng([seed, 1]).permutation(MICROGRAPHS)
    with tempfile.TemporaryDirectory() as root:
        whole = workspace(folder, HARD_CASES[case].diameter_angstrom, Path(root) / "w", seed)
        test = [whole.entries[i] for i in sorted(order[:JUDGED])]
        project = replace(whole, entries=tuple(whole.entries[i] for i in sorted(order[JUDGED:])))
        last(score(project))
        stages = [by_blobs(whole, test, folder), by_committee(whole, test, folder)]
        if options.complete:
            label_complete(project, folder, project.entries[: options.complete])
        else:
            rng = np.random.default_rng([seed, 3])
            said = answers(project, folder, options.strategy, options.answers, rng)
            append_decisions(project.layout.labels, said)
        last(train(project, seed))
        return dict(zip(STAGES, [*stages, by_committee(whole, test, folder)], strict=True)), test


def taught(options):
    """What the last stage learnt from."""
    return f"{options.complete} complete micrographs" if options.complete else f"{options.answers} answers"


def kept_run(case, seed, options, out):
    """A run, done once."""
    path = out / "runs" / f"{case}_{options.strategy}_{taught(options).replace(' ', '_')}_{seed}.npz"
    if not path.exists():
        stages, test = run(case, seed, options, out)
        flat = {f"{name}/{key}": value for name, one in stages.items() for key, value in vars(one).items()}
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, test=[str(entry.path) for entry in test], **flat)
    with np.load(path, allow_pickle=False) as kept:
        fields = Judged.__dataclass_fields__
        return {name: Judged(*(kept[f"{name}/{key}"][()] for key in fields)) for name in STAGES}, list(kept["test"])


def rows(case, runs, taught_by):
    """The case's lines of the table: means over seeds."""

    def mean(values):
        return float(np.mean(list(values)))

    titles = ("blobs", "no answer", taught_by)
    blob_default = mean(one["blobs"].junk_picks() for one in runs)
    for stage, title in zip(STAGES, titles, strict=True):
        judged = [one[stage] for one in runs]
        equal = "–"
        if stage != "blobs":
            recall = [min(one[stage].recall, one["blobs"].curve.recall[-1]) for one in runs]
            ours = mean(a.junk_picks(a.threshold_at(r)) for a, r in zip(judged, recall, strict=True))
            blobs = mean(a["blobs"].junk_picks(a["blobs"].threshold_at(r)) for a, r in zip(runs, recall, strict=True))
            equal = f"{ours:.1f} of {blobs:.1f} = {_share(ours, blobs)} (recall {mean(recall):.2f})"
        at_default = mean(one.junk_picks() for one in judged)
        share = "" if stage == "blobs" else f" = {_share(at_default, blob_default)}"
        cells = [case, title, f"{at_default:.1f}{share}", f"{mean(one.recall for one in judged):.2f}", equal]
        cells += [f"{mean(one.f1 for one in judged):.3f}", f"{mean(one.curve.best_f1[0] for one in judged):.3f}"]
        yield f"| {' | '.join([*cells, f'{mean(one.curve.average_precision for one in judged):.3f}'])} |"


def _share(ours, blobs):
    return f"{100 * ours / blobs:.0f} %" if blobs else "–"


def picture(done, taught_by, path):
    """Each case's judged micrograph with most junk picks of blobs, by all three pickers at their own thresholds."""
    import matplotlib.pyplot as plt

    side, titles = 4.2, ("blobs", "no answer", taught_by)
    size = (side * len(STAGES), (side + 0.35) * len(done))
    figure, axes = plt.subplots(len(done), len(STAGES), figsize=size, layout="constrained", squeeze=False)
    for line, (case, (stages, test)) in zip(axes, done.items(), strict=True):
        blobs = stages["blobs"]
        on_junk = blobs.on_junk & (blobs.score >= blobs.threshold)
        place = int(np.bincount(blobs.micrograph[on_junk], minlength=len(test)).argmax())
        smooth = ndimage.gaussian_filter(read_micrograph(Path(test[place])).pixels, 2.0)
        for axis, title, judged in zip(line, titles, stages.values(), strict=True):
            axis.imshow(smooth, cmap="gray", vmin=np.percentile(smooth, 1), vmax=np.percentile(smooth, 99))
            chosen = (judged.micrograph == place) & (judged.score >= judged.threshold)
            kinds = (judged.correct, judged.on_junk, ~judged.correct & ~judged.on_junk)
            for kind, colour in zip(kinds, ("#56b4e9", "#d55e00", "#f0e442"), strict=True):
                axis.scatter(*judged.xy[chosen & kind].T, s=40, facecolors="none", edgecolors=colour, linewidths=1.2)
            junk = (chosen & judged.on_junk).sum()
            axis.set_title(f"{case}, {title}: {(chosen & judged.correct).sum()} true, {junk} on junk", size=9)
            axis.set_axis_off()
    figure.savefig(path, dpi=90)


def contaminated(folder):
    """Blobs and the shipped committee on a real micrograph full of ice, with another program's mask of it."""
    ((image,), (mask,)) = ((folder / name).glob("*.mrc") for name in ("mics", "masks"))
    on_ice = ndimage.distance_transform_edt(read_micrograph(mask).pixels < CONTAMINATED_FROM) <= (
        JUNK_DIAMETERS * CONTAMINATED_DIAMETER_PX
    )
    with tempfile.TemporaryDirectory() as root:
        new = NewWorkspace(Path(root) / "w", str(image.absolute()), CONTAMINATED_DIAMETER_PX, 1.0, particles_dark=True)
        project = last(create(new, Config()))
        last(score(project))
        entry, size = project.entries[0], project.config.preprocess.pixels_per_diameter
        scored, scaled = read_candidates(newest_round(project.layout), entry.key), project.read_scaled(entry)
    xy, _ = find_blobs(scaled, size, project.config.picking.min_distance_diameters * size, EVEN_ODDS_SIGMAS)
    chosen = scored.probability >= threshold_for_expected_f1(scored.probability.astype(float))
    for name, found in (("blobs", scaled.to_original(xy)), ("no answer", scored.xy[chosen])):
        x, y = np.rint(found).astype(int).T
        print(
            f"{image.name}, {name}: {on_ice[y, x].sum()} of {len(found)} picks on the {on_ice.mean():.0%} contaminated"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="*", default=list(HARD_CASES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--answers", type=int, default=25)
    parser.add_argument("--complete", type=int, default=0)
    parser.add_argument("--strategy", default=Config().query.strategy)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--contaminated", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build/hard_data"))
    options = parser.parse_args()
    if options.contaminated:
        contaminated(options.contaminated)
        return
    out, shown = options.out.absolute(), {}
    print("| case | picker | on junk, own threshold | recall | on junk at equal recall | F1 | best F1 | AP |")
    print("|---|---|---|---|---|---|---|---|")
    for case in options.cases:
        done = [kept_run(case, seed, options, out) for seed in range(options.seeds)]
        for line in rows(case, [stages for stages, _ in done], taught(options)):
            print(line, flush=True)
        shown[case] = done[0]
    if options.picture:
        picture(shown, taught(options), options.picture)


if __name__ == "__main__":
    main()
