"""The docs' generated parts are up to date, and their example of a strategy of one's own works."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cryoal.acquisition.strategies import STRATEGIES
from cryoal.learner.queries import read_query
from tests.command_line import ROOT, scored_project

PAGE = ROOT / "docs" / "strategies.md"
MAKER = PAGE.with_name("make_strategies.py")


def test_the_table_of_strategies_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("make_strategies", MAKER)
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    text = PAGE.read_text(encoding="utf-8")
    assert maker.page(text) == text, f"run python {MAKER.relative_to(ROOT)}"
    for name, strategy in STRATEGIES.items():
        assert f"| `{name}` | {strategy.description} |" in text


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The page's own example, installed: the module, and metadata that name its entry point."""
    text = PAGE.read_text(encoding="utf-8")
    code = re.search(r"^```python\n# my_strategy.py\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    point = re.search(r'^\[project.entry-points."cryoal.strategies"\]\n(\w+) = "(\S+)"$', text, re.MULTILINE)
    assert code
    assert point
    site = tmp_path / "site"
    info = site / "my_strategy-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "my_strategy.py").write_text(code[1])
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-strategy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[cryoal.strategies]\n{point[1]} = {point[2]}\n")
    return site


def test_a_strategy_of_another_package_answers_a_query(package: Path, tmp_path: Path) -> None:
    project = scored_project(tmp_path)

    def query(name: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cryoal", "query", "ws", "--strategy", name, "--fields", "5"]
        environment = {**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)

    done = query("doubt")
    assert done.returncode == 0, done.stderr
    reasons = [one.reason for one in read_query(project / "ws/rounds/0001/query.star")]
    assert len(reasons) == 5
    assert set(reasons) <= {"doubt", "random"}
    assert "doubt" in reasons
    wrong = query("doubts")
    assert wrong.returncode == 2
    assert wrong.stderr.rstrip().endswith("doubt")  # known strategies are named, this one among them
