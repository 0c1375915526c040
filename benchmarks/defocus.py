"""Picks without labels, and the polarity, by defocus and phase plate: ``python benchmarks/defocus.py``.

Simulated micrographs of five particles (16 diameters wide, two a condition) at defoci of 0.5 to 4 µm, and with a phase
plate, as they are and under more white noise; best F1 within 0.3 diameters of the committee that ships with cryoal.
About two minutes of processor time.
"""

import argparse

import numpy as np
import pandas as pd
import torch

from cryoal.config import Config
from cryoal.evaluation.curves import precision_recall_curve
from cryoal.evaluation.matching import match
from cryoal.model.committee import Committee
from cryoal.model.pretrained import pretrained_calibration, pretrained_members
from cryoal.model.scoring import score
from cryoal.picking.proposals import propose
from cryoal.preprocess.pipeline import prepare
from cryoal.preprocess.polarity import brightness_skew
from cryoal.simulation.micrographs import MicrographSettings, simulate_micrograph
from cryoal.simulation.optics import Detector, Optics
from cryoal.simulation.specimen import Ice, Species
from cryoal.simulation.volumes import build_volume

CONFIG = Config()
SIZE, RADIUS = CONFIG.preprocess.pixels_per_diameter, CONFIG.picking.match_radius_diameters
DIAMETER_PX, SIDE_PX, COVERAGE = 40, 640, 0.2
PARTICLES = (("globular", 120.0), ("globular", 200.0), ("barrel", 160.0), ("shell", 300.0), ("rod", 250.0))
CONDITIONS = ((5e3, 0), (1e4, 0), (2e4, 0), (3e4, 0), (4e4, 0), (5e3, 90), (1e4, 90))
"""Defocus, Å, and phase shift, degrees."""


def judged(committee: Committee, pixels: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """How the shipped committee does on a micrograph."""
    scaled = prepare(pixels, DIAMETER_PX, CONFIG.preprocess)
    maps = score(committee, scaled, CONFIG.picking.max_tile_px, CONFIG.picking.smoothing_diameters * SIZE)
    found = propose(maps.logits, scaled.valid, SIZE, CONFIG.picking)
    logit = found.member_logit.astype(np.float64).mean(axis=0)
    pairs = match(scaled.to_original(found.xy), truth, RADIUS * DIAMETER_PX, logit)
    as_stored = prepare(pixels, DIAMETER_PX, CONFIG.preprocess, particles_dark=False)
    return {
        "F1": precision_recall_curve(logit, pairs.correct, len(truth)).best_f1[0],
        "picks expected a particle": float(pretrained_calibration()(logit).sum()) / len(truth),
        "skewness": brightness_skew(as_stored, SIZE),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2, help="micrographs a condition")
    options = parser.parse_args()
    committee = Committee(pretrained_members(CONFIG.network), torch.device("cpu"))
    rows = []
    for shape, diameter in PARTICLES:
        for defocus, phase_shift in CONDITIONS:
            for repeat in range(options.repeats):
                rng = np.random.default_rng([5, int(diameter), int(defocus), phase_shift, repeat])
                volume = build_volume(shape, diameter, np.random.default_rng([9, int(diameter), repeat]))
                settings = MicrographSettings(
                    (SIDE_PX, SIDE_PX),
                    diameter / DIAMETER_PX,
                    (Species(volume, COVERAGE),),
                    ice=Ice(thickness_angstrom=max(350, 1.2 * diameter)),
                    optics=Optics(defocus_angstrom=defocus, phase_shift_degrees=phase_shift),
                    detector=Detector(40),
                )
                simulated = simulate_micrograph(settings, rng)
                pixels = simulated.pixels
                spread = 1.4826 * np.median(np.abs(pixels - np.median(pixels)))
                for noise in (0.0, 1.5):
                    noisy = pixels + (noise * spread * rng.standard_normal(pixels.shape)).astype(np.float32)
                    told = {"particle": f"{shape} {diameter:.0f} Å", "defocus, µm": defocus / 1e4, "phase": phase_shift}
                    rows.append(told | {"noise": noise} | judged(committee, noisy, simulated.picks.xy))
    table = pd.DataFrame(rows)
    for by in (["phase", "defocus, µm", "noise"], ["particle", "phase", "defocus, µm"]):
        print(table.groupby(by)[["F1", "picks expected a particle", "skewness"]].mean().round(3).to_string())
    wrong = table[table["skewness"] > 0]
    print(f"polarity: wrong on {len(wrong)} of {len(table)} micrographs\n{wrong.to_string() if len(wrong) else ''}")


if __name__ == "__main__":
    main()
