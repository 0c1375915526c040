"""Descriptors of patches: the same for a turned patch, different for another particle."""

import numpy as np
import pytest

from cryoal.picking.descriptors import DESCRIPTORS, radial_descriptors

DIAMETER = 20


def patch(seed: int) -> np.ndarray:
    """A smooth random patch, its centre at pixel (30, 30)."""
    y, x = np.mgrid[-30:31, -30:31] / DIAMETER
    blobs = np.random.default_rng(seed).uniform(-0.6, 0.6, (6, 2))
    return sum(np.exp(-((x - bx) ** 2 + (y - by) ** 2) / 0.05) for bx, by in blobs).astype(np.float32)


@pytest.mark.parametrize("turn", [np.rot90, np.flipud, np.transpose])
def test_turning_a_patch_changes_nothing(turn) -> None:
    centre = np.array([[30.0, 30.0]])
    one = radial_descriptors(patch(0), centre, DIAMETER)
    assert one.shape == (1, DESCRIPTORS)
    assert radial_descriptors(np.ascontiguousarray(turn(patch(0))), centre, DIAMETER) == pytest.approx(one, abs=1e-5)
    other = radial_descriptors(patch(1), centre, DIAMETER)
    assert np.abs(other - one).max() > 0.1


def test_rings_of_a_plane_and_of_the_rim() -> None:
    x = np.tile(np.arange(80, dtype=np.float32), (80, 1))
    mean, spread = np.split(radial_descriptors(x, np.array([[40.0, 40.0]]), DIAMETER)[0], 2)
    assert mean == pytest.approx(40, abs=0.01)
    assert spread == pytest.approx(np.linspace(0, 0.9 * DIAMETER, 10) / np.sqrt(2), abs=0.1)
    assert np.isfinite(radial_descriptors(x, np.array([[0.0, 0.0], [79.0, 79.0]]), DIAMETER)).all()
    assert radial_descriptors(x, np.empty((0, 2)), DIAMETER).shape == (0, DESCRIPTORS)
