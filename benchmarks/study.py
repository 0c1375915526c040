"""Which strategy is worth using: every set, ten paired seeds, a simulated expert.

    python benchmarks/study.py [--sets junk apoferritin_10146 ...] [--strategies random bald ...] [--rounds 5]

Three real sets (they need ../shared/data beside the repository) and a simulated one, rich in junk, with decoys and a
rare view. Runs are kept below OUT and never done twice; a killed study goes on where it was. The tables and plots are
docs/study.md's.
"""

import argparse
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from cryoal.config import Config
from cryoal.data.picks import Picks
from cryoal.io.durable import write_atomic
from cryoal.learner.project import NewWorkspace
from cryoal.report.plots import save
from cryoal.report.strategies import markdown, strategies_figure, write_rows
from cryoal.simulation.design import Experiment
from cryoal.simulation.experiment import open_truth, simulate
from cryoal.simulation.junk import Junk
from cryoal.simulation.micrographs import MicrographSettings, simulate_micrograph
from cryoal.simulation.optics import Detector, Optics
from cryoal.simulation.oracle import Expert
from cryoal.simulation.outcome import outcome
from cryoal.simulation.project import write_project
from cryoal.simulation.specimen import Ice, Species
from cryoal.simulation.volumes import build_volume

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
REAL = {"apoferritin_10146": 126.0, "bgal_10017": 191.0, "ribosome80S_10028": 300.0}
JUNK, JUNK_DIAMETER_ANGSTROM = "junk", 165.0
STRATEGIES = (
    "random",
    "foreground-random",
    "entropy",
    "entropy-stratified",
    "bald",
    "power-entropy",
    "badge",
    "k-center",
)
ROUNDS, FIELDS = 4, 8
TRAINING = {"members": 3}
"""Fewer than the product's, so that the study takes hours; the rest is the product's own."""


def junk_micrographs(count=12, seed=11):
    """Top views of a barrel, one in four from anywhere, among twice as many decoys of its size, and all other junk."""
    rng = np.random.default_rng(seed)
    wanted = build_volume("barrel", JUNK_DIAMETER_ANGSTROM, rng, "C7")
    decoys = [build_volume(shape, 0.9 * JUNK_DIAMETER_ANGSTROM, rng) for shape in ("barrel", "globular")]
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        settings = MicrographSettings(
            (768, 768),
            4.0,
            (Species(wanted, 0.04, 10.0), Species(wanted, 0.012), *(Species(decoy, 0.05) for decoy in decoys)),
            spacing=0.8,
            ice=Ice(rng.uniform(600, 1400), gradient=0.4, granularity=0.06),
            optics=replace(Optics(), defocus_angstrom=rng.uniform(1e4, 2.5e4)),
            detector=Detector(9.0, 0.4),
            junk=Junk(rng.uniform(0, 5), rng.uniform(0, 5), rng.uniform(1, 5), 0.4 if index % 4 == 0 else 0.0),
        )
        one = simulate_micrograph(settings, rng)
        inside = (np.abs(one.picks.xy - 383.5) < 383).all(axis=1)
        marked = one.picks.select((one.picks.class_number < 3) & inside)
        yield f"junk_{index + 1:02d}", replace(one, picks=Picks(marked.x, marked.y, class_number=np.ones(len(marked))))


def project_of(name, out):
    """The set's folder, made once, and its particle diameter."""
    folder = out / "projects" / name
    if name == JUNK:
        if not (folder / "diameter_angstrom.txt").exists():
            write_project(folder, junk_micrographs(), Optics(), JUNK_DIAMETER_ANGSTROM, np.int8)
        return folder, JUNK_DIAMETER_ANGSTROM
    if not folder.exists():
        maker = [sys.executable, SHARED / "make_project.py", out / "projects", "--sets", name]
        subprocess.run(maker, check=True, stdout=subprocess.DEVNULL)
    return folder, REAL[name]


def study(name, options):
    """One set: runs, table, plot, rows."""
    out = options.out.absolute()
    folder, diameter = project_of(name, out)
    config = Config(training=replace(Config().training, **TRAINING))
    new = NewWorkspace(out / name / "workspace", "micrographs.star", diameter, particles_dark=True, root=folder)
    *_, (settings, centres) = open_truth(new, folder / "truth", config)
    truth = {entry.key: xy for entry, xy in centres.items()}
    experiment = Experiment(out / name, tuple(centres), truth, settings, config, Expert(), options.rounds, FIELDS)
    start = time.monotonic()
    for report in simulate(experiment, options.strategies, options.seeds, options.jobs):
        if isinstance(report, list):
            steps = report
        elif report.stage == "runs" and report.done % 5 == 0:
            print(f"{name}: {report.done} of {report.total}, {time.monotonic() - start:.0f} s", flush=True)
    found = outcome(steps)
    write_rows(out / name / "rounds.csv", steps)
    write_atomic(out / name / "table.md", markdown(found))
    title = f"{name}: {len(centres)} micrographs, {options.seeds} paired seeds"
    save(strategies_figure(found, steps, title), out / name / "curves.png")
    print(f"{name}\n{markdown(found)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="*", default=[JUNK, *REAL])
    parser.add_argument("--strategies", nargs="*", default=STRATEGIES)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("build/study"))
    options = parser.parse_args()
    for name in options.sets:
        if name != JUNK and not SHARED.is_dir():
            print(f"{name}: left out, {SHARED} is not there")
            continue
        study(name, options)


if __name__ == "__main__":
    main()
