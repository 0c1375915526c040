from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import cdist, pdist

from cryoal.errors import OptionError
from cryoal.simulation.junk import Junk, JunkKind, add_junk
from cryoal.simulation.micrographs import MicrographSettings, simulate_micrograph
from cryoal.simulation.optics import Detector, Optics, contrast_transfer
from cryoal.simulation.specimen import Ice, Slab, Species, ice_thickness, place_particles
from cryoal.simulation.volumes import build_volume

PIXEL_SIZE = 4.0
GLOBULE = build_volume("globular", 120.0, np.random.default_rng(1))
RING = build_volume("barrel", 80.0, np.random.default_rng(2), "C6")
BOTH = MicrographSettings((240, 336), PIXEL_SIZE, (Species(GLOBULE, 0.1), Species(RING, 0.05)))

# an almost noise-free picture of the mass: no defocus, amplitude contrast alone, no granular ice, an enormous dose
PLAIN = Optics(0.0, 0.0, spherical_aberration_millimetre=0.0, amplitude_contrast=1.0, b_factor_square_angstrom=0.0)
CLEAN = replace(
    BOTH,
    spacing=1.4,
    ice=Ice(gradient=0, undulation=0, granularity=0),
    optics=PLAIN,
    detector=Detector(1e7, 1.0),
)


def test_particles_lie_where_the_truth_says():
    micrograph = simulate_micrograph(CLEAN, np.random.default_rng(3))
    image = micrograph.pixels.astype(np.float64)
    mass = -np.log(image / np.median(image))
    checked = 0
    for x, y, number in zip(micrograph.picks.x, micrograph.picks.y, micrograph.picks.class_number, strict=True):
        reach = int((GLOBULE, RING)[number - 1].diameter_angstrom / 2 / PIXEL_SIZE) + 3
        row, column = round(y), round(x)
        box = mass[row - reach : row + reach + 1, column - reach : column + reach + 1]
        if min(row, column) < reach or box.shape != (2 * reach + 1, 2 * reach + 1):
            continue
        in_box = np.array(ndimage.center_of_mass(box))
        assert np.hypot(in_box[0] + row - reach - y, in_box[1] + column - reach - x) < 0.25
        checked += 1
    assert checked >= 15
    assert set(micrograph.picks.class_number) == {1, 2}


def test_particles_are_dark_and_the_frame_is_full():
    micrograph = simulate_micrograph(BOTH, np.random.default_rng(4))
    assert micrograph.pixels.shape == (240, 336)
    assert micrograph.pixels.dtype == np.float32
    assert np.isfinite(micrograph.pixels).all()
    disc = np.zeros((240, 336), dtype=bool)
    disc[np.rint(micrograph.picks.y).astype(int).clip(0, 239), np.rint(micrograph.picks.x).astype(int).clip(0, 335)] = 1
    disc = ndimage.binary_dilation(disc, iterations=6)
    assert micrograph.pixels[disc].mean() < micrograph.pixels[~disc].mean() - 5


def test_the_same_seed_gives_the_same_pixels_and_another_does_not():
    settings = replace(BOTH, junk=Junk(1, 1, 1, 0.2))
    first, again, other = (simulate_micrograph(settings, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first.pixels.tobytes() == again.pixels.tobytes()
    assert np.array_equal(first.picks.xy, again.picks.xy)
    assert first.pixels.tobytes() != other.pixels.tobytes()


def test_every_place_in_the_frame_may_hold_a_particle():
    picks = [simulate_micrograph(BOTH, np.random.default_rng(seed)).picks for seed in range(8)]
    x, y = np.concatenate([p.x for p in picks]), np.concatenate([p.y for p in picks])
    assert x.min() < 20
    assert x.max() > 336 - 20
    assert y.min() < 20
    assert y.max() > 240 - 20


@pytest.mark.parametrize("spacing", [0.6, 1.0])
def test_placement_keeps_the_distance_and_reaches_the_coverage(spacing):
    slab = Slab.empty((600, 800), PIXEL_SIZE)
    species = (Species(GLOBULE, 0.15), Species(RING, 0.05))
    large, small = place_particles(slab, species, spacing, np.random.default_rng(7))
    assert pdist(large).min() >= spacing * 120 / PIXEL_SIZE
    assert pdist(small).min() >= spacing * 80 / PIXEL_SIZE
    assert cdist(large, small).min() >= spacing * 100 / PIXEL_SIZE
    assert len(large) * np.pi * 15**2 / (600 * 800) == pytest.approx(0.15, rel=0.3)


def test_where_there_is_no_room_fewer_are_placed():
    (xy,) = place_particles(Slab.empty((200, 200), PIXEL_SIZE), (Species(GLOBULE, 3.0),), 1.0, np.random.default_rng(8))
    assert 10 < len(xy) < 200**2 / (np.pi * 15**2)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "junk", [Junk(ice_crystals=4), Junk(ethane_patches=4), Junk(aggregates=4), Junk(carbon_reach=0.4)]
)
def test_no_pick_touches_junk(junk, seed):
    micrograph = simulate_micrograph(replace(BOTH, junk=junk), np.random.default_rng(seed))
    distance = ndimage.distance_transform_edt(~micrograph.junk) if micrograph.junk.any() else np.full(BOTH.shape, 1e9)
    nearest = distance[
        np.rint(micrograph.picks.y).astype(int).clip(0, 239), np.rint(micrograph.picks.x).astype(int).clip(0, 335)
    ]
    radius = np.array([0, 60, 40])[micrograph.picks.class_number] / PIXEL_SIZE
    assert (nearest > radius - 1.5).all()


@pytest.mark.parametrize(
    "junk", [Junk(ice_crystals=6), Junk(ethane_patches=6), Junk(aggregates=6), Junk(carbon_reach=0.4)]
)
def test_junk_is_dark_and_marked(junk):
    slab = Slab.empty((300, 400), PIXEL_SIZE)
    add_junk(slab, junk, (Species(GLOBULE, 0.1),), np.random.default_rng(9))
    assert 0.01 < slab.junk.mean() < 0.9
    assert slab.potential[slab.junk].mean() > 20 * slab.potential[~slab.junk].mean()


def test_carbon_reaches_in_as_far_as_asked_and_carries_unmarked_particles():
    settings = replace(CLEAN, junk=Junk(carbon_reach=0.4), ice=CLEAN.ice, species=(Species(RING, 0.15),))
    micrograph = simulate_micrograph(settings, np.random.default_rng(10))
    assert 0.05 < micrograph.junk.mean() < 0.6
    inner = ndimage.binary_erosion(micrograph.junk, iterations=12)
    on_carbon = np.log(micrograph.pixels)[inner]
    film = np.median(on_carbon)
    assert np.percentile(on_carbon, 1) < film - 0.05  # particles are darker than the film
    assert not micrograph.junk[np.rint(micrograph.picks.y).astype(int), np.rint(micrograph.picks.x).astype(int)].any()


def test_an_empty_micrograph_is_ice_alone():
    micrograph = simulate_micrograph(MicrographSettings((64, 80), PIXEL_SIZE), np.random.default_rng(11))
    assert len(micrograph.picks) == 0
    assert not micrograph.junk.any()
    assert micrograph.pixels.mean() == pytest.approx(40 * 16 * np.exp(-400 / 3000), rel=0.15)


def test_ice_is_multiplicative():
    rng = np.random.default_rng(12)
    assert np.ptp(ice_thickness(Ice(400, gradient=0, undulation=0), (50, 70), rng)) < 1e-9
    thickness = ice_thickness(Ice(400, gradient=0.5, undulation=0), (50, 70), rng)
    assert thickness.mean() == pytest.approx(400)
    assert 0.4 * 400 < np.ptp(thickness) < 0.75 * 400


def test_noise_falls_with_the_dose():
    def relative_noise(dose: float) -> float:
        settings = replace(
            CLEAN, species=(), detector=Detector(dose, 1.0), ice=Ice(gradient=0, undulation=0, granularity=0)
        )
        pixels = simulate_micrograph(settings, np.random.default_rng(13)).pixels
        return float(pixels.std() / pixels.mean())

    assert relative_noise(10) / relative_noise(90) == pytest.approx(3.0, rel=0.03)


def test_thon_rings_of_the_ice_are_in_the_power_spectrum():
    optics = Optics(astigmatism_angstrom=0, b_factor_square_angstrom=0)
    settings = replace(BOTH, shape=(512, 512), species=(), optics=optics, ice=Ice(gradient=0, undulation=0))
    pixels = simulate_micrograph(settings, np.random.default_rng(14)).pixels.astype(np.float64)
    power = np.abs(np.fft.rfft2(pixels - pixels.mean())) ** 2
    transfer = contrast_transfer(optics, (512, 512), PIXEL_SIZE) ** 2
    low = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.rfftfreq(512)[None, :]) < 0.25
    assert power[low & (transfer > 0.8)].mean() > 1.15 * power[low & (transfer < 0.1)].mean()


@pytest.mark.parametrize("changes", [{"shape": (0, 10)}, {"pixel_size_angstrom": 0.0}])
def test_bad_settings_are_refused(changes):
    with pytest.raises(OptionError, match=next(iter(changes))):
        replace(BOTH, **changes)
    with pytest.raises(OptionError, match="coverage"):
        Species(RING, -0.1)


def test_junk_is_marked_by_kind_where_it_is():
    everything = Junk(ice_crystals=6, ethane_patches=3, aggregates=4, carbon_reach=0.4, fragments=5)
    species = (Species(build_volume("globular", 100.0, np.random.default_rng(0)), 0.1),)
    settings = MicrographSettings((400, 480), 5.0, species, junk=everything)
    one = simulate_micrograph(settings, np.random.default_rng(4))
    marks = one.junk_picks
    assert set(marks.class_number) == set(JunkKind)
    nearest = np.rint(marks.xy).astype(int)
    on_junk = one.junk[nearest[:, 1], nearest[:, 0]]
    assert on_junk[marks.class_number != JunkKind.AGGREGATE].all()  # a heap may be open in its middle
    assert nearest.min() >= 0
    assert (nearest < (480, 400)).all()
