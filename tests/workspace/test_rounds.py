import json
from pathlib import Path

import pytest

from cryoal import __version__
from cryoal.errors import FileError, FileFormatError, WorkspaceError
from cryoal.io.durable import temporary_sibling, write_atomic
from cryoal.workspace.layout import Layout
from cryoal.workspace.rounds import RoundInfo, newest_round, next_round, published_rounds, read_info

INFO = RoundInfo(members=5, seed=7, labels={"particle": 3}, details={"epochs": 4})


def test_rounds_are_numbered_and_tell_what_they_were_made_from(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    for number in (1, 2):
        with next_round(layout, INFO) as making:
            assert making.number == number
            write_atomic(making.members / "0.safetensors", b"w")
            assert len(published_rounds(layout)) == number - 1
    newest = newest_round(layout)
    assert (newest.number, newest.folder.name) == (2, "0002")
    assert read_info(newest) == INFO
    assert json.loads(newest.info.read_text())["cryoal_version"] == __version__
    assert (newest.members / "0.safetensors").read_bytes() == b"w"


def test_a_round_that_fails_is_never_seen(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with pytest.raises(ZeroDivisionError), next_round(layout, INFO) as making:
        write_atomic(making.calibration, "{}")
        _ = 1 / 0
    assert list(layout.rounds.iterdir()) == []
    with pytest.raises(WorkspaceError, match="run cryoal train"):
        newest_round(layout)


def test_what_lies_about_is_no_round(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    temporary_sibling(layout.round(1).folder).mkdir(parents=True)
    (layout.rounds / "notes").mkdir()
    assert published_rounds(layout) == []
    layout.round(12345).folder.mkdir()
    layout.round(999).folder.mkdir()
    assert [one.number for one in published_rounds(layout)] == [999, 12345]


def test_two_makers_of_one_round_do_not_mix(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with pytest.raises(FileError, match="already there"), next_round(layout, INFO), next_round(layout, INFO):
        pass
    assert [one.number for one in published_rounds(layout)] == [1]


@pytest.mark.parametrize("content", [None, "", "{", '{"members": 5}', "[1]"])
def test_a_broken_round_file_is_named(tmp_path: Path, content: str | None) -> None:
    one = Layout(tmp_path).round(1)
    one.folder.mkdir(parents=True)
    if content is not None:
        one.info.write_text(content)
    with pytest.raises(FileFormatError, match="train again") as raised:
        read_info(one)
    assert str(one.info) in str(raised.value)
