from pathlib import Path

import numpy as np
import pytest

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import FileFormatError
from cryoal.io import cryolo, topaz, xmipp
from cryoal.io.options import ExportOptions

ENTRY = MicrographEntry("Micrographs/a.b.mrc", Path("a.b.mrc"), 2.0)
PICKED = [(ENTRY, Picks([100.4, 7], [50.6, 8], [0.5, np.nan]))]
CBOX = """
data_global

_cbox_format_version 1.0

data_cryolo

loop_
_CoordinateX #1
_CoordinateY #2
_CoordinateZ #3
_Width #4
_Height #5
_Depth #6
_EstWidth #7
_EstHeight #8
_Confidence #9
_NumBoxes #10
_Angle #11
70.4 20.6 <NA> 60 60 <NA> 60 60 0.5 <NA> <NA>
-23 -22 <NA> 60 60 <NA> 60 60 <NA> <NA> <NA>


data_cryolo_include

loop_
_slice_index #1

"""


def same_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


def test_cbox_is_what_cryolo_writes_and_reads(tmp_path):
    (path,) = cryolo.write(PICKED, tmp_path, ExportOptions(diameter_angstrom=120))
    assert same_lines(path.read_text()) == same_lines(CBOX)
    path.write_text(CBOX)
    picks = cryolo.read(path)["a.b"]
    np.testing.assert_allclose(picks.xy, PICKED[0][1].xy)
    np.testing.assert_array_equal(picks.score, [0.5, np.nan])


def test_cbox_of_earlier_versions(tmp_path):
    path = tmp_path / "a.cbox"
    path.write_text("10.5 20.5 60 60 0.75 55 57\n")
    picks = cryolo.read(path)["a"]
    assert (picks.xy.tolist(), picks.score.tolist()) == ([[40.5, 50.5]], [0.75])
    path.write_text("")
    assert len(cryolo.read(path)["a"]) == 0
    path.write_text("10 20 60\n")
    with pytest.raises(FileFormatError, match="line 1: 3 values"):
        cryolo.read(path)


def test_cbox_of_a_tomogram_is_refused(tmp_path):
    path = tmp_path / "a.cbox"
    path.write_text(CBOX.replace("70.4 20.6 <NA>", "70.4 20.6 1").replace("-23 -22 <NA>", "-23 -22 2"))
    with pytest.raises(FileFormatError, match="2 slices of a tomogram"):
        cryolo.read(path)


def test_topaz_table(tmp_path):
    (path,) = topaz.write(PICKED, tmp_path, ExportOptions())
    assert path.read_text() == "image_name\tx_coord\ty_coord\tscore\na.b\t100\t51\t0.5\na.b\t7\t8\t\n"
    (path,) = topaz.write([(ENTRY, Picks([1], [2]))], tmp_path, ExportOptions())
    assert path.read_text() == "image_name\tx_coord\ty_coord\na.b\t1\t2\n"
    path.write_bytes(b"image_name\tx_coord\ty_coord\tscore\r\n00123\t10\t20\t-3.5\r\n")
    picks = topaz.read(path)["00123"]
    assert (picks.xy.tolist(), picks.score.tolist()) == ([[10, 20]], [-3.5])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image_name\tx\n", "line 1: columns"),
        ("image_name\tx_coord\ty_coord\na\t1\n", "line 2: 2 values instead of 3"),
        ("image_name\tx_coord\ty_coord\na\t1\tnan\n", "line 2: y_coord is 'nan'"),
    ],
)
def test_bad_topaz_tables(tmp_path, text, message):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(FileFormatError, match=message):
        topaz.read(tmp_path / "a.txt")


def test_xmipp_of_scipion(tmp_path):
    path = tmp_path / "a.pos"
    path.write_text(
        "# XMIPP_STAR_1 * \n# \ndata_header\nloop_\n _pickingMicrographState\n _cost\n Supervised -1 \n"
        "data_particles\nloop_\n _enabled\n _cost\n _xcoor\n _ycoor\n 1 -1.000000 10 20 \n -1 -1.0 11 21\n"
        "data_particles_auto\nloop_\n _enabled\n _cost\n _xcoor\n _ycoor\n 1 0.75 30 40 \n"
    )
    picks = xmipp.read(path)["a"]
    assert picks.xy.tolist() == [[10, 20], [30, 40]]
    np.testing.assert_array_equal(picks.score, [np.nan, 0.75])


def test_xmipp_begins_as_xmipp_demands(tmp_path):
    (path,) = xmipp.write(PICKED, tmp_path, ExportOptions())
    assert path.read_text().startswith("# XMIPP_STAR_1 *\n#\ndata_particles\n")
    path.write_text("data_other\n_a 1\n")
    with pytest.raises(FileFormatError, match="no block data_particles"):
        xmipp.read(path)
