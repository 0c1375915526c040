"""Files as programs and people really leave them: each is read right, or refused with what was found and where."""

import codecs
import gzip
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryoal.errors import FileFormatError, LabelError
from cryoal.io.formats import read_files
from cryoal.io.options import ImportOptions

XY = "_rlnCoordinateX #1\n_rlnCoordinateY #2\n"
LOOP = f"data_\n\nloop_\n{XY}"
NAMED = "loop_\n_rlnMicrographName #1\n_rlnCoordinateX #2\n_rlnCoordinateY #3\n"
CBOX = "_CoordinateX\n_CoordinateY\n_CoordinateZ\n_Width\n_Height\n_Depth\n_EstWidth\n_EstHeight\n_Confidence\n"

READ = {  # file name: content, {micrograph: [(x, y, score)]}; no score is None
    "comments.star": (
        f"# RELION; version 5.0\n{LOOP}1 2 # a\n# b\n\n3 4\n",
        {"comments": [(1, 2, None), (3, 4, None)]},
    ),
    "comments in the header.star": (
        f"data_\n# a\nloop_\n{XY.replace('#1', '#1 # c')}# d\n1 2\n",
        {"comments in the header": [(1, 2, None)]},
    ),
    "quotes.star": (
        f"data_\n{NAMED}\"my mic.mrc\" 1 2\n'my mic.mrc' '3' \"4\"\n",
        {"my mic.mrc": [(1, 2, None), (3, 4, None)]},
    ),
    "no rows.star": (LOOP, {"no rows": []}),
    "no last line end.star": (f"{LOOP}1 2", {"no last line end": [(1, 2, None)]}),
    "tabs.star": (f"{LOOP.replace(' #', chr(9) + '#')}1\t2\n 3 \t 4\t\n", {"tabs": [(1, 2, None), (3, 4, None)]}),
    "crlf.star": (f"{LOOP}1 2\n".replace("\n", "\r\n"), {"crlf": [(1, 2, None)]}),
    "bom.star": (f"\ufeff{LOOP}1 2\n", {"bom": [(1, 2, None)]}),
    "windows.star": (codecs.BOM_UTF16_LE + f"{LOOP}1 2\n".encode("utf-16-le"), {"windows": [(1, 2, None)]}),
    "latin-1 comment.star": (f"# 2 Å\n{LOOP}1 2\n".encode("latin-1"), {"latin-1 comment": [(1, 2, None)]}),
    "blank.star": ("\n \n", {"blank": []}),
    "zero.star": ("", {"zero": []}),
    "one particle without loop.star": (
        "data_particles\n_rlnMicrographName a.mrc\n_rlnCoordinateX 10\n_rlnCoordinateY 20\n",
        {"a.mrc": [(10, 20, None)]},
    ),
    "hash in a name.star": (f"data_\n{NAMED}Mic#12.mrc 1 2\n", {"Mic#12.mrc": [(1, 2, None)]}),
    "any order.star": (
        "data_\nloop_\n_rlnAutopickFigureOfMerit #1\n_rlnCoordinateY #2\n_rlnFoo #3\n_rlnCoordinateX #4\n-0.5 2 x 1\n",
        {"any order": [(1, 2, -0.5)]},
    ),
    "scientific.star": (f"{LOOP}1.5e2 +2.0E+01\n", {"scientific": [(150, 20, None)]}),
    "relion 1.star": (f"\ndata_images\n\n{NAMED}a.mrc   1.000000  2.000000 \n \n", {"a.mrc": [(1, 2, None)]}),
    "other blocks first.star": (
        f"data_optics\nloop_\n_rlnOpticsGroup\n1\n\ndata_micrographs\n_rlnFoo 1\n\ndata_coords\nloop_\n{XY}1 2\n",
        {"other blocks first": [(1, 2, None)]},
    ),
    "several loops in a block.star": (
        f"data_\n_rlnFoo 1\nloop_\n_rlnBar\nx\nloop_\n{XY}1 2\n",
        {"several loops in a block": [(1, 2, None)]},
    ),
    "stop.star": (f"{LOOP}1 2\nstop_\n", {"stop": [(1, 2, None)]}),
    "csparc2star.star": (
        (
            "# Created by the starfile Python package (version 0.4.12)\n\n\ndata_optics\n\nloop_\n_rlnVoltage #1\n"
            "_rlnImagePixelSize #2\n_rlnOpticsGroup #3\n300.0\t1.0\t1\n\n\ndata_particles\n\n"
            f"{NAMED}_rlnOriginXAngst #4\n_rlnOriginYAngst #5\n_rlnOpticsGroup #6\n"
            "J3/motioncorrected/004711122233344455000_a_patch_aligned.mrc\t10\t20\t0.000000\t0.000000\t1\n"
        ),
        {"J3/motioncorrected/004711122233344455000_a_patch_aligned.mrc": [(10, 20, None)]},
    ),
    "crYOLO.star": (
        (
            f"\ndata_\n\nloop_\n{XY}_rlnClassNumber #3\n_rlnAnglePsi #4\n_rlnAutopickFigureOfMerit #5\n"
            "100.5 200.5 -9999 -9999 0.7\n1 2 -9999 -9999 -9999\n"
        ),
        {"crYOLO": [(100.5, 200.5, 0.7), (1, 2, None)]},
    ),
    "Warp.star": (
        f"\ndata_\n\nloop_\n{XY}_rlnMicrographName #3\n_rlnAutopickFigureOfMerit #4\n 123.5  234.25  a.tif  0.98\n",
        {"a.tif": [(123.5, 234.25, 0.98)]},
    ),
    "EMAN2.star": (
        "data_\nloop_\n_rlnVoltage\n_rlnMicrographName\n_rlnCoordinateX\n_rlnCoordinateY\n300 m/a.hdf 1 2\n",
        {"m/a.hdf": [(1, 2, None)]},
    ),
    "Topaz.star": (f"data_images\n{NAMED}with space.mrc\t74\t150\n", {"with space.mrc": [(74, 150, None)]}),
    "floats.box": ("10.5 -20.25 30.0 30.0\n", {"floats": [(25.5, -5.25, None)]}),
    "comment.box": ("# x y w h\n10\t20\t30\t30\t0.5\r\n", {"comment": [(25, 35, 0.5)]}),
    "zero.box": ("", {"zero": []}),
    "old.cbox": ("10 20 30 30 0.5 28 29\n", {"old": [(25, 35, 0.5)]}),
    "size-1 z.cbox": (
        (
            f"data_global\n_cbox_format_version 1.0\n\ndata_cryolo\nloop_\n{CBOX}10.0 20.0 0 30 30 1 28 28 0.5\n"
            "11 21 0 30 30 1 <NA> <NA> <NA>\n\ndata_cryolo_include\nloop_\n_slice_index #1\n0\n"
        ),
        {"size-1 z": [(25, 35, 0.5), (26, 36, None)]},
    ),
    "odd keys_info.json": (
        json.dumps({"boxes_rej": [[9, 9, "m"]], "ctf": [1], "boxes": [[1, 2, "auto", 0.9, {}], [3.5, -4, "manual"]]}),
        {"odd keys": [(1, 2, 0.9), (3.5, -4, None)]},
    ),
    "no boxes yet_info.json": (json.dumps({"quality": 5}), {"no boxes yet": []}),
    "header.txt": (
        "score\ty_coord\tx_coord\timage_name\n-3.5\t2\t1\ta\nnan\t4\t3\ta\n",
        {"a": [(1, 2, -3.5), (3, 4, None)]},
    ),
    "no header.txt": ("a b\t1\t2\t-0.5e-3\n", {"a b": [(1, 2, -0.0005)]}),
    "neither header nor score.txt": ("a\t1\t2\n", {"a": [(1, 2, None)]}),
    "quoted.csv": ('"Micrograph","X","Y","other"\n"a,b.mrc",1,2,z\n', {"a,b.mrc": [(1, 2, None)]}),
    "only a header.csv": ("x,y\n", {"only a header": []}),
    "only a header.pos": (
        "# XMIPP_STAR_1 * \n# \ndata_header\nloop_\n _pickingMicrographState\n Available\n",
        {"only a header": []},
    ),
}

REFUSED = {
    "nan.star": (f"{LOOP}1 2\n3 nan\n", r"line 7: _rlnCoordinateY is 'nan'"),
    "inf.star": (f"{LOOP}-inf 2\n", r"line 6: _rlnCoordinateX is '-inf'"),
    "too large.star": (f"{LOOP}1e400 2\n", r"line 6: _rlnCoordinateX is '1e400'"),
    "decimal comma.star": (f"{LOOP}1,5 2\n", r"line 6: _rlnCoordinateX is '1,5'"),
    "short.star": (f"{LOOP}1 2\n1\n", "line 7: 1 values instead of 2"),
    "twice.star": (f"{LOOP}1 2\n{LOOP}3 4\n", "line 7: block data_ occurs twice"),
    "M.star": (
        "data_particles\nloop_\n_wrpCoordinateX1\n_wrpCoordinateY1\n1 2\n",
        "columns _wrpCoordinateX1, _wrpCoord",
    ),
    "no pixel size.star": (
        f"data_\n{NAMED}_rlnOriginX #4\n_rlnOriginY #5\na.mrc 10 20 0.5 0.0\n",
        "_rlnDetectorPixelSize and _rlnMagnification are missing",
    ),
    "packed.star": (gzip.compress(LOOP.encode()), "packed by gzip: unpack it first"),
    "binary.star": (b"\x89PNG\r\n\x1a\n\x00\x00", r"binary data \(byte 8 is zero\)"),
    "page.star": ("<html>404</html>\n", "'<html>404</html>' in its first line"),
    "three.box": ("1 2 3\n", "'1 2 3' in its first line"),
    "nan.box": ("1 2 30 30\nnan 2 30 30\n", "line 2: x is 'nan'"),
    "negative size.box": ("1 2 -30 30\n", "line 1: a box of -30 × 30"),
    "tomogram.cbox": (
        f"data_cryolo\nloop_\n{CBOX}" + "1 2 0 9 9 1 9 9 1\n1 2 5 9 9 1 9 9 1\n",
        "2 slices of a tomogram",
    ),
    "cut.json": ('{"boxes": [[1, 2,', "line 1: not JSON"),
    "nan.json": ('{"boxes": [[1, 2, "m"], [NaN, 2, "m"]]}', r"box 1 is \[nan, 2, 'm'\]"),
    "empty.csv": ("", "nothing: it is empty"),
    "semicolons.csv": ("micrograph;x;y\na;1;2\n", "'micrograph;x;y' in its first line"),
    "missing.csv": ("x,y\n1,2\n1,\n", "line 3: y is ''"),
    "spaces.txt": ("image_name x_coord y_coord\na 1 2\n", "'image_name x_coord y_coord' in its first line"),
    "inf.txt": ("image_name\tx_coord\ty_coord\na\t1\tinf\n", "line 2: y_coord is 'inf'"),
}


def stored(folder, name, content):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("name", READ)
def test_is_read(tmp_path, name):
    content, expected = READ[name]
    found = {one.name: one.picks for one in read_files([stored(tmp_path, name, content)])}
    assert found.keys() == expected.keys()
    for micrograph, rows in expected.items():
        told = np.array([(x, y, np.nan if score is None else score) for x, y, score in rows]).reshape(-1, 3)
        np.testing.assert_array_equal(found[micrograph].xy, told[:, :2])
        np.testing.assert_array_equal(found[micrograph].score, told[:, 2])


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused(tmp_path, name):
    content, message = REFUSED[name]
    with pytest.raises(FileFormatError, match=message) as caught:
        read_files([stored(tmp_path, name, content)])
    assert str(tmp_path / name) in str(caught.value)


def test_shifts_in_angstrom_take_the_pixel_size_of_the_option_last(tmp_path):
    text = f"data_\n{NAMED}_rlnOriginXAngst #4\n_rlnOriginYAngst #5\na.mrc 10 20 3.0 -1.5\n"
    path = stored(tmp_path, "particles.star", text)
    (found,) = read_files([path], ImportOptions(pixel_size_angstrom=1.5))
    assert found.picks.xy.tolist() == [[8, 21]]
    with pytest.raises(LabelError, match=r"pixel size of micrograph a\.mrc is not known"):
        read_files([path])


LABELS = ("rlnCoordinateX", "rlnCoordinateY", "rlnAutopickFigureOfMerit", "rlnMicrographName", "rlnFoo")


DRESSED = st.fixed_dictionaries({
    "order": st.permutations(LABELS),
    "gap": st.sampled_from([" ", "\t", "   ", " \t "]),
    "between": st.sampled_from(["", "\n", "# a comment\n", " \n#\n"]),
    "ending": st.sampled_from(["\n", "\r\n", "\r", " \n"]),
    "number": st.sampled_from(["", " #{}", "\t#{} # a note"]),
    "value": st.sampled_from(["{}", '"{}"', "'{}'"]),
    "head": st.sampled_from(["", "\ufeff", "# version 30001\n\n", "data_optics\n_rlnVoltage 300\n\n"]),
    "block": st.sampled_from(["", "images", "particles", "coordinate_table"]),
})  # fmt: skip
ROW = st.tuples(st.integers(0, 9999), st.integers(0, 9999), st.sampled_from(["a#1.mrc", "b.mrc"]))


@given(dress=DRESSED, rows=st.lists(ROW, max_size=5))
def test_the_same_table_in_any_dress(tmp_path_factory, dress, rows):
    header = "".join(f"_{label}{dress['number'].format(i)}\n" for i, label in enumerate(dress["order"], 1))
    lines = []
    for x, y, name in rows:
        values = dict(zip(LABELS, (f"{x}.500", f"{y}e0", "0.25", name, "-"), strict=True))
        lines.append(dress["gap"].join(dress["value"].format(values[label]) for label in dress["order"]) + "\n")
    between, block = dress["between"], dress["block"]
    text = f"{dress['head']}data_{block}\n{between}loop_\n{header}{between}{between.join(lines)}\n"
    path = stored(tmp_path_factory.mktemp("dress"), "a.star", text.replace("\n", dress["ending"]))
    found = {one.name: one.picks for one in read_files([path])}
    assert found.keys() == {name for _, _, name in rows}
    for micrograph, picks in found.items():
        assert picks.xy.tolist() == [[x + 0.5, y] for x, y, name in rows if name == micrograph]
        assert (picks.score == 0.25).all()
