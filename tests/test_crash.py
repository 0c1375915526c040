"""Commands are really killed, or interrupted, at random moments: the workspace opens, the same command succeeds, and
its result is that of an undisturbed run."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from cryoal.io.durable import is_temporary
from cryoal.workspace.journal import read_journal
from cryoal.workspace.labelling import labels_by_micrograph
from cryoal.workspace.layout import Layout
from cryoal.workspace.rounds import newest_round
from tests.command_line import DIAMETER, ROOT, command_line, new_project, scored_project

EARLIEST = 0.02  # seconds; the command line's first lines have run by then


def files(folder: Path) -> dict[str, object]:
    """Content of all files below a folder, those being written left out."""
    paths = [path for path in folder.rglob("*") if path.is_file() and not is_temporary(path)]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def labels(project: Path) -> dict[str, object]:
    """The labels that hold, all of them as one."""
    return {"": labels_by_micrograph(read_journal(Layout(project / "ws").labels), 4.0)}


def committee(project: Path) -> dict[str, object]:
    """All of the newest round but its number and date, as one."""
    newest = newest_round(Layout(project / "ws"))
    return {"": (files(newest.members), newest.calibration.read_bytes(), newest.metrics.read_bytes())}


def picks(project: Path) -> dict[str, object]:
    """The round's picks as one; nothing where there are none, which only a crash between two renames leaves."""
    found = files(project / "ws/rounds/0001/picks")
    return {"": found} if found else {}


@dataclass(frozen=True)
class Case:
    """A command, what must be done before, and its result: parts that may each be the old or the new."""

    command: str
    result: Callable[[Path], dict[str, object]]
    before: tuple[str, ...] = ()
    kills: int = 8


PICKED = ("pick ws -q --threshold 0.3",)
CASES = {
    "label": Case("label ws truth -q", labels),
    "train": Case("train ws --members 2 -q", committee, kills=4),
    "score": Case("score ws -q", lambda p: files(p / "ws/rounds/0002/candidates"), ("train ws --members 2 -q",), 5),
    "query": Case("query ws -q", lambda p: files(p / "ws/rounds/0001")),
    "pick": Case("pick ws -q", picks, PICKED, 12),
    "export": Case("export ws --out out -q", lambda p: files(p / "out"), PICKED),
    "export csv": Case("export ws --out out --format csv -q", lambda p: files(p / "out"), PICKED, 4),
}


def prepared(case: Case, folder: Path) -> Path:
    """A scored project in which the command can be run."""
    project = scored_project(folder)
    for command in case.before:
        command_line().ok(*command.split(), cwd=project)
    return project


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in CASES])
def test_what_is_killed_goes_on(tmp_path: Path, name: str) -> None:
    case, cryoal, rng = CASES[name], command_line(), random.Random(name)
    calm = prepared(case, tmp_path / "calm")
    undisturbed = cryoal(*case.command.split(), cwd=calm)
    assert undisturbed.status == 0, undisturbed.err
    project = prepared(case, tmp_path / "killed")
    before, after, killed = case.result(project), case.result(calm), 0
    for number in range(case.kills):
        moment = undisturbed.seconds * (number + rng.random()) / case.kills
        ended = cryoal(*case.command.split(), cwd=project, killed_after=moment)
        assert ended.status in (0, -signal.SIGKILL), ended.err
        killed += ended.status != 0
        cryoal.ok("status", "ws", cwd=project)
        for part, content in case.result(project).items():
            assert content in (before.get(part), after[part]), part
    assert killed
    cryoal.ok(*case.command.split(), cwd=project)
    assert case.result(project) == after
    cryoal.ok("train", "ws", "--members", 1, "-q", cwd=project)
    assert [path for path in (project / "ws").rglob("*") if is_temporary(path)] == []
    assert [path for path in (project / "out").rglob("*") if is_temporary(path)] == []


@pytest.mark.slow
def test_the_whole_job_goes_on(tmp_path: Path) -> None:
    cryoal, rng = command_line(), random.Random(5)
    command = ["run", "--micrographs", "micrographs.star", "--labels", "truth/a_01.star", "--labels", "truth/a_03.star"]
    command += ["--complete", "--diameter", DIAMETER, "--out", "out", "--members", "2", "-q"]
    calm, project = new_project(tmp_path / "calm"), new_project(tmp_path / "killed")
    undisturbed = cryoal(*command, cwd=calm)
    assert undisturbed.status == 0, undisturbed.err
    for _ in range(3):
        cryoal(*command, cwd=project, killed_after=rng.uniform(0, undisturbed.seconds))
    cryoal.ok(*command, cwd=project)
    for some in ("autopick.star", "Micrographs/a_05_autopick.star", "Micrographs/b_10_autopick.star"):
        assert (project / "out" / some).read_bytes() == (calm / "out" / some).read_bytes()


@pytest.mark.parametrize("name", ["train", "score", "pick"])
def test_what_is_interrupted_says_so_and_goes_on(tmp_path: Path, name: str) -> None:
    case, cryoal, rng = CASES[name], command_line(), random.Random(name)
    calm, project = prepared(case, tmp_path / "calm"), prepared(case, tmp_path / "interrupted")
    seconds = cryoal(*case.command.split(), cwd=calm).seconds
    interrupted = 0
    for number in range(3):
        moment = max(EARLIEST, seconds * (number + rng.random()) / 3)
        ended = cryoal(*case.command.split(), cwd=project, killed_after=moment, by=signal.SIGINT)
        assert ended.status in (0, 130), ended.err
        if ended.status:
            interrupted += 1
            assert ended.error_line.startswith("cryoal: interrupted")
            assert not Layout(project / "ws").rounds_lock.exists()
    assert interrupted
    cryoal.ok(*case.command.split(), cwd=project)
    assert case.result(project) == case.result(calm)


@pytest.mark.slow
def test_ctrl_c_of_the_real_program(tmp_path: Path) -> None:
    project = scored_project(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "cryoal", "train", "ws"]
    with subprocess.Popen(command, cwd=project, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("reading labelled micrographs: ")
        process.send_signal(signal.SIGINT)
        last = process.stderr.read().splitlines()
    assert process.returncode == 130
    assert last == ["cryoal: interrupted; what was finished is kept, the same command goes on from there"]
    assert [path for path in (project / "ws").rglob("*") if is_temporary(path) or path.suffix == ".lock"] == []
