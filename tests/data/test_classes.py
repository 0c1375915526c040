"""Classes: which numbers are allowed, and probabilities against a sum written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, softmax

from cryoal.acquisition.checks import checked_probabilities
from cryoal.data.classes import NO_CLASSES, Classes, class_name, full_probability
from cryoal.errors import OptionError

SOME = [NO_CLASSES, Classes((1, 2)), Classes((2, 5, 7), (1,)), Classes((), (1, 3))]


@pytest.mark.parametrize("bad", [((0, 1),), ((1, 1),), ((3,),), ((-2, 1),), ((1, 2), (0,)), ((1, 2), (4, 4))])
def test_numbers_that_tell_nothing_apart_are_refused(bad):
    with pytest.raises(OptionError, match="classes: "):
        Classes(*bad)


def test_counts_of_classes_and_logits():
    assert [(c.n_particles, c.n_classes, c.n_logits) for c in SOME] == [(1, 2, 0), (2, 3, 2), (3, 5, 5), (1, 4, 3)]
    assert [bool(c) for c in SOME] == [False, True, True, True]


@given(st.sampled_from(SOME), st.integers(0, 2**32 - 1), st.floats(0.1, 40))
def test_the_full_probability_is_the_product_written_out(classes, seed, spread):
    rng = np.random.default_rng(seed)
    d = expit(rng.normal(0, spread, (2, 3))).astype(np.float32)
    z = rng.normal(0, spread, (2, 3, classes.n_logits))
    P, J = len(classes.particles), len(classes.junk)
    parts = [softmax(part, axis=-1) for part in (z[..., :P], z[..., P:]) if part.shape[-1]]
    given_class = np.concatenate([np.empty((2, 3, 0)), *parts], axis=-1).astype(np.float32)
    full = full_probability(d, given_class, classes)
    checked_probabilities(full)  # sums to one as acquisition wants it
    for k, n in np.ndindex(2, 3):
        q = given_class[k, n, :P] if P else [1.0]
        b = given_class[k, n, P:] if J else [1.0]
        wanted = [(1 - d[k, n]) * b[0], *(d[k, n] * one for one in q), *((1 - d[k, n]) * one for one in b[1:])]
        assert full[k, n] == pytest.approx(wanted, abs=1e-6)


def test_without_classes_it_is_background_and_particle_to_the_bit():
    d = np.random.default_rng(0).random((5, 1000), np.float32)
    np.testing.assert_array_equal(full_probability(d, np.empty((5, 1000, 0)), NO_CLASSES), np.stack([1 - d, d], -1))


def test_names_and_where_there_are_none():
    assert class_name(2, ["open", "closed"]) == "closed"
    assert class_name(3, ["open", "closed"]) == "class 3"
    assert class_name(1, [], "junk") == "junk 1"
