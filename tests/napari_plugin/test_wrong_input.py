"""Wrong input and a machine in trouble: what is wrong is told with the file's name, and the window goes on."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import mrcfile
import numpy as np
import pytest

from tests.napari_plugin.conftest import ROOT, lines, needs_display

needs_display()

from qtpy.QtCore import Qt  # noqa: E402

if TYPE_CHECKING:
    from tests.napari_plugin.window import Window

KEY = Qt.Key
HOLD = """
import sys
from pathlib import Path
from cryoal.workspace.layout import Layout
from cryoal.workspace.lock import writer_lock
with writer_lock(Layout(Path(sys.argv[1])).labels_lock, "cryoal label"):
    print("held", flush=True)
    sys.stdin.read()
"""


def refused(window: "Window") -> str:
    """What the start page says of a workspace that cannot be opened; the page is alive."""
    window.dock.leave()
    window.dock.open(str(window.workspace))
    window.settle()
    assert window.dock.controller is None
    assert window.dock.start.open_button.isEnabled()
    return window.dock.start._message.text()


def opens_again(window: "Window") -> bool:
    window.dock.open(str(window.workspace))
    window.settle()
    return window.dock.controller is not None


def test_a_workspace_of_a_newer_version_is_refused(window: "Window") -> None:
    settings = window.workspace / "workspace.toml"
    content = settings.read_text()
    settings.write_text(content.replace("format_version = 1", "format_version = 99"))
    said = refused(window)
    assert "workspace.toml" in said
    assert "99" in said
    settings.write_text(content)
    assert opens_again(window)


def test_a_workspace_that_another_process_writes_is_refused_and_opens_afterwards(window: "Window") -> None:
    window.dock.leave()
    command = [sys.executable, "-c", HOLD, str(window.workspace)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        said = refused(window)
        other.stdin.close()
    assert "cryoal label" in said
    assert str(other.pid) in said
    assert opens_again(window)


def test_a_workspace_that_may_not_be_written_is_refused(window: "Window", monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object, **__: object) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "mkdir", refuse)
        said = refused(window)
    assert "not allowed to write" in said
    assert window.workspace.name in said
    assert opens_again(window)


def test_a_broken_journal_is_named_with_its_line(window: "Window") -> None:
    (window.workspace / "labels.jsonl").write_text('{"id": \n')
    said = refused(window)
    assert "labels.jsonl" in said
    assert "line 1" in said


def test_a_full_disk_is_told_nothing_changes_and_the_next_key_works(
    window: "Window", monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = window.document.snapshot()
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        window.key(KEY.Key_F)
    assert "labels.jsonl" in window.dock.controller.message
    assert "full" in window.dock.controller.message
    assert window.dock.review.message.isVisible()
    assert window.document.snapshot() == before
    window.key(KEY.Key_F)
    assert len(lines(window.workspace)) == 1
    assert not window.dock.review.message.isVisible()


@pytest.mark.parametrize("trouble", ["missing", "truncated", "nan"])
def test_a_micrograph_in_trouble_is_named_and_no_other_is_shown_in_its_place(window: "Window", trouble: str) -> None:
    document, controller = window.document, window.dock.controller
    path = document.project.by_key[document.keys[(document.keys.index(document.place.micrograph) + 1) % 3]].path
    controller.images._kept.clear()
    if trouble == "missing":
        path.unlink()
    elif trouble == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    else:
        with mrcfile.open(path, "r+") as mrc:
            mrc.set_data(np.where(np.arange(mrc.data.shape[1]) == 7, np.nan, mrc.data).astype(np.float32))
    window.key(KEY.Key_R)
    assert path.name in controller.message
    assert np.ptp(controller.scene.image.data) == 0
    window.key(KEY.Key_W)
    assert controller.message == ""
    assert np.ptp(controller.scene.image.data) > 0
    window.key(KEY.Key_F)
    assert len(lines(window.workspace)) == 1


def test_a_click_beside_the_micrograph_adds_nothing(window: "Window") -> None:
    window.viewer.reset_view()
    window.settle()
    window.click((-20.0, 100.0))
    assert lines(window.workspace) == []


def test_a_broken_bookmark_is_named(window: "Window") -> None:
    window.dock.leave()
    (window.workspace / "napari.json").write_text(json.dumps({"place": 3}))
    assert "napari.json" in refused(window)
