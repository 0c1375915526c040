"""One test for every command, format and strategy of the three tables, and for the figures that must repeat."""

import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cryoal.acquisition.strategies import STRATEGIES
from cryoal.cli.main import COMMANDS
from cryoal.io.formats import FORMATS
from cryoal.learner.queries import read_query
from tests.command_line import DIAMETER, ROOT, command_line, scored_project

NOTHING_TO_HUSH = ("gui", "relion-external")  # the one opens a window, the other is called by RELION


@pytest.fixture(scope="module")
def picked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scored project with picks; tests write beside the workspace only."""
    folder = scored_project(tmp_path_factory.mktemp("contracts"))
    command_line().ok("pick", "ws", cwd=folder)
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_module_and_a_sentence(name: str) -> None:
    command = importlib.import_module(f"cryoal.cli.{name.replace('-', '_')}").command
    assert inspect.getdoc(command)
    assert COMMANDS[name].endswith(".")
    assert "quiet" in inspect.signature(command).parameters or name in NOTHING_TO_HUSH
    out = command_line().ok(name, "--help")
    assert f"cryoal {name}" in out
    assert COMMANDS[name] in unfolded(command_line().ok("--help"))


def unfolded(help_text: str) -> str:
    """The text of a help page without its frame."""
    return re.sub(r"[\s│]+", " ", help_text)


def test_no_help_imports_torch() -> None:
    code = """
import contextlib, io, sys
from cryoal.cli.main import COMMANDS, app
for name in ["", *COMMANDS]:
    with contextlib.redirect_stdout(io.StringIO()):
        app([*name.split(), "--help"], standalone_mode=False)
    heavy = {"torch", "scipy", "pandas", "pyarrow", "napari", "qtpy"} & set(sys.modules)
    print(f"{name}: {sorted(heavy)}")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{name}: []" for name in ["", *COMMANDS]]


def test_the_help_of_format_names_every_format() -> None:
    help_text = unfolded(command_line().ok("export", "--help"))
    for name in FORMATS:
        assert re.search(rf"\b{name}\b", help_text), name


@pytest.fixture(scope="module")
def reference(picked: Path) -> dict[str, object]:
    """Figures of the picks as RELION gets them, with fractions of pixels."""
    return figures(picked, "relion", "--fractions")


def figures(project: Path, name: str, *options: str) -> dict[str, object]:
    """Export, evaluate, and give the figures but for the centring error, which rounding to pixels changes."""
    out = project / f"out_{name}{len(options)}"
    command_line().ok("export", "ws", "--format", name, "--out", out, *options, cwd=project)
    told = ("--truth", "truth", "--diameter", DIAMETER, "--json", f"{out}.json")
    command_line().ok("evaluate", "--picks", out, *told, cwd=project)
    content = json.loads(Path(f"{out}.json").read_text())
    for one in [content["overall"], *content["by_micrograph"].values()]:
        assert one.pop("median_error_diameters") == pytest.approx(0.05, abs=0.03)
    return content


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_evaluates_to_the_same_figures(picked: Path, reference: dict[str, object], name: str) -> None:
    found = figures(picked, name)
    assert found["by_micrograph"].keys() == reference["by_micrograph"].keys()
    assert found["overall"] == pytest.approx(reference["overall"])
    for micrograph, one in found["by_micrograph"].items():
        assert one == pytest.approx(reference["by_micrograph"][micrograph]), micrograph


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_answers_a_query(picked: Path, name: str) -> None:
    cryoal = command_line()
    cryoal.ok("query", "ws", "--strategy", name, "--fields", 6, "-q", cwd=picked)
    path = picked / "ws/rounds/0001/query.star"
    asked = read_query(path)
    assert len({one.field for one in asked}) == 6
    assert {one.reason for one in asked} <= {name, "random"}
    first = path.read_bytes()
    cryoal.ok("query", "ws", "--strategy", name, "--fields", 6, "-q", cwd=picked)
    assert path.read_bytes() == first
    out = cryoal.ok("query", "ws", "--strategy", name, "--fields", 3, "--level", "micrograph", cwd=picked)
    assert out.count("Micrographs/") == 3


@pytest.mark.slow
def test_the_same_seed_gives_the_same_picks(tmp_path: Path) -> None:
    cryoal, found = command_line(), []
    for name, seed in (("first", 3), ("second", 3), ("third", 4)):
        project = scored_project(tmp_path / name)
        cryoal.ok("train", "ws", "--members", 2, "--seed", seed, "-q", cwd=project)
        cryoal.ok("score", "ws", "--workers", 1 if name == "first" else 2, "-q", cwd=project)
        cryoal.ok("pick", "ws", "-q", cwd=project)
        folder = project / "ws/rounds/0002/picks"
        found.append({path.name: path.read_bytes() for path in folder.rglob("*.star")})
    assert len(found[0]) == 6
    assert found[0] == found[1]
    assert found[0] != found[2]
