"""From nothing to proposals: a workspace made inside the window, scored by the shipped committee, and opened again."""

from pathlib import Path
from typing import Any

import pytest

from napari_plugin.marks import State
from tests.napari_plugin.conftest import lines, needs_display

needs_display()

from qtpy.QtCore import Qt  # noqa: E402

pytestmark = [pytest.mark.gui, pytest.mark.slow]
JOB_SECONDS = 200.0


@pytest.fixture
def start(napari_dock: tuple[Any, Any]) -> Any:
    """The window on its start page."""
    from tests.napari_plugin.window import Window

    viewer, dock = napari_dock
    made = Window(viewer, dock, Path())
    yield made
    dock.leave()
    made.settle(0.1)


@pytest.mark.parametrize("given", ["folder", "glob", "star"])
def test_a_workspace_is_made_and_proposals_come_by_themselves(
    start: Any, given: str, template: Path, tmp_path: Path
) -> None:
    project = tmp_path / "MotionCorr" / "job002"
    (project / "Micrographs").mkdir(parents=True)
    for path in (template / "Micrographs").iterdir():
        (project / "Micrographs" / path.name).symlink_to(path)
    listed = "\n".join(f"MotionCorr/job002/Micrographs/{path.name}" for path in sorted(project.glob("*/*.mrc")))
    (project / "micrographs.star").write_text(f"data_\n\nloop_\n_rlnMicrographName\n{listed}\n")
    sources = {"folder": "Micrographs", "glob": "Micrographs/*.mrc", "star": "micrographs.star"}
    page, dock = start.dock.start, start.dock
    page.micrographs.setText(str(project / sources[given]))
    page.diameter.setValue(165)
    assert start.until(lambda: "Micrographs: 3." in page._message.text(), JOB_SECONDS)
    shown = next(layer for layer in start.viewer.layers if layer.name == "proposed")
    assert start.until(lambda: len(shown.data) > 0, 5)
    if given != "folder":  # the rest is the same
        page.folder.setText(str(tmp_path / given))
        page.make_button.click()
        assert start.until(lambda: dock.controller is not None, JOB_SECONDS), page._message.text()
        assert start.document.project.root == (tmp_path if given == "star" else project)
        return
    page.folder.setText(str(tmp_path / "ws"))
    page.make_button.click()
    assert start.until(lambda: dock.controller is not None, JOB_SECONDS), page._message.text()
    rounds = dock.review.rounds
    assert "about to propose" in dock.controller.line()
    assert start.until(lambda: not rounds.is_busy, JOB_SECONDS)
    assert dock.controller.message == ""
    document = start.document
    assert document.round_number == 1
    assert len(document.questions.queue) > 3
    assert document.place.target is not None
    assert document.marks().of(State.PROPOSED, State.ASKED).sum() > 3
    assert "comes with cryoal" in rounds._status.text()
    start.workspace = tmp_path / "ws"
    for key in (Qt.Key.Key_F, Qt.Key.Key_D):
        start.key(key)
    place = document.place
    dock.leave()
    page.workspace.setText(str(tmp_path / "ws"))
    page.open_button.click()
    start.settle(0.3)
    assert (start.document.place.field, start.document.place.target) == (place.field, place.target)
    assert not dock.review.rounds.is_busy
    assert len(lines(tmp_path / "ws")) == 2


def test_what_is_wrong_is_told_on_the_page(start: Any, tmp_path: Path) -> None:
    page = start.dock.start
    page.micrographs.setText(str(tmp_path / "nowhere"))
    assert start.until(lambda: "nowhere" in page._message.text(), 20)
    page.folder.setText("")
    page.make_button.click()
    assert "no folder is given" in page._message.text()
    page.folder.setText(str(tmp_path / "ws"))
    page.make_button.click()
    assert start.until(page.make_button.isEnabled, JOB_SECONDS)
    assert "nowhere" in page._message.text()
    assert not (tmp_path / "ws").exists()
    page.workspace.setText(str(tmp_path / "other"))
    page.open_button.click()
    assert "not a workspace" in page._message.text()
    assert start.dock.controller is None
