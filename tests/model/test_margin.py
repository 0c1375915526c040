"""The margin along the edges: Bayes' rule over its widths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from cryoal.model.margin import (
    BELIEVED,
    STEP_DIAMETERS,
    margin_diameters,
    marked_probability,
    moved_margin,
    unmarked_at,
    unmarked_within,
)


def moved(edge, y, logit=1.5, before=BELIEVED):
    edge, y = np.asarray(edge, float), np.asarray(y)
    return moved_margin(before, np.full(edge.shape, logit), y, edge)


def test_beforehand_a_margin_is_as_likely_as_none():
    assert BELIEVED[0] == 0.5
    assert (np.diff(BELIEVED) < 0).all()
    assert margin_diameters(BELIEVED) == 0
    assert unmarked_at([0.0, 0.61, 1.24, 1.26, np.inf], BELIEVED) == pytest.approx([0.5, 0.26, 0.02, 0, 0])
    assert moved([], []) == pytest.approx(BELIEVED)


def test_one_rejection_says_little_and_some_say_much():
    assert unmarked_at([0.2], moved([0.3], [0])) < 0.75
    several = moved([0.3, 0.4, 0.5, 0.6], [0, 0, 0, 0])
    assert unmarked_at([0.2], several) > 0.9
    assert 0.4 < margin_diameters(several) < 1.0
    unlikely = moved([0.3, 0.4, 0.5, 0.6], [0, 0, 0, 0], logit=-4.0)
    assert unlikely == pytest.approx(BELIEVED, abs=0.03)  # no particle was expected there


def test_a_particle_in_it_undoes_what_is_wider():
    after = moved([0.1, 0.2, 0.15, 0.35], [0, 0, 0, 1])
    assert unmarked_at([0.36], after) < 0.15
    assert unmarked_at([0.1], after) > 0.5


def test_far_labels_say_nothing():
    assert moved([5.0, 9.0], [0, 1]) == pytest.approx(BELIEVED, abs=1e-6)


def test_what_is_certain_stays():
    certain = unmarked_within(0.6)
    assert margin_diameters(certain) == 0.6
    assert moved([0.2, 0.8], [0, 1], before=certain) == certain
    assert moved([0.2], [0], before=()) == ()


@given(st.lists(st.tuples(st.floats(0, 2), st.booleans(), st.floats(-6, 6)), max_size=12), st.randoms())
def test_bayes_rule_width_by_width(labels, random):
    edge, y, z = (np.array(some, float) for some in zip(*labels, strict=True)) if labels else (np.empty(0),) * 3
    found = moved_margin(BELIEVED, z, y, edge)
    widths = np.arange(len(BELIEVED) + 1) * STEP_DIAMETERS
    prior = np.array([0.5] + [0.5 / len(BELIEVED)] * len(BELIEVED))
    likelihood = []
    for cells in range(len(widths)):
        inside = (edge / STEP_DIAMETERS).astype(int) < cells
        p = expit(np.minimum(z, 0.85) - 5.0 * inside)
        likelihood.append(np.prod(np.where(y == 1, p, 1 - p)))
    posterior = prior * likelihood / np.sum(prior * likelihood)
    wider = [posterior[cells + 1 :].sum() for cells in range(len(BELIEVED))]
    assert found == pytest.approx(wider, abs=2e-6)
    shuffled = list(range(len(labels)))
    random.shuffle(shuffled)
    assert moved_margin(BELIEVED, z[shuffled], y[shuffled], edge[shuffled]) == pytest.approx(found, abs=2e-6)


def test_probabilities_are_a_mixture():
    linear = np.array([3.0, 3.0, 3.0])
    p = marked_probability(linear, [0.01, 0.6, 3.0], BELIEVED)
    assert p[2] == expit(3.0)
    assert p[0] == pytest.approx(0.5 * expit(3.0) + 0.5 * expit(-2.0))
    assert p[0] < p[1] < p[2]
    assert np.array_equal(marked_probability(linear, np.inf, ()), expit(linear))
