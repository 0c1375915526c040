import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from cryoal.errors import OptionError
from cryoal.simulation.volumes import SHAPES, Volume, build_volume, fragment, project, random_orientations

IDENTITY = Rotation.identity()


def centre_of_mass(image):
    y, x = np.indices(image.shape)
    return np.array([(image * y).sum(), (image * x).sum()]) / image.sum()


@pytest.mark.parametrize("shape", SHAPES)
def test_volume_has_the_diameter_asked_for_and_is_centred(shape):
    volume = build_volume(shape, 170.0, np.random.default_rng(3))
    assert 2 * np.linalg.norm(volume.beads_angstrom, axis=1).max() == pytest.approx(170.0)
    centre = np.average(volume.beads_angstrom, axis=0, weights=volume.potential)
    assert np.allclose(centre, 0, atol=1e-9)
    assert (volume.potential > 0).all()


@pytest.mark.parametrize(("shape", "symmetry"), [("globular", "D2"), ("barrel", "C6"), ("shell", "O")])
def test_symmetry_operations_map_the_volume_on_itself(shape, symmetry):
    volume = build_volume(shape, 150.0, np.random.default_rng(4), symmetry)
    before = {tuple(bead) for bead in volume.beads_angstrom.round(6) + 0.0}
    for operation in Rotation.create_group(symmetry):
        after = {tuple(bead) for bead in operation.apply(volume.beads_angstrom).round(6) + 0.0}
        assert len(before ^ after) < 0.01 * len(before)  # rounding at a boundary may part a few


def test_shell_is_hollow_and_globule_is_not():
    rng = np.random.default_rng(5)
    shell, globule = build_volume("shell", 200.0, rng), build_volume("globular", 200.0, rng)
    assert np.linalg.norm(shell.beads_angstrom, axis=1).min() > 50
    assert np.linalg.norm(globule.beads_angstrom, axis=1).min() < 25


def test_rod_is_long():
    volume = build_volume("rod", 180.0, np.random.default_rng(6))
    spread = np.linalg.svd(volume.beads_angstrom, compute_uv=False)
    assert spread[0] > 1.8 * spread[1]


@pytest.mark.parametrize("symmetry", ["C1", "C4"])
def test_disc_is_flat_and_its_lipid_fainter_than_its_protein(symmetry):
    volume = build_volume("disc", 140.0, np.random.default_rng(7), symmetry)
    spread = volume.beads_angstrom.std(axis=0)
    assert spread[2] < 0.75 * spread[:2].min()
    out = np.hypot(volume.beads_angstrom[:, 0], volume.beads_angstrom[:, 1]) / 70
    count, edges = np.histogram(out, [0, 0.2, 0.8, 0.95], weights=volume.potential)
    of_area = count / np.diff(edges**2)
    assert of_area[2] < 0.6 * of_area[0]


@pytest.mark.parametrize(
    ("shape", "diameter", "symmetry", "named"),
    [("cube", 100.0, None, "globular"), ("rod", 0.0, None, "diameter_angstrom"), ("shell", 100.0, "X3", "symmetry")],
)
def test_bad_arguments_are_named(shape, diameter, symmetry, named):
    with pytest.raises(OptionError, match=named):
        build_volume(shape, diameter, np.random.default_rng(0), symmetry)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 1000),
    pixel_size=st.floats(1.0, 12.0),
    offset=st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)),
)
def test_projection_conserves_mass_and_centre_of_mass(seed, pixel_size, offset):
    rng = np.random.default_rng(seed)
    volume = build_volume("globular", 90.0, rng)
    image = project(volume, random_orientations(1, None, rng)[0], pixel_size, offset)
    assert image.sum() * pixel_size**2 == pytest.approx(volume.potential.sum())
    assert centre_of_mass(image) == pytest.approx(image.shape[0] // 2 + np.array(offset), abs=1e-6)


def test_projection_equals_the_sum_of_a_rotated_grid():
    """Naive reference: beads on a 3-D grid one by one, summed along z."""
    volume = build_volume("globular", 60.0, np.random.default_rng(7))
    orientation = Rotation.from_euler("xyz", [20, 40, 70], degrees=True)
    image = project(volume, orientation, 4.0)
    middle = image.shape[0] // 2
    grid = np.zeros((image.shape[0],) * 3)
    for bead, weight in zip(volume.beads_angstrom, volume.potential, strict=True):
        x, y, z = orientation.as_matrix() @ bead / 4.0 + middle
        for column in (int(x), int(x) + 1):
            for row in (int(y), int(y) + 1):
                grid[int(z), row, column] += weight * (1 - abs(x - column)) * (1 - abs(y - row))
    assert np.allclose(image, grid.sum(axis=0) / 16.0)


def test_rotation_about_the_beam_by_a_right_angle_turns_the_image():
    volume = build_volume("globular", 100.0, np.random.default_rng(8))
    straight = project(volume, IDENTITY, 3.0)
    turned = project(volume, Rotation.from_euler("z", 90, degrees=True), 3.0)
    # x -> y and y -> -x, with y pointing down the rows
    assert np.allclose(turned, straight.T[:, ::-1])


def test_rotation_brings_the_third_axis_into_view():
    volume = Volume(40.0, np.array([[0.0, 0.0, 12.0], [0.0, 0.0, -12.0]]), np.ones(2))
    ends_on = project(volume, IDENTITY, 2.0)
    side_on = project(volume, Rotation.from_euler("y", 90, degrees=True), 2.0)
    middle = ends_on.shape[0] // 2
    assert ends_on[middle, middle] == pytest.approx(ends_on.sum())
    assert side_on[middle, middle + 6] == pytest.approx(side_on.sum() / 2)
    assert side_on[middle, middle - 6] == pytest.approx(side_on.sum() / 2)


def test_fragment_is_a_centred_part():
    rng = np.random.default_rng(9)
    volume = build_volume("globular", 150.0, rng)
    part = fragment(volume, rng)
    assert 0 < part.potential.sum() < volume.potential.sum()
    assert np.allclose(np.average(part.beads_angstrom, axis=0, weights=part.potential), 0)


def test_orientations_are_uniform_or_preferred():
    rng = np.random.default_rng(10)
    axis = random_orientations(4000, None, rng).apply([0.0, 0.0, 1.0])
    assert np.abs(axis.mean(axis=0)).max() < 0.05
    assert np.allclose((axis**2).mean(axis=0), 1 / 3, atol=0.03)
    tilted = random_orientations(4000, 10.0, rng).apply([0.0, 0.0, 1.0])
    angle = np.degrees(np.arccos(tilted[:, 2]))
    assert np.sqrt((angle**2).mean()) == pytest.approx(10.0, rel=0.05)
