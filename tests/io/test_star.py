import numpy as np
import pytest
import starfile
from hypothesis import given, settings
from hypothesis import strategies as st

from cryoal.errors import ArrayError, FileError, FileFormatError
from cryoal.io import star

ODD = """
# version 30001

data_optics

loop_
_rlnOpticsGroup #1
_rlnMicrographPixelSize #2
1 1.5

data_micrographs

loop_
_rlnMicrographName #1
_rlnOpticsGroup #2
00123 1

# a comment, and a blank line before it
"with space.mrc" 1
'single quoted.mrc' 2 # a comment behind
data_004.mrc 2
"""


def write(tmp_path, text: str, name: str = "a.star"):
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_reads_liberally_and_keeps_text(tmp_path, ending):
    blocks = star.read(write(tmp_path, ODD.replace("\n", ending)))
    assert list(blocks) == ["optics", "micrographs"]
    table = blocks["micrographs"]
    assert list(table["rlnMicrographName"]) == ["00123", "with space.mrc", "single quoted.mrc", "data_004.mrc"]
    assert list(table.index) == [16, 19, 20, 21]
    assert list(star.numbers(table, "rlnOpticsGroup", tmp_path)) == [1, 1, 2, 2]


def test_names_that_begin_with_data_in_a_one_column_loop(tmp_path):
    path = write(tmp_path, "data_\nloop_\n_rlnMicrographName\ndata_1.mrc\ndata_2.mrc\n\ndata_next\n_a 1\n_b 'x y'\n")
    blocks = star.read(path)
    assert list(blocks[""]["rlnMicrographName"]) == ["data_1.mrc", "data_2.mrc"]
    assert blocks["next"].iloc[0].to_dict() == {"a": "1", "b": "x y"}


def test_loops_without_rows_and_empty_files(tmp_path):
    assert star.read(write(tmp_path, "")) == {}
    table = star.read(write(tmp_path, "data_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n"))[""]
    assert list(table.columns) == ["rlnCoordinateX", "rlnCoordinateY"]
    assert star.numbers(table, "rlnCoordinateX", tmp_path).shape == (0,)


BAD = {
    "short row": ("data_\nloop_\n_a\n_b\n1 2\n3\n", "line 6: 1 values instead of 2"),
    "long row": ("data_\nloop_\n_a\n_b\n1 2 3\n", "line 5: 3 values instead of 2"),
    "twice": ("data_x\n_a 1\ndata_x\n_a 2\n", "line 3: block data_x occurs twice"),
    "label twice": ("data_\nloop_\n_a\n_a\n1 2\n", "line 4: _a occurs twice"),
    "no block": ("1 2 3\n", "line 1: '1 2 3' before any data_ block"),
    "no label": ("data_\nfoo bar\n", "line 2: 'foo bar' is neither"),
    "binary": ("data_\0\n", "binary"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_bad_files_name_the_line(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(FileFormatError, match=message) as caught:
        star.read(path)
    assert str(path) in str(caught.value)


def test_not_text_missing_and_folder(tmp_path):
    path = tmp_path / "a.star"
    path.write_bytes(b"\xff\x00\xfe")
    with pytest.raises(FileFormatError, match=r"binary data \(byte 1 is zero\); give a STAR file"):
        star.read(path)
    for wrong in (tmp_path, tmp_path / "no.star"):
        with pytest.raises(FileError, match="cannot be read"):
            star.read(wrong)


def test_numbers_name_the_bad_line(tmp_path):
    path = write(tmp_path, "data_\nloop_\n_a\n_b\n1 <NA>\ninf 2\n")
    table = star.read(path)[""]
    with pytest.raises(FileFormatError, match="line 6: _a is 'inf'"):
        star.numbers(table, "a", path)
    with pytest.raises(FileFormatError, match="line 5: _b is '<NA>'"):
        star.numbers(table, "b", path)
    np.testing.assert_array_equal(star.numbers(table, "b", path, missing=True), [np.nan, 2])


def test_table_with_lists_what_it_found(tmp_path):
    path = write(tmp_path, ODD)
    with pytest.raises(FileFormatError, match=r"no block with _rlnCoordinateX.*rlnMicrographName"):
        star.table_with(star.read(path), ["rlnCoordinateX"], path)


NAMES = st.text(st.characters(codec="ascii", exclude_categories=["Cc", "Cs"]), max_size=12).filter(
    lambda text: not ("'" in text and '"' in text)
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(NAMES, st.floats(-1e9, 1e9), st.integers(-(2**40), 2**40)), max_size=20))
def test_round_trip(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("star") / "a.star"
    names, floats, integers = ([row[i] for row in rows] for i in range(3))
    star.write(path, {"": {"n": names, "f": np.array(floats, float), "i": np.array(integers, int)}})
    table = star.read(path)[""]
    assert list(table["n"]) == names
    np.testing.assert_allclose(star.numbers(table, "f", path), floats, rtol=1e-8)
    assert [int(value) for value in table["i"]] == integers


def test_starfile_reads_what_we_write(tmp_path):
    path = tmp_path / "a.star"
    star.write(path, {"optics": {"a": [1]}, "x": {"n": ["a b.mrc", "c.mrc"], "f": np.array([1e-9, -0.0])}})
    blocks = starfile.read(path, always_dict=True)
    assert list(blocks["x"]["n"]) == ["a b.mrc", "c.mrc"]
    assert list(blocks["x"]["f"]) == [1e-9, 0]


def test_no_line_stands_between_rows_and_none_ends_in_cr(tmp_path):
    path = tmp_path / "a.star"
    star.write(path, {"": {"x": np.arange(3), "y": np.arange(3)}})
    assert path.read_bytes().endswith(b"loop_\n_x #1\n_y #2\n0 0\n1 1\n2 2\n\n")
    assert b"\r" not in path.read_bytes()


def test_write_refuses_nan_unequal_columns_and_unwritable_names(tmp_path):
    path = tmp_path / "a.star"
    with pytest.raises(ArrayError, match="_x holds NaN"):
        star.write(path, {"": {"x": np.array([np.nan])}})
    with pytest.raises(ArrayError, match="differ in length"):
        star.write(path, {"": {"x": [1], "y": [1, 2]}})
    with pytest.raises(FileFormatError, match="line ends"):
        star.write(path, {"": {"x": ["a\nb"]}})
    assert not path.exists()
