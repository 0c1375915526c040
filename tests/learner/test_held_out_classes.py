"""What is reported of held-out classes, against a case worked out by hand."""

import numpy as np

from cryoal.data.classes import Classes
from cryoal.learner.held_out_classes import HeldOutClasses, class_metrics, joined

CLASSES = Classes((3, 5), (2,))  # logits: class 3, class 5, plain, junk 2


def said(*rows):
    """Pairs of the right logit and the one called."""
    logit = np.zeros((len(rows), 4))
    for row, (right, called) in zip(logit, rows, strict=True):
        row[called] = 1.0
        row[3 - right] = 9.0  # of the other softmax: it must not matter
    return HeldOutClasses(logit, np.array([right for right, _ in rows]))


def test_each_softmax_is_judged_by_itself():
    found = joined([said((0, 0), (0, 1), (1, 1)), said(), said((2, 2), (3, 3), (3, 2), (2, 2))], CLASSES)
    metrics = found.metrics(CLASSES)
    assert metrics["class_numbers"] == [3, 5]
    assert metrics["class_confusion"] == [[1, 1], [0, 1]]
    assert (metrics["class_labels"], metrics["class_accuracy"], metrics["class_balanced_accuracy"]) == (3, 0.6667, 0.75)
    assert metrics["junk_numbers"] == [0, 2]
    assert metrics["junk_confusion"] == [[2, 0], [1, 1]]
    assert class_metrics(metrics, "junk").accuracy == 0.75
    assert class_metrics({}, "junk") is None


def test_only_what_is_told_apart_is_reported():
    assert set(joined([], Classes((), (1,))).metrics(Classes((), (1,)))) == {
        f"junk_{name}" for name in ("numbers", "labels", "accuracy", "balanced_accuracy", "confusion")
    }
