"""Dark or bright particles: simulated micrographs, the real sets, and the negatives of both."""

from pathlib import Path

import numpy as np
import pytest

from cryoal.config import PreprocessConfig
from cryoal.preprocess.pipeline import prepare
from cryoal.preprocess.polarity import brightness_skew
from cryoal.simulation.micrographs import MicrographSettings, simulate_micrograph
from cryoal.simulation.specimen import Ice, Species
from cryoal.simulation.volumes import build_volume

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
# set, particle diameter in pixels
REAL_SETS = [("apoferritin_10146", 126 / 1.5), ("bgal_10017", 191 / 1.77), ("ribosome80S_10028", 300 / 5.36)]


def skew_of(pixels, diameter_px):
    config = PreprocessConfig()
    return brightness_skew(prepare(pixels, diameter_px, config, particles_dark=False), config.pixels_per_diameter)


@pytest.mark.parametrize("seed", [0, 1])
def test_simulated(seed):
    rng = np.random.default_rng(seed)
    species = Species(build_volume("globular", 160.0, rng), 0.15)
    settings = MicrographSettings((320, 352), 6.0, (species,), ice=Ice(thickness_angstrom=300))
    pixels = simulate_micrograph(settings, rng).pixels
    assert skew_of(pixels, 160 / 6) < -0.1
    assert skew_of(-pixels, 160 / 6) > 0.1


@pytest.mark.parametrize(("name", "diameter_px"), REAL_SETS)
def test_real_particles_are_dark(name, diameter_px):
    images = sorted((SHARED / name / "images").glob("*.*"))
    if not images:
        pytest.skip("../shared/data is not there: no real micrographs")
    pixels = np.asarray(pytest.importorskip("PIL.Image").open(images[0]), np.float32)
    skew = skew_of(pixels, diameter_px)
    assert skew < -0.05
    assert skew_of(255 - pixels, diameter_px) == pytest.approx(-skew, abs=1e-3)


def test_dead_areas_do_not_decide():
    rng = np.random.default_rng(2)
    yy, xx = np.indices((400, 420))
    pixels = rng.standard_normal((400, 420))
    for x, y in rng.uniform(20, 380, (30, 2)):
        pixels -= 1.5 * np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / (2 * 8**2))
    for dead in (-1e3, 1e3):
        pixels[:, 300:] = dead
        assert skew_of(pixels.astype(np.float32), 40.0) < -0.05
        assert skew_of(-pixels.astype(np.float32), 40.0) > 0.05
