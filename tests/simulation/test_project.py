import importlib.util
from pathlib import Path

import numpy as np
import pytest

from cryoal.errors import OptionError
from cryoal.io import mrc, star
from cryoal.simulation.junk import Junk
from cryoal.simulation.micrographs import MicrographSettings, simulate_micrograph
from cryoal.simulation.optics import Optics
from cryoal.simulation.project import write_project
from cryoal.simulation.specimen import Species
from cryoal.simulation.volumes import build_volume


def simulated(seed, pixel_size=5.0):
    rng = np.random.default_rng(seed)
    species = (
        Species(build_volume("globular", 110.0, rng), 0.25),
        Species(build_volume("barrel", 80.0, rng, "C7"), 0.1),
    )
    return simulate_micrograph(MicrographSettings((96, 128), pixel_size, species, junk=Junk(1)), rng)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("dtype", [np.int8, np.float16, np.float32])
def test_project_reads_back(tmp_path, dtype):
    micrograph = simulated(1)
    write_project(tmp_path, [("a", micrograph), ("b", simulated(2))], Optics(), 110.0, dtype)
    image = mrc.read(tmp_path / "Micrographs" / "a.mrc")
    assert image.pixels.dtype == dtype
    assert image.pixels.shape == (96, 128)
    assert image.pixel_size_angstrom == pytest.approx(5.0)
    assert np.corrcoef(image.pixels.ravel().astype(float), micrograph.pixels.ravel())[0, 1] > 0.99
    lists = star.read(tmp_path / "micrographs.star")
    assert list(lists["micrographs"]["rlnMicrographName"]) == ["Micrographs/a.mrc", "Micrographs/b.mrc"]
    assert star.numbers(lists["optics"], "rlnMicrographPixelSize", tmp_path) == pytest.approx([5.0])
    truth = star.read(tmp_path / "truth" / "a.star")[""]
    wanted = micrograph.picks.select(micrograph.picks.class_number == 1)
    assert 3 <= len(wanted) < len(micrograph.picks)
    assert star.numbers(truth, "rlnCoordinateX", tmp_path) == pytest.approx(wanted.x, abs=0.006)
    assert star.numbers(truth, "rlnCoordinateY", tmp_path) == pytest.approx(wanted.y, abs=0.006)
    every = star.read(tmp_path / "truth_all_species" / "a.star")[""]
    assert list(every["rlnClassNumber"].astype(int)) == list(micrograph.picks.class_number)
    assert (tmp_path / "diameter_angstrom.txt").read_text() == "110\n"


def test_projects_are_byte_identical(tmp_path):
    for name in ("one", "two"):
        write_project(tmp_path / name, [("a", simulated(3))], Optics(), 110.0, np.int8)
    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "two")
    assert one["Micrographs/a.mrc"][224:304].rstrip() == b"Simulated by cryoal"  # no date


def test_mixed_pixel_sizes_are_refused(tmp_path):
    with pytest.raises(OptionError, match="pixel_size_angstrom"):
        write_project(tmp_path, [("a", simulated(1)), ("b", simulated(2, 6.0))], Optics(), 110.0)


@pytest.fixture(scope="module")
def recipe(sample_data):
    """The script that made the sample set."""
    spec = importlib.util.spec_from_file_location("make_sample_data", sample_data / "make_sample_data.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("index", [3])
def test_sample_data_is_what_its_script_makes(recipe, sample_data, tmp_path, index):
    name = recipe.name(index)
    write_project(tmp_path, [(name, recipe.micrograph(index))], Optics(), recipe.DIAMETER_ANGSTROM, np.int8)
    remade = contents(tmp_path)
    for path in (f"Micrographs/{name}.mrc", f"truth/{name}.star", f"truth_all_species/{name}.star"):
        assert remade[path] == (sample_data / path).read_bytes(), path


def test_sample_data_is_complete(recipe, sample_data):
    listed = list(star.read(sample_data / "micrographs.star")["micrographs"]["rlnMicrographName"])
    assert listed == [f"Micrographs/{recipe.name(index)}.mrc" for index in range(len(recipe.MICROGRAPHS))]
    for name in (Path(path).stem for path in listed):
        ny, nx = mrc.read(sample_data / "Micrographs" / f"{name}.mrc").pixels.shape
        assert (ny, nx) == recipe.SHAPE
        truth = star.read(sample_data / "truth" / f"{name}.star")[""]
        assert 40 <= len(truth) <= 100
        x, y = (star.numbers(truth, label, sample_data) for label in ("rlnCoordinateX", "rlnCoordinateY"))
        assert x.min() >= -0.5
        assert x.max() <= nx - 0.5
        assert y.min() >= -0.5
        assert y.max() <= ny - 0.5


def test_several_wanted_species_and_junk_carry_their_numbers(tmp_path):
    micrograph = simulated(1)
    write_project(tmp_path, [("a", micrograph)], Optics(), 110.0, wanted=(1, 2), junk=True)
    truth = star.read(tmp_path / "truth" / "a.star")[""]
    assert list(truth["rlnClassNumber"].astype(int)) == list(micrograph.picks.class_number)
    assert {1, 2} <= set(micrograph.picks.class_number)
    junk = star.read(tmp_path / "junk" / "a.star")[""]
    assert list(junk["rlnClassNumber"].astype(int)) == list(micrograph.junk_picks.class_number)
