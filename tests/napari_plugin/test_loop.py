"""The loop inside the window, with real training in a process: retrain, cancel, export; and a scripted expert."""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.spatial import cKDTree

from cryoal.data.labels import Verdict
from cryoal.io.relion import read as read_star
from cryoal.learner.evaluating import EvaluateOptions, evaluate
from tests.napari_plugin.conftest import ROOT, lines, needs_display

needs_display()

from qtpy.QtCore import Qt  # noqa: E402

from tests.napari_plugin.window import Gaps  # noqa: E402

if TYPE_CHECKING:
    from tests.napari_plugin.window import Window

pytestmark = [pytest.mark.gui, pytest.mark.slow]
KEY = Qt.Key
JOB_SECONDS = 400.0
FIELDS_A_ROUND = 5
DIAMETER_ANGSTROM = 126.0
Record = Callable[[str, object], None]


def retrained(window: "Window") -> bool:
    """Press Retrain and wait for what becomes of it."""
    review = window.dock.review
    assert review is not None
    review.rounds.button.click()
    return window.until(lambda: not review.rounds.is_busy, JOB_SECONDS)


def test_retrain_cancel_retrain(window: "Window", sample_data: Path, record_property: Record) -> None:
    document, review = window.document, window.dock.review
    assert review is not None
    review.rounds._preferences = replace(review.rounds._preferences, members=2)
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
    assert document.questions.queue
    assert (lines(window.workspace), document.ledger.counts()) == (said, counts)
    assert "Round 2" in review.rounds._status.text()
    _check_export(window)


def _check_export(window: "Window") -> None:
    """What the Export button writes is what the slider shows."""
    document, review = window.document, window.dock.review
    out = window.workspace / "handed_over"
    review.slider._box.setValue(round(float(np.median(document.scores)), 2))
    window.settle(0.5)
    review.rounds.out.setText(str(out))
    review.rounds.export_button.click()
    assert window.until(lambda: not review.rounds.is_busy, JOB_SECONDS)
    assert window.dock.controller.message == ""
    written = {path.name.removesuffix("_autopick.star"): path for path in out.rglob("*_autopick.star")}
    assert sum(len(document.picks(key)) for key in document.keys) > 20
    for key in document.keys:
        picks = next(iter(read_star(written[Path(key).name]).values()))
        assert len(picks) == len(document.picks(key))
        assert cKDTree(document.picks(key).xy).query(picks.xy)[0].max(initial=0) <= 0.75


@pytest.fixture
def real_project(tmp_path: Path) -> Path:
    """One real micrograph of apoferritin and its truth."""
    script = ROOT.parent / "shared" / "data" / "make_project.py"
    if not script.exists():
        pytest.skip("../shared/data/make_project.py is not there: no real micrographs")
    command = [sys.executable, str(script), str(tmp_path), "--sets", "apoferritin_10146"]
    subprocess.run(command, check=True, capture_output=True)
    project = tmp_path / "apoferritin_10146"
    first, *others = sorted((project / "Micrographs").glob("*.mrc"))
    for path in others:
        path.unlink()
    for path in (project / "truth").glob("*.star"):
        if path.stem != first.stem:
            path.unlink()
    return project


def test_a_scripted_expert(
    napari_dock: tuple[Any, Any], real_project: Path, record_property: Record, tmp_path: Path
) -> None:
    """From a folder without labels, two rounds by keys and clicks from a truth file; what is exported is measured."""
    from tests.napari_plugin.expert import Expert
    from tests.napari_plugin.window import Window

    viewer, dock = napari_dock
    truth, workspace = real_project / "truth", real_project / "ws"
    window = Window(viewer, dock, workspace)
    dock.start.micrographs.setText(str(real_project / "Micrographs"))
    dock.start.diameter.setValue(DIAMETER_ANGSTROM)
    dock.start.folder.setText(str(workspace))
    dock.start.make_button.click()
    assert window.until(lambda: dock.controller is not None, JOB_SECONDS)
    review = dock.review
    review.rounds._preferences = replace(review.rounds._preferences, members=3)
    assert window.until(lambda: not review.rounds.is_busy and window.document.questions.queue, JOB_SECONDS)
    assert window.document.round_number == 1
    expert = Expert(window, truth)
    for number in (2, 3):
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
    (picks,) = (tmp_path / "out").rglob("Micrographs/*_autopick.star")
    measured = evaluate(picks.parent, truth, EvaluateOptions(DIAMETER_ANGSTROM, 0.3, 1.5, None, "file")).overall
    record_property("f1", measured.f1)
    dock.leave()
    print(f"F1 {measured.f1:.3f}, {expert.gestures / labels:.2f} gestures a label, {labels} labels")
    assert measured.f1 > 0.85
    assert expert.gestures / labels <= 1.2
