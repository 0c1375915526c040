"""A really full disk: one line, exit status 2, nothing lost, and the command succeeds once there is room."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cryoal.io.durable import is_temporary
from tests.command_line import command_line, new_project, scored_project

PAGE_BYTES = 4096


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=2m", "cryoal-test", folder], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("no tmpfs can be mounted here: that needs root, or a container that allows it")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path, pages: int) -> None:
    """Leave so many pages free."""
    filler = disk / "filler"
    filler.unlink(missing_ok=True)
    free = shutil.disk_usage(disk).free
    filler.write_bytes(bytes(free - pages * PAGE_BYTES))


@pytest.mark.parametrize(
    ("command", "pages"),
    [
        ("label {ws} truth", range(6)),
        ("train {ws} --members 2", (0, 3, 12)),
        ("score {ws}", (0, 5, 30)),
        ("query {ws}", range(6)),
        ("pick {ws}", (0, 2, 5, 8, 12)),
        ("export {ws} --out {disk}/out", (0, 1, 3, 7, 10)),
    ],
)
def test_a_full_disk(tmp_path: Path, disk: Path, command: str, pages: range | tuple[int, ...]) -> None:
    cryoal, project = command_line(), scored_project(tmp_path)
    ws = disk / "ws"
    (project / "ws").rename(project / "made")
    shutil.copytree(project / "made", ws)
    settings = ws / "workspace.toml"
    settings.write_text(settings.read_text().replace('root = ".."', f'root = "{project}"'))
    if command.startswith("score"):
        shutil.rmtree(ws / "rounds/0001/candidates")
    if command.startswith("export"):
        cryoal.ok("pick", ws, cwd=project)
    arguments = command.format(ws=ws, disk=disk).split()
    refused = 0
    for left in pages:
        fill(disk, left)
        ended = cryoal(*arguments, "-q", cwd=project)
        assert ended.status in (0, 2), ended.err
        if ended.status == 0:
            break
        refused += 1
        assert "the disk or the quota is full" in ended.error_line or "No space left" in ended.error_line
        assert str(disk) in ended.error_line
        assert [path for path in disk.rglob("*") if is_temporary(path)] == []
        cryoal.ok("status", ws, cwd=project)
    assert refused
    (disk / "filler").unlink()
    cryoal.ok(*arguments, cwd=project)


def test_init_on_a_full_disk(tmp_path: Path, disk: Path) -> None:
    cryoal, project = command_line(), new_project(tmp_path)
    arguments = ["init", disk / "ws", "--micrographs", "micrographs.star", "--diameter", 165]
    fill(disk, 0)
    assert "full" in cryoal.refused(*arguments, "-q", cwd=project)
    (disk / "filler").unlink()
    cryoal.ok(*arguments, cwd=project)
