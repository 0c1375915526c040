"""The controller on napari's ViewerModel, without Qt: gestures become commands, layers show what came of them."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from cryoal.data.labels import Verdict
from cryoal.learner.project import Project
from cryoal.workspace.candidates import ScoredMicrograph, read_candidates, write_candidates
from cryoal.workspace.rounds import published_rounds
from napari_plugin.controller import Controller
from napari_plugin.document import Document
from napari_plugin.marks import State
from napari_plugin.scene import Scene
from tests.napari_plugin.conftest import lines

components = pytest.importorskip("napari.components", reason="napari is not installed: pip install 'cryoal[napari]'")

DATA_LAYERS = ("proposed", "asked", "accepted", "added by hand", "rejected", "unsure")


@pytest.fixture
def controller(project: Project) -> Controller:
    """A review of the workspace in a viewer that is only a model."""
    return reviewed(project)


def reviewed(project: Project) -> Controller:
    viewer = components.ViewerModel()
    return Controller(viewer, Document(project), Scene(viewer))


def shown(controller: Controller) -> dict[str, int]:
    """How many points each layer has."""
    return {name: len(controller.viewer.layers[name].data) for name in DATA_LAYERS}


@dataclass
class Event:
    """What napari hands to a mouse callback."""

    position: tuple[float, float]
    pos: tuple[float, float]
    button: int = 1
    modifiers: tuple[str, ...] = ()
    type: str = "mouse_press"
    steps: list[str] = field(default_factory=list)


def gesture(
    controller: Controller,
    start: tuple[float, float],
    end: tuple[float, float] | None = None,
    button: int = 1,
    modifiers: tuple[str, ...] = (),
) -> None:
    """Press at (x, y), move, release, through the callback that napari would call."""
    end = end or start
    event = Event(start[::-1], start, button, modifiers)
    callback = controller.viewer.mouse_drag_callbacks[-1]
    running = callback(controller.viewer, event)
    next(running)
    if end != start:
        event.type, event.position, event.pos = "mouse_move", end[::-1], end
        next(running)
    event.type = "mouse_release"
    with pytest.raises(StopIteration):
        next(running)


def test_layers_are_made_once_and_follow_the_document(controller: Controller) -> None:
    layers = list(controller.viewer.layers)
    for step in (controller.accept, controller.reject, controller.unsure):
        step()
    marks = controller.document.marks()
    assert shown(controller) == {
        "proposed": int(marks.of(State.PROPOSED).sum()),
        "asked": int(marks.of(State.ASKED).sum()),
        "accepted": int(marks.of(State.ACCEPTED, State.ADDED).sum()),
        "added by hand": int(marks.of(State.ADDED).sum()),
        "rejected": int(marks.of(State.REJECTED).sum()),
        "unsure": int(marks.of(State.UNSURE).sum()),
    }
    proposed = controller.viewer.layers["proposed"].data[:, ::-1]
    assert proposed == pytest.approx(marks.xy[marks.of(State.PROPOSED)])
    image = controller.viewer.layers["micrograph"].data
    controller.do(lambda: controller.document.step_micrograph(1))
    assert list(controller.viewer.layers) == layers
    assert controller.viewer.layers["micrograph"].data is not image
    drawn = []
    for _ in range(3):  # once round all micrographs
        drawn.append(shown(controller))
        controller.do(lambda: controller.document.step_micrograph(1))
    totals = [sum(one[name] for one in drawn) for name in ("accepted", "rejected", "unsure")]
    assert totals == [1, 1, 1]


def test_the_mouse_has_no_modes(controller: Controller, workspace: Path) -> None:
    marks = controller.document.marks()
    first, second, third = (tuple(map(float, xy)) for xy in marks.xy[marks.of(State.PROPOSED)][:3])
    gesture(controller, (first[0] + 2, first[1] - 2))
    gesture(controller, second, button=2)
    gesture(controller, third, (third[0] + 3, third[1]))  # 3 px of a trembling hand are a click
    gesture(controller, (300.0, 200.0), (420.0, 200.0))
    verdicts = [(row["verdict"], row["x"], row["y"]) for row in lines(workspace)]
    assert verdicts == [
        ("particle", pytest.approx(first[0], abs=1e-3), pytest.approx(first[1], abs=1e-3)),
        ("rejected", pytest.approx(second[0], abs=1e-3), pytest.approx(second[1], abs=1e-3)),
        ("particle", pytest.approx(third[0], abs=1e-3), pytest.approx(third[1], abs=1e-3)),
    ]
    gesture(controller, first, (first[0] + 9, first[1]), modifiers=("Control",))
    known = controller.document.ledger.labels(controller.document.place.micrograph)
    assert any((one.x, one.y) == pytest.approx((first[0] + 9, first[1])) for one in known.labels)
    inside = marks.xy[(np.abs(marks.xy - third) < 150).all(axis=1)]
    gesture(controller, (third[0] - 150, third[1] - 150), (third[0] + 150, third[1] + 150), modifiers=("Shift",))
    assert controller.document.ledger.counts()[Verdict.REJECTED] >= len(inside) - 1
    assert controller.viewer.scene.camera.mouse_pan


def test_several_selected_are_one_step(controller: Controller, workspace: Path) -> None:
    marks = controller.document.marks()
    chosen = [tuple(xy) for xy in marks.xy[marks.of(State.PROPOSED)][:4]]
    before = controller.document.snapshot()
    controller.selection = lambda: chosen
    controller.reject()
    rows = lines(workspace)
    assert [row["verdict"] for row in rows] == ["rejected"] * 4
    assert len({row["when"] for row in rows}) == 1
    controller.do(controller.document.undo)
    assert controller.document.snapshot() == before


def test_what_the_viewer_had_comes_back(project: Project) -> None:
    viewer = components.ViewerModel()
    double_click, drag = list(viewer.mouse_double_click_callbacks), list(viewer.mouse_drag_callbacks)
    made = Controller(viewer, Document(project), Scene(viewer))
    assert viewer.mouse_double_click_callbacks == []
    made.close()
    assert viewer.mouse_double_click_callbacks == double_click
    assert viewer.mouse_drag_callbacks == drag


def test_views_are_switched(controller: Controller) -> None:
    pixels = controller.viewer.layers["micrograph"].data
    controller.toggle("low_pass")
    assert not np.array_equal(controller.viewer.layers["micrograph"].data, pixels)
    controller.toggle("circles")
    assert not any(controller.viewer.layers[name].visible for name in DATA_LAYERS)
    controller.toggle("circles")
    controller.toggle("rejected")
    assert [name for name in DATA_LAYERS if not controller.viewer.layers[name].visible] == ["rejected"]


def test_the_denoised_view_comes_when_it_is_ready_and_goes_again(controller: Controller) -> None:
    layer, ready = controller.viewer.layers["micrograph"], threading.Event()
    low_pass = np.array(layer.data)
    controller.images.on_denoised = ready.set
    controller.toggle("denoised")
    assert np.array_equal(layer.data, low_pass)
    assert "denoising" in controller.line()
    assert ready.wait(60)
    controller.show_denoised()
    assert "denoising" not in controller.line()
    denoised = np.array(layer.data)
    assert denoised.shape == low_pass.shape
    assert np.corrcoef(denoised.ravel(), low_pass.ravel())[0, 1] > 0.5
    assert np.abs(np.diff(denoised)).mean() / denoised.std() < np.abs(np.diff(low_pass)).mean() / low_pass.std()
    controller.toggle("denoised")
    assert np.array_equal(layer.data, low_pass)


def test_what_cannot_be_denoised_is_shown_as_it_was_and_told(controller: Controller, workspace: Path) -> None:
    layer, ready = controller.viewer.layers["micrograph"], threading.Event()
    low_pass = np.array(layer.data)
    controller.images.on_denoised = ready.set
    path = controller.document.project.by_key[controller.document.place.micrograph].path
    path.write_bytes(path.read_bytes()[:5000])
    controller.toggle("denoised")
    assert ready.wait(60)
    controller.show_denoised()
    assert path.name in controller.message
    assert np.array_equal(layer.data, low_pass)
    assert "denoising" not in controller.line()


def test_micrographs_that_cannot_be_shown_are_named_and_labelling_goes_on(project: Project, workspace: Path) -> None:
    nan, truncated = (project.by_key[key].path for key in sorted(project.by_key)[1:3])
    with mrcfile.new(nan, overwrite=True) as mrc:
        mrc.set_data(np.full((900, 900), np.nan, np.float32))
    truncated.write_bytes(truncated.read_bytes()[:5000])
    controller = reviewed(project)
    told = {}
    for _ in controller.document.keys:
        controller.do(lambda: controller.document.step_micrograph(1))
        told[controller.document.place.micrograph] = controller.line()
    for path in (nan, truncated):
        (line,) = [text for key, text in told.items() if key.endswith(path.stem)]
        assert path.name in line
    controller.do(lambda: controller.document.click((100.0, 100.0)))
    assert len(lines(workspace)) == 1


def test_a_field_is_shown_whole_on_any_canvas_without_needless_black(controller: Controller) -> None:
    camera, document = controller.viewer.scene.camera, controller.document
    for size in ((400, 700), (900, 500)):
        controller.viewer.canvas.size = size
        height, width = (side / camera.zoom for side in size)
        field, (ny, nx) = document.place.field, document.project.shapes[document.place.micrograph]
        _, y, x = camera.center
        assert x - width / 2 <= field.x <= field.x + field.size <= x + width / 2
        assert y - height / 2 <= field.y <= field.y + field.size <= y + height / 2
        for at, seen, side in ((x, width, nx), (y, height, ny)):
            assert seen >= side or -1 <= at - seen / 2 <= at + seen / 2 <= side + 1
    zoom = camera.zoom
    controller.close()
    controller.viewer.canvas.size = (300, 300)
    assert camera.zoom == zoom


def test_candidates_outside_the_image_or_without_a_number_do_no_harm(project: Project, workspace: Path) -> None:
    layout, key = published_rounds(project.layout)[-1], project.entries[0].key
    old = read_candidates(layout, key)
    far = np.array([[-500, -500], [1e6, 40], [30, 1e6]], np.float32)
    member = np.concatenate([old.member_probability, np.full((2, 3), 0.9, np.float32)], axis=1)
    features = np.concatenate([old.embedding, np.zeros((3, old.embedding.shape[1]), np.float16)])
    xy = np.concatenate([old.xy, far])
    write_candidates(layout, key, ScoredMicrograph(xy, member, member.mean(axis=0), features))
    controller = reviewed(project)
    controller.do(lambda: controller.document.step_micrograph(controller.document.keys.index(key)))
    gesture(controller, (-400.0, -400.0))
    assert lines(workspace) == []
    gesture(controller, (-500.0, -500.0))
    assert lines(workspace) == []
    controller.accept()
    assert len(lines(workspace)) == 1


@pytest.fixture
def of_classes(workspace: Path) -> Controller:
    """A review of a workspace with two classes of particles and one kind of junk."""
    with (workspace / "workspace.toml").open("a") as stream:
        stream.write('classes = ["open", "closed"]\njunk = ["ice"]\n')
    return reviewed(Project.open(workspace))


def test_number_keys_accept_as_a_class_and_reject_as_junk(of_classes: Controller, workspace: Path) -> None:
    of_classes.accept_as(2)
    of_classes.reject_as(1)
    of_classes.accept()  # the committee tells no class: that of the last key
    of_classes.accept_as(3)  # there is none
    of_classes.reject_as(2)
    rows = [(row["verdict"], row["class"]) for row in lines(workspace)]
    assert rows == [("particle", 2), ("rejected", 1), ("particle", 2)]
    assert of_classes.document.ledger.classes() == {2: 2}


def test_signs_of_classes_are_drawn_and_follow_a_move(of_classes: Controller) -> None:
    document = of_classes.document
    marks, diameter = document.marks(), document.diameter_px()
    spot = tuple(map(float, marks.xy[marks.of(State.PROPOSED)][0]))
    of_classes.do(lambda: document.judge_all([spot], Verdict.PARTICLE, 1))
    sign = of_classes.viewer.layers["class 1"].data
    assert sign[:, ::-1] == pytest.approx(np.array([spot]) - (0, diameter / 2))
    of_classes.do(lambda: document.move(spot, (spot[0] + 9, spot[1])))
    assert document.ledger.classes() == {1: 1}
    assert of_classes.viewer.layers["class 1"].data[:, ::-1] == pytest.approx(
        np.array([(spot[0] + 9, spot[1] - diameter / 2)])
    )
    assert len(of_classes.viewer.layers["class 2"].data) == 0
    of_classes.toggle("circles")
    assert not of_classes.viewer.layers["class 1"].visible


def test_without_classes_no_layer_is_made_for_them(controller: Controller, workspace: Path) -> None:
    assert not [layer.name for layer in controller.viewer.layers if layer.name.startswith("class")]
    controller.accept_as(1)
    assert lines(workspace) == []
