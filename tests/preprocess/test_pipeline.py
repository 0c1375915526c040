"""From stored pixels to the picker's scale: positions, pixel types, masks, background, normalisation, refusals."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch.nn import functional

from cryoal.config import PreprocessConfig
from cryoal.errors import MicrographError
from cryoal.preprocess.on_device import as_tensor
from cryoal.preprocess.pipeline import flatten_and_normalise, prepare, scaled_shape
from cryoal.preprocess.resampling import resample
from cryoal.preprocess.valid import valid_mask

CONFIG = PreprocessConfig()
SHAPE = (300, 401)


def make_image(shape=SHAPE, seed=0, sd=10.0, mean=100.0):
    """Ice and shot noise: correlated and white, half of each."""
    rng = np.random.default_rng(seed)
    ice = ndimage.gaussian_filter(rng.standard_normal(shape), 3)
    return ((ice / ice.std() + rng.standard_normal(shape)) * sd / np.sqrt(2) + mean).astype(np.float32)


def add_spot(image, x, y, sigma, height):
    yy, xx = np.indices(image.shape)
    return image + height * np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / (2 * sigma**2))


def centroid(image, near_xy, radius):
    """Centre of mass in a disc."""
    yy, xx = np.indices(image.shape)
    inside = (xx - near_xy[0]) ** 2 + (yy - near_xy[1]) ** 2 <= radius**2
    return np.array([(image * xx)[inside].sum(), (image * yy)[inside].sum()]) / image[inside].sum()


def lies_in(mask, scaled):
    """Value of a mask of original pixels at the centre of each scaled pixel."""
    my, mx = scaled.valid.shape
    yy, xx = np.indices((my, mx))
    x, y = np.round(scaled.to_original(np.column_stack([xx.ravel(), yy.ravel()]).astype(float))).astype(int).T
    return mask[np.clip(y, 0, mask.shape[0] - 1), np.clip(x, 0, mask.shape[1] - 1)].reshape(my, mx)


@pytest.mark.parametrize("shape", [(401, 613), (512, 300), (257, 258)])
@pytest.mark.parametrize("diameter_px", [15.0, 31.3, 47.0, 100.7])
def test_marker_is_where_the_scale_says(shape, diameter_px):
    rng, config = np.random.default_rng(1), PreprocessConfig(clip_sigmas=np.inf)
    for x, y in rng.uniform(0.25, 0.75, (3, 2)) * shape[::-1]:
        pixels = add_spot(make_image(shape, sd=0.01, mean=0), x, y, 0.1 * diameter_px, -100)
        scaled = prepare(pixels, diameter_px, config)
        expected = scaled.to_scaled(np.array([[x, y]]))
        found = centroid(scaled.pixels, expected[0], 8)
        assert found == pytest.approx(expected[0], abs=0.05)
        assert scaled.to_original(found)[0] == pytest.approx([x, y], abs=0.05 * diameter_px / 20)
        assert scaled.shape_px == shape


def test_edges_of_the_image_are_edges_of_the_scaled_image():
    scaled = prepare(make_image((301, 407)), 47.0, CONFIG)
    my, mx = scaled.pixels.shape
    assert scaled.to_original(np.array([[-0.5, -0.5], [mx - 0.5, my - 0.5]])) == pytest.approx(
        np.array([[-0.5, -0.5], [406.5, 300.5]])
    )


@given(st.integers(40, 5000), st.integers(40, 5000), st.floats(5, 800))
def test_positions_return(ny, nx, diameter_px):
    if min(ny, nx) < 2 * diameter_px:
        with pytest.raises(MicrographError, match="diameter"):
            scaled_shape((ny, nx), diameter_px, CONFIG)
        return
    my, mx = scaled_shape((ny, nx), diameter_px, CONFIG)
    assert my / ny == pytest.approx(20 / diameter_px, abs=0.5 / ny + 1e-9)
    assert mx / nx == pytest.approx(20 / diameter_px, abs=0.5 / nx + 1e-9)


@pytest.mark.parametrize("shape", [(100, 133), (37, 55), (299, 400), (300, 401), (333, 500)])
def test_resampling_is_the_antialiased_bicubic_of_torch(shape):
    pixels = torch.from_numpy(make_image())
    expected = functional.interpolate(pixels[None, None], size=shape, mode="bicubic", antialias=True)[0, 0]
    assert float((resample(pixels, shape) - expected).abs().max()) < 2e-4 * float(pixels.std())


@pytest.mark.parametrize("border", [0, 40])
def test_the_window_sees_what_the_network_sees(border):
    """The steps without torch against those with it."""
    pixels = make_image() + np.linspace(0, 200, SHAPE[1], dtype=np.float32)
    pixels[:, :border] = 7
    scaled = prepare(pixels, 40.0, CONFIG, particles_dark=False)
    small = resample(as_tensor(pixels), scaled.pixels.shape).numpy()
    valid = valid_mask(small, CONFIG)
    assert np.array_equal(valid, scaled.valid)
    assert valid.all() == (border == 0)
    assert flatten_and_normalise(small, valid, CONFIG) == pytest.approx(scaled.pixels, abs=2e-3)


@pytest.mark.parametrize("dark", [True, False])
def test_surroundings_tell_a_film_from_the_hole_beside_it(dark):
    rng = np.random.default_rng(0)
    pixels = rng.normal(100, 10, (600, 900)).astype(np.float32)
    pixels[:, :300] += -20 if dark else 20
    scaled = prepare(pixels, 40.0, CONFIG, particles_dark=dark)
    sigma = 1.4826 * np.median(np.abs(scaled.pixels))
    assert sigma == pytest.approx(1, abs=0.1)
    film, hole = scaled.surroundings[:, 30:100], scaled.surroundings[:, 250:]
    assert np.median(hole) == pytest.approx(0, abs=0.1)
    assert film.mean() == pytest.approx(20 / 10 * 2, rel=0.2)  # noise is halved at half the scale
    assert scaled.pixels[:, 30:100].mean() == pytest.approx(0, abs=0.1)


def test_resampling_does_not_alias():
    shape = (400, 400)
    yy, xx = np.indices(shape)
    checks = ((xx + yy) % 2 * 2.0 - 1).astype(np.float32)
    assert np.abs(resample(as_tensor(checks), (100, 100)).numpy()).max() < 0.02
    fine = np.sin(2 * np.pi * xx / 5).astype(np.float32)  # aliases to a period of 20/3 pixels if merely sampled
    assert np.abs(resample(as_tensor(fine), (100, 100)).numpy()[:, 5:-5]).max() < 0.2


DTYPES = ["i1", "u1", "<i2", ">i2", "<u2", ">u2", "<f2", ">f2", "<f4", ">f4", "<i4", "<f8"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_pixel_type_gives_the_same_image(dtype):
    pixels = np.clip(np.round(make_image(sd=10, mean=60)), 0, 127)
    reference = prepare(pixels.astype(np.float32), 40.0, CONFIG)
    scaled = prepare(pixels.astype(dtype), 40.0, CONFIG)
    assert scaled.pixels == pytest.approx(reference.pixels, abs=1e-4)
    assert scaled.pixels.dtype == np.float32
    assert scaled.valid.dtype == bool


def test_large_unsigned_values_do_not_wrap():
    pixels = np.round(make_image(sd=100, mean=60000))
    reference = prepare(pixels - 60000, 40.0, CONFIG)
    assert prepare(pixels.astype(np.uint16), 40.0, CONFIG).pixels == pytest.approx(reference.pixels, abs=0.01)


@pytest.mark.parametrize("dtype", ["i1", "<f4", ">i2"])
def test_read_only_memory_maps(tmp_path, dtype):
    pixels = np.clip(np.round(make_image(sd=10, mean=60)), 0, 127).astype(dtype)
    (tmp_path / "pixels").write_bytes(pixels.tobytes())
    mapped = np.memmap(tmp_path / "pixels", dtype, "r", shape=pixels.shape)
    assert prepare(mapped, 40.0, CONFIG).pixels == pytest.approx(prepare(pixels, 40.0, CONFIG).pixels)


@pytest.mark.parametrize("dtype", ["f4", "i2"])
def test_the_input_is_not_modified(dtype):
    pixels = make_image().astype(dtype)
    before = pixels.copy()
    prepare(pixels[::-1, ::-1], 40.0, CONFIG)
    prepare(pixels, 40.0, CONFIG)
    assert np.array_equal(pixels, before)


def test_reversed_and_strided_views():
    pixels = make_image((300, 802))
    for view in (pixels[::-1, ::2], pixels.T):
        assert np.array_equal(prepare(view, 40.0, CONFIG).pixels, prepare(view.copy(), 40.0, CONFIG).pixels)


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (1000.0, 5.0), (30000.0, 100.0), (1e-6, 1e-7)])
def test_clean_noise_is_fully_valid(mean, sd):
    for seed in range(3):
        assert prepare(make_image(seed=seed, mean=mean, sd=sd), 40.0, CONFIG).valid.all()


@pytest.mark.parametrize("width", [15, 45])
@pytest.mark.parametrize("sides", list(itertools.product([0, 1], repeat=4)))
def test_replicated_borders_are_masked(sides, width):
    pixels, edges = make_image(seed=3), [width * side for side in sides]
    pad = (edges[:2], edges[2:])
    core = pixels[edges[0] : SHAPE[0] - edges[1], edges[2] : SHAPE[1] - edges[3]]
    scaled = prepare(np.pad(core, pad, mode="edge"), 50.0, CONFIG)
    border = lies_in(np.pad(np.zeros(core.shape, bool), pad, constant_values=True), scaled)
    assert not (scaled.valid & border).any()
    assert (~scaled.valid & ~border).sum() <= 0.06 * border.size


@pytest.mark.parametrize("value", [0.0, 100.0, 255.0, 1e4, -1e5])
@pytest.mark.parametrize("size", [(60, 60), (150, 200), (300, 150), (300, 300)])
def test_dead_and_saturated_rectangles_are_masked(value, size):
    pixels, dead = make_image(seed=4), np.zeros(SHAPE, bool)
    top, left = (SHAPE[0] - size[0]) // 2, (SHAPE[1] - size[1]) // 2
    dead[top : top + size[0], left : left + size[1]] = True
    scaled = prepare(np.where(dead, np.float32(value), pixels), 40.0, CONFIG)
    inside = lies_in(dead, scaled)
    assert (scaled.valid & inside).sum() <= 0.02 * inside.sum()
    assert (~scaled.valid & ~inside).sum() <= 0.08 * (~inside).sum()
    assert not scaled.pixels[~scaled.valid].any()


def test_what_is_masked_does_not_reach_into_the_rest():
    pixels = make_image(seed=5, sd=10, mean=0)
    dead = np.zeros(SHAPE, bool)
    dead[100:200, 150:250] = True
    low, high = (prepare(np.where(dead, np.float32(v), pixels), 40.0, CONFIG) for v in (0, 200))
    away = ndimage.binary_erosion(low.valid & high.valid, iterations=5)
    assert low.pixels[away] == pytest.approx(high.pixels[away], abs=0.05)


@pytest.mark.parametrize("particles_dark", [True, False])
def test_normalised_to_median_0_and_robust_deviation_1(particles_dark):
    pixels = make_image(mean=500, sd=37)
    pixels[50:60, 50:60] += 1e4
    scaled = prepare(pixels, 40.0, CONFIG, particles_dark=particles_dark)
    inside = scaled.pixels[scaled.valid].astype(float)
    # Of an even number of pixels the median here is the lower one of the two in the middle.
    assert np.median(inside) == pytest.approx(0, abs=1e-4)
    assert 1.4826 * np.median(np.abs(inside)) == pytest.approx(1, abs=1e-4)
    assert np.abs(inside).max() == pytest.approx(CONFIG.clip_sigmas)


def test_dark_particles_come_out_bright():
    x, y = 200.0, 150.0
    scaled = prepare(add_spot(make_image(sd=1), x, y, 8, -20), 40.0, CONFIG)
    at = np.round(scaled.to_scaled(np.array([[x, y]]))[0]).astype(int)
    assert scaled.pixels[at[1], at[0]] == scaled.pixels.max()


def test_the_negative_and_the_other_polarity_are_negated():
    pixels = make_image()
    dark = prepare(pixels, 40.0, CONFIG).pixels
    assert np.array_equal(prepare(pixels, 40.0, CONFIG, particles_dark=False).pixels, -dark)
    assert prepare(-pixels, 40.0, CONFIG).pixels == pytest.approx(-dark, abs=1e-3)


@given(st.floats(0.01, 100), st.floats(-100, 100))
@settings(max_examples=10)
def test_brightness_and_contrast_do_not_matter(gain, offset):
    pixels = make_image((120, 130))
    reference = prepare(pixels, 30.0, CONFIG).pixels
    assert prepare(pixels * np.float32(gain) + np.float32(offset), 30.0, CONFIG).pixels == pytest.approx(
        reference, abs=0.02
    )


@pytest.mark.parametrize("axis", [0, 1])
def test_a_ramp_is_removed(axis):
    pixels = make_image(sd=10)
    ramp = np.linspace(-50, 50, SHAPE[axis])[(slice(None), None) if axis == 0 else (None, slice(None))]
    scaled = prepare(pixels + ramp, 40.0, CONFIG)
    inner = scaled.pixels[20:-20, 20:-20]
    assert np.ptp([float(part.mean()) for part in np.array_split(inner, 6, axis=axis)]) < 0.05 * 10
    # Within a diameter of the edge the mean is one-sided; some of a ramp this steep stays.
    assert np.ptp([float(part.mean()) for part in np.array_split(scaled.pixels, 20, axis=axis)]) < 0.3 * 10
    assert np.corrcoef(scaled.pixels.ravel(), prepare(pixels, 40.0, CONFIG).pixels.ravel())[0, 1] > 0.85


def test_background_next_to_a_border_is_not_pulled_towards_it():
    pixels = make_image(sd=10, mean=1000)
    pixels[:, :100] = 0
    scaled = prepare(pixels, 40.0, CONFIG)
    first = int(np.flatnonzero(scaled.valid.all(axis=0))[0])
    assert abs(scaled.pixels[:, first : first + 10].mean()) < 0.3


def test_too_small_for_the_particle():
    with pytest.raises(MicrographError, match=r"401×300 pixels are too few .* 151 pixels .*--diameter"):
        prepare(make_image(), 151.0, CONFIG)
    prepare(make_image(), 150.0, CONFIG)


@pytest.mark.parametrize("value", [0, 0.1, 1e6])
def test_constant(value):
    with pytest.raises(MicrographError, match="constant"):
        prepare(np.full(SHAPE, value, np.float32), 40.0, CONFIG)


def test_mostly_constant():
    pixels = np.full(SHAPE, 1000, np.float32)
    pixels[:60, :60] = make_image((60, 60))
    with pytest.raises(MicrographError, match="constant"):
        prepare(pixels, 40.0, CONFIG)


def test_more_than_half_at_one_value():
    rng = np.random.default_rng(0)
    hits = rng.random(SHAPE) < 0.002
    with pytest.raises(MicrographError, match=r"same value|constant"):
        prepare(hits.astype(np.float32), 20.0, CONFIG)
