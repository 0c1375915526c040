import numpy as np
import torch
from scipy import ndimage

from cryoal.learner.progress import Progress
from cryoal.model.denoising import load_denoiser, without_noise
from cryoal.simulation.denoising import denoising_pair, train_denoiser

UNSEEN_SEED = 5
"""The shipped network was trained on those of seed 1."""


def test_a_pair_is_one_specimen_in_one_unit():
    pair = denoising_pair(UNSEEN_SEED, 0)
    again, other = denoising_pair(UNSEEN_SEED, 0), denoising_pair(UNSEEN_SEED, 1)
    assert np.array_equal(pair.noisy, again.noisy)
    assert not np.array_equal(pair.noisy, other.noisy)
    noise = pair.noisy - pair.clean
    assert abs(np.corrcoef(noise.ravel(), pair.clean.ravel())[0, 1]) < 0.1
    spread = 1.4826 * np.median(np.abs(pair.noisy - np.median(pair.noisy)))
    assert abs(spread - 1) < 0.01


def test_unseen_micrographs_come_nearer_to_what_they_are_without_noise_than_by_any_low_pass():
    network = load_denoiser()
    gains = []
    for index in range(6):
        pair = denoising_pair(UNSEEN_SEED, index)
        smooth = [ndimage.gaussian_filter(pair.noisy, sigma) for sigma in (0.7, 1.0, 1.5, 2.0, 3.0, 4.0)]
        best = max(np.corrcoef(one.ravel(), pair.clean.ravel())[0, 1] for one in smooth)
        clean = without_noise(network, pair.noisy)
        gains.append(np.corrcoef(clean.ravel(), pair.clean.ravel())[0, 1] - best)
    assert np.mean(gains) > 0.05
    assert min(gains) > -0.05


def test_training_learns_is_repeatable_and_keeps_what_it_made(tmp_path):
    *reports, trained = train_denoiser(tmp_path, 2, 12, 0, workers=1)
    assert {report.stage for report in reports if isinstance(report, Progress)} == {"simulating", "training"}
    *_, twice = train_denoiser(tmp_path / "twice", 2, 12, 0, workers=1)
    pixels = denoising_pair(0, 0).noisy
    assert np.allclose(without_noise(trained, pixels), without_noise(load_denoiser(tmp_path), pixels), atol=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(trained.parameters(), twice.parameters(), strict=True))
