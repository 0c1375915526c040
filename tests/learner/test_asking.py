"""Queries: nothing complete is asked again, until nothing is left."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cryoal.data.labels import Field
from cryoal.errors import OptionError, WorkspaceError
from cryoal.learner.asking import ask_fields, ask_micrographs, open_fields
from cryoal.learner.project import Project
from cryoal.learner.queries import read_query
from cryoal.workspace.set_aside import set_aside
from tests.learner.workspaces import new_workspace, publish_round, say

KEYS = [f"Micrographs/{name}" for name in ("a_01", "a_03", "a_05", "b_06", "b_07", "b_10")]
CANDIDATES = [(40 + 60 * i, 40 + 50 * j, (1 + i + 7 * j) / 60) for i in range(6) for j in range(6)]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return new_workspace(tmp_path)


@pytest.mark.parametrize("strategy", ["random", "bald"])
def test_fields_are_asked_until_none_is_left(project: Project, strategy: str) -> None:
    publish_round(project, dict.fromkeys(KEYS, CANDIDATES))
    everything = open_fields(project, {})
    assert len(everything) == 6 * 6
    asked: list[Field] = []
    for expected in (16, 16, 4):
        path, chosen = ask_fields(project, strategy)
        assert len(chosen) == expected
        assert len(read_query(path)) == expected
        for one in chosen:
            say(project, one.field.micrograph, one.field)
        asked += [one.field for one in chosen]
    assert len(set(asked)) == len(asked)
    assert set(asked) == set(everything)
    with pytest.raises(WorkspaceError, match="every field is labelled"):
        ask_fields(project, strategy)


def test_a_query_reads_as_it_was_written(project: Project) -> None:
    publish_round(project, dict.fromkeys(KEYS, CANDIDATES))
    path, asked = ask_fields(project, "bald", 8)
    for read, written in zip(read_query(path), asked, strict=True):
        assert read.field.micrograph == written.field.micrograph
        assert (read.field.x, read.field.y, read.field.size) == pytest.approx(
            (written.field.x, written.field.y, written.field.size), abs=1e-3
        )
        assert (read.reason, read.utility) == (written.reason, pytest.approx(written.utility))
        order, other = np.lexsort(read.candidates.T), np.lexsort(written.candidates.T)
        assert read.candidates[order] == pytest.approx(written.candidates[other], rel=1e-5)
        assert len(read.candidates) > 0


def test_no_micrograph_gives_more_than_its_quota_while_others_can(project: Project) -> None:
    publish_round(project, dict.fromkeys(KEYS, CANDIDATES))
    most = project.config.query.per_micrograph
    _, asked = ask_fields(project, "bald", 6 * most)
    assert Counter(one.field.micrograph for one in asked) == dict.fromkeys(KEYS, most)


def test_the_quota_gives_way_where_few_micrographs_are_open(project: Project) -> None:
    publish_round(project, dict.fromkeys(KEYS, CANDIDATES))
    for key in KEYS[1:]:
        say(project, key, None)
    assert len(ask_fields(project, "bald", 5)[1]) == 5


def test_what_is_complete_or_set_aside_is_not_asked(project: Project) -> None:
    publish_round(project, dict.fromkeys(KEYS, CANDIDATES))
    say(project, KEYS[0], None)
    set_aside(project.layout, KEYS[1], "broken")
    _, asked = ask_fields(project, "bald", 24)
    assert {one.field.micrograph for one in asked} == set(KEYS[2:])
    _, whole = ask_micrographs(project, "bald")
    assert {one.micrograph for one in whole} == set(KEYS[2:])
    for key in KEYS[2:]:
        say(project, key, None)
    with pytest.raises(WorkspaceError, match="every micrograph is complete"):
        ask_micrographs(project, "bald")


def test_the_seed_decides(project: Project) -> None:
    fields = [one.field for one in ask_fields(project, seed=1)[1]]
    assert [one.field for one in ask_fields(project, seed=1)[1]] == fields
    assert [one.field for one in ask_fields(project, seed=2)[1]] != fields


def test_only_random_needs_no_committee(project: Project) -> None:
    with pytest.raises(OptionError, match="bald needs a committee"):
        ask_fields(project, "bald")
    path, asked = ask_fields(project)
    assert path == project.layout.root / "query.star"
    assert {one.reason for one in asked} == {"random"}
    publish_round(project, {})
    with pytest.raises(WorkspaceError, match="has not scored any"):
        ask_fields(project)
