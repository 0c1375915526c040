import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryoal.data.labels import Field, Label, Origin, Verdict
from cryoal.errors import FileError, FileFormatError
from cryoal.workspace.journal import (
    RANDOM,
    CompleteField,
    CompleteMicrograph,
    Decision,
    Retraction,
    append_decisions,
    read_journal,
)

LABEL = Label(100.5, 60.25, Verdict.PARTICLE, Origin.ANSWER, 2)
coordinate = st.floats(-1e5, 1e5).map(lambda value: round(value, 4))
labels = st.builds(Label, coordinate, coordinate, st.sampled_from(Verdict), st.sampled_from(Origin), st.integers(0, 9))
key = st.text(min_size=1).filter(lambda text: text.isprintable())
whats = (
    labels
    | st.builds(CompleteMicrograph)
    | st.builds(Retraction, st.text())
    | st.builds(CompleteField, st.builds(Field, st.just("k"), coordinate, coordinate, coordinate), st.text())
)


@settings(max_examples=40)
@given(st.lists(st.builds(Decision, whats, st.just("k"), key, st.integers(0, 99).map(float)), max_size=8))
def test_what_is_appended_is_read_labels_first(tmp_path_factory: pytest.TempPathFactory, made: list[Decision]) -> None:
    path = tmp_path_factory.mktemp("journal") / "labels.jsonl"
    append_decisions(path, made)
    read = read_journal(path)
    closing = (CompleteField, CompleteMicrograph)
    ordered = [d for d in made if not isinstance(d.what, closing)] + [d for d in made if isinstance(d.what, closing)]
    assert [(d.id, d.what, d.who, d.seconds, d.when) for d in read] == [
        (d.id, d.what, d.who, d.seconds, d.when) for d in ordered
    ]
    assert all(d.micrograph == ("" if isinstance(d.what, Retraction) else "k") for d in read)


def test_a_line_is_what_the_module_says(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    square = CompleteField(Field("a", 0, 512, 512), RANDOM)
    append_decisions(path, [Decision(square, "a", "ada"), Decision(LABEL, "a", "ada", 1.23456, "id1", "now")])
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    head = {"id": "id1", "when": "now", "who": "ada", "seconds": 1.235, "what": "label", "micrograph": "a"}
    assert first == {**head, "x": 100.5, "y": 60.25, "verdict": "particle", "origin": "answer", "class": 2}
    assert (second["what"], second["drawn"], second["size"]) == ("field", "random", 512.0)
    assert second["when"].endswith("Z")
    assert second["id"] != first["id"]


@pytest.mark.parametrize("cut", [1, 2, 10, 60])
def test_a_torn_last_line_is_dropped_and_the_next_decision_is_kept(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "labels.jsonl"
    append_decisions(path, [Decision(LABEL, "a"), Decision(LABEL, "b")])
    path.write_bytes(path.read_bytes()[:-cut])
    assert [d.micrograph for d in read_journal(path)] == ["a"]
    append_decisions(path, [Decision(LABEL, "c")])
    assert [d.micrograph for d in read_journal(path)] == ["a", "c"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "not a decision"),
        ("", "not a decision"),
        ("[]", "not a decision"),
        ('{"what": "label"}', "'id'|'micrograph'|'verdict'"),
        ('{"what": "dance"}', "'dance'"),
        ("\0" * 20, "not a decision"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "labels.jsonl"
    append_decisions(path, [Decision(LABEL, "a")])
    path.write_text(path.read_text() + line + "\n" + path.read_text())
    with pytest.raises(FileFormatError, match=words) as raised:
        read_journal(path)
    assert f"{path}, line 2:" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("x", math.nan), ("y", "3"), ("verdict", "good"), ("origin", None), ("who", 3), ("seconds", True)],
)
def test_a_wrong_value_is_named(tmp_path: Path, name: str, value: object) -> None:
    path = tmp_path / "labels.jsonl"
    append_decisions(path, [Decision(LABEL, "a")])
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}) + "\n")
    with pytest.raises(FileFormatError, match="line 1: not a decision"):
        read_journal(path)


def test_no_journal_is_an_empty_one_and_a_folder_is_an_error(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "labels.jsonl") == []
    with pytest.raises(FileError, match="cannot be read"):
        read_journal(tmp_path)


@pytest.mark.parametrize("number", [-1, 1.5, True, "2", None])
def test_a_class_is_a_whole_number_from_0_up(tmp_path: Path, number: object) -> None:
    path = tmp_path / "labels.jsonl"
    append_decisions(path, [Decision(Label(1, 2, Verdict.PARTICLE, Origin.ANSWER, 3), "a")])
    assert read_journal(path)[0].what.class_number == 3  # type: ignore[union-attr]
    path.write_text(path.read_text().replace('"class": 3', f'"class": {json.dumps(number)}'))
    with pytest.raises(FileFormatError, match=r"line 1: .*class is .*whole number from 0 up"):
        read_journal(path)
