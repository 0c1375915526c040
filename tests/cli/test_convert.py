"""`cryoal convert`: from every format to every other, names kept or matched, wrong input refused in one line."""

from pathlib import Path

import numpy as np
import pytest

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.io.formats import FORMATS, read_picks
from cryoal.io.options import ExportOptions, ImportOptions
from tests.command_line import command_line, new_project

PLAIN = [name for name in FORMATS if name != "cryosparc"]
PICKS = {
    "Micrographs/a_01": Picks([30, 200, 41], [50, 300, 2], [0.9, 0.25, 0.5]),
    "Micrographs/b_07": Picks([100], [120], [0.75]),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the same picks in every format, in folders of the format's name."""
    folder = new_project(tmp_path_factory.mktemp("convert"))
    entries = [MicrographEntry(f"{key}.mrc", folder / f"{key}.mrc", 4.0) for key in PICKS]
    for name in PLAIN:
        options = ExportOptions(box_size_px=40, root=folder, micrographs_star="micrographs.star")
        FORMATS[name].write(list(zip(entries, PICKS.values(), strict=True)), folder / name, options)
    return folder


def picks_in(folder: Path, project: Path) -> dict[str, Picks]:
    """What is read back, matched to the project's micrographs."""
    entries = [MicrographEntry(f"{key}.mrc", project / f"{key}.mrc", 4.0) for key in PICKS]
    return read_picks([folder], ImportOptions(entries))


@pytest.mark.parametrize("target", PLAIN)
@pytest.mark.parametrize("source", ["relion", "eman", "topaz", "csv", "cryolo"])
def test_picks_survive(source: str, target: str, project: Path, tmp_path: Path) -> None:
    command_line().ok(
        "convert", source, "--to", target, "--out", tmp_path / "out", "--micrographs", "micrographs.star",
        "--diameter", "160", "--pixel-size", "4", cwd=project,
    )  # fmt: skip
    found = picks_in(tmp_path / "out", project)
    assert set(found) == set(PICKS)
    for key, expected in PICKS.items():
        np.testing.assert_array_equal(np.sort(found[key].xy, axis=0), np.sort(expected.xy, axis=0))


def test_names_are_those_of_the_list_letter_for_letter(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command_line().ok(
        "convert", "topaz", "--to", "relion", "--out", out, "--micrographs", "micrographs.star", cwd=project
    )
    text = (out / "autopick.star").read_text()
    assert "Micrographs/a_01.mrc " in text
    assert (out / "coords_suffix_autopick.star").read_text() == "micrographs.star\n"
    assert (out / "Micrographs" / "a_01_autopick.star").is_file()


def test_without_a_list_names_are_those_of_the_files(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = command_line().ok("convert", "eman", "--to", "topaz", "--out", out, cwd=project)
    assert said.startswith("4 picks on 2 micrographs, 1 files below")
    rows = (out / "particles.txt").read_text().splitlines()
    assert [row.split("\t")[0] for row in rows[1:]] == ["a_01", "a_01", "a_01", "b_07"]


def test_what_programs_add_to_a_micrographs_name_is_cut_off(project: Path, tmp_path: Path) -> None:
    said = command_line().ok(
        "convert", "relion/Micrographs/a_01_autopick.star", "--to", "topaz", "--out", tmp_path, cwd=project
    )
    assert said.startswith("3 picks on 1 micrographs")
    assert (tmp_path / "particles.txt").read_text().splitlines()[1].startswith("a_01\t")


def test_a_rim_is_kept_free_and_only_what_is_written_is_counted(project: Path, tmp_path: Path) -> None:
    call = ("csv", "--to", "csv", "--out", tmp_path, "--micrographs", "micrographs.star", "--rim", "0.5")
    said = command_line().ok("convert", *call, "--diameter", "160", cwd=project)
    assert said.startswith("3 picks on 2 micrographs")
    assert picks_in(tmp_path, project)["Micrographs/a_01"].y.tolist() == [50, 300]


def test_scores_are_kept(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command_line().ok("convert", "csv", "--to", "relion", "--out", out, "--quiet", cwd=project)
    found = picks_in(out, project)
    for key, expected in PICKS.items():
        np.testing.assert_array_equal(found[key].score, expected.score)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("csv --to frames --out x", "--to: 'frames' is not known; give one of relion,"),
        ("nothing.csv --to relion --out x", "nothing.csv: cannot be read"),
        ("csv --to eman --out x", "boxes need a size"),
        ("Micrographs/a_01.mrc --to csv --out x", "holds no coordinates in a known format"),
        ("csv --to csv --out x --cs-y up", "--cs-y: 'up' is not known"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(arguments: str, complaint: str, project: Path) -> None:
    assert complaint in command_line().refused("convert", *arguments.split(), cwd=project)
    assert not (project / "x").exists()


def test_two_files_of_one_name_need_the_list(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / "in" / folder).mkdir(parents=True)
        (tmp_path / "in" / folder / "a.box").write_text("1 2 40 40\n")
    line = command_line().refused("convert", "in", "--to", "csv", "--out", "out", cwd=tmp_path)
    assert "micrograph a has picks in another file, too; give --micrographs" in line
