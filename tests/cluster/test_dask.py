"""Scoring over real worker processes, one of them killed in the middle: nothing is lost, nothing doubled."""

import logging
import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from cryoal.cluster import dask
from cryoal.config import Config
from cryoal.data.micrograph import MicrographEntry
from cryoal.errors import OptionError
from cryoal.learner.progress import Progress
from cryoal.learner.project import Project
from cryoal.learner.scoring import Scored, ScoreOptions, score
from cryoal.workspace.candidates import read_candidates, scored_keys
from cryoal.workspace.micrographs import write_micrographs
from tests.command_line import ROOT, scored_project
from tests.learner.workspaces import new_workspace, result_of

distributed = pytest.importorskip("distributed")
dask_config = pytest.importorskip("dask.config")
OPTIONS = ScoreOptions("cpu", workers=1)


def many(folder: Path, copies: int) -> Project:
    """A workspace of more micrographs, one of them truncated, nothing scored."""
    project = new_workspace(folder, Config())
    entries = []
    for number in range(copies):
        for entry in project.entries:
            path = entry.path.with_name(f"{entry.path.stem}_{number}.mrc")
            os.link(entry.path, path)
            entries.append(MicrographEntry(f"Micrographs/{path.name}", path, entry.pixel_size_angstrom))
    entries[5].path.unlink()
    shutil.copyfile(entries[4].path, entries[5].path)
    os.truncate(entries[5].path, 5000)
    write_micrographs(project.layout, entries, project.root)
    return Project.open(project.layout.root)


@pytest.mark.slow
def test_a_killed_worker_costs_nothing(tmp_path: Path) -> None:
    project = many(tmp_path, 6)
    settings = {"threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}
    with distributed.LocalCluster(n_workers=2, **settings) as cluster:
        killed, notes, done = 0, [], None
        for report in dask.score_on_cluster(project, OPTIONS, cluster.scheduler_address):
            if isinstance(report, Scored):
                done = report
                continue
            assert isinstance(report, Progress)
            notes += [report.note] if report.note else []
            if report.stage == "scoring" and report.done >= 4 and not killed:
                killed = next(iter(cluster.workers.values())).pid
                os.kill(killed, signal.SIGKILL)
    assert killed
    assert done is not None
    assert (done.scored, done.set_aside, done.already_scored) == (35, 1, 0)
    assert len(notes) == 1
    assert "truncated" in notes[0]
    layout = project.layout.round(1)
    assert len(scored_keys(layout)) == 35
    usable = project.usable()
    assert done.candidates <= sum(len(read_candidates(layout, entry.key)) for entry in usable)
    again = result_of(score(project, OPTIONS))
    assert (again.scored, again.already_scored) == (0, 35)  # type: ignore[attr-defined]
    files = list(layout.candidates_folder.rglob("*.parquet"))
    assert len(files) == 35  # what the killed worker was writing is gone, too


def test_the_same_candidates_as_without(tmp_path: Path) -> None:
    project = scored_project(tmp_path)
    folder = project / "ws/rounds/0001/candidates"
    before = {path.name: path.read_bytes() for path in folder.rglob("*.parquet")}
    first = min(folder.rglob("*.parquet"))
    first.unlink()
    opened = Project.open(project / "ws")
    _, _, notes = dask.score_some(str(project / "ws"), 1, [entry.key for entry in opened.entries], OPTIONS, 6)
    assert notes == []
    assert {path.name: path.read_bytes() for path in folder.rglob("*.parquet")} == before
    first.unlink()
    command = [sys.executable, "-m", "cryoal", "score", "ws", "--dask", "local:1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 micrographs scored now; 5 were scored before" in done.stdout
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["waiting for workers", "scoring"]
    assert {path.name: path.read_bytes() for path in folder.rglob("*.parquet")} == before


def test_what_a_local_worker_logs_while_it_is_closed_stays_off_the_screen(capfd: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as stack:
        client = dask._client("local:1", stack)
        client.run(lambda: logging.getLogger("distributed.worker").error("communication closed while heartbeating"))
    assert "heartbeating" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("local:0", "'local:0' is not allowed"),
        ("local", "'local' is not allowed"),
        ("slurm:x", "'slurm:x' is not allowed"),
        ("slurm", "set jobqueue.slurm in Dask's configuration"),
        ("missing.json", "missing.json is not there"),
        ("nonsense", "no cluster there"),
    ],
)
def test_what_is_no_cluster_is_refused(tmp_path: Path, where: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "_CONNECT_SECONDS", 0.5)
    unset = {"jobqueue.slurm.cores": None, "jobqueue.slurm.memory": None}  # whoever runs the tests may have a cluster
    with dask_config.set(unset), pytest.raises(OptionError, match=said):
        list(dask.score_on_cluster(new_workspace(tmp_path, Config()), OPTIONS, where))


def test_a_missing_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(OptionError, match=r"pip install 'cryoal\[dask\]'"):
        list(dask.score_on_cluster(new_workspace(tmp_path, Config()), OPTIONS, "local:1"))
