"""Before anything is labelled: the committee that ships with the package."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from cryoal.config import Config, NetworkConfig
from cryoal.errors import OptionError
from cryoal.evaluation.curves import precision_recall_curve
from cryoal.evaluation.matching import match
from cryoal.io.relion import read
from cryoal.learner.asking import ask_fields
from cryoal.learner.picks import pick
from cryoal.learner.pretrained import publish_pretrained
from cryoal.learner.project import NewWorkspace, Project, create
from cryoal.learner.scoring import score
from cryoal.learner.status import advice
from cryoal.workspace.candidates import read_candidates
from cryoal.workspace.rounds import newest_round, published_rounds, read_info
from tests.command_line import DIAMETER, new_project
from tests.learner.workspaces import result_of


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = new_project(tmp_path_factory.mktemp("zero"))
    new = NewWorkspace(root / "ws", "micrographs.star", float(DIAMETER), particles_dark=True, root=root)
    project = result_of(create(new, Config()))
    assert isinstance(project, Project)
    assert "cryoal score" in advice(project)
    result_of(score(project))
    return project


def test_the_first_round_is_the_shipped_committee(scored: Project) -> None:
    info = read_info(newest_round(scored.layout))
    assert info.is_pretrained
    assert (info.members, info.labels["particle"]) == (5, 0)
    assert "cryoal query" in advice(scored)


def test_unseen_particles_are_found_without_labels(scored: Project) -> None:
    scores, correct, n_truth = [], [], 0
    for entry in scored.entries:
        found = read_candidates(newest_round(scored.layout), entry.key)
        truth = next(iter(read(scored.root / "truth" / f"{Path(entry.name).stem}.star").values())).xy
        pairs = match(found.xy, truth, 0.3 * scored.diameter_px(entry), found.probability)
        scores.append(found.probability)
        correct.append(pairs.correct)
        n_truth += len(truth)
    curve = precision_recall_curve(np.concatenate(scores), np.concatenate(correct), n_truth)
    assert curve.best_f1[0] > 0.7


def test_committee_strategies_choose_and_picks_are_made_without_labels(scored: Project) -> None:
    _, asked = ask_fields(scored, "bald", 4)
    assert {one.reason for one in asked} <= {"bald", "random"}
    assert sum(len(one.candidates) for one in asked) > 0
    assert result_of(pick(scored)).picks > 20  # type: ignore[attr-defined]


def test_doubts_of_the_shipped_committee_are_not_asked_about_where_a_strategy_says_so(scored: Project) -> None:
    _, asked = ask_fields(scored, "entropy-stratified", 4)
    assert {one.reason for one in asked} <= {"foreground-random", "random"}


def test_another_network_cannot_be_the_shipped_one(tmp_path: Path) -> None:
    root = new_project(tmp_path)
    new = NewWorkspace(root / "ws", "micrographs.star", float(DIAMETER), particles_dark=True, root=root)
    project = result_of(create(new, Config(network=NetworkConfig(8, 16, (1,)))))
    assert isinstance(project, Project)
    with pytest.raises(OptionError, match="another size"):
        result_of(score(project))


def test_shards_that_start_together_make_one_round(tmp_path: Path) -> None:
    root = new_project(tmp_path)
    new = NewWorkspace(root / "ws", "micrographs.star", float(DIAMETER), particles_dark=True, root=root)
    project = result_of(create(new, Config()))
    assert isinstance(project, Project)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: publish_pretrained(project), range(3)))
    assert [one.number for one in published_rounds(project.layout)] == [1]
