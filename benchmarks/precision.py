"""What half precision changes: candidates of real micrographs in float32 and in what `cryoal score` computes in.

    python benchmarks/precision.py [--micrographs 6] [--device auto]

The shipped committee on the real sets (../shared/data): average precision and best F1 (a match within 0.3 diameters),
candidates, those without a counterpart within a tenth of a diameter, and by how much members' probabilities differ.
"""

import argparse
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from accuracy import SETS, SHARED, last, truth_of
from scipy.spatial import cKDTree

from cryoal.config import Config
from cryoal.evaluation.curves import precision_recall_curve
from cryoal.evaluation.matching import match
from cryoal.learner.project import NewWorkspace, create
from cryoal.learner.scorer import Scorer
from cryoal.model.devices import devices_named
from cryoal.model.pretrained import pretrained_members


def judged(found, truths, radii):
    """Average precision and best F1."""
    correct = [
        match(one.xy, xy, 0.3 * radius, one.probability).correct
        for one, xy, radius in zip(found, truths, radii, strict=True)
    ]
    score = np.concatenate([one.probability for one in found])
    curve = precision_recall_curve(score, np.concatenate(correct), sum(map(len, truths)))
    return curve.average_precision, curve.best_f1[0]


def differences(full, fast, diameters):
    """Candidates without a counterpart, and differences of members' probabilities of the others."""
    alone, off = 0, [np.empty(0)]
    for one, other, diameter in zip(full, fast, diameters, strict=True):
        distance, index = cKDTree(other.xy).query(one.xy)
        near = distance < 0.1 * diameter
        alone += int((~near).sum())
        off.append(np.abs(one.member_probability[:, near] - other.member_probability[:, index[near]]).ravel())
    return alone, np.concatenate(off)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--micrographs", type=int, default=6)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    if not SHARED.is_dir():
        sys.exit(f"{SHARED}: the real micrographs are not there; nothing was measured")
    config = Config()
    exact = replace(config, picking=replace(config.picking, tolerance_logit=0.0))
    members, devices = pretrained_members(config.network), devices_named(options.device)
    scorers = [Scorer.of_members(members, one, devices[:1])[0] for one in (exact, config)]
    names = [str(one.dtype).removeprefix("torch.") for one in scorers]
    print(
        f"| {names[0]} → {names[1]} on {devices[0]} | average precision | best F1 | candidates | "
        "without a counterpart | largest difference of a probability | of 99 % |\n|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as temporary:
        maker = [sys.executable, SHARED / "make_project.py", temporary]
        subprocess.run(maker, check=True, stdout=subprocess.DEVNULL)
        for name, (diameter, _) in SETS.items():
            folder = Path(temporary) / name
            new = NewWorkspace(folder / "work", "micrographs.star", diameter, particles_dark=True, root=folder)
            project = last(create(new, config))
            entries = project.entries[: options.micrographs]
            images = [project.read_scaled(entry) for entry in entries]
            diameters = [project.diameter_px(entry) for entry in entries]
            truths = [truth_of(folder, entry) for entry in entries]
            full, fast = ([scorer(image) for image in images] for scorer in scorers)
            (ap, f1), (fast_ap, fast_f1) = (judged(one, truths, diameters) for one in (full, fast))
            alone, off = differences(full, fast, diameters)
            print(
                f"| {name} | {ap:.4f} → {fast_ap:.4f} | {f1:.4f} → {fast_f1:.4f} | {sum(map(len, full))} → "
                f"{sum(map(len, fast))} | {alone} | {off.max():.3f} | {np.quantile(off, 0.99):.4f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
