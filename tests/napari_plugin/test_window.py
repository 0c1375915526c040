"""The checks of the design in a real window: keys, mouse, safety, the same picks on screen and in the export."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cryoal.data.labels import Verdict
from cryoal.errors import UserError
from napari_plugin.keys import KEYS
from napari_plugin.marks import State
from tests.napari_plugin.conftest import lines, needs_display

needs_display()

from qtpy.QtCore import QPoint, Qt  # noqa: E402
from qtpy.QtGui import QKeySequence  # noqa: E402
from qtpy.QtTest import QTest  # noqa: E402
from qtpy.QtWidgets import QApplication  # noqa: E402

if TYPE_CHECKING:
    from tests.napari_plugin.window import Window

KEY = Qt.Key
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def free_spot(window: "Window") -> tuple[float, float]:
    """A visible position that is far from every mark."""
    (x0, x1), (y0, y1) = window.dock.controller.scene.visible_box()
    marks, diameter = window.document.marks(), window.document.diameter_px()
    for x in np.arange(x0 + 30, x1 - 30, 7):
        for y in np.arange(y0 + 60, y1 - 30, 7):
            if marks.nearest((x, y), 1.2 * diameter, *State) is None:
                return float(round(x)), float(round(y))
    raise AssertionError("no free spot")


def test_f_d_s_are_three_lines_and_three_undos_restore_the_document(window: "Window") -> None:
    before = window.document.snapshot()
    for key in (KEY.Key_F, KEY.Key_D, KEY.Key_S):
        window.key(key)
    rows = lines(window.workspace)
    assert [row["verdict"] for row in rows] == ["particle", "rejected", "unsure"]
    assert len({(row["x"], row["y"]) for row in rows}) == 3
    for _ in range(3):
        window.key(KEY.Key_Z, CTRL)
    assert window.document.snapshot() == before


def test_every_key_acts_wherever_the_focus_is(window: "Window", monkeypatch: pytest.MonkeyPatch) -> None:
    review = window.dock.review
    assert review is not None
    window.key(KEY.Key_G)
    assert review.gallery.isVisible()
    pressed: list[str] = []
    monkeypatch.setattr(review, "act", pressed.append)
    places = [window.canvas, review.gallery._list, review.slider._slider, review.rounds.button, review.rounds.format]
    for widget in places:
        widget.setFocus()
        window.settle(0.01)
        for key in KEYS:
            for sequence in key.keys:
                pressed.clear()
                QTest.keySequence(widget, QKeySequence(sequence))
                assert pressed == [key.action] * bool(key.action), (widget, sequence)
    monkeypatch.undo()
    window.key(KEY.Key_G)


def test_in_a_text_field_keys_type_and_return_ends_the_typing(window: "Window") -> None:
    review = window.dock.review
    assert review is not None
    for field, typed in ((review.rounds.out, "fads1"), (review.slider._box, "0.7")):
        before = window.document.snapshot()
        field.setFocus()
        field.selectAll()
        window.settle()
        QTest.keyClicks(field, typed)
        for key in (KEY.Key_Backspace, KEY.Key_9, KEY.Key_Return):
            QTest.keyClick(field, key)
        window.settle()
        assert field.text().rstrip("0") == typed[:-1] + "9"
        assert not field.hasFocus()
        assert window.until(lambda: not review.slider._timer.isActive(), 2)
        assert lines(window.workspace) == []
        assert field is review.slider._box or window.document.snapshot() == before
    assert window.document.threshold == pytest.approx(0.9)
    window.key(KEY.Key_F)
    assert len(lines(window.workspace)) == 1


def test_every_key_has_its_action(window: "Window") -> None:
    for key in KEYS:
        if key.action:
            window.dock._act(key.action)
            window.settle(0.01)
    assert window.dock.controller is not None
    assert window.dock.controller.message == ""


def test_keys_that_delete_points_in_napari_delete_nothing(window: "Window") -> None:
    window.key(KEY.Key_F)
    layers = [layer for layer in window.viewer.layers if layer.name in ("proposed", "accepted", "asked")]
    for layer in [one for one in layers if len(one.data)]:
        before = {one.name: len(one.data) for one in layers}
        window.viewer.layers.selection.active = layer
        layer.selected_data = {0}
        window.settle()
        window.canvas.setFocus()
        for key in (KEY.Key_1, KEY.Key_Delete):
            window.key(key)
        assert {one.name: len(one.data) for one in layers} == before
    rows = lines(window.workspace)
    window.key(KEY.Key_Backspace)
    assert lines(window.workspace)[len(rows) :][0]["what"] == "retract"


def test_clicks_accept_add_and_reject_at_the_original_pixel(window: "Window") -> None:
    document = window.document
    marks = document.marks()
    (x0, x1), (y0, y1) = window.dock.controller.scene.visible_box()
    seen = (marks.xy > (x0 + 20, y0 + 50)).all(axis=1) & (marks.xy < (x1 - 20, y1 - 20)).all(axis=1)
    circles = marks.xy[marks.of(State.PROPOSED) & seen]
    window.click(tuple(circles[0]))
    window.click(tuple(circles[1]), Qt.MouseButton.RightButton)
    spot = free_spot(window)
    window.click(spot)
    accepted, rejected, added = lines(window.workspace)
    assert (accepted["verdict"], rejected["verdict"], added["verdict"]) == ("particle", "rejected", "particle")
    assert (accepted["x"], accepted["y"]) == pytest.approx(tuple(circles[0]), abs=1e-3)
    assert (rejected["x"], rejected["y"]) == pytest.approx(tuple(circles[1]), abs=1e-3)
    assert (added["x"], added["y"]) == pytest.approx(spot, abs=1)


def test_a_drag_is_no_click_and_a_double_click_does_not_zoom(window: "Window") -> None:
    zoom, centre = window.viewer.scene.camera.zoom, window.viewer.scene.camera.center
    start = window.at(free_spot(window))
    window.drag(start, start + QPoint(120, 0))
    assert lines(window.workspace) == []
    assert window.viewer.scene.camera.center != centre
    QTest.mouseDClick(
        window.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, window.at(free_spot(window))
    )
    window.settle()
    assert window.viewer.scene.camera.zoom == zoom
    assert len(lines(window.workspace)) <= 1


def test_shift_drag_rejects_all_inside_and_one_undo_takes_it_back(window: "Window") -> None:
    before = window.document.ledger.counts()
    centre, camera = QPoint(window.canvas.width() // 2, window.canvas.height() // 2), window.viewer.scene.camera.center
    window.drag(centre - QPoint(250, 200), centre + QPoint(250, 200), SHIFT)
    assert window.document.ledger.counts()[Verdict.REJECTED] >= 2
    assert window.viewer.scene.camera.center == camera
    window.key(KEY.Key_Z, CTRL)
    assert window.document.ledger.counts() == before


def test_ctrl_drag_moves_a_particle(window: "Window") -> None:
    spot = free_spot(window)
    window.click(spot)
    window.drag(window.at(spot), window.at((spot[0] + 12, spot[1] + 8)), CTRL)
    known = window.document.ledger.labels(window.document.place.micrograph).labels
    assert len(known) == 1
    assert (known[0].x, known[0].y) == pytest.approx((spot[0] + 12, spot[1] + 8), abs=1.5)


def test_fifty_keys_are_fifty_decisions(window: "Window", record_property: Callable[[str, object], None]) -> None:
    begun = time.monotonic()
    for i in range(50):
        QTest.keyClick(window.canvas, (KEY.Key_F, KEY.Key_D)[i % 2])
        QApplication.processEvents()
    record_property("seconds_a_key", (time.monotonic() - begun) / 50)
    assert len(lines(window.workspace)) == 50


def test_switching_micrographs_leaks_nothing(window: "Window", record_property: Callable[[str, object], None]) -> None:
    def resident_mb() -> float:
        with open("/proc/self/statm") as stream:  # noqa: PTH123
            return int(stream.read().split()[1]) * 4096 / 2**20

    for _ in range(10):
        window.key(KEY.Key_R)
    layers, before, begun = list(window.viewer.layers), resident_mb(), time.monotonic()
    for _ in range(200):
        QTest.keyClick(window.canvas, KEY.Key_R)
        QApplication.processEvents()
    record_property("seconds_a_switch", (time.monotonic() - begun) / 200)
    assert list(window.viewer.layers) == layers
    assert resident_mb() - before < 50


def test_the_slider_shows_what_is_exported(window: "Window") -> None:
    review, document = window.dock.review, window.document
    assert review is not None
    for threshold in (0.3, 0.7):
        review.slider._box.setValue(threshold)
        assert window.until(lambda threshold=threshold: abs(document.threshold - threshold) < 1e-9, 2)
        drawn = next(layer for layer in window.viewer.layers if layer.name == "proposed")
        marks = document.marks()
        assert len(drawn.data) == int((marks.score[marks.of(State.PROPOSED)] >= threshold).sum())
        assert f"p ≥ {threshold:.3f}" in review.slider.note.text()


def test_a_micrograph_that_cannot_be_read_is_named_and_the_window_lives(window: "Window") -> None:
    document = window.document
    other = document.keys[(document.keys.index(document.place.micrograph) + 1) % len(document.keys)]
    path = document.project.by_key[other].path
    path.write_bytes(path.read_bytes()[:5000])
    controller = window.dock.controller
    assert controller is not None
    controller.images._kept.clear()
    window.key(KEY.Key_R)
    assert path.name in controller.message
    window.key(KEY.Key_W)
    window.key(KEY.Key_F)
    assert len(lines(window.workspace)) == 1


def test_reopening_resumes(window: "Window") -> None:
    for _ in range(4):
        window.key(KEY.Key_F)
    place = window.document.place
    window.dock.leave()
    window.dock.open(str(window.workspace))
    window.settle()
    assert (window.document.place.field, window.document.place.target) == (place.field, place.target)


def test_a_second_window_is_refused_by_name(window: "Window") -> None:
    from napari_plugin.widgets.dock import Dock

    second = Dock(window.viewer)
    second.open(str(window.workspace))
    assert second.controller is None
    assert "napari" in second.start._message.text()


def test_what_the_manifest_offers_opens_through_napari(
    napari_dock: tuple[Any, Any], sample_data: Path, tmp_path: Path
) -> None:
    viewer, _ = napari_dock
    ours = list(viewer.layers)
    micrograph, truth = sample_data / "Micrographs" / "sample_01.mrc", sample_data / "truth" / "sample_01.star"
    viewer.open(str(micrograph), plugin="cryoal")
    (points,) = viewer.open(str(truth), plugin="cryoal")
    viewer.open_sample("cryoal", "micrograph")
    written = points.save(str(tmp_path / "again.star"), plugin="cryoal")
    assert [Path(path).name for path in written] == ["again.star"]
    (again,) = viewer.open(written[0], plugin="cryoal")
    assert again.data == pytest.approx(points.data, abs=1e-3)
    for bad in ("empty.star", "truncated.mrc"):
        (tmp_path / bad).write_bytes(b"" if bad == "empty.star" else micrograph.read_bytes()[:5000])
    (empty,) = viewer.open(str(tmp_path / "empty.star"), plugin="cryoal")
    assert len(empty.data) == 0
    with pytest.raises(UserError, match=r"truncated\.mrc"):
        viewer.open(str(tmp_path / "truncated.mrc"), plugin="cryoal")
    for layer in [one for one in viewer.layers if one not in ours]:
        viewer.layers.remove(layer)
