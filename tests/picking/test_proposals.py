"""Candidates of a committee: where its mean peaks, and what each member says there."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.distance import pdist

from cryoal.config import PickingConfig
from cryoal.picking.proposals import propose

CONFIG = PickingConfig()
SIZE = 20


def maps(seed, members=3, shape=(70, 83)):
    rng = np.random.default_rng(seed)
    return ndimage.gaussian_filter(rng.standard_normal((members, *shape)), (0, 2, 2)).astype(np.float32) * 20


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_each_member_has_the_largest_of_its_nine_pixels(seed, members):
    logits = maps(seed, members)
    found = propose(logits, np.ones(logits.shape[1:], bool), SIZE, CONFIG)
    assert found.member_logit.shape == (members, len(found.xy))
    assert found.member_logit.dtype == np.float32
    for number, (x, y) in enumerate(np.round(found.xy).astype(int)):
        window = logits[:, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        assert np.array_equal(found.member_logit[:, number], window.max(axis=(1, 2)))


@given(st.integers(0, 2**32 - 1))
def test_candidates_are_apart_and_above_the_least_logit(seed):
    logits = maps(seed)
    config = PickingConfig(min_distance_diameters=0.4, min_logit=0.5)
    found = propose(logits, np.ones(logits.shape[1:], bool), SIZE, config)
    assert len(found.xy) < 2 or pdist(found.xy).min() >= 0.4 * SIZE
    assert (found.member_logit.mean(axis=0) > 0.5).all()


def test_a_member_a_pixel_off_does_not_disagree():
    logits = np.full((2, 40, 40), -4.0, np.float32)
    logits[0, 20, 20] = logits[1, 21, 19] = 6.0
    logits[:, 20, 20] += 0.5
    found = propose(logits, np.ones((40, 40), bool), SIZE, PickingConfig(min_logit=0.0))
    assert len(found.xy) == 1
    assert found.member_logit[:, 0].tolist() == [6.5, 6.0]


def test_members_that_share_no_peak_are_averaged_first():
    logits = np.full((2, 40, 40), -8.0, np.float32)
    logits[0, 10, 10] = 2.0  # the mean is −3
    found = propose(logits, np.ones((40, 40), bool), SIZE, PickingConfig(min_logit=-4.0))
    assert found.xy.tolist() == [[10.0, 10.0]]
    assert not len(propose(logits, np.ones((40, 40), bool), SIZE, PickingConfig(min_logit=-2.0)).xy)


def test_no_candidates():
    logits = np.full((4, 30, 30), -9.0, np.float32)
    found = propose(logits, np.ones((30, 30), bool), SIZE, CONFIG)
    assert found.xy.shape == (0, 2)
    assert found.member_logit.shape == (4, 0)
