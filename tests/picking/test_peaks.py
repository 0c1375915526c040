"""Peaks: sub-pixel, apart, strictly inside; the suppression against a naive one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from cryoal.picking.peaks import _apart, find_peaks

SEEDS = st.integers(0, 2**32 - 1)


def everywhere(score):
    return np.ones(score.shape, bool)


def render(shape, xy, sigma=2.0, height=None):
    """Sum of Gaussians."""
    yy, xx = np.indices(shape)
    heights = np.ones(len(xy)) if height is None else height
    terms = (
        h * np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / (2 * sigma**2)) for (x, y), h in zip(xy, heights, strict=True)
    )
    return sum(terms, np.zeros(shape)).astype(np.float32)


def sorted_rows(xy):
    return xy[np.lexsort(xy.T)]


def random_map(seed, shape=(25, 31), levels=None):
    score = np.random.default_rng(seed).standard_normal(shape)
    return (score if levels is None else np.round(score * levels)).astype(np.float32)


@given(SEEDS)
def test_sub_pixel_on_gaussians(seed):
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(12, 80, 16), np.arange(12, 60, 16)), axis=-1).reshape(-1, 2)
    truth = grid + rng.uniform(-2, 2, grid.shape)
    xy, height = find_peaks(render((60, 84), truth, rng.uniform(1.8, 2.5)), np.ones((60, 84), bool), 8.0, 0.5)
    assert len(xy) == len(truth)
    distance = np.linalg.norm(xy[:, None] - truth[None], axis=-1)
    assert distance.min(axis=1).max() < 0.1
    assert np.unique(distance.argmin(axis=1)).size == len(truth)
    assert height == pytest.approx(1, abs=0.1)


@given(SEEDS, st.floats(0, 12), st.sampled_from([None, 1.0, 0.3]))
def test_never_nearer_than_the_distance(seed, distance, levels):
    score = random_map(seed, levels=levels)
    xy, _ = find_peaks(score, everywhere(score), distance, -10.0)
    assert len(xy) < 2 or pdist(xy).min() >= distance


def test_the_vertices_count_not_the_maxima():
    # Two maxima 6 pixels apart whose vertices lean towards each other, and two that lean away.
    score = np.zeros((9, 40), np.float32)
    score[4, [10, 11, 15, 16]] = [1.0, 0.99, 0.89, 0.9]
    towards, _ = find_peaks(score, everywhere(score), 5.5, 0.5)
    assert towards[:, 0] == pytest.approx([10.5], abs=0.02)
    score = score[:, ::-1].copy()
    score[4] = 0
    score[4, [9, 10, 15, 16]] = [0.99, 1.0, 0.9, 0.89]
    away, _ = find_peaks(score, everywhere(score), 5.5, 0.5)
    assert away[:, 0] == pytest.approx([9.5, 15.5], abs=0.02)


@given(SEEDS, st.integers(0, 60), st.floats(0, 8), st.booleans())
def test_suppression_is_the_naive_one(seed, count, distance, on_grid):
    rng = np.random.default_rng(seed)
    xy = rng.integers(0, 20, (count, 2)).astype(float) if on_grid else rng.uniform(0, 20, (count, 2))
    kept: list[int] = []
    for index, point in enumerate(xy):
        if all(np.hypot(*(point - xy[other])) >= distance and (point != xy[other]).any() for other in kept):
            kept.append(index)
    assert _apart(xy, distance).tolist() == kept


@given(SEEDS, st.sampled_from([None, 1.0]), st.floats(-1, 2))
def test_maxima_are_the_naive_ones(seed, levels, threshold):
    score = random_map(seed, (12, 9), levels)
    valid = np.random.default_rng(seed).random(score.shape) < 0.8
    xy, height = find_peaks(score, valid, 0.0, threshold)
    padded = np.pad(score, 1, constant_values=-np.inf)
    expected = [
        (x, y)
        for y, x in np.ndindex(score.shape)
        if valid[y, x] and score[y, x] > threshold and score[y, x] == padded[y : y + 3, x : x + 3].max()
    ]
    nearest = {(x, y) for at in xy for x, y in expected if np.abs(at - (x, y)).max() <= 0.5}
    assert len(xy) <= len(expected)  # neighbours of one height may share a vertex
    assert nearest == set(expected)
    assert (np.diff(height) <= 0).all()
    assert (height > threshold).all()


@given(SEEDS)
def test_turned_maps_have_turned_peaks(seed):
    score = random_map(seed)
    ny, nx = score.shape
    xy, height = find_peaks(score, everywhere(score), 3.0, 0.0)
    turned, turned_height = find_peaks(score[::-1, ::-1].copy(), everywhere(score), 3.0, 0.0)
    assert sorted_rows(np.round(turned, 6)) == pytest.approx(sorted_rows(np.round([nx - 1, ny - 1] - xy, 6)), abs=1e-5)
    assert turned_height == pytest.approx(height)
    transposed, _ = find_peaks(score.T.copy(), everywhere(score.T), 3.0, 0.0)
    assert sorted_rows(np.round(transposed[:, ::-1], 6)) == pytest.approx(sorted_rows(np.round(xy, 6)), abs=1e-5)


@pytest.mark.parametrize("at", [(0, 0), (0, 29), (19, 0), (19, 29), (0, 12), (19, 12), (9, 0), (9, 29)])
def test_no_wrapping_round_the_edge(at):
    score = np.zeros((20, 30), np.float32)
    score[at] = 1
    score[-1 - at[0], -1 - at[1]] = 0.9  # would be the neighbour of the first if the map were a torus
    xy, height = find_peaks(score, everywhere(score), 5.0, 0.5)
    assert xy.tolist() == [[at[1], at[0]], [29 - at[1], 19 - at[0]]]
    assert height == pytest.approx([1, 0.9])


def test_a_slope_up_to_the_edge_peaks_on_the_edge():
    score = np.tile(np.arange(30, dtype=np.float32), (3, 1))
    score[[0, 2]] -= 1
    xy, _ = find_peaks(score, everywhere(score), 5.0, 0.5)
    assert xy.tolist() == [[29.0, 1.0]]


def test_ties_and_plateaus():
    score = np.zeros((20, 40), np.float32)
    score[10, [5, 12, 30]] = 1  # equal heights: the first in reading order wins
    xy, _ = find_peaks(score, everywhere(score), 8.0, 0.5)
    assert xy.tolist() == [[5.0, 10.0], [30.0, 10.0]]
    score[:] = 0
    score[8:11, 20:23] = 1
    xy, _ = find_peaks(score, everywhere(score), 8.0, 0.5)
    assert len(xy) == 1
    assert np.abs(xy[0] - [21, 9]).max() <= 1.5


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_flat_map_has_spread_peaks_and_no_nan(value):
    score = np.full((40, 50), value, np.float32)
    xy, height = find_peaks(score, everywhere(score), 6.0, -1.0)
    assert np.isfinite(xy).all()
    assert pdist(xy).min() >= 6
    assert (height == value).all()


def test_two_equal_pixels_peak_between_them():
    score = np.zeros((9, 9), np.float32)
    score[4, 4:6] = 1
    xy, _ = find_peaks(score, everywhere(score), 3.0, 0.5)
    assert xy.tolist() == [[4.5, 4.0]]


def test_peaks_where_the_map_is_not_valid_are_not_taken():
    score = render((40, 40), [(10, 10), (30, 30)])
    valid = everywhere(score)
    valid[:, :20] = False
    xy, _ = find_peaks(score, valid, 5.0, 0.5)
    assert xy == pytest.approx(np.array([[30, 30]]))


def test_no_peaks():
    for shape in [(10, 10), (1, 1), (1, 7)]:
        xy, height = find_peaks(np.zeros(shape, np.float32), np.ones(shape, bool), 5.0, 0.5)
        assert xy.shape == (0, 2)
        assert height.shape == (0,)


def test_inputs_are_not_modified():
    score = random_map(0)
    score.flags.writeable = False
    valid = everywhere(score)
    valid.flags.writeable = False
    find_peaks(score, valid, 3.0, 0.0)
