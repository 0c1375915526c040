"""Training of the committee that ships with the package, on nothing but simulated micrographs."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage

from cryoal.config import Config
from cryoal.data.labels import Label, MicrographLabels, Origin, Verdict
from cryoal.data.micrograph import ScaledMicrograph
from cryoal.io.durable import write_atomic
from cryoal.learner.held_out import judge_held_out
from cryoal.learner.progress import Progress
from cryoal.model.calibration import choose_calibration
from cryoal.model.checkpoint import save_members
from cryoal.model.committee import Member
from cryoal.model.devices import device_named
from cryoal.model.label_maps import LabelMaps, label_maps
from cryoal.model.patches import TrainingImage
from cryoal.model.training import MemberTask, train_members
from cryoal.preprocess.pipeline import prepare
from cryoal.simulation.junk import Junk
from cryoal.simulation.micrographs import MicrographSettings, simulate_micrograph
from cryoal.simulation.optics import Detector, Optics
from cryoal.simulation.specimen import Ice, Species
from cryoal.simulation.volumes import Volume, build_volume

_SIDE_PX = 720
_PIXELS_PER_DIAMETER = 30  # finer than the network sees, so that contrast transfer is not aliased into its pixels
_SHAPE_SHARES = {"globular": 0.45, "barrel": 0.25, "rod": 0.1, "shell": 0.2}
_CALIBRATED_ON = 100  # micrographs
_MAX_EXTRA_NOISE = 2.0  # simulated contrast, over the noise at the network's scale, is better than many real sets'


def random_settings(diameter_angstrom: float, rng: Generator) -> MicrographSettings:
    """Draw what a micrograph of one unknown particle may look like: its shape, ice, optics, camera and junk.

    Parameters
    ----------
    diameter_angstrom : float
        As the user would give it; the particle's own is 0.8 to 1.2 times as large.
    rng : Generator
    """
    pixel = diameter_angstrom / _PIXELS_PER_DIAMETER
    species = [
        Species(
            _random_volume(diameter_angstrom * rng.uniform(0.8, 1.2), rng),
            _log_uniform(0.04, 0.55, rng),
            None if rng.random() < 0.6 else rng.uniform(10, 40),
        )
    ]
    if rng.random() < 0.3:
        contaminant = _random_volume(diameter_angstrom * rng.uniform(0.3, 0.6), rng)
        species.append(Species(contaminant, rng.uniform(0.01, 0.06)))
    optics = Optics(
        defocus_angstrom=rng.uniform(7e3, 3.5e4),
        astigmatism_angstrom=rng.uniform(0, 800),
        astigmatism_angle_degrees=rng.uniform(0, 180),
        voltage_kilovolt=float(rng.choice([200.0, 300.0])),
        amplitude_contrast=float(rng.choice([0.07, 0.1])),
        phase_shift_degrees=90.0 if rng.random() < 0.07 else 0.0,
        b_factor_square_angstrom=rng.uniform(60, 300),
    )
    return MicrographSettings(
        (_SIDE_PX, _SIDE_PX),
        pixel,
        tuple(species),
        spacing=rng.uniform(0.7, 1.0),
        ice=Ice(
            float(np.clip(diameter_angstrom * rng.uniform(1, 4), 200, 1500)),
            gradient=rng.uniform(0, 0.5),
            undulation=rng.uniform(0, 0.15),
        ),
        optics=optics,
        detector=Detector(_log_uniform(15, 60, rng), rng.uniform(0.2, 0.8)),
        junk=_random_junk((_SIDE_PX * pixel) ** 2, rng),
    )


def training_image(seed: int, index: int, config: Config) -> tuple[ScaledMicrograph, LabelMaps]:
    """Simulate one micrograph and bring it, noisier still, to the picker's scale, with its whole truth."""
    rng = np.random.default_rng([seed, index])
    diameter_angstrom = _log_uniform(90, 400, rng)
    simulated = simulate_micrograph(random_settings(diameter_angstrom, rng), rng)
    scaled = prepare(simulated.pixels, _PIXELS_PER_DIAMETER, config.preprocess)
    scaled = replace(scaled, pixels=_noisier(scaled, config.preprocess.clip_sigmas, rng))
    wanted = simulated.picks.select(simulated.picks.class_number == 1)
    marks = tuple(Label(float(x), float(y), Verdict.PARTICLE, Origin.COMPLETE) for x, y in wanted.xy)
    labels = MicrographLabels(marks, complete=True)
    return scaled, label_maps(scaled, labels, config.preprocess.pixels_per_diameter, config.training)


@dataclass(frozen=True, slots=True)
class Course:
    """How long a member is trained, and on how much.

    Attributes
    ----------
    micrographs : int
        It learns from the first so many, less its own share.
    steps, batch : int
        Steps of the optimiser, and patches in each.
    """

    micrographs: int
    steps: int
    batch: int


def pretrain(
    out: Path, courses: Sequence[Course], seed: int, config: Config, device: str = "cpu", workers: int = 2
) -> Iterator[Progress | list[Member]]:
    """Train the committee, a member a course, and write its members to a folder; the last value is the members.

    Each member leaves out its own share of the micrographs, so that all of them are judged by one that did not
    learn from them. The same arguments give the same weights on the same machine.
    """
    on, members = device_named(device), len(courses)
    micrographs = max(course.micrographs for course in courses)
    images = []
    with ProcessPoolExecutor(workers) as pool:
        futures = [pool.submit(training_image, seed, index, config) for index in range(micrographs)]
        for index, future in enumerate(futures):
            yield Progress("simulating", index, micrographs)
            scaled, maps = future.result()
            folds = np.full(scaled.pixels.shape, index % members, np.int16)
            images.append(TrainingImage.build(scaled, maps, folds))
    seeds = np.random.SeedSequence([seed, 1]).generate_state(members)
    size = config.preprocess.pixels_per_diameter
    trained: dict[int, Member] = {}
    for course in dict.fromkeys(courses):
        alike = [fold for fold in range(members) if courses[fold] == course]
        tasks = [MemberTask(images[: course.micrographs], fold, course.steps, int(seeds[fold])) for fold in alike]
        training = replace(config.training, batch=course.batch)
        for report in train_members(tasks, size, config.network, training, on):
            if isinstance(report, list):
                some = [Member(one.network, one.prior_shift_logit) for one in report]
                trained |= dict(zip(alike, some, strict=True))
            else:
                yield Progress("training", report.done, report.total)
    committee = [trained[fold] for fold in range(members)]
    save_members(committee, out)
    judges = {fold: [one] for fold, one in enumerate(committee)}
    judged = yield from judge_held_out(images[:_CALIBRATED_ON], judges, config, on)
    calibration = choose_calibration(judged.logit, judged.is_particle, judged.unit)
    write_atomic(out / "calibration.json", json.dumps(calibration.to_dict(), indent=1) + "\n")
    yield committee


def extra_noise(shape: tuple[int, ...], rng: Generator) -> NDArray[np.float64]:
    """Noise of unit variance, white or smooth."""
    noise = rng.standard_normal(shape)
    if rng.random() < 0.5:
        noise = ndimage.gaussian_filter(noise, rng.uniform(0.4, 1.0))
        noise /= noise.std()
    return noise


def _random_volume(diameter_angstrom: float, rng: Generator) -> Volume:
    """A particle of any of the shapes."""
    shape = rng.choice(list(_SHAPE_SHARES), p=list(_SHAPE_SHARES.values()))
    return build_volume(str(shape), diameter_angstrom, rng)


def _random_junk(area_square_angstrom: float, rng: Generator) -> Junk:
    """Clean in four of ten; what there is grows with the area."""
    carbon_reach = rng.uniform(0.1, 0.5) if rng.random() < 0.2 else 0.0
    if rng.random() < 0.4:
        return Junk(carbon_reach=carbon_reach)
    fields = area_square_angstrom / 3000.0**2
    return Junk(
        ice_crystals=rng.uniform(0, 6) * fields,
        ethane_patches=rng.uniform(0, 5) * fields,
        aggregates=rng.uniform(0, 4),
        carbon_reach=carbon_reach,
    )


def _noisier(scaled: ScaledMicrograph, clip_sigmas: float, rng: Generator) -> NDArray[np.float32]:
    """The pixels under more noise, white or smooth, and normalised again."""
    noise = extra_noise(scaled.pixels.shape, rng)
    mixed = scaled.pixels + rng.uniform(0, _MAX_EXTRA_NOISE) * noise
    inside = mixed[scaled.valid]
    middle = np.median(inside)
    sigma = 1.4826 * np.median(np.abs(inside - middle))
    normal = np.clip((mixed - middle) / sigma, -clip_sigmas, clip_sigmas)
    return np.where(scaled.valid, normal, 0.0).astype(np.float32)


def _log_uniform(low: float, high: float, rng: Generator) -> float:
    """Uniform in the logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
