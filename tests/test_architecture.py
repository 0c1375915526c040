"""The house rules that no linter checks."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cryoal import __version__

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = [name for name in ("cryoal", "napari_plugin") if (ROOT / name).is_dir()]
MODULES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:home|root|opt|tmp|work)/\w")
HEAVY = ("torch", "napari", "qtpy", "PyQt5", "PyQt6", "PySide2", "PySide6", "magicgui")
UNSAFE = ("pickle", "dill", "shelve")
MAX_FILE_LINES, MAX_FUNCTION_LINES = 320, 50


def objections(source: str) -> list[str]:
    """What the rules have against a module."""
    tree = ast.parse(source)
    found = []
    if source.strip() and not ast.get_docstring(tree):
        found.append("no module docstring")
    if source.count("\n") > MAX_FILE_LINES:
        found.append(f"{source.count(chr(10))} lines")
    if MACHINE_PATH.search(source):
        found.append("an absolute path of one machine")
    for node in ast.walk(tree):
        found += [f"line {getattr(node, 'lineno', 0)}: {what}" for what in node_objections(node)]
    return found


def node_objections(node: ast.AST) -> list[str]:
    """What the rules have against one node."""
    found = []
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            lines = (node.end_lineno or 0) - node.body[0].lineno + 1
            if lines > MAX_FUNCTION_LINES:
                found.append(f"{node.name} has {lines} lines")
        case ast.Import(names):
            found += [f"imports {name.name}" for name in names if name.name.split(".")[0] in UNSAFE]
        case ast.ImportFrom(module) if module in UNSAFE:
            found.append(f"imports {module}")
        case ast.Call(ast.Name("eval" | "exec" as name)):
            found.append(f"calls {name}")
        case ast.Call(ast.Attribute(ast.Name("torch"), "load")):
            found.append("calls torch.load")
        case ast.keyword("allow_pickle", ast.Constant(True)):
            found.append("allows pickle")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_keeps_the_house_rules(path: Path) -> None:
    assert objections(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "objection"),
    [
        ("x = 1", "no module docstring"),
        ('"""D."""\n' * 321, "321 lines"),
        ('"""D."""\nHERE = "' + "/".join(["", "work", "main"]) + '"', "an absolute path of one machine"),
        ('"""D."""\ndef f():\n' + "    x = 1\n" * 51, "line 2: f has 51 lines"),
        ('"""D."""\nimport pickle', "line 2: imports pickle"),
        ('"""D."""\nfrom pickle import load', "line 2: imports pickle"),
        ('"""D."""\neval("1")', "line 2: calls eval"),
        ('"""D."""\ntorch.load("x")', "line 2: calls torch.load"),
        ('"""D."""\nnp.load("x", allow_pickle=True)', "line 2: allows pickle"),
    ],
)
def test_the_rules_find_what_they_forbid(source: str, objection: str) -> None:
    assert objection in objections(source)


def test_imports_go_one_way() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def heavy_modules_after(code: str) -> str:
    """Which heavy packages a fresh Python has loaded after running the code."""
    code += f"\nimport sys\nprint('HEAVY', *sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return result.stderr.splitlines()[-1].removeprefix("HEAVY").strip()


def test_import_is_light() -> None:
    assert heavy_modules_after("import cryoal") == ""


def test_help_is_light() -> None:
    if importlib.util.find_spec("cryoal.cli") is None:
        pytest.skip("there is no command line yet")
    run = "import sys\nfrom cryoal.cli.main import main\nsys.argv = ['cryoal', '--help']\n"
    assert heavy_modules_after(run + "try:\n    main()\nexcept SystemExit:\n    pass") == ""


@pytest.mark.parametrize("name", ["CHANGELOG.md", "CITATION.cff"])
def test_the_version_is_told(name: str) -> None:
    assert re.search(rf"\b{re.escape(__version__)}\b", (ROOT / name).read_text(encoding="utf-8"))
