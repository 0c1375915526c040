"""Temperatures of the classes."""

import numpy as np
import pytest
from scipy.special import softmax

from cryoal.data.classes import NO_CLASSES, Classes
from cryoal.errors import OptionError
from cryoal.model.class_calibration import ClassCalibration, choose_class_calibration

CLASSES = Classes((1, 2, 3), (1,))


def drawn(n, temperature, rng):
    """Logits that are too sure by a temperature, and classes drawn as they should say."""
    z = rng.normal(0, 2, (n, 3))
    right = np.array([rng.choice(3, p=p) for p in softmax(z, axis=1)])
    return np.column_stack([z * temperature, rng.normal(size=(n, 2))]), right


def test_the_temperature_is_found_and_the_other_stays_one():
    logits, right = drawn(4000, 2.5, np.random.default_rng(0))
    fit = choose_class_calibration(logits, right, CLASSES)
    assert fit.particle_temperature == pytest.approx(2.5, rel=0.1)
    assert fit.background_temperature == 1.0


def test_few_labels_leave_it():
    logits, right = drawn(9, 2.5, np.random.default_rng(0))
    assert choose_class_calibration(logits, right, CLASSES) == ClassCalibration()
    assert choose_class_calibration(np.empty((0, 5)), np.empty(0, np.int64), CLASSES) == ClassCalibration()


def test_each_softmax_sums_to_one_and_has_its_own_temperature():
    z = np.random.default_rng(1).normal(0, 3, (4, 6, 5)).astype(np.float32)
    p = ClassCalibration(2.0, 0.5)(z, CLASSES)
    np.testing.assert_allclose(p[..., :3], softmax(z[..., :3] / 2.0, axis=-1), rtol=1e-5)
    np.testing.assert_allclose(p[..., 3:], softmax(z[..., 3:] / 0.5, axis=-1), rtol=1e-5)
    assert ClassCalibration()(np.empty((2, 3, 0), np.float32), NO_CLASSES).shape == (2, 3, 0)


def test_it_is_read_as_it_was_written():
    one = ClassCalibration(1.25, 0.75)
    assert ClassCalibration.from_dict(one.to_dict()) == one
    for bad in ({}, {"particle_temperature": "x", "background_temperature": 1}):
        with pytest.raises(OptionError, match="train again"):
            ClassCalibration.from_dict(bad)
