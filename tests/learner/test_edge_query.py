"""A query begins at an edge while it is open whether particles are marked there."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from cryoal.config import Config
from cryoal.data.candidates import QueriedField
from cryoal.data.micrograph import edge_distance_px
from cryoal.learner.asking import ask_fields
from cryoal.learner.edge_query import REASON
from cryoal.learner.pretrained import publish_pretrained
from cryoal.learner.project import Project
from cryoal.learner.scoring import ScoreOptions, score
from cryoal.model.calibration import read_calibration
from cryoal.model.margin import BELIEVED, is_open, unmarked_within
from cryoal.workspace.rounds import newest_round
from tests.learner.workspaces import new_workspace, result_of


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A workspace that the shipped committee has scored."""
    made = new_workspace(tmp_path_factory.mktemp("edge_query"), Config())
    publish_pretrained(made)
    result_of(score(made, ScoreOptions("cpu")))
    return made


def near_edge(project: Project, one: QueriedField) -> int:
    """Likely candidates of a field within 1.25 diameters from an edge."""
    distance = edge_distance_px(one.candidates[:, :2], project.shapes[one.field.micrograph])
    inside = distance < 1.25 * project.diameter_px(project.by_key[one.field.micrograph])
    return int((inside & (one.candidates[:, 2] > 0.2)).sum())


def named(asked: Sequence[QueriedField]) -> set[tuple[str, float, float]]:
    return {(one.field.micrograph, one.field.x, one.field.y) for one in asked}


def think(project: Project, unmarked: tuple[float, ...]) -> None:
    """Let the newest round think this of the margin; candidates stay as they are."""
    path = newest_round(project.layout).calibration
    path.write_text(json.dumps(replace(read_calibration(path), unmarked=unmarked).to_dict()))


def test_what_is_open() -> None:
    assert is_open(BELIEVED)
    assert not is_open(())
    assert not is_open(unmarked_within(1.0))
    assert not is_open((0.1, 0.05))


def test_the_first_field_tells_of_the_edge_while_that_is_open(project: Project) -> None:
    for seed in range(5):
        think(project, BELIEVED)
        _, asked = ask_fields(project, n=4, seed=seed)
        think(project, ())
        _, without = ask_fields(project, n=4, seed=seed)
        assert len(named(asked)) == len(asked) == 4
        assert near_edge(project, asked[0]) == max(near_edge(project, one) for one in asked) > 1
        if REASON in [one.reason for one in asked]:
            assert asked[0].reason == REASON
            assert len(named(asked) - named(without)) == 1  # one was given up for it
        else:
            assert named(asked) == named(without)
        if max(near_edge(project, one) for one in without) < 2:
            assert asked[0].reason == REASON


def test_a_field_at_an_edge_is_found_where_the_strategy_chose_none(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    think(project, BELIEVED)
    inner = [one for seed in range(20) for one in ask_fields(project, "random", 4, seed)[1]]
    inner = [one for one in inner if near_edge(project, one) == 0][:3]
    from cryoal.learner import asking

    monkeypatch.setattr(asking, "query_fields", lambda *_, **__: inner)
    _, asked = ask_fields(project, n=3)
    assert asked[0].reason == REASON
    assert near_edge(project, asked[0]) > 0
    assert named(asked[1:]) < named(inner)


def test_a_strategy_that_is_named_is_left_alone(project: Project) -> None:
    think(project, BELIEVED)
    _, asked = ask_fields(project, "random", 6, 1)
    assert {one.reason for one in asked} == {"random"}
    think(project, ())
    _, again = ask_fields(project, "random", 6, 1)
    assert [one.field for one in asked] == [one.field for one in again]
    assert np.isfinite([one.utility for one in asked]).all()
