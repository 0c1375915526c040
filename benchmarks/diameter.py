"""How well a particle's diameter is judged from micrographs: ``python benchmarks/diameter.py [--collections 60]``.

Simulated collections of one unknown particle each, drawn as the shipped committee's training micrographs are but larger
and apart from them, and the real sets beside the repository. The truth of a simulated particle is the diameter of the
sphere that holds it. Also, how often a given diameter 0.7, 1.0 and 1.3 times the true one is objected to, and whether
the polarity is found. About ten seconds of processor time a collection.
"""

import argparse
import json
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from cryoal.config import Config
from cryoal.evaluation.curves import precision_recall_curve
from cryoal.evaluation.matching import match
from cryoal.learner.first_look import CLEAR_SKEWNESS, SizeCurve, SmallImage, doubts, shrunk, size_curve
from cryoal.model.committee import Committee
from cryoal.model.pretrained import pretrained_members
from cryoal.model.scoring import score
from cryoal.picking.proposals import propose
from cryoal.preprocess.pipeline import prepare
from cryoal.preprocess.polarity import brightness_skew
from cryoal.simulation.micrographs import MicrographSettings, simulate_micrograph
from cryoal.simulation.pretraining import random_settings

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
REAL = {"apoferritin_10146": (126, 1.5), "bgal_10017": (191, 1.77), "ribosome80S_10028": (300, 5.36)}
"""Particle diameter, Å, and pixel size."""
SEED, SIDE_PX, MICROGRAPHS = 2027, 1024, 3
LARGEST_EXTRA_NOISE = 2.0  # as in training
CONFIG = Config()


def last(work: Generator) -> SizeCurve | None:
    """The result of a generator of progress."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            return done.value


def collection(index: int) -> dict:
    """Simulate a collection and judge its diameter; the skewness of each micrograph, too."""
    rng = np.random.default_rng([SEED, index])
    settings = enlarged(random_settings(float(np.exp(rng.uniform(np.log(80), np.log(400)))), rng), rng)
    volume = settings.species[0].volume
    noise = rng.uniform(0, LARGEST_EXTRA_NOISE)
    images = [simulated(settings, noise, rng) for _ in range(MICROGRAPHS)]
    spread = np.sqrt(np.linalg.eigvalsh(np.cov(volume.beads_angstrom.T)))
    curve = last(size_curve(images, CONFIG, particles_dark=True))
    skewness = float(np.median([skew(image, volume.diameter_angstrom) for image in images]))
    light = last(size_curve(images, CONFIG, particles_dark=False)) if abs(skewness) < CLEAR_SKEWNESS else None
    return {
        "index": index, "truth": volume.diameter_angstrom, "elongation": spread[2] / spread[0], "noise": noise,
        "coverage": settings.species[0].coverage, "defocus": settings.optics.defocus_angstrom,
        "phase_shift": settings.optics.phase_shift_degrees,
        "diameter": list(curve.diameter_angstrom), "response": list(curve.response),
        "skewness": skewness,
        "light": float(light.response.max()) if light else None,
    }  # fmt: skip


def enlarged(settings: MicrographSettings, rng: np.random.Generator) -> MicrographSettings:
    """The same specimen on a field of about 3,000 Å, with as much junk for its area."""
    pixel = rng.uniform(2.5, 3.5)
    area = (SIDE_PX * pixel) ** 2 / (settings.shape[0] * settings.pixel_size_angstrom) ** 2
    junk = settings.junk
    more = replace(
        junk,
        ice_crystals=junk.ice_crystals * area,
        ethane_patches=junk.ethane_patches * area,
        aggregates=junk.aggregates * min(area, 2),
    )
    return replace(settings, shape=(SIDE_PX, SIDE_PX), pixel_size_angstrom=pixel, junk=more)


def simulated(settings: MicrographSettings, noise: float, rng: np.random.Generator) -> SmallImage:
    """One micrograph at a defocus of its own, under more noise, white at the scale of the network's pixels."""
    optics = replace(settings.optics, defocus_angstrom=settings.optics.defocus_angstrom * rng.uniform(0.7, 1.4))
    pixels = simulate_micrograph(replace(settings, optics=optics), rng).pixels
    per_pixel = settings.species[0].volume.diameter_angstrom / 20 / settings.pixel_size_angstrom
    block = max(round(per_pixel), 1)
    small = pixels[: SIDE_PX // block * block, : SIDE_PX // block * block]
    small = small.reshape(SIDE_PX // block, block, -1, block).mean((1, 3))
    sigma = 1.4826 * float(np.median(np.abs(small - np.median(small))))
    more = noise * sigma * max(per_pixel, 1.0) * rng.standard_normal(pixels.shape)
    return SmallImage((pixels + more).astype(np.float32), settings.pixel_size_angstrom)


def skew(image: SmallImage, diameter_angstrom: float) -> float:
    """Skewness by which the polarity is judged."""
    diameter_px = diameter_angstrom / image.pixel_size_angstrom
    scaled = prepare(image.pixels, diameter_px, CONFIG.preprocess, particles_dark=False)
    return brightness_skew(scaled, CONFIG.preprocess.pixels_per_diameter)


def real(name: str) -> SizeCurve:
    """The curve of four micrographs of a real set."""
    images = [shrunk(picture(path), REAL[name][1], CONFIG) for path in chosen(name)]
    return last(size_curve(images, CONFIG, particles_dark=True))


def best_f1(name: str, diameter_angstrom: float) -> float:
    """Of the shipped committee without a label on four micrographs, were that the diameter; matched by the true one."""
    committee = Committee(pretrained_members(CONFIG.network), torch.device("cpu"))
    truth_angstrom, pixel_size = REAL[name]
    size, picking = CONFIG.preprocess.pixels_per_diameter, CONFIG.picking
    logits, correct, n_truth = [], [], 0
    for path in chosen(name):
        marks = np.loadtxt(SHARED / name / "particles" / f"{path.stem}.csv", delimiter=",", skiprows=1, usecols=(0, 1))
        scaled = prepare(picture(path), diameter_angstrom / pixel_size, CONFIG.preprocess)
        maps = score(committee, scaled, picking.max_tile_px, picking.smoothing_diameters * size)
        found = propose(maps.logits, scaled.valid, size, picking)
        logits.append(found.member_logit.astype(np.float64).mean(axis=0))
        radius_px = picking.match_radius_diameters * truth_angstrom / pixel_size
        correct.append(match(scaled.to_original(found.xy), marks.reshape(-1, 2), radius_px, logits[-1]).correct)
        n_truth += len(marks)
    return precision_recall_curve(np.concatenate(logits), np.concatenate(correct), n_truth).best_f1[0]


def chosen(name: str) -> list[Path]:
    """Four micrographs spread over a real set."""
    paths = sorted((SHARED / name / "images").iterdir())
    return [paths[i] for i in np.linspace(0, len(paths) - 1, 4).astype(int)]


def picture(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("F"))


def told(title: str, truths: np.ndarray, curves: list[SizeCurve]) -> None:
    """Errors, and how often given diameters are objected to."""
    error = np.abs(np.log([curve.best_angstrom for curve in curves] / truths))
    print(f"{title}: {len(curves)} collections; median error {np.expm1(np.median(error)):.1%}, within 15 % "
          f"{np.mean(error < np.log(1.15)):.0%}, within 30 % {np.mean(error < np.log(1.3)):.0%}")  # fmt: skip
    for factor in (0.7, 1.0, 1.3):
        objected = [doubts(curve, factor * truth) for curve, truth in zip(curves, truths, strict=True)]
        print(f"    given {factor} times the truth: objected to in {np.mean(objected):.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--collections", type=int, default=60)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--json", type=Path, help="keep the curves here, and do not make again what it has")
    options = parser.parse_args()
    kept = json.loads(options.json.read_text()) if options.json and options.json.exists() else []
    missing = set(range(options.first, options.first + options.collections)) - {one["index"] for one in kept}
    with ProcessPoolExecutor(2) as pool:
        for one in pool.map(collection, sorted(missing)):
            kept.append(one)
            if options.json:
                options.json.write_text(json.dumps(kept))
    for name, (truth, _) in REAL.items():
        if (SHARED / name).exists():
            curve = real(name)
            objected = [doubts(curve, factor * truth) for factor in (0.7, 1.0, 1.3)]
            print(f"{name}: {truth} Å, judged {curve.best_angstrom:.0f} Å; 0.7, 1.0, 1.3 times objected to: {objected}")
            f1 = [best_f1(name, one) for one in (truth, curve.best_angstrom, 0.7 * truth, 1.3 * truth)]
            print(f"    best F1 without labels at the true, the judged, 0.7 and 1.3 times the true: {np.round(f1, 3)}")
    truths = np.array([one["truth"] for one in kept])
    curves = [SizeCurve(np.array(one["diameter"]), np.array(one["response"])) for one in kept]
    long = np.array([one["elongation"] > 2 for one in kept])
    for title, meant in (("compact particles", ~long), ("long particles", long)):
        told(title, truths[meant], [curve for curve, is_meant in zip(curves, meant, strict=True) if is_meant])
    unclear = [one for one in kept if one["light"] is not None]
    wrong = sum(one["skewness"] > 0 for one in kept if one["light"] is None)
    mended = sum(one["light"] > max(one["response"]) for one in unclear)
    misled = sum(one["skewness"] > 0 for one in unclear)
    print(f"polarity: {len(unclear)} of {len(kept)} unclear by the brightness, which misleads in {misled} of them")
    print(f"polarity: wrong after all in {wrong + mended}")


if __name__ == "__main__":
    main()
