from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryoal.errors import OptionError, WorkspaceError
from cryoal.workspace.layout import Layout
from cryoal.workspace.settings import Settings, read_settings, root_folder, write_settings

GOOD = 'format_version = 1\ndiameter_angstrom = 120\nsource = "*.mrc"\nroot = ".."\n'
positive = st.floats(min_value=1e-3, max_value=1e6)
text = st.text(st.characters(exclude_categories=["Cs"]))


@settings(max_examples=60)
@given(diameter=positive, source=text, root=text, pixel_size=st.none() | positive, seed=st.integers(0, 2**63 - 1))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    diameter: float,
    source: str,
    root: str,
    pixel_size: float | None,
    seed: int,
) -> None:
    layout = Layout(tmp_path_factory.mktemp("w"))
    written = Settings(diameter, source, root, pixel_size, seed)
    write_settings(layout, written)
    assert read_settings(layout) == written


def test_a_person_can_write_it(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.settings.write_text(GOOD)
    assert read_settings(layout) == Settings(120.0, "*.mrc", "..")


def test_the_root_is_relative_to_the_workspace_or_absolute(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "w")
    assert root_folder(layout, Settings(1, "", str(tmp_path))) == tmp_path
    assert root_folder(layout, Settings(1, "", "..")) == tmp_path / "w" / ".."


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (GOOD.replace("= 1\n", "= 2\n"), "format_version 2 is newer than 1.*update cryoal"),
        (GOOD.replace("= 1\n", "= 'x'\n"), "format_version is 'x'"),
        (GOOD.replace("format_version = 1\n", ""), "format_version is None"),
        (GOOD.replace("= 120", "= 0"), "diameter_angstrom: 0 is not allowed"),
        (GOOD.replace("= 120", "= nan"), "diameter_angstrom: nan is not allowed"),
        (GOOD.replace("= 120", "= true"), "diameter_angstrom is True; a number"),
        (GOOD.replace("= 120", "= 'wide'"), "diameter_angstrom is 'wide'; a number"),
        (GOOD.replace("source", "sauce"), "unknown field sauce; allowed are diameter_angstrom"),
        (GOOD.replace('root = ".."\n', ""), "root is missing; add a line root ="),
        (GOOD + "seed = -1\n", "seed: -1"),
        (GOOD + "seed\n", "not a TOML file"),
    ],
)
def test_a_bad_file_is_refused_by_field_and_value(tmp_path: Path, content: str, words: str) -> None:
    layout = Layout(tmp_path)
    layout.settings.write_text(content)
    with pytest.raises(WorkspaceError, match=words) as raised:
        read_settings(layout)
    assert str(layout.settings) in str(raised.value)


def test_a_folder_that_is_no_workspace_says_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "odd" / "workspace.toml").mkdir(parents=True)
    (tmp_path / "binary").mkdir()
    (tmp_path / "binary" / "workspace.toml").write_bytes(b"\xff\xfe")
    for name, words in {
        "none": "cryoal init",
        "file": "cryoal init",
        "odd": "cannot be read",
        "binary": "not a TOML",
    }.items():
        with pytest.raises(WorkspaceError, match=words):
            read_settings(Layout(tmp_path / name))


@pytest.mark.parametrize("diameter", [0.0, -1.0, float("inf"), float("nan")])
def test_a_diameter_that_cannot_be_is_refused(diameter: float) -> None:
    with pytest.raises(OptionError, match="diameter_angstrom"):
        Settings(diameter, "*.mrc", "..")


def test_names_of_classes_are_kept_and_optional(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    named = Settings(120, "*.mrc", "..", classes=("open", "half closed"), junk=("ice",))
    write_settings(layout, named)
    assert 'classes = ["open", "half closed"]\n' in layout.settings.read_text()
    assert read_settings(layout) == named
    write_settings(layout, Settings(120, "*.mrc", ".."))
    assert "classes" not in layout.settings.read_text()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('classes = "open"', "classes is 'open'; a list of names"),
        ('classes = ["open", "open"]', "classes: 'open' among .*different names"),
        ("junk = [1, 2]", "junk: 1 among"),
        ('junk = ["2"]', "no numbers"),
        ('junk = [" "]', "junk: ' ' among"),
        (f"classes = {[f'c{i}' for i in range(9)]}", "9 names are too many; give 8 at most"),
    ],
)
def test_names_that_cannot_be_told_apart_are_refused(tmp_path: Path, line: str, words: str) -> None:
    layout = Layout(tmp_path)
    layout.settings.write_text(GOOD + line + "\n")
    with pytest.raises(WorkspaceError, match=words):
        read_settings(layout)
