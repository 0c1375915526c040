"""Both bindings of Qt: a session with a round and an export, each in a process of its own, which never loads torch."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.napari_plugin.conftest import ROOT, lines, needs_display

pytestmark = [pytest.mark.gui, pytest.mark.slow]


@pytest.mark.parametrize("binding", ["PyQt6", "PySide6"])
def test_a_session_with_a_round_and_an_export(binding: str, workspace: Path, tmp_path: Path) -> None:
    needs_display()
    if importlib.util.find_spec(binding) is None:
        pytest.skip(f"{binding} is not installed: pip install {binding}")
    wanted = {"QT_API": binding.lower(), "QT_QPA_PLATFORM": "xcb", "NAPARI_CONFIG": str(tmp_path / "settings.yaml")}
    command = [sys.executable, "-m", "tests.napari_plugin.session", str(workspace)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | wanted, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    fields = told.pop("fields")
    assert told == {"binding": binding, "torch": False, "message": "", "round": 2, "resumed": True}
    assert fields > 0
    whats = [row["what"] for row in lines(workspace)]
    assert whats.count("label") >= 5
    assert whats.count("retract") == 1
    assert whats.count("field") == 1
    assert len(list((workspace / "export/Micrographs").glob("*_autopick.star"))) == 3
