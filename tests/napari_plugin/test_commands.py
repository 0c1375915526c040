"""Several commands in one process: in their order, up to the first that fails."""

import json
import subprocess
import sys
from pathlib import Path

from tests.napari_plugin.conftest import ROOT


def run(*commands: list[str]) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-m", "napari_plugin.commands", *map(json.dumps, commands)]
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)


def test_commands_run_in_order_and_the_first_that_fails_ends_them(workspace: Path, tmp_path: Path) -> None:
    status, nowhere = ["status", str(workspace)], str(tmp_path / "nowhere")
    done = run(["query", str(workspace), "--fields", "3"], status)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.index("3 fields") < done.stdout.index("round")
    failed = run(["status", nowhere], status)
    assert failed.returncode == 2
    assert failed.stdout == ""
    assert failed.stderr.startswith(f"cryoal: {nowhere}: not a workspace")
