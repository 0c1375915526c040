"""Label maps: what each kind of label makes known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryoal.config import TrainingConfig
from cryoal.data.labels import Field, MicrographLabels, Origin, Verdict
from cryoal.model.label_maps import at, label_maps
from tests.model.simulated import SIZE, disc, gaussians, make_scaled, noise, particles

CONFIG = TrainingConfig()
SHAPE = (90, 110)
DISC = CONFIG.answer_radius_diameters * SIZE


def maps_of(labels, scaled=None):
    return label_maps(noise(SHAPE) if scaled is None else scaled, labels, SIZE, CONFIG)


@given(st.lists(st.tuples(st.floats(-5, 114), st.floats(-5, 94)), max_size=6))
@settings(max_examples=15)
def test_targets_are_gaussians_of_height_1(xy):
    maps = maps_of(MicrographLabels(particles(xy), complete=True))
    assert maps.target == pytest.approx(gaussians(xy, SHAPE), abs=4e-4)
    assert maps.particles == pytest.approx(np.array(xy).reshape(-1, 2))


def test_complete_micrograph():
    maps = maps_of(MicrographLabels(particles([(30, 40)]), complete=True))
    assert maps.known.all()
    assert maps.judged.all()
    assert not maps.unlabelled.any()


def test_a_complete_micrograph_may_be_empty():
    maps = maps_of(MicrographLabels(complete=True))
    assert maps.known.all()
    assert not maps.target.any()


def test_complete_field_is_known_but_for_a_rim():
    maps = maps_of(MicrographLabels(particles([(50, 30), (100, 80)]), fields=(Field("m", 40, 20, 30),)))
    inside = np.zeros(SHAPE, bool)
    rim = round(CONFIG.target_sigma_diameters * SIZE)
    inside[20 + rim : 50 - rim, 40 + rim : 70 - rim] = True
    assert np.array_equal(maps.known, inside | disc(50, 30, DISC, SHAPE) | disc(100, 80, DISC, SHAPE))
    assert np.array_equal(maps.judged, maps.known)
    assert not maps.unlabelled.any()


def test_a_field_along_the_edge_is_known_up_to_it():
    nx = SHAPE[1]
    for x, columns in ((-0.5, slice(0, 28)), (nx - 30.5, slice(nx - 28, nx))):
        known = maps_of(MicrographLabels(fields=(Field("m", x, 20, 30),))).known
        expected = np.zeros(SHAPE, bool)
        expected[22:48, columns] = True
        assert np.array_equal(known, expected)


@pytest.mark.parametrize(("x", "y"), [(-20, -20), (90, 70), (-20, 30), (200, 200), (-100, -100)])
def test_fields_that_stick_out(x, y):
    known = maps_of(MicrographLabels(fields=(Field("m", x, y, 40),))).known
    expected = np.zeros(SHAPE, bool)
    expected[max(y + 2, 0) : max(y + 38, 0), max(x + 2, 0) : max(x + 38, 0)] = True
    assert np.array_equal(known, expected)


def test_labels_are_scaled():
    scaled = make_scaled(np.ones(SHAPE), scale=(3.0, 2.0))
    maps = maps_of(MicrographLabels(particles([(151, 61)]), fields=(Field("m", 30, 40, 60),)), scaled)
    assert maps.particles[0] == pytest.approx([(151.5) / 3 - 0.5, 61.5 / 2 - 0.5])
    assert maps.target == pytest.approx(gaussians([(50, 30.25)], SHAPE), abs=4e-4)
    rows, columns = np.nonzero(maps.known & ~disc(50, 30.25, DISC, SHAPE))
    assert (rows.min(), rows.max()) == (22, 47)
    assert (columns.min(), columns.max()) == (12, 27)


def test_single_answers_are_known_in_discs():
    accepted, rejected = [(30, 40)], [(70.5, 20)]
    labels = particles(accepted, Origin.ANSWER) + particles(rejected, Origin.ANSWER, Verdict.REJECTED)
    maps = maps_of(MicrographLabels(labels))
    assert np.array_equal(maps.known, disc(30, 40, DISC, SHAPE) | disc(70.5, 20, DISC, SHAPE))
    assert np.array_equal(maps.judged, maps.known)
    assert not maps.unlabelled.any()
    assert maps.target[40, 30] == 1
    assert not maps.target[disc(70.5, 20, DISC, SHAPE)].any()


def test_unsure_is_known_nowhere():
    unsure = particles([(50, 40)], Origin.ANSWER, Verdict.UNSURE)
    for labels in (
        MicrographLabels(unsure + particles([(20, 20)]), complete=True),
        MicrographLabels(unsure, fields=(Field("m", 20, 10, 60),)),
        MicrographLabels(unsure + particles([(20, 20)], Origin.IMPORT)),
    ):
        maps = maps_of(labels)
        for mask in (maps.known, maps.judged, maps.unlabelled):
            assert not mask[disc(50, 40, DISC, SHAPE)].any()
        assert (maps.known | maps.unlabelled).any()
    assert not maps_of(MicrographLabels(unsure)).known.any()


def test_imports_leave_the_rest_unlabelled():
    maps = maps_of(MicrographLabels(particles([(30, 40), (80, 60)], Origin.IMPORT)))
    discs = disc(30, 40, DISC, SHAPE) | disc(80, 60, DISC, SHAPE)
    assert np.array_equal(maps.known, discs)
    assert np.array_equal(maps.unlabelled, ~discs)
    assert not maps.judged.any()


def test_imports_beside_a_complete_field_and_answers():
    labels = particles([(30, 40)], Origin.IMPORT) + particles([(90, 70)], Origin.ANSWER, Verdict.REJECTED)
    maps = maps_of(MicrographLabels(labels, fields=(Field("m", 50, 10, 30),)))
    judged = disc(90, 70, DISC, SHAPE)
    judged[12:38, 52:78] = True
    assert np.array_equal(maps.judged, judged)
    assert np.array_equal(maps.known, judged | disc(30, 40, DISC, SHAPE))
    assert np.array_equal(maps.unlabelled, ~maps.known)


def test_imports_in_a_complete_micrograph_are_complete_labels():
    maps = maps_of(MicrographLabels(particles([(30, 40)], Origin.IMPORT), complete=True))
    assert maps.known.all()
    assert not maps.unlabelled.any()


def test_nothing_is_known_where_there_is_no_image():
    valid = np.ones(SHAPE, bool)
    valid[:30] = False
    scaled = make_scaled(np.ones(SHAPE), valid)
    for labels in (
        MicrographLabels(particles([(40, 28)]), complete=True),
        MicrographLabels(particles([(40, 28)], Origin.IMPORT)),
        MicrographLabels(particles([(40, 28)], Origin.ANSWER)),
    ):
        maps = maps_of(labels, scaled)
        assert not (maps.known | maps.unlabelled | maps.judged)[:30].any()


def test_values_at_positions():
    mask = np.zeros((5, 7), bool)
    mask[2, 3] = mask[4, 6] = mask[0, 0] = True
    xy = np.array([[3.4, 1.6], [2, 3], [6, 4], [6.6, 4], [-0.4, 0], [-1, 0], [0, -0.6], [7, 5]])
    assert at(mask, xy).tolist() == [True, False, True, False, True, False, False, False]
    assert at(mask, np.empty((0, 2))).tolist() == []
