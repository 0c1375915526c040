import numpy as np
import pytest
from scipy import ndimage

from cryoal.errors import MicrographError
from cryoal.learner.denoised_view import denoised_view


def discs(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Dark discs, 40 pixels wide, in white noise: what they are, and what is seen."""
    y, x = np.mgrid[:400, :400]
    clean = np.zeros((400, 400), np.float32)
    for at in ((90, 100), (250, 120), (180, 300), (330, 310)):
        clean -= np.hypot(y - at[0], x - at[1]) < 20
    clean = ndimage.gaussian_filter(clean, 2)
    return clean, clean + rng.normal(0, 1.5, clean.shape).astype(np.float32)


@pytest.mark.parametrize("dark", [True, False])
def test_particles_come_out_bright_and_noise_is_gone(dark):
    clean, noisy = discs(np.random.default_rng(0))
    view = denoised_view(noisy if dark else -noisy, 40.0, particles_dark=dark)
    assert view.pixels.shape == (240, 240)
    truth = -ndimage.zoom(clean, 240 / 400, order=1)
    inside, outside = view.pixels[truth > 0.8], view.pixels[ndimage.gaussian_filter(truth, 3) < 0.02]
    assert inside.mean() > outside.mean() + 6 * outside.std()


def test_dead_areas_are_empty():
    _, noisy = discs(np.random.default_rng(1))
    noisy[:150] = noisy.mean()
    view = denoised_view(noisy, 40.0, particles_dark=True)
    assert not view.valid[:60].any()
    assert (view.pixels[~view.valid] == 0).all()


def test_too_small_a_micrograph_is_refused():
    with pytest.raises(MicrographError, match="too few"):
        denoised_view(np.zeros((50, 50), np.float32), 40.0, particles_dark=True)
