"""Broken micrographs among good ones: named, set aside, and the rest is done."""

import os
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from tests.command_line import NAMES, CommandLine, command_line, new_project, scored_project


def header_only(path: Path, change: Callable[[bytearray], object]) -> None:
    """Write the file anew with a changed header."""
    data = bytearray(path.read_bytes())
    change(data)
    path.unlink()
    path.write_bytes(data)


def image(path: Path, pixels: np.ndarray) -> None:
    """Write another image in its place."""
    path.unlink()
    with mrcfile.new(path) as file:
        file.set_data(pixels)
        file.voxel_size = 4.0


def nan(path: Path) -> None:
    """One pixel that is no number."""
    pixels = np.random.default_rng(0).normal(size=(370, 416)).astype(np.float32)
    pixels[100, 100] = np.nan
    image(path, pixels)


def replaced_by(text: bytes, path: Path) -> None:
    """Another content."""
    path.unlink()
    path.write_bytes(text)


def folder_in_its_place(path: Path) -> None:
    """A folder of its name."""
    path.unlink()
    path.mkdir()


def unreadable(path: Path) -> None:
    """Without permission to read."""
    replaced_by(path.read_bytes(), path)
    path.chmod(0)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, "No such file"),
    "empty": (lambda path: replaced_by(b"", path), "empty"),
    "truncated": (lambda path: replaced_by(path.read_bytes()[:-1000], path), "truncated"),
    "header cut": (lambda path: replaced_by(path.read_bytes()[:500], path), "not an MRC file"),
    "wrong magic": (lambda path: header_only(path, lambda d: d.__setitem__(slice(208, 212), b"MOP ")), "'MAP '"),
    "NaN": (nan, "1 pixels are NaN"),
    "constant": (lambda path: image(path, np.full((370, 416), 7, np.float32)), "all pixels are 7"),
    "mostly dead": (lambda path: image(path, np.eye(370, 416, dtype=np.float32)), "carries an image"),
    "3-D": (lambda path: image(path, np.zeros((3, 370, 416), np.float32)), "holds 3 images"),
    "complex": (lambda path: image(path, np.zeros((370, 416), np.complex64)), "complex"),
    "1×1": (lambda path: image(path, np.zeros((1, 1), np.float32)), "1 × 1"),
    "small": (lambda path: image(path, np.zeros((50, 50), np.int8) + np.eye(50, dtype=np.int8)), "too few"),
    "folder": (folder_in_its_place, "directory"),
    "gzip cut": (lambda path: replaced_by(b"\x1f\x8b\x08\x00" + b"\0" * 20, path), "damaged"),
    "unreadable": (unreadable, "Permission"),
}


@pytest.fixture
def cryoal() -> CommandLine:
    return command_line()


def skip_root(name: str) -> None:
    """Permissions are nothing to root."""
    if name == "unreadable" and os.geteuid() == 0:
        pytest.skip("root reads files without permission")


@pytest.mark.parametrize("name", BROKEN)
def test_scoring_does_the_rest(cryoal: CommandLine, tmp_path: Path, name: str) -> None:
    skip_root(name)
    break_it, reason = BROKEN[name]
    project = scored_project(tmp_path)
    (project / "ws/rounds/0001/candidates/Micrographs/a_01.parquet").unlink()
    (project / "ws/rounds/0001/candidates/Micrographs/b_07.parquet").unlink()
    break_it(project / "Micrographs/a_01.mrc")
    result = cryoal("score", "ws", cwd=project)
    assert result.status == 0
    assert "on 1 micrographs scored now; 4 were scored before, 1 set aside now" in result.out
    noted = [line for line in result.err.splitlines() if "Micrographs/a_01.mrc" in line]
    assert len(noted) == 1
    assert reason in noted[0]
    status = cryoal.ok("status", "ws", cwd=project)
    assert "6 micrographs (1 set aside)" in status
    assert "5/5" in status
    assert any(line.startswith("Micrographs/a_01 ") and reason in line for line in status.splitlines())


def test_what_is_set_aside_is_not_picked_until_it_is_mended(cryoal: CommandLine, tmp_path: Path) -> None:
    project = scored_project(tmp_path)
    (project / "ws/rounds/0001/candidates/Micrographs/a_01.parquet").unlink()
    assert "not scored: 1 micrographs" in cryoal.ok("pick", "ws", cwd=project)
    path = project / "Micrographs/a_01.mrc"
    whole = path.read_bytes()
    nan(path)
    cryoal.ok("score", "ws", cwd=project)
    assert "on 5 micrographs" in cryoal.ok("pick", "ws", cwd=project)
    assert "5 micrographs" in cryoal.ok("export", "ws", "--out", "out", cwd=project)
    assert not (project / "out/Micrographs/a_01_autopick.star").exists()

    path.write_bytes(whole)
    assert "on 0 micrographs" in cryoal.ok("score", "ws", cwd=project)
    assert "on 1 micrographs" in cryoal.ok("score", "ws", "--retry-failed", cwd=project)
    assert "(0 set aside)" in cryoal.ok("status", "ws", cwd=project)


@pytest.mark.parametrize("name", ["missing", "NaN"])
def test_training_leaves_out_a_broken_labelled_micrograph_until_it_is_mended(
    cryoal: CommandLine, tmp_path: Path, name: str
) -> None:
    break_it, reason = BROKEN[name]
    project = new_project(tmp_path)
    cryoal.ok("init", "ws", "--micrographs", "micrographs.star", "--diameter", 165, cwd=project)
    cryoal.ok("label", "ws", *(f"truth/{name}.star" for name in NAMES[:3]), "--complete", cwd=project)
    path = project / "Micrographs/a_01.mrc"
    whole = path.read_bytes()
    break_it(path)
    result = cryoal("train", "ws", "--members", 1, cwd=project)
    assert result.status == 0
    assert reason in result.err
    assert "1 set aside" in cryoal.ok("status", "ws", cwd=project)
    path.write_bytes(whole)
    again = cryoal("train", "ws", "--members", 1, cwd=project)
    assert again.status == 0
    assert reason not in again.err
    assert "0 set aside" in cryoal.ok("status", "ws", cwd=project)


def test_training_where_every_labelled_micrograph_is_broken(cryoal: CommandLine, tmp_path: Path) -> None:
    project = new_project(tmp_path)
    cryoal.ok("init", "ws", "--micrographs", "micrographs.star", "--diameter", 165, cwd=project)
    cryoal.ok("label", "ws", "truth/a_01.star", cwd=project)
    (project / "Micrographs/a_01.mrc").unlink()
    result = cryoal("train", "ws", cwd=project)
    assert result.status == 2
    assert "none of the labelled micrographs can be read" in result.err.splitlines()[-1]
    assert "cryoal status" in result.err.splitlines()[-1]


def test_init_takes_broken_micrographs_along(cryoal: CommandLine, tmp_path: Path) -> None:
    project = new_project(tmp_path)
    for name, (break_it, _) in zip(NAMES[:4], (BROKEN[k] for k in ("missing", "empty", "NaN", "1×1")), strict=True):
        break_it(project / f"Micrographs/{name}.mrc")
    out = cryoal.ok(
        "init", "ws", "--micrographs", "micrographs.star", "--diameter", 165, "--pixel-size", 4, cwd=project
    )
    assert "6 micrographs, particles dark on light" in out
    query = cryoal.ok("query", "ws", "--fields", 12, cwd=project)
    assert "Micrographs/a_05" not in query
    assert "Micrographs/b_07" in query


def test_micrographs_that_are_all_gone_are_not_set_aside(cryoal: CommandLine, tmp_path: Path) -> None:
    project = scored_project(tmp_path)
    (project / "Micrographs").rename(project / "Elsewhere")
    for command in ("score", "train"):
        line = cryoal.refused(command, "ws", cwd=project)
        assert "none of its 6 micrographs exists" in line
        assert "workspace.toml" in line
    assert "(0 set aside)" in cryoal.ok("status", "ws", cwd=project)
    cryoal.ok("pick", "ws", cwd=project)


@pytest.mark.parametrize("place", ["inside", "outside"])
def test_a_workspace_can_move(cryoal: CommandLine, tmp_path: Path, place: str) -> None:
    project = new_project(tmp_path)
    workspace = project / "ws" if place == "inside" else tmp_path / "ws"
    cryoal.ok("init", workspace, "--micrographs", "micrographs.star", "--diameter", 165, cwd=project)
    cryoal.ok("label", workspace, "truth", cwd=project)
    moved = tmp_path / "moved"
    (project if place == "inside" else workspace).rename(moved)
    workspace, home = (moved / "ws", moved) if place == "inside" else (moved, project)
    cryoal.ok("train", workspace, "--members", 1, cwd=tmp_path)
    assert "(0 set aside)" in cryoal.ok("status", workspace, cwd=home)
    cryoal.ok("score", workspace, cwd=tmp_path)
    cryoal.ok("pick", workspace, cwd=tmp_path)
    cryoal.ok("export", workspace, "--out", home / "External/job001", cwd=tmp_path)
    assert "External/job001/Micrographs/a_01_autopick.star" in (home / "External/job001/autopick.star").read_text()
    assert str(tmp_path) not in (home / "External/job001/autopick.star").read_text()


def test_a_workspace_that_left_its_micrographs_behind(cryoal: CommandLine, tmp_path: Path) -> None:
    project = scored_project(tmp_path)
    (project / "ws").rename(tmp_path / "ws")
    line = cryoal.refused("score", "ws", cwd=tmp_path)
    assert "correct root in ws/workspace.toml" in line
    settings = tmp_path / "ws/workspace.toml"
    settings.write_text(settings.read_text().replace('root = ".."', f'root = "{project}"'))
    assert "6 were scored before" in cryoal.ok("score", "ws", cwd=tmp_path)
