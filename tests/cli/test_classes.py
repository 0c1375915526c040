"""Two particle species and junk, from their labels to what RELION reads, through the command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.two_species import DIAMETER_ANGSTROM, micrographs
from cryoal.io import star
from cryoal.io.relion import read
from cryoal.learner.queries import read_query
from cryoal.simulation.junk import Junk
from cryoal.simulation.optics import Optics
from cryoal.simulation.project import write_project
from cryoal.workspace.candidates import read_pool
from cryoal.workspace.layout import Layout
from tests.command_line import CommandLine, command_line

LEARNT, TESTED = ("mix_01", "mix_02", "mix_03", "mix_04"), ("mix_05", "mix_06")
STEPS = 180  # so that small networks tell the species apart, and no more
STRATEGIES = ("bald", "bald-stratified", "badge", "power-entropy", "foreground-random")


@pytest.fixture(scope="module")
def cryoal() -> CommandLine:
    return command_line()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cryoal: CommandLine) -> Path:
    """A project of both species with a scored and picked workspace `ws`."""
    folder = tmp_path_factory.mktemp("classes")
    made = micrographs(6, (420, 480), Junk(ice_crystals=1, ethane_patches=1))
    write_project(folder, made, Optics(), DIAMETER_ANGSTROM, np.int8, (1, 2), junk=True)
    junk = [f"junk/{name}.star" for name in LEARNT if len(star.read(folder / "junk" / f"{name}.star")[""])]
    init = f"init ws --micrographs micrographs.star --diameter {DIAMETER_ANGSTROM:g}"
    cryoal.ok(*init.split(), "--classes", "compact,barrel", "--junk", "ice,ethane", cwd=folder)
    cryoal.ok("label", "ws", *(f"truth/{name}.star" for name in LEARNT), "--complete", cwd=folder)
    cryoal.ok("label", "ws", *junk, "--as", "rejected", cwd=folder)
    said = cryoal.ok("train", "ws", "--members", "2", cwd=folder, steps=STEPS)
    assert "told apart: classes compact, barrel; junk " in said
    for command in (
        "score ws",
        "pick ws --threshold 0.1",
        "export ws --format relion --out out",
        "export ws --format csv --out out",
    ):
        cryoal.ok(*command.split(), cwd=folder)
    return folder


def test_the_classes_of_held_out_labels_are_reported(project: Path, cryoal: CommandLine) -> None:
    metrics = json.loads((project / "ws/rounds/0001/metrics.json").read_text())
    assert metrics["class_balanced_accuracy"] > 0.7
    assert np.shape(metrics["class_confusion"]) == (2, 2)
    said = cryoal.ok("status", "ws", cwd=project)
    assert "particles whose class was kept out of training: accuracy 0." in said
    assert "called barrel" in said
    assert "plain background" in said


def test_what_relion_reads_carries_the_class(project: Path, cryoal: CommandLine) -> None:
    truth = [f"truth/{name}.star" for name in TESTED]
    (project / "tested").mkdir()
    for name in truth:
        (project / "tested" / Path(name).name).write_bytes((project / name).read_bytes())
    command = f"evaluate --picks out --truth tested --diameter {DIAMETER_ANGSTROM:g} --json figures.json"
    for picks in ("autopick.star", "picks.csv"):
        said = cryoal.ok(*command.replace("out", f"out/{picks}", 1).split(), cwd=project)
        figures = json.loads((project / "figures.json").read_text())
        assert np.sum(figures["classes"]["confusion"]) >= 10
        assert figures["overall"]["class_accuracy"] > 0.7
        assert figures["classes"]["numbers"] == [1, 2]
        assert "called class 2" in said


def test_the_experts_classes_are_kept(project: Path) -> None:
    name = LEARNT[0]
    picks = next(iter(read(project / "out" / "Micrographs" / f"{name}_autopick.star").values()))
    truth = next(iter(read(project / "truth" / f"{name}.star").values()))
    assert sorted(picks.class_number) == sorted(truth.class_number)


def test_strategies_ask_with_classes(project: Path, cryoal: CommandLine) -> None:
    layout = Layout(project / "ws").round(1)
    pool = read_pool(layout, [f"Micrographs/{name}" for name in TESTED])
    assert pool.classes.particles == (1, 2)
    assert pool.classes.junk
    assert pool.probability.shape[2] == 3 + len(pool.classes.junk)
    for strategy in STRATEGIES:
        cryoal.ok("query", "ws", "--strategy", strategy, "--fields", "2", "--even-classes", cwd=project)
        asked = read_query(layout.query)
        assert len(asked) == 2
        numbers = np.concatenate([one.class_number for one in asked if one.class_number is not None])
        assert set(numbers) <= {1, 2}


def test_mistakes_are_told_in_one_line(project: Path, cryoal: CommandLine, tmp_path: Path) -> None:
    truth = f"truth/{TESTED[0]}.star"
    assert "--class: 'shell' is not known" in cryoal.refused("label", "ws", truth, "--class", "shell", cwd=project)
    assert "--class: '-1' is not known" in cryoal.refused("label", "ws", truth, "--class=-1", cwd=project)
    init = ("init", tmp_path / "ws", "--micrographs", "micrographs.star", "--diameter", "165", "--classes")
    assert "--classes: 'a' among ['a', 'a']" in cryoal.refused(*init, "a,a", cwd=project)
    assert "--classes: '' among ['a', '']" in cryoal.refused(*init, "a,", cwd=project)
    cryoal.ok(*init, "open,closed", cwd=project)
    line = cryoal.refused("query", tmp_path / "ws", "--even-classes", cwd=project)
    assert "--even-classes: the newest round tells no particle classes apart" in line
