"""F1 against the number of answers: cryoal from the committee that ships with it, from nothing, and Topaz.

    python benchmarks/few_labels.py [--sets bgal_10017 ...] [--ways shipped topaz] [--counts 0 25 all] [--draws 5]

A draw keeps a third of the micrographs for judging. On the others a simulated expert answers the default strategy's
queries, until so many proposals are accepted or rejected and particles added; the field in which the answers end is
left unfinished, the others are complete. Committees from nothing, and Topaz, which cannot use rejections, learn from
the same labels, where a particle is among them. Topaz is fine-tuned from its pretrained resnet8_u32, where CRYOAL_TOPAZ
names its program (scripts/topaz_env makes one), on images of 14 pixels a diameter, with the true share of positive
pixels as --pi; with complete labels, where nothing is unlabelled, by its method PN.
Each trial's result is a small file below OUT and none is done twice. Radius 0.3 particle diameters.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from study import JUNK, REAL, SHARED, project_of

from cryoal.config import Config
from cryoal.data.labels import Label, Origin, Verdict
from cryoal.errors import WorkspaceError
from cryoal.evaluation.curves import precision_recall_curve
from cryoal.evaluation.matching import match
from cryoal.io import topaz
from cryoal.io.durable import write_atomic
from cryoal.learner.asking import ask_fields
from cryoal.learner.project import NewWorkspace, Project
from cryoal.learner.scoring import score
from cryoal.learner.training import train
from cryoal.report.plots import save
from cryoal.simulation.design import Experiment, Task
from cryoal.simulation.experiment import open_truth
from cryoal.simulation.learning import CachedProject, exhaust, is_scaled, judge, shown_from, write_scaled
from cryoal.simulation.oracle import Expert, answer
from cryoal.workspace.journal import CompleteMicrograph, Decision, append_decisions
from cryoal.workspace.labelling import count_labels
from cryoal.workspace.layout import Layout
from cryoal.workspace.micrographs import write_micrographs
from cryoal.workspace.settings import write_settings

ALL = "all"
COUNTS = ("0", "1", "5", "10", "25", "50", "100", "250", ALL)
WAYS = {"shipped": "from the shipped committee", "scratch": "from nothing", "topaz": "Topaz"}
TOPAZ_PIXELS_PER_DIAMETER, TOPAZ_MINIBATCH = 14, 256


def experiment_of(name, options):
    """The set, its micrographs scaled once."""
    out = options.out.absolute() / name
    folder, diameter = project_of(name, options.out.absolute())
    training = replace(Config().training, members=options.members)
    config = replace(Config(), training=training)
    new = NewWorkspace(out / "workspace", "micrographs.star", diameter, particles_dark=True, root=folder)
    *_, (settings, centres) = open_truth(new, folder / "truth", config)
    truth = {entry.key: xy for entry, xy in centres.items()}
    experiment = Experiment(out, tuple(centres), truth, settings, config, Expert())
    source = Project(Layout(experiment.scaled), settings, experiment.entries, config)
    for entry in experiment.entries:
        if not is_scaled(experiment.scaled, entry):
            write_scaled(experiment.scaled, entry, source.read_scaled(entry))
    return experiment


def workspace(task, folder, start="pretrained"):
    """The workspace of a run on the micrographs that may be labelled, made or taken up again."""
    layout, experiment, (pool, _) = Layout(folder), task.experiment, task.split
    if not layout.settings.exists():
        write_micrographs(layout, pool, folder)
        write_settings(layout, experiment.settings)
    config = replace(experiment.config, training=replace(experiment.config.training, start=start))
    return CachedProject(layout, experiment.settings, pool, config, scaled=experiment.scaled)


def answers_until(project, task, wanted, said):
    """Ask one field after the other until so many answers are given; the decisions."""
    rng, decisions = np.random.default_rng([task.seed, wanted]), []
    shown = shown_from(project)
    _, asked = ask_fields(project, None, None, task.seed)
    for one in asked:
        key = one.field.micrograph
        diameter_px = project.diameter_px(project.by_key[key])
        given = answer(one, task.experiment.truth[key], diameter_px, shown, task.experiment.expert, rng)
        if said + given.labels > wanted:
            loose = [d for d in given.decisions if isinstance(d.what, Label)]
            kept = [loose[i] for i in sorted(rng.permutation(len(loose))[: wanted - said])]
            return decisions + [replace(d, what=replace(d.what, origin=Origin.ANSWER)) for d in kept], wanted
        decisions, said = decisions + given.decisions, said + given.labels
        if said == wanted:
            break
    return decisions, said


def everything(task):
    """Every micrograph that may be labelled, complete."""
    decisions = []
    for entry in task.split[0]:
        for x, y in task.experiment.truth[entry.key]:
            decisions.append(Decision(Label(float(x), float(y), Verdict.PARTICLE, Origin.COMPLETE), entry.key))
        decisions.append(Decision(CompleteMicrograph(), entry.key))
    return decisions


def by_shipped(task, folder, counts):
    """Answer, train, score, again and again: one result and one copy of the labels a count."""
    project, said = workspace(task, folder / "workspace"), 0
    for count in [c for c in counts if c != ALL]:
        done, labels = folder / f"shipped_{count}.json", folder / f"labels_{count}.jsonl"
        if not done.exists():
            if int(count) and not labels.exists():
                try:
                    while said < int(count):
                        decisions, said = answers_until(project, task, int(count), said)
                        append_decisions(project.layout.labels, decisions)
                except WorkspaceError as error:  # every field is answered before so many answers are given
                    print(f"{folder.name}, {count} answers, left out: {error}", flush=True)
                    break
                write_atomic(labels, project.layout.labels.read_bytes())
            if int(count):
                exhaust(train(project, task.seed, "cpu"))
            exhaust(score(project))
            keep(done, asdict(judge(project, task, 0, 0, int(count), count_labels(project.labels())["particle"])))
        said = int(count)
    if ALL in counts:
        if not (labels := folder / f"labels_{ALL}.jsonl").exists():
            append_decisions(labels, everything(task))
        by_labels(task, folder, ALL, "shipped")


def by_labels(task, folder, count, way):
    """One training on labels that are kept."""
    done, labels = folder / f"{way}_{count}.json", folder / f"labels_{count}.jsonl"
    if done.exists() or not labels.exists():
        return
    project = workspace(task, folder / f"{way}_{count}", "pretrained" if way == "shipped" else "scratch")
    if not project.layout.labels.exists():
        write_atomic(project.layout.labels, labels.read_bytes())
    known = count_labels(project.labels())["particle"]
    if known:
        exhaust(train(project, task.seed, "cpu"))
        keep(done, asdict(judge(project, task, 0, 0, 0, known)))


def by_topaz(task, folder, count, options):
    """Topaz, fine-tuned on the particles among the labels, or (0) as it comes."""
    done, labels = folder / f"topaz_{count}.json", folder / f"labels_{count}.jsonl"
    if done.exists() or not (count == "0" or labels.exists()):
        return
    program, experiment, (pool, test) = os.environ["CRYOAL_TOPAZ"], task.experiment, task.split
    diameter_px = experiment.settings.diameter_angstrom / pool[0].pixel_size_angstrom
    scale = max(1, round(diameter_px / TOPAZ_PIXELS_PER_DIAMETER))
    images = experiment.folder / f"topaz_images_{scale}"
    for entry in experiment.entries:
        if not (images / entry.path.name).exists():
            call(program, "preprocess", "-s", scale, "-o", images, entry.path)
    radius, model = max(1, round(diameter_px / 4 / scale)), "resnet8_u32"
    if count != "0":
        model = topaz_trained(task, folder, count, images, scale, radius, options)
        if model is None:
            return
    picks = folder / f"topaz_{count}.txt"
    files = [images / entry.path.name for entry in test]
    call(program, "extract", "-d", -1, "-j", 1, "-m", model, "-r", 2 * radius, "-x", scale, "-o", picks, *files)
    found, scores, correct, n_truth = topaz.read(picks), [], [], 0
    for entry in test:
        truth, one = experiment.truth[entry.key], found.get(entry.path.stem)
        n_truth += len(truth)
        if one is not None:
            scores.append(one.score)
            correct.append(match(one.xy, truth, 0.3 * diameter_px, one.score).correct)
    z, y = np.concatenate(scores), np.concatenate(correct)
    curve, picked = precision_recall_curve(z, y, n_truth), z >= 0
    f1 = float(2 * y[picked].sum() / (picked.sum() + n_truth))
    keep(done, {"best_f1": float(curve.best_f1[0]), "f1": f1, "average_precision": float(curve.average_precision)})


def topaz_trained(task, folder, count, images, scale, radius, options):
    """Its model after so many minibatches; none without a particle among the labels."""
    project, truth, pool = workspace(task, folder / "workspace"), task.experiment.truth, task.split[0]
    write_atomic(folder / "topaz_labels" / "labels.jsonl", (folder / f"labels_{count}.jsonl").read_bytes())
    labels = replace(project, layout=Layout(folder / "topaz_labels")).labels()
    used = [entry for entry in pool if entry.key in labels and len(labels[entry.key].xy(Verdict.PARTICLE))]
    if not used:
        return None
    targets, listed = folder / f"topaz_{count}_targets.txt", folder / f"topaz_{count}_images.txt"
    rows = [
        f"{entry.path.stem}\t{round(x / scale)}\t{round(y / scale)}"
        for entry in used
        for x, y in labels[entry.key].xy(Verdict.PARTICLE)
    ]
    write_atomic(targets, "\n".join(["image_name\tx_coord\ty_coord", *rows]) + "\n")
    files = [f"{entry.path.stem}\t{images / entry.path.name}" for entry in used]
    write_atomic(listed, "\n".join(["image_name\tpath", *files]) + "\n")
    area = sum(float(np.prod(project.shapes[entry.key])) for entry in pool) / scale**2
    share = sum(len(truth[entry.key]) for entry in pool) * np.pi * (radius + 0.5) ** 2 / area
    prefix = folder / f"topaz_{count}_model"
    call(
        *(os.environ["CRYOAL_TOPAZ"], "train", "-d", -1, "-j", 1, "--train-images", listed, "--train-targets", targets),
        *("--model", "resnet8", "--units", 32, "--pi", f"{share:.4f}", "-r", radius),
        *("--method", "PN" if count == ALL else "GE-binomial"),
        *("--minibatch-size", TOPAZ_MINIBATCH, "--epoch-size", options.minibatches, "--num-epochs", 1),
        *("--save-prefix", prefix, "-o", folder / f"topaz_{count}_training.txt"),
    )
    return f"{prefix}_epoch1.sav"


def call(*command):
    """Run a program, or end with what it said."""
    words = [str(word) for word in command]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stderr[-2000:]}")


def keep(path, result):
    """A trial's file."""
    write_atomic(path, json.dumps({**result, "load": os.getloadavg()[0]}, indent=1) + "\n")
    print(f"{path.parent.parent.name} {path.parent.name} {path.stem}: {result['best_f1']:.3f}", flush=True)


def results(name, options):
    """Best F1 and F1 at the chosen threshold of every draw, by way and count."""
    found = {}
    for way in WAYS:
        for count in COUNTS:
            files = sorted((options.out.absolute() / name).glob(f"draw*/{way}_{count}.json"))
            rows = [json.loads(file.read_text()) for file in files]
            if rows:
                found[way, count] = np.array([(row["best_f1"], row["f1"]) for row in rows])
    return found


def table(name, found):
    """Means, and in brackets the smallest and the largest of the draws."""
    counts = [count for count in COUNTS if any((way, count) in found for way in WAYS)]
    lines = [f"| {name} | {' | '.join(counts)} |", "|---" * (1 + len(counts)) + "|"]
    for way, title in WAYS.items():
        for column, what in enumerate(("best F1", "at the chosen threshold")):
            if any((way, count) in found for count in counts):
                cells = [_cell(found.get((way, count)), column) for count in counts]
                lines.append(f"| {title}, {what} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(values, column):
    if values is None:
        return "–"
    some = values[:, column]
    return f"{some.mean():.3f} ({some.min():.3f} to {some.max():.3f}, {len(some)})"


def plot(all_found, path):
    """Best F1 against the number of answers, a panel a set."""
    figure = Figure((4 * len(all_found), 3.6), layout="constrained")
    for axes, (name, found) in zip(
        figure.subplots(1, len(all_found), squeeze=False)[0], all_found.items(), strict=True
    ):
        counts = [count for count in COUNTS if any((way, count) in found for way in WAYS)]
        for way, title in WAYS.items():
            places = [i for i, count in enumerate(counts) if (way, count) in found]
            values = [found[way, counts[i]][:, 0] for i in places]
            axes.plot(places, [some.mean() for some in values], "o-", label=title)
            axes.fill_between(places, [v.min() for v in values], [v.max() for v in values], alpha=0.2)
        axes.set(title=name, xlabel="answers", ylabel="best F1", ylim=(0, 1))
        axes.set_xticks(range(len(counts)), counts)
    figure.axes[0].legend(loc="lower right")
    save(figure, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="*", default=[JUNK, *REAL])
    parser.add_argument("--ways", nargs="*", default=["shipped", "scratch", "topaz"], choices=WAYS)
    parser.add_argument("--counts", nargs="*", default=COUNTS, choices=COUNTS)
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--members", type=int, default=Config().training.members)
    parser.add_argument("--minibatches", type=int, default=100, help="of Topaz's training")
    parser.add_argument("--out", type=Path, default=Path("build/few_labels"))
    options = parser.parse_args()
    if "topaz" in options.ways and "CRYOAL_TOPAZ" not in os.environ:
        print("topaz: left out, CRYOAL_TOPAZ does not name its program (scripts/topaz_env makes one)")
        options.ways.remove("topaz")
    found = {}
    for name in options.sets:
        if name != JUNK and not SHARED.is_dir():
            print(f"{name}: left out, {SHARED} is not there")
            continue
        experiment = experiment_of(name, options)
        for draw in range(options.draws):
            task, folder = Task(experiment, "default", draw), experiment.folder / f"draw{draw}"
            by_shipped(task, folder, options.counts)
            for count in options.counts:
                if "scratch" in options.ways:
                    by_labels(task, folder, count, "scratch")
                if "topaz" in options.ways:
                    by_topaz(task, folder, count, options)
        found[name] = results(name, options)
        write_atomic(experiment.folder / "table.md", table(name, found[name]))
        print(table(name, found[name]), flush=True)
    if found:
        plot(found, options.out / "few_labels.png")


if __name__ == "__main__":
    main()
