"""What a collection costs: told from a few micrographs, with nothing written."""

from dataclasses import replace
from pathlib import Path

import pytest

from cryoal.cluster.forecast import Forecast, forecast
from cryoal.config import Config
from cryoal.errors import WorkspaceError
from cryoal.learner.progress import Progress
from tests.command_line import DIAMETER, command_line, new_project, scored_project
from tests.learner.workspaces import new_workspace


def contents(folder: Path) -> dict[Path, bytes]:
    """All files below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_workspace_without_a_round_is_measured_and_left_as_it_is(tmp_path: Path) -> None:
    project = new_workspace(tmp_path, Config())
    (project.entries[0].path).unlink()
    before = contents(project.layout.root)
    *reports, found = forecast(project, "cpu")
    assert contents(project.layout.root) == before
    assert isinstance(found, Forecast)
    assert (found.device, found.sample, found.micrographs, found.to_score) == ("cpu", 4, 6, 6)
    assert min(found.read_seconds, found.score_seconds) > 0
    notes = [one.note for one in reports if isinstance(one, Progress) and one.note]
    assert len(notes) == 1
    assert "a_05" in notes[0]


def test_bounds() -> None:
    some = Forecast("cuda:0", "float16", 5, 4.0, 0.5, readers=2, scorers=1, one_pool=False, micrographs=10, to_score=0)
    assert some.bounds_seconds(10) == (20.0, 25.0)
    on_cpu = replace(some, read_seconds=1.0, score_seconds=3.0, scorers=4, one_pool=True)
    assert on_cpu.bounds_seconds(100) == (100.0, 125.0)
    one_core = replace(on_cpu, scorers=1)
    assert one_core.bounds_seconds(100) == (400.0, 400.0)


def test_no_readable_micrograph_is_told(tmp_path: Path) -> None:
    project = new_workspace(tmp_path, Config())
    for entry in project.entries:
        entry.path.unlink()
        entry.path.write_bytes(b"broken")
    with pytest.raises(WorkspaceError, match="no micrograph can be read"):
        list(forecast(project, "cpu"))


def test_the_command_tells_what_there_is(tmp_path: Path) -> None:
    cryoal, project = command_line(), scored_project(tmp_path)
    lines = cryoal.ok("devices").splitlines()
    assert [line.split(":")[0].split()[0] for line in lines] == ["processors", "memory", "GPUs", "--device"]
    out = cryoal.ok("devices", "ws", "--device", "cpu", cwd=project)
    assert "--device cpu: cpu, threads: 1" in out
    assert "all, 6: " in out
    assert "those not scored yet: none" in out
    new = new_project(tmp_path / "new")
    cryoal.ok("init", "ws", "--micrographs", "micrographs.star", "--diameter", DIAMETER, cwd=new)
    assert "those not scored yet, 6: " in cryoal.ok("devices", "ws", cwd=new)
    assert "was asked for, and 0 GPUs are visible" in cryoal.refused("devices", "--device", "cuda:3")
