"""Every format by the same tests: round trips, told by content, matched to micrographs."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import FileError, FileFormatError, LabelError, OptionError
from cryoal.io import mrc
from cryoal.io.formats import (
    FORMATS,
    KEEP_CLASSES,
    LostClassesWarning,
    OutsideWarning,
    detect,
    format_named,
    read_files,
    read_picks,
    write_picks,
)
from cryoal.io.options import ExportOptions, ImportOptions
from tests.io.drawn_picks import assert_same, picked_micrographs

SUBPIXEL = ("cryosparc", "eman2", "cryolo", "csv")
NO_EMPTY_MICROGRAPHS = ("cryosparc", "topaz", "csv")  # one table of all: without picks, no row
TOLERANCE = {"cryosparc": 1e-3}  # fractions of the image in single precision


def entry(name: str) -> MicrographEntry:
    return MicrographEntry(name, Path(name), 1.25)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_round_trip(tmp_path_factory, name, data):
    picked, shapes = data.draw(picked_micrographs(whole=name not in SUBPIXEL))
    out = tmp_path_factory.mktemp(name)
    written = FORMATS[name].write(picked, out, ExportOptions(shapes=shapes, diameter_angstrom=120))
    assert all(path.is_file() for path in written)
    options = ImportOptions(entries=[each for each, _ in picked], shapes=shapes)
    found = read_picks([out], options) if any(len(picks) for _, picks in picked) else {}
    for each, picks in picked:
        if len(picks) or (found and name not in NO_EMPTY_MICROGRAPHS):
            assert_same(found[each.key], picks, TOLERANCE.get(name, 1e-4))


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_written_is_told_by_content(tmp_path, name):
    written = FORMATS[name].write(
        [(entry("a b.mrc"), Picks([5], [6], [0.5]))],
        tmp_path,
        ExportOptions(diameter_angstrom=100, shapes={"a b": (50, 60)}),
    )
    for path in written:
        if path.name != "micrographs.star":
            other = path.with_name(f"{'coords_suffix_' if 'coords_suffix' in path.name else ''}renamed.dat")
            other.write_bytes(path.read_bytes())
            assert detect(other) == name


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_outside_the_image_and_nothing_below_the_threshold(tmp_path, name):
    picks = Picks([0, -20, 59, 60, 30, 30], [0, 5, 49, 5, 50, 20], [0.9, 0.9, 0.9, 0.9, 0.9, 0.1])
    options = ExportOptions(diameter_angstrom=100, shapes={"a": (50, 60)}, threshold=0.5)
    FORMATS[name].write([(entry("a.mrc"), picks)], tmp_path, options)
    found = read_picks([tmp_path], ImportOptions(entries=[entry("a.mrc")], shapes={"a": (50, 60)}))["a"]
    np.testing.assert_allclose(found.xy, [[0, 0], [59, 49]], atol=1e-4)


@pytest.mark.parametrize("name", FORMATS)
def test_twenty_thousand(tmp_path, name):
    rng = np.random.default_rng(0)
    picks = Picks(rng.integers(0, 4096, 20_000), rng.integers(0, 4096, 20_000), rng.normal(size=20_000))
    options = ExportOptions(box_size_px=64, shapes={"a": (4096, 4096)})
    FORMATS[name].write([(entry("a.mrc"), picks)], tmp_path, options)
    assert_same(read_picks([tmp_path], ImportOptions(entries=[entry("a.mrc")]))["a"], picks, TOLERANCE.get(name, 1e-4))


@pytest.mark.parametrize("name", FORMATS)
def test_classes_are_kept_or_their_loss_is_told(tmp_path, name, recwarn):
    options = ExportOptions(box_size_px=64, shapes={"a": (50, 60)})
    write_picks(name, [(entry("a.mrc"), Picks([1], [2]))], tmp_path, options)
    assert not recwarn.list
    write_picks(name, [(entry("a.mrc"), Picks([1], [2], class_number=[3]))], tmp_path, options)
    found = read_picks([tmp_path], ImportOptions(entries=[entry("a.mrc")]))["a"]
    if name in KEEP_CLASSES:
        assert (found.class_number.tolist(), recwarn.list) == ([3], [])
    else:
        assert found.class_number.tolist() == [0]
        assert f"the format {name} has no place for class numbers" in str(recwarn.pop(LostClassesWarning).message)


@pytest.mark.parametrize("name", FORMATS)
def test_equal_stems_in_two_folders(tmp_path, name):
    entries = [entry("grid1/a.mrc"), entry("grid2/a.mrc")]
    picked = [(each, Picks([i + 1], [2])) for i, each in enumerate(entries)]
    options = ExportOptions(box_size_px=64, shapes={each.key: (50, 60) for each in entries})
    if name == "topaz":
        with pytest.raises(LabelError, match="stems"):
            FORMATS[name].write(picked, tmp_path, options)
        return
    FORMATS[name].write(picked, tmp_path, options)
    found = read_picks([tmp_path], ImportOptions(entries=entries))
    assert found["grid1/a"].x[0] == pytest.approx(1)
    assert found["grid2/a"].x[0] == pytest.approx(2)


COORDINATES = "data_\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n"


def test_a_folder_of_coordinate_files(tmp_path):
    (tmp_path / "a.star").write_text(COORDINATES + "1 2\n")
    (tmp_path / "b_manualpick.star").write_text("")
    (tmp_path / "job.star").write_text("data_job\n_rlnJobType 2\n")
    (tmp_path / "run.txt").write_text("a log\n")
    (tmp_path / "empty.txt").write_text("")
    found = read_picks([tmp_path], ImportOptions(entries=[entry("Micrographs/a.mrc"), entry("Micrographs/b.mrc")]))
    assert {key: len(picks) for key, picks in found.items()} == {"Micrographs/a": 1, "Micrographs/b": 0}


def test_names_that_match_nothing_or_twice(tmp_path):
    for name in ("a", "x", "y"):
        (tmp_path / f"{name}.star").write_text(COORDINATES + "1 2\n")
    (tmp_path / "empty.star").write_text(COORDINATES)
    options = ImportOptions(entries=[entry("a.mrc")])
    with pytest.raises(LabelError, match="no micrograph is named x, y;"):
        read_picks([tmp_path], options)
    with pytest.raises(LabelError, match="both hold picks of micrograph a"):
        read_picks([tmp_path / "a.star", tmp_path / "a.star"], options)
    ambiguous = ImportOptions(entries=[entry("p/a.mrc"), entry("q/a.mrc")])
    with pytest.raises(LabelError, match="may mean 2 micrographs"):
        read_picks([tmp_path / "a.star"], ambiguous)


def test_a_few_positions_outside_the_image_are_left_out_and_told(tmp_path):
    (tmp_path / "a.star").write_text(COORDINATES + "1 2\n60 2\n-0.5 49.4\n")
    (tmp_path / "b.star").write_text(COORDINATES + "1 2\n1 -0.6\n")
    options = ImportOptions(entries=[entry("a.mrc"), entry("b.mrc")], shapes={"a": (50, 60), "b": (50, 60)})
    with pytest.warns(
        OutsideWarning,
        match=r"a\.star: 1 of 3 positions on a lie outside its 60 × 50 pixels, the first, number 2, at x 60, y 2 "
        r"\(2 of 5 on 2 of 2 micrographs in all\); left out",
    ):
        found = read_picks([tmp_path], options)
    assert {key: picks.xy.tolist() for key, picks in found.items()} == {"a": [[1, 2], [-0.5, 49.4]], "b": [[1, 2]]}


def test_most_positions_outside_the_image_are_refused(tmp_path):
    (tmp_path / "a.star").write_text(COORDINATES + "1 2\n60 2\n1 50\n")
    with pytest.raises(LabelError, match=r"2 of 3 positions on a lie outside .*, number 2, at x 60.* same binning"):
        read_picks([tmp_path / "a.star"], ImportOptions(entries=[entry("a.mrc")], shapes={"a": (50, 60)}))


def test_files_of_workspaces_and_hidden_folders_are_nobodys_picks(tmp_path):
    for folder in ("", "work/rounds/0001/picks", ".Nodes/2"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "a.star").write_text(COORDINATES + "1 2\n")
    (tmp_path / "work" / "workspace.toml").write_text("")
    assert [found.path for found in read_files([tmp_path])] == [tmp_path / "a.star"]
    assert len(read_files([tmp_path / "work"])) == 1


@pytest.mark.parametrize(
    ("rim", "kept"), [(0.0, [0, 19, 20, 39.4, 59]), (0.5, [20, 39.4]), (0.525, []), (0.25, [19, 20, 39.4])]
)
def test_picks_near_the_rim_are_left_out(rim, kept):
    picks = Picks([0, 19, 20, 39.4, 59], [30] * 5)
    options = ExportOptions(diameter_angstrom=50, shapes={"a": (100, 60)}, rim_diameters=rim)  # 40 pixels wide
    assert options.select(entry("a.mrc"), picks).x.tolist() == kept


def test_a_rim_needs_sizes():
    with pytest.raises(OptionError, match=r"--rim: the image shape, the pixel size or the diameter of a\.mrc"):
        ExportOptions(diameter_angstrom=50, rim_diameters=0.5).select(entry("a.mrc"), Picks.empty())
    with pytest.raises(OptionError, match="--rim: -1 is not allowed"):
        ExportOptions(rim_diameters=-1)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.star", b"data_\nloop_\n_rlnMicrographName\na.mrc\n"),
        ("a.txt", b"hello\n"),
        ("a.txt", b""),
        ("a.box", b"1 2 3\n"),
        ("a.mrc", b"\0" * 2000),
        ("a.json", b'{"other": 1}'),
    ],
)
def test_files_without_coordinates_are_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileFormatError, match="holds no coordinates"):
        detect(tmp_path / name)


def test_refusals(tmp_path):
    with pytest.raises(FileError, match="No such file"):
        read_files([tmp_path / "no.star"])
    with pytest.raises(FileFormatError, match="no coordinate file in this folder"):
        read_files([tmp_path])
    with pytest.raises(OptionError, match="--format: 'imod' is not known; give one of relion"):
        format_named("imod")
    for name in ("eman", "cryolo"):
        with pytest.raises(OptionError, match="boxes need a size"):
            FORMATS[name].write([(entry("a.mrc"), Picks([1], [2]))], tmp_path, ExportOptions())


def test_cryoppp_counts_from_the_bottom(tmp_path):
    mrc.write(tmp_path / "a.mrc", np.eye(50, 60, dtype=np.float32), 1.0)
    (tmp_path / "a.csv").write_text("X-Coordinate,Y-Coordinate\n10,20.5\n")
    options = ImportOptions(entries=[MicrographEntry("a.mrc", tmp_path / "a.mrc")])
    assert read_picks([tmp_path / "a.csv"], options)["a"].xy.tolist() == [[10, 29.5]]
    with pytest.raises(LabelError, match="no micrograph is named a"):
        read_files([tmp_path / "a.csv"])


def test_bare_csv_is_named_by_its_file(tmp_path):
    (tmp_path / "a b.csv").write_bytes(b"x,y\r\n1.5,2\r\n")
    (found,) = read_files([tmp_path / "a b.csv"])
    assert (found.name, found.picks.xy.tolist()) == ("a b", [[1.5, 2]])
