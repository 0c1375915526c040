"""Queries: nothing complete is asked again, until nothing is left."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cryoal.acquisition.bayesian import mutual_information
from cryoal.acquisition.micrographs import Aggregation, aggregate_scores
from cryoal.config import Config, QueryConfig
from cryoal.data.labels import Field
from cryoal.errors import OptionError, WorkspaceError
from cryoal.learner import cold_start
from cryoal.learner.asking import ask_fields, ask_micrographs, open_fields
from cryoal.learner.cold_start import cold_start_pool
from cryoal.learner.project import Project
from cryoal.learner.queries import read_query
from cryoal.workspace.rounds import PRETRAINED
from cryoal.workspace.set_aside import read_set_aside, set_aside
from tests.learner.workspaces import label, new_workspace, publish_round, say, teach

KEYS = [f"Micrographs/{name}" for name in ("a_01", "a_03", "a_05", "b_06", "b_07", "b_10")]
CANDIDATES = [(40 + 60 * i, 40 + 50 * j, (1 + i + 7 * j) / 60) for i in range(6) for j in range(6)]


def scored_round(project: Project) -> None:
    """A round after the cold start that has scored everything."""
    teach(project)
    publish_round(project, dict.fromkeys(KEYS, CANDIDATES))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return new_workspace(tmp_path)


@pytest.mark.parametrize("strategy", ["random", "bald"])
def test_fields_are_asked_until_none_is_left(project: Project, strategy: str) -> None:
    scored_round(project)
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


def test_where_no_open_field_has_a_proposal_random_ones_are_asked(project: Project) -> None:
    teach(project)
    publish_round(project, {key: [(50.0, 50.0, 0.6)] for key in KEYS})
    for square in open_fields(project, {}):
        if square.contains(np.array([[50.0, 50.0]])).all():
            say(project, square.micrograph, square)
    _, asked = ask_fields(project, "entropy", 5)
    assert [one.reason for one in asked] == ["random"] * 5
    assert not any(len(one.candidates) for one in asked)


def test_where_no_open_micrograph_has_a_proposal_random_ones_are_asked(project: Project) -> None:
    teach(project)
    publish_round(project, {key: CANDIDATES if key == KEYS[0] else [] for key in KEYS})
    say(project, KEYS[0], None)
    _, asked = ask_micrographs(project, "entropy", 3)
    assert len({one.micrograph for one in asked} - {KEYS[0]}) == 3


def test_a_query_reads_as_it_was_written(project: Project) -> None:
    scored_round(project)
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
    scored_round(project)
    most = project.config.query.per_micrograph
    _, asked = ask_fields(project, "bald", 6 * most)
    assert Counter(one.field.micrograph for one in asked) == dict.fromkeys(KEYS, most)


def test_the_quota_gives_way_where_few_micrographs_are_open(project: Project) -> None:
    scored_round(project)
    for key in KEYS[1:]:
        say(project, key, None)
    assert len(ask_fields(project, "bald", 5)[1]) == 5


def test_what_is_complete_or_set_aside_is_not_asked(project: Project) -> None:
    scored_round(project)
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


def test_the_first_query_asks_about_blobs(project: Project) -> None:
    path, asked = ask_fields(project, n=8)
    assert path == project.layout.root / "query.star"
    assert {one.reason for one in asked} == {project.config.query.cold_start, "random"}
    chosen = [one for one in asked if one.reason != "random"]
    assert all(len(one.candidates) for one in chosen)
    for one in chosen:
        assert one.field.contains(one.candidates[:, :2]).all()
        assert ((one.candidates[:, 2] > 0) & (one.candidates[:, 2] < 1)).all()
    read = {one.field.micrograph: len(one.candidates) for one in read_query(path)}
    assert read.keys() == {one.field.micrograph for one in asked}
    with pytest.raises(OptionError, match="bald needs a committee that has learnt from 3 particles"):
        ask_fields(project, "bald")


@pytest.mark.parametrize("strategy", ["random", "score", "typiclust", "probcover", "k-center"])
def test_cold_start_strategies_choose_fields_and_micrographs(project: Project, strategy: str) -> None:
    assert len({one.field for one in ask_fields(project, strategy, 6)[1]}) == 6
    assert len({one.micrograph for one in ask_micrographs(project, strategy, 3)[1]}) == 3


def test_the_cold_start_lasts_until_there_are_three_labels_of_each_kind(project: Project) -> None:
    publish_round(project, {})
    assert ask_fields(project)[0] == project.layout.round(1).query
    say(project, KEYS[0], label(40, 40), label(80, 40), label(120, 40), label(40, 90, "rejected"))
    ask_fields(project)
    say(project, KEYS[0], label(80, 90, "rejected"), label(120, 90, "rejected"))
    with pytest.raises(WorkspaceError, match="has not scored any"):
        ask_fields(project)


def test_imported_positives_end_the_cold_start(project: Project) -> None:
    say(project, KEYS[0], *(label(40.0 * i, 40, origin="import") for i in range(1, 4)))
    publish_round(project, dict.fromkeys(KEYS, CANDIDATES))
    assert {one.reason for one in ask_fields(project)[1]} == {project.config.query.strategy, "random"}


def test_a_committee_that_proposes_nothing_leaves_the_query_to_blobs(project: Project) -> None:
    teach(project)
    publish_round(project, {key: [] for key in KEYS})
    path, asked = ask_fields(project, n=8)
    assert path == project.layout.round(1).query
    assert {one.reason for one in asked} == {project.config.query.cold_start, "random"}
    assert sum(len(one.candidates) for one in asked) > 0
    assert len(ask_micrographs(project, n=2)[1]) == 2
    with pytest.raises(OptionError, match="that proposes candidates"):
        ask_fields(project, "bald")


def test_few_micrographs_of_a_large_collection_are_looked_at(project: Project) -> None:
    few = replace(project, config=Config(query=QueryConfig(cold_start_micrographs=2)))
    pool = cold_start_pool(few)
    assert pool.micrographs == tuple(entry.key for entry in project.entries)
    assert np.unique(pool.micrograph).tolist() == [0, 5]
    assert np.isfinite(pool.embedding).all()


def test_a_broken_micrograph_is_set_aside_and_the_rest_is_asked_about(project: Project) -> None:
    path = project.entries[0].path
    path.unlink()
    path.write_bytes(b"no image")
    _, asked = ask_fields(project, n=4)
    assert project.entries[0].key not in {one.field.micrograph for one in asked}
    assert list(read_set_aside(project.layout)) == [project.entries[0].key]


def test_without_a_blob_fields_are_drawn_at_random(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_start, "find_blobs", lambda *_: (np.empty((0, 2)), np.empty(0)))
    assert {one.reason for one in ask_fields(project)[1]} == {"random"}


@pytest.mark.parametrize("aggregation", list(Aggregation))
def test_aggregations_are_selectable(project: Project, aggregation: str) -> None:
    scored_round(project)
    _, asked = ask_micrographs(project, "bald", 3, aggregation=aggregation)
    _, fields = ask_fields(project, "bald", 3, aggregation=aggregation)
    assert len(asked) == len(fields) == 3
    p = np.array([row[2] for row in CANDIDATES])
    bald = mutual_information(
        np.stack([[1 - q, q] for q in (np.clip(p - 0.05, 0, 1), np.clip(p + 0.05, 0, 1))]).transpose(0, 2, 1)
    )
    expected = aggregate_scores(bald, aggregation)
    assert asked[0].utility == pytest.approx(expected, rel=1e-4)


def test_a_budget_buys_what_is_worth_most_a_second(project: Project) -> None:
    teach(project)
    short = [(40.0, 40.0, 0.6)]
    publish_round(project, {key: short if key == KEYS[2] else CANDIDATES for key in KEYS})
    path, asked = ask_micrographs(project, "bald", budget_seconds=70)
    assert sum(one.seconds for one in asked) <= 70
    assert asked[0].micrograph == KEYS[2]
    assert asked[0].seconds == pytest.approx(5 + 1.5)
    assert "cryoalSeconds" in path.read_text()
    p = np.array([row[2] for row in CANDIDATES])
    assert asked[1].seconds == pytest.approx(5 + 1.5 * (p >= 0.5).sum() + 2.5 * p[p < 0.5].sum(), rel=0.01)
    drawn = ask_micrographs(project, "random", budget_seconds=100)[1]
    assert {one.reason for one in drawn} == {"random"}
    assert sum(one.seconds for one in drawn) <= 100


def test_budgets_that_buy_nothing_are_refused(project: Project) -> None:
    scored_round(project)
    for budget in (1.0, -3.0, float("nan")):
        with pytest.raises(OptionError, match=r"not enough for any micrograph, the cheapest takes about \d+"):
            ask_micrographs(project, "bald", budget_seconds=budget)
    with pytest.raises(OptionError, match="give one of them"):
        ask_micrographs(project, "bald", 3, budget_seconds=100)
    with pytest.raises(OptionError, match="k-center gives every micrograph the same utility"):
        ask_micrographs(project, "k-center", budget_seconds=100)
    with pytest.raises(OptionError, match="--aggregation: 'median' is not known; give one of topk_mean"):
        ask_micrographs(project, aggregation="median")


def test_only_micrographs_that_are_scored_are_asked_about(project: Project) -> None:
    teach(project)
    publish_round(project, dict.fromkeys(KEYS[:1], CANDIDATES))
    config = replace(project.config, query=replace(project.config.query, per_micrograph=16))
    one_scored = replace(project, config=config)
    assert {field.micrograph for field in (one.field for one in ask_fields(one_scored, "random")[1])} == {KEYS[0]}
    for field in open_fields(project, {}):
        if field.micrograph == KEYS[0]:
            say(project, field.micrograph, field)
    with pytest.raises(WorkspaceError, match="every field that is scored is labelled"):
        ask_fields(one_scored)


def test_a_committee_that_has_learnt_is_asked_for_its_own_doubts(project: Project) -> None:
    teach(project)
    publish_round(project, dict.fromkeys(KEYS, CANDIDATES), start=PRETRAINED)
    _, asked = ask_fields(project, "entropy-stratified", 8)
    assert {one.reason for one in asked} - {"random"} == {"entropy-stratified"}
