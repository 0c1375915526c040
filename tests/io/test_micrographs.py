import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile

from cryoal.data.micrograph import MicrographEntry
from cryoal.errors import FileError, FileFormatError, MicrographError, OptionError
from cryoal.io import mrc
from cryoal.io.micrographs import (
    list_micrographs,
    read_micrograph,
    read_shapes,
    write_list,
)
from cryoal.io.pixel_sizes import PixelSizeWarning


@pytest.fixture
def project(tmp_path):
    for name, size in (("a", 1.5), ("b.c", 0.0), ("d e", 1.5)):
        path = tmp_path / "Micrographs" / f"{name}.mrc"
        path.parent.mkdir(exist_ok=True)
        mrc.write(path, np.arange(12, dtype=np.int16).reshape(3, 4), size)
    return tmp_path


def write(folder: Path, text: str, name: str = "micrographs.star") -> str:
    (folder / name).write_text(text)
    return name


RELION_30 = """
data_

loop_
_rlnMicrographName #1
_rlnMagnification #2
_rlnDetectorPixelSize #3
Micrographs/a.mrc 40000.0 6.0
Micrographs/b.c.mrc 10000.0 5.0
"""
RELION_31 = """
# version 30001

data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnMicrographPixelSize #3
one 1 1.5
two 2 5.0


# version 30001

data_micrographs

loop_
_rlnMicrographName #1
_rlnOpticsGroup #2
Micrographs/a.mrc 1
Micrographs/b.c.mrc 2

"""
_OPTICS, _MICROGRAPHS = RELION_31.split("data_micrographs")
REVERSED = f"data_micrographs{_MICROGRAPHS}\n{_OPTICS}"


@pytest.mark.parametrize("text", [RELION_30, RELION_31, REVERSED, RELION_31.replace("\n", "\r\n")])
def test_lists_of_every_relion(project, text):
    entries = list_micrographs(write(project, text), None, project)
    assert [entry.name for entry in entries] == ["Micrographs/a.mrc", "Micrographs/b.c.mrc"]
    assert [entry.pixel_size_angstrom for entry in entries] == [1.5, 5.0]
    assert [entry.path for entry in entries] == [project / entry.name for entry in entries]
    if "Optics" in text:
        assert [entry.optics_group for entry in entries] == [1, 2]


def test_star_over_header_over_option(project):
    lines = "data_\nloop_\n_rlnMicrographName\nMicrographs/a.mrc\nMicrographs/b.c.mrc\n"
    with pytest.warns(PixelSizeWarning, match="Micrographs/a.mrc.*1.5.*the option says 3"):
        entries = list_micrographs(write(project, lines), 3.0, project)
    assert [entry.pixel_size_angstrom for entry in entries] == pytest.approx([1.5, 3.0])
    with pytest.warns(PixelSizeWarning, match="using 1.52"):
        entries = list_micrographs(write(project, RELION_31.replace("1 1.5", "1 1.52")), None, project)
    assert entries[0].pixel_size_angstrom == 1.52
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list_micrographs(write(project, RELION_31.replace("1 1.5", "1 1.51")), None, project)
    entries = list_micrographs(write(project, lines), None, project)
    assert np.isnan(entries[1].pixel_size_angstrom)


def test_glob_is_sorted_and_relative_to_the_root(project):
    with pytest.warns(PixelSizeWarning, match="2 such micrographs"):
        entries = list_micrographs("Micrographs/*.mrc", 2.0, project)
    assert [entry.name for entry in entries] == ["Micrographs/a.mrc", "Micrographs/b.c.mrc", "Micrographs/d e.mrc"]
    assert [entry.pixel_size_angstrom for entry in entries] == pytest.approx([1.5, 2.0, 1.5])
    outside = list_micrographs(str(project / "Micrographs" / "a.mrc"), None, project / "elsewhere")
    assert outside[0].name == (project / "Micrographs" / "a.mrc").as_posix()
    assert outside[0].path == project / "Micrographs" / "a.mrc"


def test_root_with_brackets(tmp_path):
    root = tmp_path / "run [1]"
    mrc.write(root / "a.mrc", np.eye(3, dtype=np.float32), 1.0)
    assert [entry.name for entry in list_micrographs("*.mrc", None, root)] == ["a.mrc"]


def test_project_folder_is_found_from_elsewhere(project):
    (project / "CtfFind" / "job003").mkdir(parents=True)
    write(project / "CtfFind" / "job003", RELION_31)
    elsewhere = project / "elsewhere"
    elsewhere.mkdir()
    entries = list_micrographs(str(project / "CtfFind" / "job003" / "micrographs.star"), None, elsewhere)
    assert entries[0].path.samefile(project / "Micrographs" / "a.mrc")


BAD_LISTS = {
    "no column": ("data_\nloop_\n_rlnCoordinateX\n1\n", "no block with _rlnMicrographName"),
    "empty loop": ("data_\nloop_\n_rlnMicrographName\n", "lists no micrographs"),
    "zero bytes": ("", "no block with"),
    "twice": (RELION_31 + "Micrographs/a.mrc 1\n", "Micrographs/a.mrc is listed twice"),
    "same key": (RELION_31 + "MotionCorr/job002/Micrographs/a.mrc 1\n", "share the key 'Micrographs/a'"),
    "particles": (RELION_31.replace("_rlnOpticsGroup #2\nMicro", "_rlnCoordinateX #2\nMicro"), "a list of particles"),
    "short row": (RELION_31 + "Micrographs/x.mrc\n", "line 24: 1 values instead of 2"),
    "bad pixel size": (RELION_31.replace("1 1.5", "1 wide"), "line 10: _rlnMicrographPixelSize is 'wide'"),
}


@pytest.mark.parametrize(("text", "message"), BAD_LISTS.values(), ids=BAD_LISTS)
def test_bad_lists(project, text, message):
    with pytest.raises(FileFormatError, match=message):
        list_micrographs(write(project, text), None, project)


def test_nothing_matches(project):
    with pytest.raises(FileError, match="no micrograph matches"):
        list_micrographs("*.mrcs", None, project)
    with pytest.raises(FileError, match=r"such as 'Micrographs/\*.mrc'"):
        list_micrographs("Micrographs", None, project)
    with pytest.raises(FileError, match="none of its 1 micrographs exists"):
        list_micrographs(write(project, "data_\nloop_\n_rlnMicrographName\nno.mrc\n"), None, project)
    with pytest.raises(OptionError, match="pixel size: -1"):
        list_micrographs("*.mrc", -1.0, project)


def test_broken_micrographs_are_listed_and_reported_when_read(project):
    (project / "Micrographs" / "broken.mrc").write_bytes(b"junk")
    entries = list_micrographs("Micrographs/b*.mrc", 2.0, project)
    assert [entry.pixel_size_angstrom for entry in entries] == [2.0, 2.0]
    with pytest.raises(MicrographError, match="not an MRC file"):
        read_micrograph(entries[1].path)
    assert read_shapes(entries) == {"Micrographs/b.c": (3, 4)}


def test_written_lists_are_read_back(project):
    entries = [
        MicrographEntry("Micrographs/a.mrc", project / "Micrographs/a.mrc", 1.5, 1),
        MicrographEntry("Micrographs/b.c.mrc", project / "Micrographs/b.c.mrc", 2.5, 1),
        MicrographEntry("Micrographs/d e.mrc", project / "Micrographs/d e.mrc", 1.5, 1),
    ]
    write_list(project / "w.star", entries)
    found = list_micrographs("w.star", None, project)
    assert [(e.name, e.path, e.pixel_size_angstrom) for e in found] == [
        (e.name, e.path, e.pixel_size_angstrom) for e in entries
    ]
    assert [e.optics_group for e in found] == [1, 2, 1]
    unknown = [MicrographEntry("Micrographs/b.c.mrc", project / "Micrographs/b.c.mrc")]
    write_list(project / "w.star", unknown)
    assert np.isnan(list_micrographs("w.star", None, project)[0].pixel_size_angstrom)


def test_reads_tiff_by_content(tmp_path):
    path = tmp_path / "a.mrc"
    tifffile.imwrite(path, np.arange(12, dtype=np.uint8).reshape(3, 4))
    assert read_micrograph(path).pixels[0, 0] == 8


@pytest.mark.filterwarnings("ignore:Data array contains", "ignore:invalid value")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_refuses_pixels_that_are_not_finite(tmp_path, value, dtype):
    pixels = np.arange(12, dtype=dtype).reshape(3, 4)
    pixels[1, 2] = value
    mrc.write(tmp_path / "a.mrc", pixels, 1.0)
    with pytest.raises(MicrographError, match="1 pixels are NaN or infinite"):
        read_micrograph(tmp_path / "a.mrc")


def test_refuses_constant_pixels_but_not_one_that_differs(tmp_path):
    pixels = np.full((200, 100), 7, np.int16)
    mrc.write(tmp_path / "a.mrc", pixels, 1.0)
    with pytest.raises(MicrographError, match="all pixels are 7"):
        read_micrograph(tmp_path / "a.mrc")
    pixels[130, 30] = 8
    mrc.write(tmp_path / "a.mrc", pixels, 1.0)
    assert read_micrograph(tmp_path / "a.mrc").pixels.max() == 8
