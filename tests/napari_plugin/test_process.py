"""`cryoal gui` as a process of its own, driven by xdotool: real X events, kill -9, and a start on broken input."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cryoal.learner.project import Project
from napari_plugin.document import Document
from tests.napari_plugin.conftest import ROOT, lines, needs_display

pytestmark = [pytest.mark.gui, pytest.mark.slow]
START_SECONDS = 90.0
KILLS = 20


class Gui:
    """One run of `cryoal gui`."""

    def __init__(self, workspace: Path, settings: Path) -> None:
        self.start(workspace, settings)

    def start(self, workspace: Path, settings: Path) -> None:
        """Begin, or begin again."""
        environment = os.environ | {"NAPARI_CONFIG": str(settings), "QT_QPA_PLATFORM": "xcb"}
        command = [sys.executable, "-m", "cryoal", "gui", str(workspace)]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
        self._workspace, self._begun = workspace, time.time()

    def wait_until_open(self) -> None:
        """Until the window is there and holds the workspace."""
        end = time.monotonic() + START_SECONDS
        bookmark = self._workspace / "napari.json"
        while not (
            bookmark.exists()
            and bookmark.stat().st_mtime > self._begun
            and xdotool("search", "--onlyvisible", "--name", "^napari$")
        ):
            assert self.process.poll() is None, "cryoal gui ended"
            assert time.monotonic() < end, "no window"
            time.sleep(0.2)
        window = xdotool("search", "--onlyvisible", "--name", "^napari$").split()[-1]
        xdotool("windowfocus", "--sync", window)

    def kill(self) -> None:
        """Kill -9, napari too."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def xdotool(*arguments: str) -> str:
    return subprocess.run(["xdotool", *arguments], capture_output=True, text=True, check=False).stdout.strip()


def wait_for_lines(workspace: Path, number: int) -> list[dict[str, object]]:
    end = time.monotonic() + 20
    while len(lines(workspace)) < number and time.monotonic() < end:
        time.sleep(0.05)
    return lines(workspace)


@pytest.fixture
def gui(workspace: Path, tmp_path: Path) -> Iterator[Gui]:
    needs_display()
    if not shutil.which("xdotool"):
        pytest.skip("xdotool is not installed: apt-get install xdotool")
    (workspace / "napari.json").unlink(missing_ok=True)
    made = Gui(workspace, tmp_path / "settings.yaml")
    made.wait_until_open()
    yield made
    if made.process.poll() is None:
        made.kill()


def test_keys_of_the_x_server_are_lines_and_undo_takes_them_back(gui: Gui, workspace: Path) -> None:
    xdotool("key", "--delay", "300", "f", "d", "s")
    rows = wait_for_lines(workspace, 3)
    assert [row["verdict"] for row in rows] == ["particle", "rejected", "unsure"]
    assert len({(row["x"], row["y"]) for row in rows}) == 3
    xdotool("key", "--delay", "300", "ctrl+z", "ctrl+z", "ctrl+z")
    retracted = [row["retracts"] for row in wait_for_lines(workspace, 6)[3:]]
    assert retracted == [row["id"] for row in reversed(rows)]


def test_kill_9_loses_nothing_and_reopening_resumes(gui: Gui, workspace: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for turn in range(KILLS):
        if turn:
            gui.start(workspace, tmp_path / "settings.yaml")
            gui.wait_until_open()
        before = len(lines(workspace))
        xdotool("key", "--delay", "150", "f", "d", "f")
        seen = wait_for_lines(workspace, before + 3)
        assert len(seen) == before + 3
        xdotool("key", "f")
        time.sleep(rng.uniform(0, 0.3))
        gui.kill()
        after = lines(workspace)
        assert after[: len(seen)] == seen
        document = Document(Project.open(workspace))
        judged = {(row["x"], row["y"]) for row in after}
        assert document.place.target is not None
        assert tuple(round(at, 4) for at in document.place.target) not in judged
        assert json.loads((workspace / "napari.json").read_text())["round_number"] == 1


def test_no_screen_is_told_in_one_line(workspace: Path) -> None:
    pytest.importorskip("napari", reason="napari is not installed")
    told = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in told}
    command = [sys.executable, "-m", "cryoal", "gui", str(workspace)]
    result = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("cryoal: DISPLAY is not set")
    assert len(result.stderr.splitlines()) == 1


def test_what_is_no_workspace_is_told_before_a_window_opens(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cryoal", "gui", str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "not a workspace" in result.stderr
