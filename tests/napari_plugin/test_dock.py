"""The dock: gallery, Preferences, retraining by itself, errors with what to do, export to every format."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaml
from scipy.spatial import cKDTree

import napari_plugin
from cryoal.acquisition.strategies import STRATEGIES
from cryoal.cli.main import app
from cryoal.config import Config
from cryoal.errors import UserError
from cryoal.io.formats import FORMATS, read_files
from cryoal.learner.outlook import Outlook
from cryoal.learner.status import RoundStatus, Status
from cryoal.workspace.rounds import RoundInfo, next_round
from tests.napari_plugin.conftest import lines, needs_display

needs_display()

from napari.settings import get_plugin_settings  # noqa: E402
from qtpy.QtCore import Qt  # noqa: E402
from qtpy.QtTest import QTest  # noqa: E402

from napari_plugin.jobs import CANCELLED, Job  # noqa: E402
from napari_plugin.widgets.rounds import told  # noqa: E402

if TYPE_CHECKING:
    from tests.napari_plugin.window import Window

KEY = Qt.Key
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
JOB_SECONDS = 100.0


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the window would run in processes; nothing is run."""
    started: list[list[str]] = []
    monkeypatch.setattr(Job, "start", lambda self, commands: started.extend(map(list, commands)))
    return started


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run in this process: nine starts of Python take long."""

    def start(self: Job, commands: Sequence[Sequence[str]]) -> None:
        try:
            for command in commands:
                app(list(command), standalone_mode=False)
            self.finished.emit("")
        except UserError as error:
            self.finished.emit(str(error))

    monkeypatch.setattr(Job, "start", start)


@pytest.fixture
def preferences() -> Iterator[object]:
    """napari's own settings of the plugin, put back afterwards."""
    chosen = get_plugin_settings("cryoal").review
    before = {
        name: getattr(chosen, name) for name in ("members", "labels_per_round", "micrographs_per_query", "strategy")
    }
    yield chosen
    for name, value in before.items():
        setattr(chosen, name, value)


def test_how_to_measure_is_said_in_the_words_of_the_window() -> None:
    outlook = Outlook(True, "of a test", (), None, None)
    now = Status(1, {}, {"particle": 3}, (RoundStatus(1, {}, {}, 1, True, False),) * 2, "", outlook)
    sentence = next(line for line in told(now) if "Another round" in line)
    assert "Preferences" in sentence
    assert "cryoal query" not in sentence


def test_crops_selected_with_shift_and_ctrl_are_judged_as_one_step(window: "Window") -> None:
    window.key(KEY.Key_G)
    crops = window.dock.review.gallery._list
    for row, modifier in ((0, Qt.KeyboardModifier.NoModifier), (3, SHIFT), (1, CTRL)):
        spot = crops.visualItemRect(crops.item(row)).center()
        QTest.mouseClick(crops.viewport(), Qt.MouseButton.LeftButton, modifier, spot)
        window.settle()
    chosen = [crops.item(row).data(Qt.ItemDataRole.UserRole) for row in (0, 2, 3)]
    before = window.document.snapshot()
    window.key(KEY.Key_D)
    rows = lines(window.workspace)
    judged = sorted((row["x"], row["y"]) for row in rows)
    assert np.array(judged) == pytest.approx(np.array(sorted(chosen)), abs=1e-3)
    assert [row["verdict"] for row in rows] == ["rejected"] * 3
    window.key(KEY.Key_Z, CTRL)
    assert window.document.ledger.counts().total() == 0
    assert len(lines(window.workspace)) == 6
    assert window.document.snapshot() == before
    window.key(KEY.Key_G)


def test_a_click_on_a_crop_goes_there(window: "Window") -> None:
    window.key(KEY.Key_G)
    crops = window.dock.review.gallery._list
    spot = crops.visualItemRect(crops.item(2)).center()
    QTest.mouseClick(crops.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, spot)
    window.settle()
    assert window.document.place.target == crops.item(2).data(Qt.ItemDataRole.UserRole)
    window.key(KEY.Key_G)


def test_preferences_have_our_defaults_and_are_obeyed(
    window: "Window", jobs: list[list[str]], preferences: object
) -> None:
    assert preferences.members == Config().training.members
    preferences.members, preferences.labels_per_round, preferences.micrographs_per_query = 3, 7, 2
    window.dock.open(str(window.workspace))
    rounds = window.dock.review.rounds
    assert "every 7 labels" in rounds.auto.text()
    rounds.retrain()
    root = str(window.workspace)
    assert jobs == [["train", root, "--members", "3"], ["score", root, "--shard", "1/2"], ["query", root]]
    preferences.strategy = "bald"
    window.dock.open(str(window.workspace))
    window.dock.review.rounds.retrain()
    assert jobs[-1] == ["query", root, "--strategy", "bald"]


def test_every_strategy_can_be_chosen_in_the_preferences() -> None:
    manifest = yaml.safe_load((Path(napari_plugin.__file__).parent / "napari.yaml").read_text(encoding="utf-8"))
    offered = manifest["contributions"]["configurations"]["review"]["properties"]["strategy"]["enum"]
    assert offered == ["automatic", *STRATEGIES]


def test_preferences_are_shown_by_napari(window: "Window") -> None:
    from napari._qt.dialogs.preferences_dialog import PreferencesDialog

    dialog = PreferencesDialog()
    pages = [dialog._list.item(i).text() for i in range(dialog._list.count())]
    dialog.close()
    assert any("cryoal" in page.lower() for page in pages), pages


def test_it_retrains_by_itself_after_so_many_labels_and_the_query_waits_for_the_field(
    window: "Window", jobs: list[list[str]], preferences: object
) -> None:
    preferences.labels_per_round = 5
    window.dock.open(str(window.workspace))
    rounds, document = window.dock.review.rounds, window.document
    for _ in range(4):
        window.key(KEY.Key_F)
    assert jobs == []
    rounds.auto.setChecked(True)
    window.key(KEY.Key_F)
    assert [command[0] for command in jobs] == ["train", "score", "query"]
    field = document.place.field
    taken_up: list[int] = []
    window.dock.controller.take_up_round = lambda: taken_up.append(1)
    rounds._job.finished.emit("")
    assert document.place.target is not None
    assert taken_up == []
    window.key(KEY.Key_F)
    if document.place.field == field:
        assert taken_up == []
        window.key(KEY.Key_N)
    assert taken_up == [1]


def test_errors_of_a_job_are_shown_with_what_to_do(window: "Window") -> None:
    rounds = window.dock.review.rounds
    rounds.retrain()  # nothing is labelled
    assert window.until(lambda: not rounds.is_busy, JOB_SECONDS)
    told = window.dock.review.message.text()
    assert "particle" in told
    assert told == window.viewer.canvas.overlays.text.text
    assert rounds.button.text() == "Retrain"
    window.key(KEY.Key_F)
    assert window.dock.review.message.text() == ""
    assert len(lines(window.workspace)) == 1


def test_a_round_that_was_cancelled_before_it_proposed_is_not_exported(window: "Window", jobs: list[list[str]]) -> None:
    with next_round(window.document.project.layout, RoundInfo(2, 0, {"particle": 3})) as making:
        making.members.mkdir(parents=True)
        making.metrics.write_text("{}")
    rounds = window.dock.review.rounds
    rounds._job.finished.emit(CANCELLED)
    assert rounds.button.text() == "Propose"
    assert "cancelled" in rounds._status.text()
    rounds.export_button.click()
    assert "press Propose first" in window.dock.review.message.text()
    rounds.button.click()
    assert [command[0] for command in jobs] == ["score", "query"]


@pytest.mark.usefixtures("here")
def test_every_format_is_written_from_the_window(window: "Window") -> None:
    window.key(KEY.Key_F)
    rounds, document = window.dock.review.rounds, window.document
    for name in FORMATS:
        rounds.format.setCurrentText(name)
        out = window.workspace / "out" / name
        rounds.out.setText(str(out))
        rounds.export_button.click()
        assert window.dock.controller.message == "", name
        assert str(out) in rounds.exported.text()
        files = [path for path in out.rglob("*") if path.suffix in FORMATS[name].suffixes]
        found = [one for one in read_files(files, format_name=name) if len(one.picks)] if name != "relion" else None
        if found is None:
            found = read_files([path for path in files if path.name.endswith("_autopick.star")])
        assert {len(one.picks) for one in found} == {len(document.picks(key)) for key in document.keys}
        shown = cKDTree(np.concatenate([document.picks(key).xy for key in document.keys]))
        assert max(shown.query(one.picks.xy)[0].max() for one in found) <= 1.0
