"""Filters of torch maps, against scipy's."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from cryoal.filters import box_max, box_mean, gaussian

MAPS = np.random.default_rng(0).standard_normal((3, 41, 30)).astype(np.float32)


@pytest.mark.parametrize("zero_beyond", [False, True])
@pytest.mark.parametrize("sigma", [0.0, 0.7, 1.0, 5.0, 14.0])
def test_gaussian(sigma, zero_beyond):
    mode = "constant" if zero_beyond else "nearest"
    expected = np.stack([ndimage.gaussian_filter(one, sigma, mode=mode) for one in MAPS])
    found = gaussian(torch.from_numpy(MAPS.copy()), sigma, zero_beyond=zero_beyond)
    assert found.numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("window", [1, 3, 7])
def test_boxes(window):
    mean = np.stack([ndimage.uniform_filter(one, window, mode="nearest") for one in MAPS])
    assert box_mean(torch.from_numpy(MAPS), window).numpy() == pytest.approx(mean, abs=1e-5)
    largest = np.stack([ndimage.maximum_filter(one, window, mode="nearest") for one in MAPS])
    assert np.array_equal(box_max(torch.from_numpy(MAPS), window).numpy(), largest)
    marked = MAPS > 1.5
    grown = np.stack([ndimage.binary_dilation(one, np.ones((window, window))) for one in marked])
    assert np.array_equal(box_max(torch.from_numpy(marked), window).numpy(), grown)


def test_what_is_filtered_is_not_modified():
    maps = torch.from_numpy(MAPS.copy())
    for filtered in (gaussian(maps, 2.0), box_mean(maps, 3), box_max(maps, 3)):
        filtered.add_(1.0)
        assert np.array_equal(maps.numpy(), MAPS)
