"""The README's commands and Python are run, in order, in one folder; what is shown as output is not compared.

A block after ``<!-- not run: reason -->`` is left out.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(
    r"(?P<skip><!-- not run: [^\n]+ -->\n+)?^```(?P<kind>console|python)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A block of the README: the line it begins on, console or python, what to run."""

    line: int
    kind: str
    code: str


def blocks(text: str) -> list[Block]:
    """The blocks to run."""
    found = []
    for match in BLOCK.finditer(text):
        code = match["code"] if match["kind"] == "python" else commands(match["code"])
        if not match["skip"]:
            found.append(Block(text.count("\n", 0, match.start("kind")) + 1, match["kind"], code))
    return found


def commands(console: str) -> str:
    """The lines after a $ prompt, with the lines that continue them."""
    kept, continues = [], False
    for line in console.splitlines():
        if line.startswith("$ ") or continues:
            kept.append(line if continues else line[2:])
            continues = line.endswith("\\")
    return "\n".join(kept)


def run(block: Block, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a block as a reader would, with .venv active."""
    command = [sys.executable, "-c"] if block.kind == "python" else ["bash", "-euo", "pipefail", "-c"]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        [*command, block.code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_blocks_are_found_with_their_commands() -> None:
    text = (
        "# T\n```console\n$ cryoal init w \\\n    --diameter 100\nmade w\n$ ls\n```\n"
        "<!-- not run: needs a window -->\n```console\n$ cryoal gui w\n```\n```python\nprint(1)\n```\n```\n$ no\n```\n"
    )
    assert blocks(text) == [
        Block(2, "console", "cryoal init w \\\n    --diameter 100\nls"),
        Block(12, "python", "print(1)\n"),
    ]


def test_a_failing_block_fails(tmp_path: Path) -> None:
    assert run(Block(1, "console", "false\ntrue"), tmp_path).returncode == 1
    assert run(Block(1, "python", "raise SystemExit(3)"), tmp_path).returncode == 3
    assert run(Block(1, "console", "python -c 'import cryoal'"), tmp_path).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not README.exists(), reason="there is no README.md yet")
def test_the_readme_does_what_it_says(tmp_path: Path) -> None:
    if (ROOT / "sample_data").is_dir():
        shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    todo = blocks(README.read_text(encoding="utf-8"))
    assert todo, "README.md has no block to run"
    for block in todo:
        result = run(block, tmp_path)
        assert result.returncode == 0, f"README.md:{block.line}\n{block.code}\n{result.stdout}\n{result.stderr}"
