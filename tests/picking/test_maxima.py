"""Maxima found on a device, against those without torch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cryoal.picking.maxima import local_maxima
from cryoal.picking.peaks import find_peaks, strongest_apart


@given(st.integers(0, 2**32 - 1), st.sampled_from([None, 1.0]), st.floats(0, 5))
@settings(max_examples=20)
def test_the_same_peaks(seed, levels, distance):
    rng = np.random.default_rng(seed)
    score = rng.standard_normal((25, 31))
    score = (score if levels is None else np.round(score * levels)).astype(np.float32)
    valid = rng.random(score.shape) < 0.8
    xy, height = local_maxima(torch.from_numpy(score), torch.from_numpy(valid), 0.2)
    kept = strongest_apart(xy, height, distance)
    expected_xy, expected_height = find_peaks(score, valid, distance, 0.2)
    assert xy[kept] == pytest.approx(expected_xy)
    assert height[kept] == pytest.approx(expected_height)


def test_none():
    xy, height = local_maxima(torch.zeros(9, 8), torch.ones(9, 8, dtype=torch.bool), 0.5)
    assert xy.shape == (0, 2)
    assert height.shape == (0,)
