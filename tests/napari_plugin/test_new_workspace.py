"""What a folder, a glob or a STAR file stands for, and the look at the first micrograph."""

import shutil
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from scipy.spatial import cKDTree

from cryoal.config import Config
from cryoal.errors import UserError
from cryoal.io import star
from napari_plugin.new_workspace import look, source_of


@pytest.fixture
def relion(sample_data: Path, tmp_path: Path) -> Path:
    """A RELION project with one motion-corrected micrograph."""
    job = tmp_path / "project" / "MotionCorr" / "job002"
    (job / "Micrographs").mkdir(parents=True)
    shutil.copy(sample_data / "Micrographs" / "sample_01.mrc", job / "Micrographs" / "sample_01.mrc")
    names = {"rlnMicrographName": ["MotionCorr/job002/Micrographs/sample_01.mrc"]}
    star.write(job / "corrected_micrographs.star", {"micrographs": names})
    return tmp_path / "project"


def test_a_folder_stands_for_its_images(relion: Path) -> None:
    folder = relion / "MotionCorr" / "job002" / "Micrographs"
    assert source_of(str(folder)).micrographs == str(folder / "*.mrc")
    assert source_of(f"  {folder}/  ").root == folder.parent
    assert source_of(str(folder / "*_0?.mrc")).root == folder.parent


def test_names_start_from_the_relion_project(relion: Path) -> None:
    list_file = relion / "MotionCorr" / "job002" / "corrected_micrographs.star"
    found = source_of(str(list_file))  # no pipeline file: by where the micrographs are
    assert (found.micrographs, found.root) == (str(list_file), relion)
    (relion / "default_pipeline.star").touch()
    assert source_of(str(list_file)).root == relion
    assert source_of(str(relion / "MotionCorr" / "job002" / "Micrographs")).root == relion


def test_what_is_looked_at_has_circles_on_particles(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = np.array([(x, y) for x in (90.0, 250.0, 410.0) for y in (100.0, 300.0)])
    y, x = np.mgrid[:400, :500]
    image = rng.normal(0, 1, (400, 500))
    for tx, ty in truth:
        image -= 2.0 * ((x - tx) ** 2 + (y - ty) ** 2 < 30**2)
    with mrcfile.new(tmp_path / "one.mrc") as mrc:
        mrc.set_data(image.astype(np.float32))
        mrc.voxel_size = 2.0
    seen = look(str(tmp_path), 120.0, None, None, Config())
    assert "Micrographs: 1. The first, one.mrc, has 500 × 400 pixels" in seen.told
    assert "dark particles" in seen.told
    assert cKDTree(seen.xy).query(truth)[0].max() <= 5
    assert seen.diameter_px == pytest.approx(60)
    assert look(str(tmp_path), 60.0, None, None, Config()).diameter_px == pytest.approx(30)


@pytest.mark.parametrize(
    ("text", "reason"), [("", "nothing is given"), ("nowhere/*.mrc", "nowhere"), ("missing.star", "missing.star")]
)
def test_what_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=reason):
        look(text, 100.0, None, None, Config())


def test_a_diameter_that_is_not_given_is_judged(relion: Path) -> None:
    judged = look(str(relion / "MotionCorr" / "job002" / "Micrographs"), None, None, None, Config())
    assert judged.diameter_angstrom == pytest.approx(165, rel=0.25)
    assert judged.diameter_px == pytest.approx(judged.diameter_angstrom / 4)
    assert judged.told.endswith("look like particles of that size.")


def test_a_missing_pixel_size_and_a_diameter_too_wide_are_told(sample_data: Path, relion: Path) -> None:
    path = relion / "MotionCorr" / "job002" / "Micrographs" / "sample_01.mrc"
    with mrcfile.open(path, "r+") as mrc:
        mrc.voxel_size = 0
    with pytest.raises(UserError, match="pixel size"):
        look(str(path.parent), 165.0, None, None, Config())
    assert look(str(path.parent), 165.0, 4.0, None, Config()).diameter_px == pytest.approx(165 / 4)
    with pytest.raises(UserError, match=r"diameter|wide"):
        look(str(path.parent), 5000.0, 4.0, None, Config())


@pytest.mark.parametrize("content", ["", "data_\n\nloop_\n_rlnMicrographName\n", "data_\n\n_rlnVersion 3\n"])
def test_a_star_without_micrographs_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "empty.star").write_text(content)
    with pytest.raises(UserError, match=r"empty\.star"):
        look(str(tmp_path / "empty.star"), 100.0, None, None, Config())
