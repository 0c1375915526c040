"""Blobs: a disc of the particle's width answers most, at its centre; nothing else does."""

import numpy as np
import pytest
from scipy import ndimage

from cryoal.data.micrograph import ScaledMicrograph
from cryoal.picking.blobs import find_blobs

DIAMETER = 20
CENTRES = np.array([[30.0, 25.0], [80.0, 30.0], [55.0, 70.0]])


def scaled(pixels: np.ndarray, valid: np.ndarray | None = None) -> ScaledMicrograph:
    valid = np.ones(pixels.shape, bool) if valid is None else valid
    return ScaledMicrograph(pixels.astype(np.float32), valid, (1.0, 1.0), pixels.shape)


def discs(diameter: float, shape: tuple[int, int] = (100, 120), noise: float = 0.1) -> np.ndarray:
    y, x = np.indices(shape)
    image = np.zeros(shape)
    for cx, cy in CENTRES:
        image[np.hypot(x - cx, y - cy) <= diameter / 2] = 1.0
    return image + noise * np.random.default_rng(0).normal(size=shape)


def test_discs_are_found_at_their_centres():
    xy, response = find_blobs(scaled(discs(DIAMETER)), DIAMETER, 10, 5.0)
    assert len(xy) == len(CENTRES)
    assert (np.diff(response) <= 0).all()
    for centre in CENTRES:
        assert np.hypot(*(xy - centre).T).min() < 0.5


def test_the_response_is_that_of_the_formula():
    """At the centre of a disc of radius r, −s² ∇²G * disc = r²/s² exp(−r²/2s²), which is 2/e at s = r/√2."""
    image = discs(40, shape=(160, 160), noise=0.0)
    image += 1e-3 * np.random.default_rng(0).normal(size=image.shape)
    one = np.where(np.hypot(*(np.indices(image.shape) - 80)) <= 20, 1.0, 0.0)
    response = -ndimage.gaussian_laplace(one, 20 / np.sqrt(2)) * (20**2 / 2)
    assert response[80, 80] == pytest.approx(2 / np.e, rel=0.02)
    _, found = find_blobs(scaled(one + 0.3 * np.random.default_rng(0).normal(size=one.shape)), 40, 20, 0.0)
    assert found[0] > 3 * found[1]


@pytest.mark.parametrize("diameter", [10, 40])
def test_a_blob_of_another_width_answers_less(diameter):
    def peak(width: float) -> float:
        one = np.where(np.hypot(*(np.indices((160, 160)) - 80)) <= width / 2, 1.0, 0.0)
        noise = np.random.default_rng(1).normal(size=one.shape)
        return float(find_blobs(scaled(one + noise), DIAMETER, 10, 0.0)[1][0])

    assert peak(diameter) < peak(DIAMETER)


def test_dark_blobs_and_invalid_areas_hold_none():
    assert len(find_blobs(scaled(-discs(DIAMETER)), DIAMETER, 10, 5.0)[0]) == 0
    valid = np.ones((100, 120), bool)
    valid[:, 70:] = False
    xy, _ = find_blobs(scaled(discs(DIAMETER), valid), DIAMETER, 10, 5.0)
    assert len(xy) == 2


def test_no_two_are_near_and_none_is_weak():
    rng = np.random.default_rng(2)
    xy, response = find_blobs(scaled(rng.normal(size=(150, 200))), DIAMETER, 15, 1.0)
    distance = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1)) + 1e9 * np.eye(len(xy))
    assert len(xy) > 3
    assert distance.min() >= 15
    assert response.min() >= 1.0


def test_an_image_without_structure_or_valid_pixels_has_none():
    flat = np.zeros((60, 60))
    assert len(find_blobs(scaled(flat), DIAMETER, 10, 1.0)[0]) == 0
    assert len(find_blobs(scaled(flat, np.zeros((60, 60), bool)), DIAMETER, 10, 1.0)[0]) == 0
