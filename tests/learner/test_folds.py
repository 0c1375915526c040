"""Folds: every unit is left out by exactly one, and nothing is on both sides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryoal.config import TrainingConfig
from cryoal.data.labels import Field, Label, MicrographLabels, Origin, Verdict
from cryoal.data.micrograph import ScaledMicrograph
from cryoal.learner.folds import NO_FOLD, fold_maps
from cryoal.model.label_maps import LabelMaps, label_maps

SHAPE = (80, 120)
SCALE = 2.0


def scaled() -> ScaledMicrograph:
    """A micrograph that is valid everywhere."""
    shape_px = (int(SHAPE[0] * SCALE), int(SHAPE[1] * SCALE))
    return ScaledMicrograph(np.zeros(SHAPE, np.float32), np.ones(SHAPE, bool), (SCALE, SCALE), shape_px)


def particle(x: float, y: float, origin: Origin = Origin.ANSWER) -> Label:
    """A particle, original pixels."""
    return Label(x, y, Verdict.PARTICLE, origin)


def dealt(labels: list[MicrographLabels], folds: int, seed: int = 0) -> tuple[list[np.ndarray], int, list[LabelMaps]]:
    """Deal some micrographs' labels."""
    images = [scaled() for _ in labels]
    maps = [label_maps(image, one, 20, TrainingConfig()) for image, one in zip(images, labels, strict=True)]
    out, number = fold_maps(images, labels, maps, folds, np.random.default_rng(seed))
    return out, number, maps


COMPLETE = MicrographLabels((particle(50, 50, Origin.COMPLETE),), complete=True)


@given(st.integers(4, 12), st.integers(2, 6), st.integers(0, 5))
def test_many_micrographs_are_dealt_whole_and_evenly(micrographs: int, folds: int, seed: int) -> None:
    images, number, _ = dealt([COMPLETE] * micrographs, folds, seed)
    assert number == min(folds, micrographs)
    of_image = [np.unique(image).tolist() for image in images]
    assert all(len(values) == 1 for values in of_image)
    sizes = np.bincount([values[0] for values in of_image], minlength=number)
    assert sizes.sum() == micrographs
    assert sizes.max() - sizes.min() <= 1


@given(st.integers(2, 6), st.integers(0, 5))
def test_fields_of_few_micrographs_are_dealt_one_by_one(folds: int, seed: int) -> None:
    fields = [Field("a", x, y, 60) for x in (0, 60, 120) for y in (0, 60)]
    images, number, _ = dealt([MicrographLabels(fields=tuple(fields))], folds, seed)
    assert number == min(folds, 6)
    inside = np.zeros(SHAPE, bool)
    found = []
    for field in fields:
        x, y, size = (round(value / SCALE) for value in (field.x, field.y, field.size))
        region = (slice(y, y + size), slice(x, x + size))
        values = np.unique(images[0][region][2:-2, 2:-2])
        assert len(values) == 1
        found.append(int(values[0]))
        inside[region] = True
    assert set(found) == set(range(number))
    assert (images[0][~inside] == NO_FOLD).all()


def test_few_complete_micrographs_are_dealt_by_quarter() -> None:
    images, number, _ = dealt([COMPLETE, COMPLETE], 4)
    assert number == 4
    quarters = [q for image in images for half in np.split(image, 2) for q in np.split(half, 2, axis=1)]
    assert all(len(np.unique(quarter)) == 1 for quarter in quarters)
    assert np.bincount([int(quarter[0, 0]) for quarter in quarters]).tolist() == [2, 2, 2, 2]


def test_what_was_only_imported_is_in_no_fold() -> None:
    imported = MicrographLabels((particle(50, 50, Origin.IMPORT),))
    images, number, _ = dealt([COMPLETE] * 4 + [imported], 4)
    assert number == 4
    assert (images[4] == NO_FOLD).all()
    assert dealt([imported] * 5, 4)[1] == 0


@pytest.mark.parametrize("count", [1, 2, 3])
def test_answers_in_few_quarters_leave_none_out(count: int) -> None:
    corners = [(30.0, 30.0), (200.0, 30.0), (30.0, 130.0)][:count]
    images, number, maps = dealt([MicrographLabels(tuple(particle(x, y) for x, y in corners))], 5)
    assert maps[0].judged.any()
    assert number == 0
    assert (images[0] == NO_FOLD).all()


@given(st.lists(st.tuples(st.floats(0, 239), st.floats(0, 159)), min_size=1, max_size=12), st.integers(0, 3))
def test_whatever_is_left_out_something_remains(corners: list[tuple[float, float]], seed: int) -> None:
    images, number, maps = dealt([MicrographLabels(tuple(particle(x, y) for x, y in corners))], 5, seed)
    for fold in range(number):
        assert (maps[0].judged & (images[0] == fold)).any()
        assert (maps[0].judged & (images[0] != fold)).any()
