"""Parts of a collection scored by real processes: side by side, overlapping, killed; the result is that of one run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cryoal.io.durable import is_temporary
from tests.command_line import NAMES, ROOT, command_line, scored_project

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CRYOAL_LOG_SECONDS": "0"}
SCORE = [sys.executable, "-m", "cryoal", "score", "ws"]


def candidates(project: Path) -> dict[str, bytes]:
    folder = project / "ws/rounds/0001/candidates"
    assert [path for path in folder.rglob("*") if is_temporary(path)] == []
    return {path.name: path.read_bytes() for path in folder.rglob("*.parquet")}


def unscored(folder: Path) -> tuple[Path, dict[str, bytes]]:
    """A project in which nothing is scored, and what scoring makes."""
    project = scored_project(folder)
    whole = candidates(project)
    for path in (project / "ws/rounds/0001/candidates").rglob("*.parquet"):
        path.unlink()
    return project, whole


@pytest.mark.slow
def test_parts_that_overlap_run_side_by_side(tmp_path: Path) -> None:
    project, whole = unscored(tmp_path)
    parts = ("1/2", "2/2", "1/3", "1/2")
    running = [
        subprocess.Popen([*SCORE, "--shard", part], cwd=project, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
        for part in parts
    ]
    for process in running:
        _, said = process.communicate()
        assert process.returncode == 0, said
    assert candidates(project) == whole


@pytest.mark.slow
def test_a_killed_run_loses_the_micrograph_in_hand_at_most(tmp_path: Path) -> None:
    project, whole = unscored(tmp_path)
    with subprocess.Popen(SCORE, cwd=project, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        done = 0
        for line in process.stderr:
            if line.startswith("scoring: "):
                done = int(line.removeprefix("scoring: ").partition("/")[0])
            if done == 3:
                process.send_signal(signal.SIGKILL)
                break
    folder = project / "ws/rounds/0001/candidates"
    kept = [path.name for path in folder.rglob("*.parquet") if not is_temporary(path)]
    assert done == 3
    assert 3 <= len(kept) < len(NAMES)
    said = command_line().ok("score", "ws", cwd=project)
    assert f"{len(NAMES) - len(kept)} micrographs scored now; {len(kept)} were scored before" in said
    assert candidates(project) == whole


def test_any_part_may_be_done_again(tmp_path: Path) -> None:
    project, whole = unscored(tmp_path)
    cryoal, folder = command_line(), project / "ws/rounds/0001/candidates"
    for part in ("2/3", "1/2", "2/3", "3/3", "1/1"):
        cryoal.ok("score", "ws", "--shard", part, "-q", cwd=project)
        lost = min(folder.rglob("*.parquet"), default=None)
        if lost is not None and part != "1/1":
            lost.unlink()
    assert candidates(project) == whole
