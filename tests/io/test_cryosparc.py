import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import FileError, FileFormatError, LabelError
from cryoal.io import cryosparc, mrc
from cryoal.io.options import ExportOptions, ImportOptions

UID = 4711122233344455566
NAME = f"J2/motioncorrected/{UID:021d}_mic 1_patch_aligned_doseweighted.mrc"
ENTRY = MicrographEntry(NAME, Path(NAME), 1.5, 3)
PICKS = Picks([0, 59, 30.25], [0, 49, 7.5], [0.5, -1.5, 2])
SHAPES = {ENTRY.key: (50, 60)}


def test_locations(tmp_path):
    (path,) = cryosparc.write([(ENTRY, PICKS)], tmp_path, ExportOptions(shapes=SHAPES))
    rows = np.load(path.open("rb"), allow_pickle=False)
    assert len(set(rows["uid"])) == 3
    assert set(rows["location/micrograph_uid"]) == {UID}
    assert set(rows["location/exp_group_id"]) == {3}
    assert set(rows["location/micrograph_path"]) == {NAME.encode()}
    assert rows["location/micrograph_shape"].tolist() == [[50, 60]] * 3
    assert set(rows["location/micrograph_psize_A"]) == {1.5}
    np.testing.assert_allclose(rows["location/center_x_frac"], PICKS.x / 60, rtol=1e-6)
    np.testing.assert_allclose(rows["location/center_y_frac"], PICKS.y / 50, rtol=1e-6)
    np.testing.assert_allclose(rows["pick_stats/ncc_score"], PICKS.score)


def test_inverted_y_is_its_own_inverse(tmp_path):
    (path,) = cryosparc.write([(ENTRY, PICKS)], tmp_path, ExportOptions(shapes=SHAPES, cs_y="inverted"))
    np.testing.assert_allclose(cryosparc.read(path)[NAME].y, 50 - PICKS.y, atol=1e-4)
    np.testing.assert_allclose(cryosparc.read(path, ImportOptions(cs_y="inverted"))[NAME].y, PICKS.y, atol=1e-4)


def test_exposures_are_repeated(tmp_path):
    exposures = np.zeros(2, [
        ("uid", "<u8"),
        ("micrograph_blob/path", "S80"),
        ("micrograph_blob/shape", "<u4", (2,)),
        ("micrograph_blob/psize_A", "<f4"),
        ("mscope_params/exp_group_id", "<u4"),
    ])  # fmt: skip
    exposures["uid"] = [11, 2**64 - 1]
    exposures["micrograph_blob/path"] = [b"J2/other.mrc", NAME.encode()]
    exposures["micrograph_blob/shape"] = [[1, 1], [50, 60]]
    exposures["micrograph_blob/psize_A"] = [1, 1.25]
    exposures["mscope_params/exp_group_id"] = [1, 7]
    np.save(tmp_path / "e.npy", exposures)
    options = ExportOptions(exposures=tmp_path / "e.npy")
    (path,) = cryosparc.write(
        [(MicrographEntry("mic 1_patch_aligned_doseweighted.mrc", Path()), PICKS)], tmp_path, options
    )
    rows = np.load(path.open("rb"))
    assert set(rows["location/micrograph_uid"]) == {2**64 - 1}
    assert set(rows["location/micrograph_path"]) == {NAME.encode()}
    assert set(rows["location/exp_group_id"]) == {7}
    assert set(rows["location/micrograph_psize_A"]) == {1.25}
    np.testing.assert_allclose(cryosparc.read(path)[NAME].xy, PICKS.xy, atol=1e-4)
    with pytest.raises(LabelError, match="no exposure of micrograph stranger"):
        cryosparc.write([(MicrographEntry("stranger.mrc", Path()), PICKS)], tmp_path, options)


@pytest.mark.parametrize("inverted", [False, True])
def test_the_picture_tells_the_direction_of_y(tmp_path, inverted):
    rng = np.random.default_rng(0)
    pixels = rng.normal(size=(500, 600)).astype(np.float32)
    picks = Picks(rng.integers(20, 580, 40), rng.integers(20, 230, 40))
    for x, y in picks.xy.astype(int):
        pixels[y - 10 : y + 10, x - 10 : x + 10] -= 3
    entry = MicrographEntry("a.mrc", tmp_path / "a.mrc", 1.0)
    mrc.write(entry.path, pixels, 1.0)
    stored = ExportOptions(shapes={"a": (500, 600)}, cs_y="inverted" if inverted else "file")
    (path,) = cryosparc.write([(entry, picks)], tmp_path, stored)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cryosparc.read(path, ImportOptions(entries=[entry]))
    assert [each.category for each in caught] == [cryosparc.YDirectionWarning] * inverted
    if inverted:
        assert "--cs-y inverted" in str(caught[0].message)


def test_refusals(tmp_path):
    path = tmp_path / "a.cs"
    for content, message in (
        (b"hello", "is not a .cs file"),
        (b"\x93NUMPY\x01\x00", "cannot be read as a .cs file"),
    ):
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match=message):
            cryosparc.read(path)
    with path.open("wb") as stream:
        np.save(stream, np.zeros(3))
    with pytest.raises(FileFormatError, match="without fields"):
        cryosparc.read(path)
    with path.open("wb") as stream:
        np.save(stream, np.zeros(3, [("uid", "u8"), ("blob/path", "S4")]))
    with pytest.raises(FileFormatError, match="no field location/micrograph_path"):
        cryosparc.read(path)
    with path.open("wb") as stream:
        np.save(stream, np.array([(1, "x")], [("uid", "u8"), ("blob/path", object)]), allow_pickle=True)
    with pytest.raises(FileFormatError, match=r"cannot be read as a \.cs file"):
        cryosparc.read(path)
    with pytest.raises(FileError, match="No such file"):
        cryosparc.read(tmp_path / "no.cs")


@pytest.mark.parametrize("magic", cryosparc.COMPRESSED_MAGIC)
def test_compressed_files_need_cryosparc_tools(tmp_path, magic):
    path = tmp_path / "a.cs"
    path.write_bytes(magic + bytes(20))
    installed = importlib.util.find_spec("cryosparc") is not None
    message = "cannot be read by cryosparc-tools" if installed else r"pip install 'cryoal\[cryosparc\]'"
    with pytest.raises(FileError, match=message):
        cryosparc.read(path)


def tools():
    """The module of cryosparc-tools that reads and writes without a server."""
    return pytest.importorskip("cryosparc.dataset", reason="cryosparc-tools is not installed: cryoal[cryosparc]")


def exposures(path, **how):
    """An exposures file as cryosparc-tools writes it; its rows' uids."""
    made = tools().Dataset.allocate(
        2,
        [
            ("micrograph_blob/path", "O"),
            ("micrograph_blob/shape", "<u4", (2,)),
            ("micrograph_blob/psize_A", "<f4"),
            ("mscope_params/exp_group_id", "<u4"),
        ],
    )
    made["micrograph_blob/path"] = ["J2/motioncorrected/other.mrc", NAME]
    made["micrograph_blob/shape"] = [[9, 9], [50, 60]]
    made["micrograph_blob/psize_A"] = [1, 1.25]
    made["mscope_params/exp_group_id"] = [1, 7]
    made.save(path, **how)
    return made["uid"]


@pytest.mark.parametrize("layout", ["NUMPY_FORMAT", "CSDAT_FORMAT"])
def test_cryosparc_tools_reads_what_we_write_and_joins_it_with_the_exposures(tmp_path, layout):
    uids = exposures(tmp_path / "exposures.cs", format=getattr(tools(), layout))
    options = ExportOptions(exposures=tmp_path / "exposures.cs")
    (path,) = cryosparc.write([(ENTRY, PICKS)], tmp_path / "out", options)
    loaded = tools().Dataset.load(path)
    assert set(loaded.prefixes()) == {"location", "pick_stats"}
    assert len(set(loaded["uid"])) == 3
    assert set(loaded["location/micrograph_uid"]) == {uids[1]}
    assert list(loaded["location/micrograph_path"]) == [NAME] * 3
    assert loaded["location/micrograph_shape"].tolist() == [[50, 60]] * 3
    assert set(loaded["location/exp_group_id"]) == {7}
    assert set(loaded["location/micrograph_psize_A"]) == {1.25}
    np.testing.assert_allclose(loaded["location/center_x_frac"] * 60, PICKS.x, atol=1e-4)
    np.testing.assert_allclose(loaded["location/center_y_frac"] * 50, PICKS.y, atol=1e-4)
    np.testing.assert_allclose(loaded["pick_stats/ncc_score"], PICKS.score)
    kept = loaded.query({"location/micrograph_uid": uids[1]})
    assert len(kept) == 3
    assert len(tools().Dataset.append(loaded.slice(0, 1), loaded.slice(1))) == 3


def test_we_read_what_cryosparc_tools_compresses(tmp_path):
    (plain,) = cryosparc.write([(ENTRY, PICKS)], tmp_path, ExportOptions(shapes=SHAPES))
    tools().Dataset.load(plain).save(tmp_path / "a.cs", format=tools().CSDAT_FORMAT)
    assert (tmp_path / "a.cs").read_bytes().startswith(cryosparc.COMPRESSED_MAGIC)
    found = cryosparc.read(tmp_path / "a.cs")[NAME]
    np.testing.assert_allclose(found.xy, PICKS.xy, atol=1e-4)
    np.testing.assert_allclose(found.score, PICKS.score)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("location/center_x_frac", np.nan, "row 1: location/center_x_frac is nan"),
        ("location/center_y_frac", np.inf, r"row 1: .*location/center_y_frac is inf; expected numbers from 0 to 1"),
    ],
)
def test_fractions_that_are_no_numbers(tmp_path, field, value, message):
    (path,) = cryosparc.write([(ENTRY, PICKS)], tmp_path, ExportOptions(shapes=SHAPES))
    rows = np.load(path, allow_pickle=False)
    rows[field][1] = value
    with path.open("wb") as stream:
        np.save(stream, rows)
    with pytest.raises(FileFormatError, match=message):
        cryosparc.read(path)
