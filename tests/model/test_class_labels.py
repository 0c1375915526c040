"""Where the labels of a micrograph say which class."""

import numpy as np
import pytest

from cryoal.config import TrainingConfig
from cryoal.data.classes import Classes
from cryoal.data.labels import Label, MicrographLabels, Origin, Verdict
from cryoal.model.class_labels import class_labels
from cryoal.model.label_maps import label_maps
from tests.model.simulated import SIZE, disc, noise

SHAPE = (100, 140)
CONFIG = TrainingConfig()
RADIUS = CONFIG.answer_radius_diameters * SIZE


def drawn(classes, *said, complete=True):
    labels = MicrographLabels(tuple(said), complete=complete)
    scaled = noise(SHAPE)
    return class_labels(scaled, labels, label_maps(scaled, labels, SIZE, CONFIG), classes, SIZE, CONFIG)


def particle(x, y, number=0):
    return Label(x, y, Verdict.PARTICLE, Origin.COMPLETE, number)


def rejected(x, y, number=0):
    return Label(x, y, Verdict.REJECTED, Origin.ANSWER, number)


def test_each_class_has_a_disc_and_nothing_else_is_known_without_junk():
    found = drawn(Classes((2, 7)), particle(30, 30, 7), particle(70, 30, 2), particle(70, 70), particle(110, 70, 3))
    wanted = 2 * disc(30, 30, RADIUS, SHAPE) + 1 * disc(70, 30, RADIUS, SHAPE)
    np.testing.assert_array_equal(found.place, wanted)
    assert found.logit.tolist() == [1, 0]


def test_plain_background_keeps_away_from_particles_and_from_junk():
    found = drawn(Classes((1, 2), (3,)), particle(30, 30, 1), rejected(90, 50, 3), particle(30, 80))
    plain = 1 + 2
    near = disc(30, 30, SIZE / 2, SHAPE) | disc(30, 80, SIZE / 2, SHAPE)
    near |= disc(90, 50, CONFIG.junk_clearance_diameters * SIZE, SHAPE)
    junk, one = disc(90, 50, RADIUS, SHAPE), disc(30, 30, RADIUS, SHAPE)
    np.testing.assert_array_equal(found.place == plain, ~near)
    np.testing.assert_array_equal(found.place == plain + 1, junk)
    np.testing.assert_array_equal(found.place == 1, one)
    assert found.logit.tolist() == [0, 3]


def test_a_rejection_without_a_kind_is_plain():
    found = drawn(Classes((), (1,)), rejected(30, 30), rejected(90, 50, 1), complete=False)
    np.testing.assert_array_equal(found.place, 1 * disc(30, 30, RADIUS, SHAPE) + 2 * disc(90, 50, RADIUS, SHAPE))


def test_the_same_number_of_the_other_series_is_no_class():
    found = drawn(Classes((1, 2)), rejected(30, 30, 1), particle(70, 30, 2), complete=False)
    assert found.logit.tolist() == [1]


@pytest.mark.parametrize("classes", [Classes((1, 2)), Classes((1, 2), (1,))])
def test_a_micrograph_without_classed_labels_is_no_trouble(classes):
    found = drawn(classes)
    assert found.xy.shape == (0, 2)
    assert np.unique(found.place).tolist() == ([3] if classes.junk else [0])
