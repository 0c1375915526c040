"""Training of the denoiser that ships with the package, on simulated micrographs with and without their noise."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import nn

from cryoal.learner.denoised_view import DENOISING
from cryoal.learner.progress import Progress
from cryoal.model.denoising import DenoisingNetwork, save_denoiser
from cryoal.preprocess.background import local_mean
from cryoal.preprocess.pipeline import MAD_TO_SIGMA
from cryoal.simulation.micrographs import MicrographSettings, simulate_micrograph
from cryoal.simulation.pretraining import extra_noise, random_settings

_SIDE_PX = 480
_DIAMETER_ANGSTROM = (90.0, 400.0)
_MAX_SCALE = 1.3  # a user's diameter is rough, and the eye shall not depend on it
_MAX_EXTRA_NOISE = 3.0
_NO_NOISE_DOSE_PER_SQUARE_ANGSTROM = 1e6
_PATCH_PX, _BATCH = 128, 8
_LEARNING_RATE, _WEIGHT_DECAY, _MAX_GRADIENT, _WARM_UP_SHARE = 1e-3, 1e-4, 0.5, 0.15
_LEAST_CONTRAST = 0.1  # images of nothing must not weigh more than those of particles
_REPORT_EVERY = 10


@dataclass(frozen=True, slots=True)
class Pair:
    """A micrograph with and without noise, as the denoiser sees it.

    Attributes
    ----------
    noisy, clean : float32 array, shape (N, N)
        Particles bright, background taken off, in robust standard deviations of `noisy`.
    """

    noisy: NDArray[np.float32]
    clean: NDArray[np.float32]


def denoising_pair(seed: int, index: int) -> Pair:
    """Simulate one micrograph twice, the second time with hardly any noise."""
    rng = np.random.default_rng([seed, index])
    diameter_angstrom = float(np.exp(rng.uniform(*np.log(_DIAMETER_ANGSTROM))))
    size = DENOISING.pixels_per_diameter * _MAX_SCALE ** rng.uniform(-1, 1)
    settings = random_settings(diameter_angstrom, rng)
    settings = replace(settings, shape=(_SIDE_PX, _SIDE_PX), pixel_size_angstrom=diameter_angstrom / size)
    noisy, clean = (
        _flat(simulate_micrograph(one, np.random.default_rng([seed, index, 1])).pixels / dose)
        for one, dose in (
            (settings, settings.detector.dose_per_square_angstrom),
            (_without_noise(settings), _NO_NOISE_DOSE_PER_SQUARE_ANGSTROM),
        )
    )
    sigma = _robust_sigma(noisy)
    mixed = noisy / sigma + rng.uniform(0, _MAX_EXTRA_NOISE) * extra_noise(noisy.shape, rng)
    total = _robust_sigma(mixed)
    parts = (
        np.clip(one, -DENOISING.clip_sigmas, DENOISING.clip_sigmas) for one in (mixed / total, clean / sigma / total)
    )
    return Pair(*(one.astype(np.float32) for one in parts))


def train_denoiser(
    out: Path, micrographs: int, steps: int, seed: int, workers: int = 2
) -> Iterator[Progress | DenoisingNetwork]:
    """Train the denoiser and write it to a folder; the last value is the network.

    The loss is the mean square error over the variance of what is to be found, so that faint micrographs count as much
    as clear ones. The same arguments give the same weights on the same machine.
    """
    pairs = []
    with ProcessPoolExecutor(workers) as pool:
        for index, pair in enumerate(pool.map(denoising_pair, [seed] * micrographs, range(micrographs))):
            yield Progress("simulating", index, micrographs)
            pairs.append(pair)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = DenoisingNetwork().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), _LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, _LEARNING_RATE, total_steps=steps, pct_start=_WARM_UP_SHARE
    )
    rng = np.random.default_rng([seed, 1])
    for step in range(steps):
        noisy, clean = _patches(pairs, rng)
        wrong = (network(noisy) - clean) / (clean.std((1, 2, 3), keepdim=True) + _LEAST_CONTRAST)
        optimiser.zero_grad(set_to_none=True)
        (wrong**2).mean().backward()
        nn.utils.clip_grad_norm_(network.parameters(), _MAX_GRADIENT)
        optimiser.step()
        schedule.step()
        if step % _REPORT_EVERY == 0:
            yield Progress("training", step, steps)
    save_denoiser(network, out)
    yield network.eval()


def _without_noise(settings: MicrographSettings) -> MicrographSettings:
    """The same specimen in smooth ice under a dose that leaves no shot noise."""
    detector = replace(settings.detector, dose_per_square_angstrom=_NO_NOISE_DOSE_PER_SQUARE_ANGSTROM)
    return replace(settings, ice=replace(settings.ice, granularity=0.0), detector=detector)


def _flat(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Particles bright, background taken off."""
    sigma_px = DENOISING.background_sigma_diameters * DENOISING.pixels_per_diameter
    flat: NDArray[np.float32] = local_mean(pixels, np.ones(pixels.shape, bool), sigma_px) - pixels
    return flat


def _robust_sigma(pixels: NDArray[np.floating]) -> float:
    """1.4826 times the median absolute deviation."""
    return MAD_TO_SIGMA * float(np.median(np.abs(pixels - np.median(pixels))))


def _patches(pairs: Sequence[Pair], rng: Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch, turned and mirrored at random."""
    drawn = []
    for _ in range(_BATCH):
        pair = pairs[int(rng.integers(len(pairs)))]
        y, x = (int(rng.integers(side - _PATCH_PX)) for side in pair.noisy.shape)
        both = np.stack([pair.noisy, pair.clean])[:, y : y + _PATCH_PX, x : x + _PATCH_PX]
        both = np.rot90(both, int(rng.integers(4)), (1, 2))
        drawn.append(both[:, ::-1] if rng.random() < 1 / 2 else both)
    batch = torch.from_numpy(np.stack(drawn))
    return batch[:, :1].contiguous(memory_format=torch.channels_last), batch[:, 1:]
