from pathlib import Path

import numpy as np
import pytest
import starfile
from hypothesis import given, settings

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import FileError, FileFormatError, LabelError
from cryoal.io import relion, star
from cryoal.io.options import ExportOptions, ImportOptions
from tests.io.drawn_picks import assert_same, picked_micrographs

NAME = "MotionCorr/job002/Micrographs/a.b.mrc"
ENTRY = MicrographEntry(NAME, Path(NAME), 2.0)


@settings(max_examples=25, deadline=None)
@given(case=picked_micrographs())
def test_round_trip_as_relion_3_and_4_find_it(tmp_path_factory, case):
    picked, shapes = case
    out = tmp_path_factory.mktemp("relion")
    written = relion.write(picked, out, ExportOptions(shapes=shapes))
    assert all(path.is_file() for path in written)
    listed, by_suffix = relion.read(out / "autopick.star"), relion.read(out / "coords_suffix_autopick.star")
    assert set(listed) == {entry.name for entry, _ in picked}
    assert set(by_suffix) == {entry.key for entry, _ in picked}
    for entry, picks in picked:
        assert_same(listed[entry.name], picks)
        assert_same(by_suffix[entry.key], picks)


def test_what_is_written(tmp_path):
    picks = Picks([100.4, 7.5, -30, 99], [60, 60, 60, 300], [0.25, np.nan, 0.9, 0.9], [2, 0, 0, 0])
    options = ExportOptions(
        shapes={ENTRY.key: (200, 100)}, root=tmp_path, micrographs_star="CtfFind/job003/micrographs_ctf.star"
    )
    relion.write(
        [
            (ENTRY, picks.select(np.array([1, 2, 3]))),
        ],
        tmp_path / "AutoPick" / "job7",
        options,
    )
    file = tmp_path / "AutoPick/job7/Micrographs/a.b_autopick.star"
    assert file.read_text() == (
        "\n# version 30001\n\ndata_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n"
        "_rlnAutopickFigureOfMerit #3\n_rlnClassNumber #4\n_rlnAnglePsi #5\n8 60 -999 0 0\n\n"
    )
    assert (
        tmp_path / "AutoPick/job7/coords_suffix_autopick.star"
    ).read_text() == "CtfFind/job003/micrographs_ctf.star\n"
    table = starfile.read(tmp_path / "AutoPick/job7/autopick.star", always_dict=True)["coordinate_files"]
    assert table.iloc[0].to_dict() == {
        "rlnMicrographName": NAME,
        "rlnMicrographCoordinates": "AutoPick/job7/Micrographs/a.b_autopick.star",
    }


def test_threshold_fractions_and_no_picks(tmp_path):
    options = ExportOptions(threshold=0.5, round_coordinates=False)
    relion.write([(ENTRY, Picks([1.25, 2], [3, 4], [0.5, 0.49]))], tmp_path, options)
    table = star.read(tmp_path / "Micrographs/a.b_autopick.star")[""]
    assert table["rlnCoordinateX"].tolist() == ["1.25"]
    relion.write([(ENTRY, Picks.empty())], tmp_path, options)
    assert (tmp_path / "Micrographs/a.b_autopick.star").read_text().endswith("_rlnAnglePsi #5\n\n")


def test_twenty_thousand(tmp_path):
    rng = np.random.default_rng(0)
    picks = Picks(rng.integers(0, 4000, 20_000), rng.integers(0, 4000, 20_000), rng.normal(size=20_000))
    relion.write([(ENTRY, picks)], tmp_path, ExportOptions())
    assert_same(relion.read(tmp_path / "autopick.star")[NAME], picks)


def test_manual_picks_and_empty_files(tmp_path):
    path = tmp_path / "mic_manualpick.star"
    path.write_text(
        "data_\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n_rlnClassNumber #3\n_rlnAnglePsi #4\n"
        "_rlnAutopickFigureOfMerit #5\n10.5 20.25 -999 -999.00000 -999.00000\n"
    )
    picks = relion.read(path)["mic_manualpick"]
    assert (picks.xy.tolist(), picks.class_number.tolist()) == ([[10.5, 20.25]], [0])
    assert np.isnan(picks.score[0])
    path.write_text("")
    assert len(relion.read(path)["mic_manualpick"]) == 0


PARTICLES_31 = f"""
data_optics
loop_
_rlnOpticsGroup #1
_rlnImagePixelSize #2
1 8.0

data_particles
loop_
_rlnCoordinateX #1
_rlnCoordinateY #2
_rlnImageName #3
_rlnMicrographName #4
_rlnOpticsGroup #5
_rlnOriginXAngst #6
_rlnOriginYAngst #7
_rlnClassNumber #8
100 200 000001@a.mrcs {NAME} 1 4.0 -3.0 3
300 400 000002@a.mrcs {NAME} 1 0.0 0.0 1
"""
PARTICLES_30 = f"""
data_
loop_
_rlnCoordinateX #1
_rlnCoordinateY #2
_rlnMicrographName #3
_rlnOriginX #4
_rlnOriginY #5
_rlnMagnification #6
_rlnDetectorPixelSize #7
100 200 {NAME} 0.5 -0.375 10000 8.0
300 400 {NAME} 0.0 0.0 10000 8.0
"""


@pytest.mark.parametrize("text", [PARTICLES_31, PARTICLES_30])
def test_particles_are_centred_by_their_origins(tmp_path, text):
    path = tmp_path / "run_it025_data.star"
    path.write_text(text)
    found = relion.read(path, ImportOptions(entries=[MicrographEntry("Micrographs/a.b.mrc", Path(), 2.0)]))
    assert found[NAME].xy.tolist() == [[98, 201.5], [300, 400]]
    with pytest.raises(LabelError, match="pixel size of micrograph MotionCorr"):
        relion.read(path)
    path.write_text(text.replace("4.0 -3.0", "0 0").replace("0.5 -0.375", "0 0"))
    assert relion.read(path)[NAME].xy.tolist() == [[100, 200], [300, 400]]


def test_pixel_size_from_the_particle_list_where_it_is_told(tmp_path):
    path = tmp_path / "particles.star"
    path.write_text(PARTICLES_31.replace("_rlnImagePixelSize #2", "_rlnMicrographPixelSize #2"))
    assert relion.read(path)[NAME].xy.tolist()[0] == [99.5, 200.375]


def test_refusals(tmp_path):
    path = tmp_path / "a.star"
    path.write_text("data_\nloop_\n_rlnMicrographName\na.mrc\n")
    with pytest.raises(FileFormatError, match="no block with _rlnCoordinateX, _rlnCoordinateY"):
        relion.read(path)
    path.write_text("data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n1 2\nnan 4\n")
    with pytest.raises(FileFormatError, match="line 6: _rlnCoordinateX is 'nan'"):
        relion.read(path)
    path.write_text(
        "data_coordinate_files\nloop_\n_rlnMicrographName\n_rlnMicrographCoordinates\na.mrc a_autopick.star\n"
    )
    with pytest.raises(FileError, match=r"names the coordinate file a_autopick.star, which is not there"):
        relion.read(path)
    (tmp_path / "coords_suffix_manualpick.star").write_text("micrographs.star\n")
    with pytest.raises(FileError, match=r"no coordinate file \*_manualpick.star"):
        relion.read(tmp_path / "coords_suffix_manualpick.star")
