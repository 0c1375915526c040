"""Confusion of classes, against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix

from cryoal.errors import ArrayError
from cryoal.evaluation.confusion import confusion

PAIRS = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1)


@given(PAIRS)
def test_counts_are_those_of_scikit_learn(pairs):
    truth, predicted = np.array(pairs).T
    found = confusion(truth, predicted)
    assert found.numbers == tuple(sorted({*truth, *predicted}))
    np.testing.assert_array_equal(found.counts, confusion_matrix(truth, predicted))
    assert found.accuracy == pytest.approx(accuracy_score(truth, predicted))


def test_the_balanced_accuracy_is_the_mean_recall_of_the_classes_there_are():
    found = confusion([1, 1, 1, 1, 2, 2], [1, 1, 1, 2, 2, 1], (1, 2, 3))
    assert found.counts.tolist() == [[3, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert found.balanced_accuracy == pytest.approx((3 / 4 + 1 / 2) / 2)


def test_nothing_and_strangers():
    assert np.isnan(confusion([], [], (1, 2)).accuracy)
    assert np.isnan(confusion([], []).balanced_accuracy)
    with pytest.raises(ArrayError, match="2 true and 1 predicted"):
        confusion([1, 2], [1])
    with pytest.raises(ArrayError, match="class 3 is not among"):
        confusion([1, 2], [1, 3], (1, 2))
