"""Without labels, beside other pickers: F1 and CPU seconds of cryoal, Topaz's pretrained detectors and RELION's LoG.

    python benchmarks/peers.py [--sets apoferritin_10146 ...] [--pickers cryoal blobs log topaz] [--micrographs 4]

All see the same micrographs of the real sets (../shared/data), spread evenly over each. Topaz is run where CRYOAL_TOPAZ
names its program (scripts/topaz_env makes one), RELION where relion_autopick is found; each of them in several
settings, of which the one with the largest best F1 on these very micrographs is shown, an advantage ours has not.
Picks and costs are kept below OUT and no command is run twice. `--pictures` draws all picks of one micrograph a set.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import product
from pathlib import Path

import numpy as np
from accuracy import SETS, SHARED, truth_of

from cryoal.config import Config
from cryoal.data.picks import Picks
from cryoal.evaluation.curves import precision_recall_curve
from cryoal.evaluation.matching import match
from cryoal.io import relion, star, topaz
from cryoal.io.durable import write_atomic
from cryoal.io.micrographs import list_micrographs, read_micrograph
from cryoal.learner.pick_rule import read_rule
from cryoal.picking.blobs import find_blobs
from cryoal.preprocess.pipeline import prepare
from cryoal.report.plots import JudgedPicks, picks_figure, save
from cryoal.workspace.candidates import read_candidates
from cryoal.workspace.layout import Layout
from cryoal.workspace.rounds import found_picks, newest_round

RADII = (0.3, 0.5)
TOPAZ_PIXELS_PER_DIAMETER = (14, 28)  # β-galactosidase at 1/8 and at 1/4, which RELION would take
LOG_DIAMETERS = ((0.5, 0.7), (0.7, 0.9), (0.9, 1.1), (1.0, 1.3))
LOG_LOWPASS_ANGSTROM = (20, 30)
LOG_ADJUST = (0.0, 1.0)
ALL_LOG_PEAKS = -3.0
BLOB_SIGMAS = (1.0, 2.0)  # weakest kept, and even odds


@dataclass(frozen=True)
class Collection:
    """Some micrographs of a set."""

    folder: Path
    out: Path
    entries: tuple
    diameter_angstrom: float

    @property
    def diameter_px(self):
        return self.diameter_angstrom / self.entries[0].pixel_size_angstrom

    @property
    def listed(self):
        return f"some_{len(self.entries)}.star"


@dataclass
class Found:
    """Picks of one picker in one setting; `chosen`: which of them, by the threshold's name, the default first."""

    setting: str
    picks: list[Picks]
    cpu_seconds: float
    chosen: dict[str, list[np.ndarray]] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """F1, precision, recall at a threshold."""

    f1: float
    precision: float
    recall: float

    def __str__(self):
        return f"{self.f1:.3f} ({self.precision:.2f}, {self.recall:.2f})"


def collection(name, options):
    """The set as a RELION project, made once, and a list of some of its micrographs."""
    projects = options.out.absolute() / "projects"
    if not (projects / name).exists():
        maker = [sys.executable, SHARED / "make_project.py", projects, "--sets", name]
        subprocess.run(maker, check=True, stdout=subprocess.DEVNULL)
    folder = projects / name
    entries = list_micrographs("micrographs.star", None, folder)
    places = np.unique(np.linspace(0, len(entries) - 1, options.micrographs).astype(int))
    some = Collection(folder, options.out.absolute() / name, tuple(entries[i] for i in places), SETS[name][0])
    blocks = star.read(folder / "micrographs.star")
    star.write(folder / some.listed, {name: _columns(table, places) for name, table in blocks.items()})
    return some


def _columns(table, places):
    """A block's columns; of the micrographs, only the places."""
    rows = table.iloc[places] if "rlnMicrographName" in table else table
    return {str(label): [str(value) for value in rows[label]] for label in rows}


def cost_of(out, commands, cwd):
    """Run commands whose results lie in a folder, unless they do already; their CPU seconds."""
    kept = out / "cost.json"
    if not kept.exists():
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for command in commands:
            words = [str(word) for word in command]
            done = subprocess.run(words, cwd=cwd, check=False, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{' '.join(words)}: {done.stderr[-2000:]}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        write_atomic(kept, json.dumps({"cpu_seconds": round(seconds, 2), "load": os.getloadavg()[0]}) + "\n")
    return json.loads(kept.read_text())["cpu_seconds"]


def by_cryoal(some):
    """One command, without a label."""
    out = some.out / f"cryoal_{len(some.entries)}"
    command = [sys.executable, "-m", "cryoal", "run", "--micrographs", some.listed, "--out", out / "job"]
    seconds = cost_of(out, [[*command, "--diameter", some.diameter_angstrom]], some.folder)
    layout = newest_round(Layout(out / "job" / "workspace"))
    scored = [read_candidates(layout, entry.key) for entry in some.entries]
    picks = [Picks(*one.xy.T, one.probability) for one in scored]
    threshold = read_rule(found_picks(layout)).threshold
    yield Found("default", picks, seconds, {"default": [one.score >= threshold for one in picks]})


def by_blobs(some):
    """Proposals of cryoal's where there is no committee."""
    _scaled.cache_clear()
    picks, start = [], time.process_time()
    for entry in some.entries:
        scaled = _scaled(entry.path, some.diameter_px)
        size, apart = Config().preprocess.pixels_per_diameter, Config().picking.min_distance_diameters
        xy, response = find_blobs(scaled, size, apart * size, BLOB_SIGMAS[0])
        picks.append(Picks(*scaled.to_original(xy).T, response))
    seconds = time.process_time() - start
    yield Found("default", picks, seconds, {"2 σ": [one.score >= BLOB_SIGMAS[1] for one in picks]})


def by_log(some):
    """RELION's blobs: all peaks once, ranked by figure of merit, and what its own threshold keeps of them."""
    for (least, most), lowpass in product(LOG_DIAMETERS, LOG_LOWPASS_ANGSTROM):
        runs = {adjust: _log(some, least, most, lowpass, adjust) for adjust in (ALL_LOG_PEAKS, *LOG_ADJUST)}
        picks, _ = runs[ALL_LOG_PEAKS]
        chosen = {}
        for adjust in LOG_ADJUST:
            lowest = [one.score.min(initial=np.inf) for one in runs[adjust][0]]
            chosen[f"adjust {adjust:g}"] = [p.score >= low for p, low in zip(picks, lowest, strict=True)]
        setting = f"{least:g} to {most:g} diameters, {lowpass} Å"
        yield Found(setting, picks, runs[LOG_ADJUST[0]][1], chosen)


def _log(some, least, most, lowpass, adjust):
    out = some.out / f"log_{len(some.entries)}_{least:g}_{most:g}_{lowpass}_{adjust:g}"
    sizes = ["--LoG_diam_min", least * some.diameter_angstrom, "--LoG_diam_max", most * some.diameter_angstrom]
    output = ["--odir", f"{os.path.relpath(out, some.folder)}/", "--pickname", "autopick"]
    usual = ["--shrink", 0, "--lowpass", lowpass, "--LoG_upper_threshold", 5]
    command = ["relion_autopick", "--i", some.listed, *output, "--LoG", *sizes, *usual]
    seconds = cost_of(out, [[*command, "--LoG_adjust_threshold", adjust]], some.folder)
    files = [out / Path(entry.name).parent / f"{entry.path.stem}_autopick.star" for entry in some.entries]
    return [next(iter(relion.read(file).values())) if file.exists() else Picks.empty() for file in files], seconds


def by_topaz(model, sizes, some):
    """A pretrained detector, after Topaz's own preprocessing, at one or more scales."""
    program = os.environ["CRYOAL_TOPAZ"]
    for scale in [round(some.diameter_px / size) for size in sizes]:
        images = some.out / f"topaz_images_{len(some.entries)}_{scale}"
        files = [entry.path for entry in some.entries]
        seconds = cost_of(images, [[program, "preprocess", "-s", scale, "-o", images, *files]], some.folder)
        scaled = [images / entry.path.name for entry in some.entries]
        radius = max(1, round(some.diameter_px / 2 / scale))
        out = some.out / f"topaz_{model}_{len(some.entries)}_{scale}"
        how = ["extract", "-m", model, "-r", radius, "-x", scale, "-o", out / "picks.txt"]
        seconds += cost_of(out, [[program, *how, *scaled]], some.folder)
        by_stem = topaz.read(out / "picks.txt")
        picks = [by_stem.get(entry.path.stem, Picks.empty()) for entry in some.entries]
        chosen = {"−6": [one.score >= -6 for one in picks], "0": [one.score >= 0 for one in picks]}
        yield Found(f"1/{scale}, radius {radius}", picks, seconds, chosen)


def without_rim(found, some):
    """Leave out picks of the replicated rim that some of these images have, which no microscope makes."""
    alive = [_alive(one, entry.path, some.diameter_px) for one, entry in zip(found.picks, some.entries, strict=True)]
    picks = [one.select(mask) for one, mask in zip(found.picks, alive, strict=True)]
    chosen = {
        name: [kept[mask] for kept, mask in zip(every, alive, strict=True)] for name, every in found.chosen.items()
    }
    return Found(found.setting, picks, found.cpu_seconds, chosen)


def _alive(picks, path, diameter_px):
    scaled = _scaled(path, diameter_px)
    column, row = np.rint(scaled.to_scaled(picks.xy)).astype(int).T
    height, width = scaled.valid.shape
    return scaled.valid[row.clip(0, height - 1), column.clip(0, width - 1)]


@cache
def _scaled(path, diameter_px):
    return prepare(read_micrograph(path).pixels, diameter_px, Config().preprocess)


def best_point(found, some, radius_diameters):
    """Of all thresholds on the score and of the picker's own; and average precision."""
    pairs = [_matched(one, xy, some, radius_diameters) for one, xy in zip(found.picks, _truths(some), strict=True)]
    n_truth = sum(len(xy) for xy in _truths(some))
    score, correct = np.concatenate([one.score for one in found.picks]), np.concatenate(pairs)
    curve = precision_recall_curve(score, correct, n_truth)
    best = int(curve.f1.argmax())
    points = [Point(float(curve.f1[best]), float(curve.precision[best]), float(curve.recall[best]))]
    points += [point_at(found, kept, some, radius_diameters) for kept in found.chosen.values()]
    return max(points, key=lambda point: point.f1), curve.average_precision


def point_at(found, kept, some, radius_diameters):
    """What some of the picks are worth."""
    picks = [one.select(mask) for one, mask in zip(found.picks, kept, strict=True)]
    true = sum(_matched(one, xy, some, radius_diameters).sum() for one, xy in zip(picks, _truths(some), strict=True))
    n_picks, n_truth = sum(len(one) for one in picks), sum(len(xy) for xy in _truths(some))
    return Point(2 * true / (n_picks + n_truth), true / max(n_picks, 1), true / n_truth)


def _truths(some):
    return [truth_of(some.folder, entry) for entry in some.entries]


def _matched(picks, truth, some, radius_diameters):
    return match(picks.xy, truth, radius_diameters * some.diameter_px, picks.score).correct


def row(picker, tried, some):
    """A line of the table: the setting that is best within 0.3 diameters."""
    best = max(tried, key=lambda found: best_point(found, some, RADII[0])[0].f1)
    at_best, average = best_point(best, some, RADII[0])
    default = " · ".join(f"{name}: {point_at(best, kept, some, RADII[0])}" for name, kept in _shown(best).items())
    wide, _ = best_point(best, some, RADII[1])
    cost = f"{best.cpu_seconds / len(some.entries):.1f}"
    cells = [picker, best.setting, default, at_best, f"{average:.3f}", f"{wide.f1:.3f}", cost]
    others = ", ".join(f"{one.setting}: {best_point(one, some, RADII[0])[0].f1:.3f}" for one in tried)
    print(f"  {picker}: best F1 by setting: {others}", file=sys.stderr, flush=True)
    return f"| {' | '.join(map(str, cells))} |", best


def _shown(found):
    """The default threshold; Topaz's has a well-known second one."""
    return {name: kept for i, (name, kept) in enumerate(found.chosen.items()) if not i or name == "0"}


def picture(picker, found, some, path):
    """The picks of one micrograph at the threshold of the largest F1."""
    entry, truth = some.entries[0], _truths(some)[0]
    pairs = [_matched(one, xy, some, RADII[0]) for one, xy in zip(found.picks, _truths(some), strict=True)]
    score, n_truth = np.concatenate([one.score for one in found.picks]), sum(map(len, _truths(some)))
    threshold = precision_recall_curve(score, np.concatenate(pairs), n_truth).best_f1[1]
    picks = found.picks[0].select(found.picks[0].score >= threshold)
    judged = JudgedPicks.by_truth(picks.xy, truth, RADII[0] * some.diameter_px)
    pixels, size = read_micrograph(entry.path).pixels, entry.pixel_size_angstrom
    save(picks_figure(pixels, judged, some.diameter_px, size, f"{picker}, {found.setting}"), path)


def available(names, sizes):
    """The pickers that can be run here, by label."""
    out = {}
    if "cryoal" in names:
        out["cryoal, shipped committee"] = by_cryoal
    if "blobs" in names:
        out["cryoal's blobs (the fall-back)"] = by_blobs
    if "log" in names and shutil.which("relion_autopick"):
        out["RELION's Laplacian of Gaussian"] = by_log
    if "topaz" in names and "CRYOAL_TOPAZ" in os.environ:
        out |= {f"Topaz, {model}": partial(by_topaz, model, sizes) for model in ("resnet16_u64", "resnet8_u32")}
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--pickers", nargs="*", default=["cryoal", "blobs", "log", "topaz"])
    parser.add_argument("--micrographs", type=int, default=4)
    parser.add_argument("--topaz-sizes", type=int, nargs="*", default=TOPAZ_PIXELS_PER_DIAMETER)
    parser.add_argument("--pictures", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("build/peers"))
    options = parser.parse_args()
    if not SHARED.is_dir():
        sys.exit(f"{SHARED}: the real micrographs are not there; nothing was measured")
    for name in options.sets:
        some = collection(name, options)
        n_truth = sum(map(len, _truths(some)))
        print(
            f"\n{name}: {len(some.entries)} micrographs, {n_truth} marked particles, {some.diameter_px:.0f} pixels wide"
        )
        print("| picker | setting | F1 (P, R) at the default | best F1 (P, R) | AP | best F1, 0.5 d | CPU s |")
        print("|---|---|---|---|---|---|---|")
        for label, picker in available(options.pickers, options.topaz_sizes).items():
            line, best = row(label, [without_rim(found, some) for found in picker(some)], some)
            print(line, flush=True)
            if options.pictures:
                short = label.replace("'", "").replace(",", "").split(" (")[0].replace(" ", "_")
                picture(label, best, some, options.out / name / f"{short}.png")


if __name__ == "__main__":
    main()
