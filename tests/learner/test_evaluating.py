"""Evaluation against a case worked out by hand."""

from pathlib import Path

import numpy as np
import pytest

from cryoal.errors import LabelError, OptionError
from cryoal.io import star
from cryoal.learner.evaluating import EvaluateOptions, evaluate

PIXEL_SIZE, DIAMETER = 2.0, 100.0  # a particle is 50 pixels wide, matched within 15
OPTIONS = EvaluateOptions(DIAMETER, pixel_size_angstrom=PIXEL_SIZE)


def write(folder: Path, name: str, rows: list[tuple[float, ...]]) -> None:
    """One coordinate file: x, y and, where given, figure of merit and class."""
    labels = ("rlnCoordinateX", "rlnCoordinateY", "rlnAutopickFigureOfMerit", "rlnClassNumber")[
        : len(rows[0]) if rows else 2
    ]
    star.write(folder / f"{name}.star", {"": {label: [row[i] for row in rows] for i, label in enumerate(labels)}})


def test_figures_by_micrograph_and_in_all(tmp_path: Path) -> None:
    picks, truth = tmp_path / "picks", tmp_path / "truth"
    write(truth, "a", [(100, 100), (200, 100), (300, 100)])
    write(truth, "b", [(100, 100)])
    write(truth, "c", [])
    write(picks, "a", [(110, 100, 0.9), (204, 103, 0.7), (316, 100, 0.8)])  # 10, 5, and one pixel too far
    write(picks, "c", [(50, 50, 0.6)])
    found = evaluate(picks, truth, OPTIONS)
    a, b, c = (found.by_micrograph[name] for name in "abc")
    assert (a.n_picks, a.n_truth, a.n_matched) == (3, 3, 2)
    assert (a.precision, a.recall, a.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert a.average_precision == pytest.approx((1 + 2 / 3) / 3)
    assert a.median_error_diameters == pytest.approx(7.5 / 50)
    assert (b.n_picks, b.recall) == (0, 0)
    assert np.isnan(b.precision)
    assert (c.n_truth, c.precision) == (0, 0)
    assert np.isnan(c.recall)
    overall = found.overall
    assert (overall.n_picks, overall.n_truth, overall.n_matched) == (4, 4, 2)
    assert (overall.precision, overall.recall) == (0.5, 0.5)
    assert overall.average_precision == pytest.approx((1 + 2 / 3) / 4)
    assert overall.best_f1 == pytest.approx(2 * 2 / (3 + 4))
    assert overall.best_f1_threshold == pytest.approx(0.7)


def test_one_truth_is_matched_once(tmp_path: Path) -> None:
    write(tmp_path / "truth", "a", [(100, 100)])
    write(tmp_path / "picks", "a", [(100, 100), (105, 100), (95, 100)])
    found = evaluate(tmp_path / "picks", tmp_path / "truth", OPTIONS).overall
    assert (found.n_matched, found.precision, found.recall) == (1, pytest.approx(1 / 3), 1)
    assert np.isnan(found.average_precision)  # no scores, no curve


def test_the_radius_is_in_diameters(tmp_path: Path) -> None:
    write(tmp_path / "truth", "a", [(100, 100)])
    write(tmp_path / "picks", "a", [(110, 100)])
    for radius, matched in ((0.19, 0), (0.21, 1)):
        options = EvaluateOptions(DIAMETER, radius, PIXEL_SIZE)
        assert evaluate(tmp_path / "picks", tmp_path / "truth", options).overall.n_matched == matched


def test_picks_without_truth_are_left_out_and_named(tmp_path: Path) -> None:
    names = [f"Micrographs/{name}.mrc" for name in "abc"]
    sizes = {"rlnMicrographName": names, "rlnMicrographPixelSize": [PIXEL_SIZE] * 3}
    star.write(tmp_path / "micrographs.star", {"micrographs": sizes})
    write(tmp_path / "truth", "a", [(100, 100)])
    write(tmp_path / "picks", "a", [(100, 100)])
    write(tmp_path / "picks", "b", [(100, 100)])
    found = evaluate(tmp_path / "picks", tmp_path / "truth", EvaluateOptions(DIAMETER))
    assert list(found.by_micrograph) == ["Micrographs/a.mrc"]
    assert found.without_truth == ("Micrographs/b.mrc",)
    assert found.overall.precision == 1
    write(tmp_path / "truth", "z", [(100, 100)])
    with pytest.raises(LabelError, match=r"1 micrographs it names, z first, are not in the micrograph list"):
        evaluate(tmp_path / "picks", tmp_path / "truth", EvaluateOptions(DIAMETER))


def test_the_pixel_size_must_be_known(tmp_path: Path) -> None:
    write(tmp_path / "truth", "a", [(100, 100)])
    with pytest.raises(LabelError, match="--pixel-size or --micrographs"):
        evaluate(tmp_path / "truth", tmp_path / "truth", EvaluateOptions(DIAMETER))
    star.write(tmp_path / "micrographs.star", {"micrographs": {"rlnMicrographName": ["a.mrc"]}})
    with pytest.raises(LabelError, match=r"a\.mrc: its pixel size is not known; give --pixel-size"):
        evaluate(tmp_path / "truth", tmp_path / "truth", EvaluateOptions(DIAMETER))


@pytest.mark.parametrize(
    ("field", "flag"),
    [("diameter_angstrom", "--diameter"), ("radius_diameters", "--radius"), ("pixel_size_angstrom", "--pixel-size")],
)
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_sizes_are_positive(field: str, flag: str, value: float) -> None:
    with pytest.raises(OptionError, match=f"{flag}: {value}"):
        EvaluateOptions(**({"diameter_angstrom": 100.0} | {field: value}))


def test_classes_are_held_against_each_other_where_both_sides_have_them(tmp_path: Path) -> None:
    truth, picks = tmp_path / "truth", tmp_path / "picks"
    write(truth, "a", [(100, 100, 0, 1), (200, 100, 0, 1), (300, 100, 0, 2), (400, 100, 0, 0)])
    write(picks, "a", [(100, 100, 1, 1), (200, 100, 1, 3), (300, 100, 1, 2), (400, 100, 1, 1), (600, 100, 1, 1)])
    write(truth, "b", [(100, 100, 0, 2)])
    write(picks, "b", [(100, 100, 1, 0)])
    found = evaluate(picks, truth, OPTIONS)
    assert found.classes is not None
    assert found.classes.numbers == (1, 2, 3)
    assert found.classes.counts.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert found.overall.class_accuracy == pytest.approx(2 / 3)
    assert np.isnan(found.by_micrograph["b"].class_accuracy)
    write(truth, "a", [(100, 100, 0, 1)])
    assert evaluate(picks, truth, OPTIONS).classes is None  # one class tells nothing
