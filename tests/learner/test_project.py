"""Making and opening a workspace."""

from dataclasses import replace
from pathlib import Path

import pytest

from cryoal.errors import OptionError, WorkspaceError
from cryoal.io import mrc
from cryoal.learner.opening import open_or_create
from cryoal.learner.project import NewWorkspace, Project, create
from tests.command_line import NAMES, new_project
from tests.learner.workspaces import new_workspace, result_of


@pytest.mark.parametrize("sign", [1, -1])
def test_the_polarity_is_found(tmp_path: Path, sign: int) -> None:
    root = new_project(tmp_path)
    for path in (root / "Micrographs").iterdir():
        pixels = mrc.read(path).pixels.astype("float32")
        path.unlink()
        mrc.write(path, sign * pixels, 4.0)
    made = result_of(create(NewWorkspace(root / "ws", "micrographs.star", 165.0, root=root)))
    assert isinstance(made, Project)
    assert made.settings.particles_dark is (sign == 1)
    one = made.read_scaled(made.entries[0]).pixels
    told = NewWorkspace(root / "other", "micrographs.star", 165.0, particles_dark=sign == -1, root=root)
    other = result_of(create(told))
    assert isinstance(other, Project)
    assert (other.read_scaled(other.entries[0]).pixels == -one).all()


def test_micrographs_keep_the_order_and_names_of_their_list(tmp_path: Path) -> None:
    project = new_workspace(tmp_path)
    opened = Project.open(project.layout.root)
    assert [entry.name for entry in opened.entries] == [f"Micrographs/{name}.mrc" for name in NAMES]
    assert opened.entries == project.entries
    assert opened.shapes == dict.fromkeys(opened.by_key, (370, 416))
    assert opened.diameter_px(opened.entries[0]) == pytest.approx(165 / 4)


@pytest.mark.parametrize("inside", [True, False])
def test_the_root_is_kept_so_that_things_can_move(tmp_path: Path, inside: bool) -> None:
    root = new_project(tmp_path)
    folder = root / "jobs/ws" if inside else tmp_path / "ws"
    made = result_of(create(NewWorkspace(folder, "micrographs.star", 165.0, root=root)))
    assert isinstance(made, Project)
    assert made.settings.root == ("../.." if inside else str(root))
    assert made.root == root
    assert made.entries[0].path == root / made.entries[0].name


def test_a_root_reached_through_a_link_is_kept_as_it_is(tmp_path: Path) -> None:
    root = new_project(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    made = result_of(create(NewWorkspace(root / "linked/ws", "micrographs.star", 165.0, root=root)))
    assert isinstance(made, Project)
    assert made.root == root
    assert made.entries[0].path.exists()


def test_what_create_refuses(tmp_path: Path) -> None:
    project = new_workspace(tmp_path)
    root, folder = project.root, project.layout.root
    with pytest.raises(WorkspaceError, match="is a workspace already"):
        result_of(create(NewWorkspace(folder, "micrographs.star", 165.0, root=root)))
    for wrong in ({"diameter_angstrom": 0.0}, {"diameter_angstrom": 741.0}, {"pixel_size_angstrom": -1.0}):
        new = NewWorkspace(**({"folder": root / "new", "micrographs": "micrographs.star", "root": root}
                              | {"diameter_angstrom": 165.0} | wrong))  # fmt: skip
        with pytest.raises(OptionError):
            result_of(create(new))
    assert not (root / "new").exists()


def test_a_job_goes_on_with_the_diameter_that_was_judged_or_given(tmp_path: Path) -> None:
    made = new_workspace(tmp_path)
    same = NewWorkspace(made.layout.root, "micrographs.star", root=made.root)
    again = result_of(open_or_create(same))
    assert isinstance(again, Project)
    assert again.settings == made.settings
    with pytest.raises(WorkspaceError, match=r"--diameter 165\.0, now"):
        result_of(open_or_create(replace(same, diameter_angstrom=150.0)))
