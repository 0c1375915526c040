"""Plots: each mark at its place in its own shape, figures read back from the PNG, no global state of matplotlib."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread

from cryoal.errors import ArrayError, FileError
from cryoal.report.plots import (
    JudgedPicks,
    class_averages_figure,
    classes_figure,
    learning_curve_figure,
    picks_figure,
    save,
)

PICKS = np.array([[10.0, 20.0], [50.0, 50.0], [90.0, 10.0]])
TRUTH = np.array([[11.0, 20.0], [88.0, 12.0], [70.0, 70.0]])


def test_picks_are_judged_by_the_truth():
    judged = JudgedPicks.by_truth(PICKS, TRUTH, radius_px=3.0)
    np.testing.assert_array_equal(judged.found, PICKS[[0, 2]])
    np.testing.assert_array_equal(judged.false, PICKS[[1]])
    np.testing.assert_array_equal(judged.missed, TRUTH[[2]])


def test_each_kind_has_its_places_shape_and_colour(tmp_path: Path):
    pixels = np.random.default_rng(0).normal(size=(80, 120))
    figure = picks_figure(pixels, JudgedPicks.by_truth(PICKS, TRUTH, 3.0), 20.0, 4.0, "title")
    (axes,) = figure.axes
    marks = [line for line in axes.lines if line.get_marker() in ("o", "s", "^") and line.get_markeredgewidth() < 2]
    drawn = {line.get_marker(): line.get_xydata() for line in marks}
    np.testing.assert_array_equal(drawn["o"], PICKS[[0, 2]])
    np.testing.assert_array_equal(drawn["s"], PICKS[[1]])
    np.testing.assert_array_equal(drawn["^"], TRUTH[[2]])
    assert len({to_hex(line.get_markeredgecolor()) for line in marks}) == 3
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # row 0 on top
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["2 found", "1 false", "1 missed"]
    save(figure, tmp_path / "picks.png")
    assert imread(tmp_path / "picks.png").std() > 0.05


def test_a_scale_bar_is_as_long_as_it_says():
    figure = picks_figure(np.eye(200), JudgedPicks.by_truth(PICKS, TRUTH, 3.0), 20.0, 5.0)
    (axes,) = figure.axes
    (text,) = [text.get_text() for text in axes.texts]
    bar = axes.lines[-1].get_xdata()
    assert (bar[1] - bar[0]) * 5.0 == pytest.approx(10 * float(text.removesuffix(" nm")))


def test_no_picks_are_drawn_too(tmp_path: Path):
    none = np.empty((0, 2))
    save(picks_figure(np.eye(50), JudgedPicks(none, none, none), 10.0, 4.0), tmp_path / "none.png")
    assert (tmp_path / "none.png").stat().st_size > 0


def test_a_learning_curve_shows_the_mean_of_the_micrographs(tmp_path: Path):
    f1 = np.array([[0.2, 0.4], [0.6, 0.8], [0.8, 0.9]])
    figure = learning_curve_figure([5, 10, 20], {"F1": f1, "average precision": f1 / 2})
    (axes,) = figure.axes
    lines = {line.get_label(): line.get_xydata() for line in axes.lines}
    np.testing.assert_allclose(lines["F1 (last: 0.85)"], [[5, 0.3], [10, 0.7], [20, 0.85]])
    save(figure, tmp_path / "curve.png")
    assert imread(tmp_path / "curve.png").ndim == 3


def test_curves_that_do_not_fit_are_refused():
    with pytest.raises(ArrayError, match=r"F1 has shape \(2, 3\), expected 4 rounds"):
        learning_curve_figure([1, 2, 3, 4], {"F1": np.zeros((2, 3))})
    with pytest.raises(ArrayError, match="4 curves, expected at most 3"):
        learning_curve_figure([1], dict.fromkeys("abcd", np.zeros((1, 1))))


def test_class_averages_come_most_populated_first(tmp_path: Path):
    averages = np.stack([np.full((8, 8), value) for value in (1.0, 2.0, 3.0)]) + np.eye(8)
    figure = class_averages_figure(averages, [20, 1500, 300], 3.0)
    assert [axes.get_title() for axes in figure.axes] == ["1,500", "300", "20"]
    assert [axes.images[0].get_array()[0, 1] for axes in figure.axes] == [2.0, 3.0, 1.0]
    save(figure, tmp_path / "classes.png")
    with pytest.raises(ArrayError, match="with 2 numbers"):
        class_averages_figure(averages, [1, 2], 3.0)


def test_a_figure_that_cannot_be_written_is_an_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="file"):
        save(learning_curve_figure([1], {"F1": np.zeros((1, 1))}), tmp_path / "file" / "curve.png")


def test_pyplot_is_never_imported():
    code = "import sys, cryoal.report.plots; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_each_class_has_a_colour_and_a_shape():
    by_class = {"open": PICKS[:2], "closed": PICKS[2:]}
    figure = classes_figure(np.eye(120), by_class, 20.0, 4.0)
    (axes,) = figure.axes
    marks = [line for line in axes.lines if line.get_marker() in ("o", "s") and line.get_markeredgewidth() < 2]
    drawn = {line.get_marker(): line.get_xydata() for line in marks}
    np.testing.assert_array_equal(drawn["o"], PICKS[:2])
    np.testing.assert_array_equal(drawn["s"], PICKS[2:])
    assert len({to_hex(line.get_markeredgecolor()) for line in marks}) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["2 open", "1 closed"]
    with pytest.raises(ArrayError, match="6 classes, there are colours for 5"):
        classes_figure(np.eye(120), dict.fromkeys("abcdef", PICKS), 20.0, 4.0)
