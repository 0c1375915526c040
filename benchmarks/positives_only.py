"""What imported positives teach: the positive-unlabelled risk against taking all the rest for background.

    python benchmarks/positives_only.py [--shares 0.1 0.3 1.0]

A share of the marks of 8 (8, 4) real micrographs is imported as positives only, and the committee is judged on the
others. Same draws and seeds for both; the plain one is the same risk, its prior but a twentieth of the marks.
"""

import argparse
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from accuracy import SETS, SHARED, figures, judge, last, truth_of

from cryoal.config import Config, TrainingConfig
from cryoal.data.labels import Label, Origin, Verdict
from cryoal.learner.project import NewWorkspace, Project, create
from cryoal.learner.training import train
from cryoal.workspace.journal import Decision, append_decisions

DENSITIES = {"positive-unlabelled": TrainingConfig().particles_per_diameter2, "rest is background": 0.0}


def trial(folder, diameter, share, density, seed=0):
    with tempfile.TemporaryDirectory() as root:
        last(create(NewWorkspace(Path(root) / "w", "micrographs.star", diameter, root=folder)))
        config = Config(training=replace(TrainingConfig(members=2), particles_per_diameter2=density))
        project = Project.open(Path(root) / "w", config)
        n_test = len(project.entries) // 3
        training, test = project.entries[:-n_test], project.entries[-n_test:]
        rng = np.random.default_rng(seed)
        decisions = []
        for entry in training:
            xy = truth_of(folder, entry)
            kept = xy[rng.random(len(xy)) < share]
            decisions += [Decision(Label(x, y, Verdict.PARTICLE, Origin.IMPORT), entry.key) for x, y in kept]
        append_decisions(project.layout.labels, decisions)
        trained = last(train(project, seed))
        return judge(project, folder, test, trained.labels["particle"], 0.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shares", nargs="*", type=float, default=[0.1, 0.3, 1.0])
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    options = parser.parse_args()
    if not SHARED.is_dir():
        sys.exit(f"{SHARED}: the real micrographs are not there; nothing was measured")
    with tempfile.TemporaryDirectory() as projects:
        maker = [sys.executable, SHARED / "make_project.py", projects, "--sets", *options.sets]
        subprocess.run(maker, check=True, stdout=subprocess.DEVNULL)
        for name in options.sets:
            for share in options.shares:
                for how, density in DENSITIES.items():
                    r = figures([trial(Path(projects) / name, SETS[name][0], share, density)])
                    print(f"{name} {share:.0%} of the marks, {how:<20} {r}", flush=True)


if __name__ == "__main__":
    main()
