from pathlib import Path

import pytest

from cryoal.data.micrograph import MicrographEntry
from cryoal.errors import FileError, FileFormatError, WorkspaceError
from cryoal.workspace.layout import Layout
from cryoal.workspace.micrographs import read_micrographs, write_micrographs
from cryoal.workspace.set_aside import read_set_aside, set_aside, take_back


def test_what_is_written_is_read_and_moves_with_its_root(tmp_path: Path) -> None:
    layout, root = Layout(tmp_path / "w"), tmp_path / "project"
    entries = [
        MicrographEntry("MotionCorr/job002/Micrographs/a b.mrc", root / "Micrographs" / "a b.mrc", 0.885, 2),
        MicrographEntry("/elsewhere/1.mrc", Path("/elsewhere/1.mrc"), 1.0),
    ]
    write_micrographs(layout, entries, root)
    assert read_micrographs(layout, root) == entries
    moved = read_micrographs(layout, tmp_path / "moved")
    assert [entry.path for entry in moved] == [tmp_path / "moved" / "Micrographs" / "a b.mrc", entries[1].path]


def test_an_unknown_pixel_size_stays_unknown(tmp_path: Path) -> None:
    write_micrographs(Layout(tmp_path), [MicrographEntry("a.mrc", tmp_path / "a.mrc")], tmp_path)
    (entry,) = read_micrographs(Layout(tmp_path), tmp_path)
    assert entry.pixel_size_angstrom != entry.pixel_size_angstrom


def test_two_micrographs_of_one_key_are_refused(tmp_path: Path) -> None:
    names = ["MotionCorr/job002/a.mrc", "MotionCorr/job003/a.mrc"]
    with pytest.raises(WorkspaceError, match=r"job002/a\.mrc and .*job003/a\.mrc cannot be told apart"):
        write_micrographs(Layout(tmp_path), [MicrographEntry(name, tmp_path / name) for name in names], tmp_path)


def test_a_missing_or_broken_list_is_named(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with pytest.raises(FileError, match=r"micrographs\.star"):
        read_micrographs(layout, tmp_path)
    layout.micrographs.write_text("data_\nloop_\n_rlnMicrographName\na.mrc\n")
    with pytest.raises(FileFormatError, match="_cryoalPath"):
        read_micrographs(layout, tmp_path)


def test_set_aside_micrographs_are_listed_with_one_line_each(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert read_set_aside(layout) == {}
    set_aside(layout, "Micrographs/b.1", "b.1.mrc: truncated;\n copy it again")
    set_aside(layout, "a", "a.mrc: NaN")
    assert read_set_aside(layout) == {"Micrographs/b.1": "b.1.mrc: truncated; copy it again", "a": "a.mrc: NaN"}
    take_back(layout, "a")
    take_back(layout, "a")
    assert list(read_set_aside(layout)) == ["Micrographs/b.1"]
