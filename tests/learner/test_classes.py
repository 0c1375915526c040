"""Which classes a round tells apart, and what is said of the rest."""

import pytest

from cryoal.config import TrainingConfig
from cryoal.data.classes import NO_CLASSES, Classes
from cryoal.data.labels import MicrographLabels
from cryoal.errors import FileFormatError, OptionError
from cryoal.learner.classes import class_number, classes_of, described, read_class_calibration
from cryoal.workspace.settings import Settings
from tests.learner.workspaces import label

PLAIN = Settings(100, "", "")
NAMED = Settings(100, "", "", classes=("open", "closed"), junk=("ice",))


def told(counts, settings=PLAIN, junk=None):
    """The classes of so many labels of each number, dealt out to two micrographs."""
    said = [label(10 * i, 10 * n, number=n) for n, count in counts.items() for i in range(count)]
    said += [label(10 * i, 900 + n, "rejected", number=n) for n, count in (junk or {}).items() for i in range(count)]
    labels = {"a": MicrographLabels(tuple(said[::2])), "b": MicrographLabels(tuple(said[1::2]))}
    return classes_of(labels, settings, TrainingConfig())


def test_classes_and_junk_need_three_labels_each():
    assert told({0: 9, 1: 3, 4: 5}) == (Classes((1, 4)), "")
    assert told({1: 5, 2: 4}, junk={2: 3}) == (Classes((1, 2), (2,)), "")
    assert told({0: 5}, junk={0: 9, 1: 3}) == (Classes((), (1,)), "")
    classes, note = told({1: 3, 2: 3, 3: 2}, junk={1: 2})
    assert classes == Classes((1, 2))
    assert note == "labels are too few, 3 needed: class 3 has 2; labels are too few, 3 needed: junk 1 has 2"


def test_one_class_is_no_class():
    assert told({0: 9}) == (NO_CLASSES, "")
    assert told({1: 50}) == (NO_CLASSES, "")
    assert told({1: 50, 2: 1}) == (NO_CLASSES, "labels are too few, 3 needed: class 2 has 1")
    assert told({1: 5}, NAMED)[1] == (
        "labels are too few, 3 needed: closed has 0; labels are too few, 3 needed: ice has 0"
    )


def test_a_2d_classification_is_ignored_in_one_line():
    classes, note = told(dict.fromkeys(range(1, 10), 5), junk={1: 3})
    assert classes == Classes((), (1,))
    assert note.startswith("class numbers of 9 kinds are ignored, at most 8 can be told apart")
    assert told(dict.fromkeys(range(1, 9), 3))[0] == Classes(tuple(range(1, 9)))


def test_classes_without_a_name_are_told():
    classes, note = told({1: 3, 2: 3, 3: 3}, NAMED, junk={1: 3})
    assert classes == Classes((1, 2, 3), (1,))
    assert note == "class 3 without a name among ['open', 'closed'], add it to classes in workspace.toml"
    assert described(classes, NAMED) == "classes open, closed, class 3; junk ice"
    assert described(Classes((), (2,)), PLAIN) == "junk junk 2"
    assert described(NO_CLASSES, NAMED) == ""


def test_a_class_is_named_or_numbered():
    assert class_number("closed", ("open", "closed"), "--class") == 2
    assert class_number("7", (), "--class") == 7
    for text in ("0", "-1", "shut", "1.5", ""):
        with pytest.raises(OptionError, match=r"--class: .*a number from 1 up"):
            class_number(text, ("open",), "--class")


def test_a_broken_calibration_is_named(tmp_path):
    assert read_class_calibration(tmp_path / "none.json").particle_temperature == 1
    (tmp_path / "classes.json").write_text("{}")
    with pytest.raises(FileFormatError, match=r"classes\.json: .*train again"):
        read_class_calibration(tmp_path / "classes.json")
