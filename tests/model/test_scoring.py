"""Score maps: the same in one pass, in tiles and in a field scored alone; features where they belong."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from cryoal.data.classes import Classes
from cryoal.model.committee import Committee
from cryoal.model.scoring import score
from tests.model.simulated import SMALL, make_members, make_scaled, noise

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def committee():
    return Committee(make_members(), CPU)


@pytest.mark.parametrize(
    ("shape", "max_tile_px", "smoothing_px"),
    [((129, 157), 101, 1.0), ((131, 80), 64, 0.0), ((60, 162), 64, 1.0), ((97, 101), 60, 0.0), ((33, 201), 70, 0.0)],
)
def test_tiles_have_no_seams(committee, shape, max_tile_px, smoothing_px):
    assert committee.halo_px == 24
    scaled = noise(shape)
    whole = score(committee, scaled, 4096, smoothing_px)
    tiled = score(committee, scaled, max_tile_px, smoothing_px)
    assert tiled.logits.shape == whole.logits.shape == (3, *shape)
    assert tiled.features.shape == whole.features.shape == (8, -(-shape[0] // 2), -(-shape[1] // 2))
    assert np.abs(tiled.logits - whole.logits).max() < 1e-4
    assert np.abs(tiled.features - whole.features).max() < 1e-4
    assert whole.logits.std() > 0.1
    assert whole.logits.dtype == whole.features.dtype == np.float32


def test_tiles_smaller_than_the_halo(committee):
    scaled = noise((41, 50))
    assert np.abs(score(committee, scaled, 16).logits - score(committee, scaled, 4096).logits).max() < 1e-4


def test_tiles_are_what_is_scored_at_a_time(committee, monkeypatch):
    sizes = []
    call = Committee.__call__

    def spy(self, image):
        sizes.append(image.shape[-2:])
        return call(self, image)

    monkeypatch.setattr(Committee, "__call__", spy)
    score(committee, noise((200, 210)), 100)
    assert len(sizes) > 1
    assert max(max(size) for size in sizes) <= 100


def test_a_field_alone_has_the_scores_it_has_in_its_micrograph(committee):
    whole = noise((200, 220))
    field = make_scaled(whole.pixels[40:161, 60:193])
    halo = committee.halo_px
    inside = score(committee, whole, 4096).logits[:, 40 + halo : 161 - halo, 60 + halo : 193 - halo]
    assert np.abs(score(committee, field, 4096).logits[:, halo:-halo, halo:-halo] - inside).max() < 1e-4


def test_what_is_beyond_the_rim_counts_as_background(committee):
    scaled = noise((61, 63))
    padded = make_scaled(np.pad(scaled.pixels, ((0, 3), (0, 1))))
    assert np.array_equal(score(committee, scaled, 4096).logits, score(committee, padded, 4096).logits[:, :61, :63])


def test_smoothing_is_gaussian(committee):
    scaled = noise((64, 72))
    plain, smooth = (score(committee, scaled, 4096, sigma).logits for sigma in (0.0, 1.5))
    expected = np.stack([ndimage.gaussian_filter(one, 1.5, mode="nearest") for one in plain])
    assert np.abs(smooth - expected)[:, 8:-8, 8:-8].max() < 0.02
    assert smooth.std() < plain.std()


def test_features_are_taken_at_the_positions(committee):
    maps = score(committee, noise((61, 75)), 4096)
    maps.features[0] = np.arange(38)[None, :]
    maps.features[1] = np.arange(31)[:, None]
    xy = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0], [0.0, 3.0], [40.4, 10.6], [74.0, 60.0], [-0.5, 60.5]])
    at = maps.features_at(xy)
    assert at.shape == (7, SMALL.channels)
    # Half pixel j covers the pixels 2j and 2j + 1.
    assert at[:, 0].tolist() == [0, 0, 1, 0, 20, 37, 0]
    assert at[:, 1].tolist() == [0, 0, 0, 1, 5, 30, 30]
    assert maps.features_at(np.empty((0, 2))).shape == (0, SMALL.channels)


def test_the_micrograph_is_not_modified(committee):
    scaled = noise((50, 54))
    before = scaled.pixels.copy()
    score(committee, scaled, 64, 1.0)
    assert np.array_equal(scaled.pixels, before)


def test_logits_of_classes_have_no_seams_and_are_read_at_a_quarter_of_the_scale():
    committee = Committee(make_members(classes=Classes((1, 2), (1,))), CPU)
    scaled = noise((131, 80))
    whole, tiled = score(committee, scaled, 4096), score(committee, scaled, 64)
    assert whole.class_logits.shape == (3, 4, 33, 20)
    assert np.abs(tiled.class_logits - whole.class_logits).max() < 1e-4
    assert whole.class_logits.std() > 0.1
    at = whole.class_logits_at(np.array([[21.5, 41.5], [79.0, 130.0]]))
    assert at.shape == (3, 2, 4)
    np.testing.assert_array_equal(at[:, 0], whole.class_logits[:, :, 10, 5])
    np.testing.assert_array_equal(at[:, 1], whole.class_logits[:, :, 32, 19])


def test_without_classes_there_are_none(committee):
    assert score(committee, noise((40, 44)), 4096).class_logits_at(np.zeros((5, 2))).shape == (3, 5, 0)
