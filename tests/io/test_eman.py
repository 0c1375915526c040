import json
from pathlib import Path

import numpy as np
import pytest

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import FileFormatError
from cryoal.io import eman
from cryoal.io.options import ExportOptions

ENTRY = MicrographEntry("Micrographs/a.b.mrc", Path("a.b.mrc"), 2.0)


@pytest.mark.parametrize(
    ("text", "xy", "score"),
    [
        ("10\t20\t180\t180\n", [[100, 110]], [np.nan]),
        ("10 20 181 181\r\n\r\n-5 -7 10 12 0.5\r\n", [[100, 110], [0, -1]], [np.nan, 0.5]),
        ("1 2 10 10 -1\n3 4 10 10 -2\n", [[6, 7], [8, 9]], [np.nan, np.nan]),
        ("1 2 10 10 -1.0\n", [[6, 7]], [-1]),
        ("", [], []),
    ],
)
def test_boxes(tmp_path, text, xy, score):
    path = tmp_path / "a.b.box"
    path.write_bytes(text.encode())
    picks = eman.read_box(path)["a.b"]
    assert picks.xy.tolist() == xy
    np.testing.assert_array_equal(picks.score, score)


def test_boxes_have_corners_and_even_sizes_from_the_diameter(tmp_path):
    (path,) = eman.write_box([(ENTRY, Picks([100.4], [50.6]))], tmp_path, ExportOptions(diameter_angstrom=121))
    assert path == tmp_path / "a.b.box"
    assert path.read_text() == "70\t21\t60\t60\n"


@pytest.mark.parametrize(
    ("text", "message"), [("1 2 3\n", "line 1: 3 values"), ("1 2 3 4\n1 b 3 4\n", "line 2: y is 'b'")]
)
def test_bad_boxes(tmp_path, text, message):
    (tmp_path / "a.box").write_text(text)
    with pytest.raises(FileFormatError, match=message):
        eman.read_box(tmp_path / "a.box")


def test_info_files(tmp_path):
    path = tmp_path / "a_info.json"
    path.write_text(json.dumps({"boxes": [[10, 20.5, "manual"], [1, 2, "auto", 0.75]], "ctf": [0]}))
    picks = eman.read_info(path)["a"]
    assert picks.xy.tolist() == [[10, 20.5], [1, 2]]
    np.testing.assert_array_equal(picks.score, [np.nan, 0.75])
    path.write_text('{"quality": 5}')
    assert len(eman.read_info(path)["a"]) == 0
    for text, message in (("{", "line 1: not JSON"), ("[]", "no list 'boxes'"), ('{"boxes": [[1, "x"]]}', "box 0 is")):
        path.write_text(text)
        with pytest.raises(FileFormatError, match=message):
            eman.read_info(path)
