"""Files as other programs lay them out, matched to the micrographs of a RELION project: read right, or refused."""

import io
from pathlib import Path

import numpy as np
import pytest

from cryoal.data.micrograph import MicrographEntry
from cryoal.errors import FileError, FileFormatError
from cryoal.io.formats import read_picks
from cryoal.io.options import ImportOptions
from cryoal.io.relion import ClassNumberWarning, MissingFileWarning

A, B = "20170629_00021_frame", "FoilHole_265_Data_1_2_0726_1321_Fractions"
FOLDER = "MotionCorr/job002/Micrographs"
SHAPE = (312, 400)
UID = "018446744073709551615"
XY = "_rlnCoordinateX #1 \n_rlnCoordinateY #2 \n"
NAMED = f"loop_ \n{XY}_rlnMicrographName #3 \n"
MANUAL = f"\n# version 50001\n\ndata_\n\nloop_ \n{XY}_rlnParticleSelectionType #3 \n_rlnAutopickFigureOfMerit #4 \n"
PARTICLES = f"data_particles\n\n{NAMED}"


def options(**changes) -> ImportOptions:
    entries = [MicrographEntry(f"{FOLDER}/{stem}.mrc", Path(f"{stem}.mrc"), 2.0) for stem in (A, B)]
    shapes = {entry.key: SHAPE for entry in entries}
    return ImportOptions(entries, shapes, **changes)


def read(folder, files, given, **changes):
    """Positions by stem."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    found = read_picks([folder / given], options(**changes))
    return {key.rsplit("/", 1)[-1]: [tuple(row) for row in one.xy.round(3).tolist()] for key, one in found.items()}


def locations(shape) -> bytes:
    """A .cs file of cryoSPARC 4 with one pick."""
    path = f"J3/motioncorrected/{UID}_{A}_patch_aligned_doseweighted.mrc".encode()
    fields = [("uid", "<u8"), ("location/micrograph_path", f"S{len(path)}"), ("location/micrograph_shape", "<u4", (2,))]
    fields += [("location/center_x_frac", "<f4"), ("location/center_y_frac", "<f4"), ("location/min_dist_A", "<f4")]
    stream = io.BytesIO()
    np.save(stream, np.array([(1, path, shape, 100 / 400, 200 / 312, 90)], dtype=fields))
    return stream.getvalue()


READ = {
    "csparc2star": (
        {
            "p.star": (
                "\ndata_optics\n\nloop_\n_rlnOpticsGroup #1\n_rlnImagePixelSize #2\n1\t4.000000\n\n\ndata_particles\n\n"
                f"loop_\n_rlnImageName #1\n_rlnMicrographName #2\n{XY}_rlnOriginXAngst #5\n_rlnOriginYAngst #6\n"
                f"000001@J12/extract/{UID}_{A}_particles.mrcs\tJ3/motioncorrected/{UID}_{A}_patch_aligned_doseweighted"
                ".mrc\t100\t200\t4.0\t-2.0\n"
            )
        },
        "p.star",
        {A: [(98, 201)]},
    ),
    "origins in pixels beside optics groups": (
        {
            "p.star": (
                "data_optics\nloop_\n_rlnOpticsGroup\n_rlnImagePixelSize\n1 4.0\n\ndata_particles\nloop_\n\n"
                f"_rlnMicrographName\n{XY}_rlnOriginX\n_rlnOriginY\n_rlnOpticsGroup\n"
                f">J3/imported/{UID}_{A}.mrc 100 200 1.0 -0.5 1\n"
            )
        },
        "p.star",
        {A: [(98, 201)]},
    ),
    "Scipion": (
        {"p.star": f"# Star file generated with Scipion\n{PARTICLES} 1   2   Runs/7/extra/{A}_aligned_mic_DW.mrc \n"},
        "p.star",
        {A: [(1, 2)]},
    ),
    "Warp on Windows": (
        {"goodparticles_BoxNet2_20180602.star": f"{PARTICLES}1 2 ..\\average\\{A}.mrc\n".replace("\n", "\r\n")},
        "goodparticles_BoxNet2_20180602.star",
        {A: [(1, 2)]},
    ),
    "Gautomatch": (
        {f"{A}_automatch.star": f"\ndata_\n\nloop_\n{XY}_rlnAnglePsi  #3\n   100.00    200.00      25.0\n"},
        f"{A}_automatch.star",
        {A: [(100, 200)]},
    ),
    "Topaz in RELION 3.1": (
        {
            "External/job9/coords_suffix_topazpicks.star": "CtfFind/job003/micrographs_ctf.star",
            f"External/job9/Micrographs/{A}_topazpicks.star": f"# version 30001\n\ndata_\n\nloop_\n{XY}1\t2\n",
        },
        "External/job9",
        {A: [(1, 2)]},
    ),
    "a flat third coordinate": (
        {"p.star": f"{PARTICLES}_rlnCoordinateZ #4\n1 2 {A} 0\n3 4 {A} 0\n"},
        "p.star",
        {A: [(1, 2), (3, 4)]},
    ),
    "reserved words in capitals, numbers without #": (
        {"p.star": f"DATA_\nLOOP_\n_rlnCoordinateX 1\n_rlnCoordinateY 2\n_rlnMicrographName 3\n1 2 {A}\nSTOP_\n"},
        "p.star",
        {A: [(1, 2)]},
    ),
    "suffixes in capitals": ({f"{A}.BOX": "", f"{B}.BOX": "50 150 100 100"}, ".", {A: [], B: [(100, 200)]}),
    "Topaz after a blank line": (
        {"t.txt": f"\r\nimage_name\tx_coord\ty_coord\tsource\r\n{A}\t1\t2\tx\r\n\r\n"},
        "t.txt",
        {A: [(1, 2)]},
    ),
    "another name for the name": ({"t.csv": f"micrograph_name,x,y\n{A}.mrc,1,2\n"}, "t.csv", {A: [(1, 2)]}),
    "cryoSPARC": ({"p.cs": locations(SHAPE)}, "p.cs", {A: [(100, 200)]}),
    "cryoSPARC on micrographs of half the pixels' size": ({"p.cs": locations((624, 800))}, "p.cs", {A: [(100, 200)]}),
}

REFUSED = {
    "RELION 4's tomograms": (f"data_particles\nloop_\n{XY}_rlnTomoName #3\n1 2 TS_01\n", "tomograms .*_rlnTomoName"),
    "PyTom's tomograms": (f"{PARTICLES}_rlnCoordinateZ #4\n1 2 t 3\n1 2 t 4\n", "tomograms .*_rlnCoordinateZ"),
    "particles from nowhere": (f"data_\nloop_\n{XY}_rlnImageName #3\n1 2 1@a.mrcs\n", "no column _rlnMicrographName"),
    "origins in pixels of no size": (
        f"{PARTICLES}_rlnOriginX\n_rlnOriginY\n1 2 {A} 1 1\n",
        "_rlnMagnification are mis",
    ),
    "a magnification of zero": (
        f"{PARTICLES}_rlnOriginX\n_rlnOriginY\n_rlnDetectorPixelSize\n_rlnMagnification\n1 2 {A} 1 1 5 0\n",
        "_rlnMagnification are mis",
    ),
}


@pytest.mark.parametrize("program", READ)
def test_is_read(tmp_path, program):
    files, given, expected = READ[program]
    assert read(tmp_path, files, given) == expected


@pytest.mark.parametrize("program", REFUSED)
def test_is_refused(tmp_path, program):
    content, message = REFUSED[program]
    with pytest.raises(FileFormatError, match=message):
        read(tmp_path, {"p.star": content}, "p.star")


def manual_picks(*stems):
    """A Manual Picking job of RELION 5 that lists both micrographs."""
    rows = [f"{FOLDER}/{stem}.mrc ManualPick/job4/Micrographs/{stem}_manualpick.star \n" for stem in (A, B)]
    listed = "\n# version 50001\n\ndata_coordinate_files\n\nloop_ \n_rlnMicrographName \n_rlnMicrographCoordinates \n"
    picked = {f"ManualPick/job4/Micrographs/{stem}_manualpick.star": MANUAL + " 1 2 2 -999.0 \n" for stem in stems}
    return picked | {"ManualPick/job4/manualpick.star": listed + "".join(rows)}


@pytest.mark.parametrize("given", ["ManualPick/job4/manualpick.star", "ManualPick/job4"])
def test_micrographs_whose_files_are_missing_are_left_out_and_told(tmp_path, given):
    with pytest.warns(MissingFileWarning, match=f"1 of the 2 coordinate files .*{B}_manualpick.star first; left out"):
        assert read(tmp_path, manual_picks(A), given) == {A: [(1, 2)]}


def test_a_set_of_which_no_file_is_there_is_refused(tmp_path):
    with pytest.raises(FileError, match=f"{A}_manualpick.star, which is not there, nor is any other"):
        read(tmp_path, manual_picks(), "ManualPick/job4/manualpick.star")


def test_a_file_of_a_set_tells_of_one_micrograph(tmp_path):
    two = f"data_\n{NAMED}1 2 {A}.mrc\n3 4 {B}.mrc\n"
    files = {"coords_suffix_x.star": "micrographs.star\n", f"Micrographs/{A}_x.star": two}
    with pytest.raises(FileFormatError, match="positions on 2 micrographs, but a set has a file for each"):
        read(tmp_path, files, "coords_suffix_x.star")


CLASSED = f"data_\nloop_\n{XY}_rlnClassNumber #3\n"


@pytest.mark.parametrize(
    ("rows", "by_program"),
    [
        ("1 2 3\n", False),
        ("_rlnAutopickFigureOfMerit #4\n1 2 3 -999.0\n", False),
        ("_rlnAutopickFigureOfMerit #4\n1 2 3 0.41\n", True),
        (f"_rlnMicrographName #4\n_rlnImageName #5\n1 2 3 {A} 1@a.mrcs\n", True),
    ],
    ids=["plain", "manual picks", "autopick", "classification"],
)
def test_numbers_of_templates_and_classifications_are_no_kinds_of_particles(tmp_path, rows, by_program):
    path = tmp_path / f"{A}.star"
    path.write_text(CLASSED + rows)

    def number(**changes):
        return next(iter(read_picks([path], options(**changes)).values())).class_number.tolist()

    assert number() == [3]
    if by_program:
        with pytest.warns(ClassNumberWarning, match="cryoal label --classes takes them"):
            assert number(all_class_numbers=False) == [0]
    else:
        assert number(all_class_numbers=False) == [3]
