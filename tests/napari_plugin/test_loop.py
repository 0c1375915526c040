"""The loop inside the window, with real training in a process: retrain, cancel, export; and a scripted expert."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.spatial import cKDTree

from cryoal.data.labels import Verdict
from cryoal.io.relion import read as read_star
from cryoal.learner.evaluating import EvaluateOptions, evaluate
from cryoal.learner.project import NewWorkspace, Project, create
from napari_plugin.marks import State
from tests.napari_plugin.conftest import ROOT, lines, needs_display

needs_display()

from qtpy.QtCore import Qt, QTimer  # noqa: E402

if TYPE_CHECKING:
    from tests.napari_plugin.window import Window

pytestmark = [pytest.mark.gui, pytest.mark.slow]
KEY = Qt.Key
JOB_SECONDS = 400.0
FIELDS_A_ROUND = 5
Record = Callable[[str, object], None]


def retrained(window: "Window") -> bool:
    """Press Retrain and wait for what becomes of it."""
    review = window.dock.review
    assert review is not None
    review.rounds.button.click()
    return window.until(lambda: not review.rounds.is_busy, JOB_SECONDS)


class Gaps:
    """How long the window's event loop stood still at most."""

    def __init__(self) -> None:
        self.longest, self._last = 0.0, time.monotonic()
        self._timer = QTimer(interval=10)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now = time.monotonic()
        self.longest, self._last = max(self.longest, now - self._last), now


def test_retrain_cancel_retrain(window: "Window", sample_data: Path, record_property: Record) -> None:
    document, review = window.document, window.dock.review
    assert review is not None
    review.rounds._members = 2
    key = document.place.micrograph
    truth = next(iter(read_star(sample_data / "truth" / f"{Path(key).name}.star").values())).xy
    document.judge_all(truth, Verdict.PARTICLE)
    document.finish_micrograph()
    said, counts = lines(window.workspace), document.ledger.counts()
    gaps = Gaps()
    review.rounds.button.click()
    assert review.rounds.button.text() == "Cancel"
    window.settle(2.0)
    begun = time.monotonic()
    review.rounds.button.click()
    assert window.until(lambda: not review.rounds.is_busy, 20)
    record_property("seconds_to_cancel", time.monotonic() - begun)
    assert document.round_number == 1
    assert "cancelled" in review.rounds._status.text()
    assert retrained(window)
    record_property("longest_gap_seconds", gaps.longest)
    assert window.dock.controller.message == ""
    assert document.round_number == 2
    assert document.queue
    assert (lines(window.workspace), document.ledger.counts()) == (said, counts)
    assert "Round 2" in review.rounds._status.text()
    _check_export(window)


def _check_export(window: "Window") -> None:
    """What the Export button writes is what the slider shows."""
    document, review = window.document, window.dock.review
    out = window.workspace / "handed_over"
    review.slider._box.setValue(0.6)
    window.settle(0.5)
    review.rounds.out.setText(str(out))
    review.rounds.export_button.click()
    assert window.until(lambda: not review.rounds.is_busy, JOB_SECONDS)
    assert window.dock.controller.message == ""
    written = {path.name.removesuffix("_autopick.star"): path for path in out.rglob("*_autopick.star")}
    for key in document.keys:
        picks = next(iter(read_star(written[Path(key).name]).values()))
        assert len(picks) == len(document.picks(key))
        assert cKDTree(document.picks(key).xy).query(picks.xy)[0].max() <= 0.75


@pytest.fixture
def real_workspace(tmp_path: Path) -> tuple[Path, Path]:
    """A new workspace on two real micrographs of apoferritin, and the folder of their truth."""
    script = ROOT.parent / "shared" / "data" / "make_project.py"
    if not script.exists():
        pytest.skip("../shared/data/make_project.py is not there: no real micrographs")
    command = [sys.executable, str(script), str(tmp_path), "--sets", "apoferritin_10146"]
    subprocess.run(command, check=True, capture_output=True)
    project, truth = tmp_path / "apoferritin_10146", tmp_path / "truth"
    truth.mkdir()
    for path in sorted((project / "Micrographs").glob("*.mrc"))[2:]:
        path.unlink()
    for path in (project / "Micrographs").glob("*.mrc"):
        shutil.copy(project / "truth" / f"{path.stem}.star", truth)
    new = NewWorkspace(project / "ws", "Micrographs/*.mrc", 126.0, root=project)
    assert isinstance([*create(new)][-1], Project)
    return project / "ws", truth


def test_a_scripted_expert(
    napari_dock: tuple[Any, Any], real_workspace: tuple[Path, Path], record_property: Record, tmp_path: Path
) -> None:
    """Two rounds by keys and clicks from a truth file; what is exported is measured."""
    from tests.napari_plugin.window import Window

    workspace, truth = real_workspace
    viewer, dock = napari_dock
    dock.open(str(workspace))
    window = Window(viewer, dock, workspace)
    review = dock.review
    review.rounds._members = 2
    assert window.until(lambda: not review.rounds.is_busy and window.document.queue, JOB_SECONDS)
    expert = Expert(window, {path.stem: next(iter(read_star(path).values())).xy for path in truth.iterdir()})
    for number in (1, 2):
        for _ in range(FIELDS_A_ROUND):
            expert.answer_field()
        begun = time.monotonic()
        assert retrained(window)
        record_property(f"seconds_retrain_{number}", time.monotonic() - begun)
        assert window.dock.controller.message == ""
        assert window.document.round_number == number
    labels = len(lines(workspace))
    record_property("gestures_a_label", expert.gestures / labels)
    review.rounds.out.setText(str(tmp_path / "out"))
    review.rounds.export_button.click()
    assert window.until(lambda: not review.rounds.is_busy, JOB_SECONDS)
    picks = sorted((tmp_path / "out" / "Micrographs").glob("*_autopick.star"))
    assert len(picks) == 2
    measured = evaluate(picks[0].parent, truth, EvaluateOptions(126.0, 0.3, 1.5, None, "file")).overall
    record_property("f1", measured.f1)
    dock.leave()
    assert measured.f1 > 0.7
    assert expert.gestures / labels <= 1.2


class Expert:
    """Answers as the truth says, by keys and clicks alone."""

    def __init__(self, window: "Window", truth: dict[str, np.ndarray]) -> None:
        self.window, self.gestures = window, 0
        self._truth = {name: cKDTree(xy) for name, xy in truth.items()}

    def answer_field(self) -> None:
        """Judge every proposal, click what was missed, then Enter."""
        document, field = self.window.document, self.window.document.place.field
        assert field is not None
        tree, diameter = self._truth[Path(field.micrograph).name], document.diameter_px()
        inside = tree.data[field.contains(tree.data)]
        for x, y in inside:  # first what was missed, for the last key leaves the field
            if document.marks().nearest((x, y), 0.5 * diameter, *State) is None:
                self._gesture(lambda x=x, y=y: self.window.click((x, y)))
        while document.place.field == field and document.place.target is not None:
            is_particle = tree.query(document.place.target)[0] <= 0.3 * diameter
            self._gesture(lambda yes=is_particle: self.window.key(KEY.Key_F if yes else KEY.Key_D))
        self._gesture(lambda: self.window.key(KEY.Key_Return))
        assert document.is_finished(field)
        if document.place.field == field:
            document.next_field()

    def _gesture(self, gesture: Callable[[], None]) -> None:
        """Do and count."""
        self.gestures += 1
        gesture()
