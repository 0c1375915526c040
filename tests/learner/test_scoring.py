"""Scoring: shards, too little memory, what is done is not done again."""

import numpy as np
import pytest
import torch
from scipy.special import expit, logit

from cryoal.data.micrograph import edge_distance_px
from cryoal.errors import DeviceError, OptionError
from cryoal.learner import scorer
from cryoal.learner.progress import Progress
from cryoal.learner.project import Project
from cryoal.learner.scorer import Scorer, SmallerTilesWarning
from cryoal.learner.scoring import Scored, ScoreOptions, score
from cryoal.learner.training import train
from cryoal.workspace.candidates import read_candidates
from cryoal.workspace.rounds import newest_round
from tests.learner.workspaces import label, new_workspace, result_of, say

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A workspace with one round."""
    project = new_workspace(tmp_path_factory.mktemp("scoring"))
    say(project, "Micrographs/a_01", label(100, 100), label(300, 300, "rejected"))
    result_of(train(project, device="cpu"))
    return project


def test_scoring_resumes_where_it_stopped(trained: Project) -> None:
    work = score(trained, ScoreOptions("cpu"))
    reports = [next(work) for _ in range(3)]
    assert [report.done for report in reports if isinstance(report, Progress)] == [0, 1, 2]
    work.close()  # type: ignore[attr-defined]
    done = result_of(score(trained, ScoreOptions("cpu")))
    assert isinstance(done, Scored)
    # What was at work when it was stopped was finished.
    assert done.already_scored >= 2
    assert (done.scored + done.already_scored, done.set_aside) == (6, 0)
    again = result_of(score(trained, ScoreOptions("cpu")))
    assert (again.scored, again.already_scored) == (0, 6)  # type: ignore[attr-defined]
    found = read_candidates(newest_round(trained.layout), "Micrographs/b_07")
    assert found.member_probability.shape == (2, len(found))
    mean_logit = logit(found.member_probability.astype(float)).mean(axis=0)  # so few labels calibrate nothing
    inside = edge_distance_px(found.xy.astype(float), (370, 416)) > 1.3 * 41  # nearer a margin is thought possible
    assert inside.any()
    assert found.probability[inside] == pytest.approx(expit(mean_logit[inside]), rel=1e-3)
    assert ((found.xy > -0.5) & (found.xy < [415.5, 369.5])).all()


@pytest.mark.parametrize("shard", [(0, 4), (5, 4), (1, 0), (-1, 3)])
def test_shards_that_are_none(shard: tuple[int, int]) -> None:
    with pytest.raises(OptionError, match="--shard"):
        ScoreOptions(shard=shard)


def test_too_little_memory_makes_smaller_tiles(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    scaled = trained.read_scaled(trained.entries[0])
    layout = newest_round(trained.layout)
    at_once = Scorer.load(layout, trained.config, CPU)(scaled)
    asked: list[int] = []
    real = scorer.score_tiles

    def short_of_memory(committee: object, image: object, max_tile_px: int, smoothing_px: float) -> object:
        asked.append(max_tile_px)
        if max_tile_px > 200:
            raise torch.OutOfMemoryError("too large")
        return real(committee, image, max_tile_px, smoothing_px)  # type: ignore[arg-type]

    monkeypatch.setattr(scorer, "score_tiles", short_of_memory)
    short = Scorer.load(layout, trained.config, CPU)
    with pytest.warns(SmallerTilesWarning) as said:
        in_tiles = short(scaled)
    assert [str(one.message) for one in said][-1] == (
        "cpu: too little memory for tiles of 320 pixels; going on with tiles of 160"
    )
    assert asked == [1280, 640, 320, 160]
    short(scaled)
    assert asked[4:] == [160]
    assert np.array_equal(in_tiles.xy, at_once.xy)
    assert in_tiles.probability == pytest.approx(at_once.probability, abs=1e-5)


def test_no_memory_at_all(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object) -> object:
        raise torch.OutOfMemoryError("none")

    monkeypatch.setattr(scorer, "score_tiles", no_memory)
    none = Scorer.load(newest_round(trained.layout), trained.config, CPU)
    with (
        pytest.warns(SmallerTilesWarning),
        pytest.raises(DeviceError, match=r"cpu: too little memory even for tiles of 160 pixels.*--device cpu"),
    ):
        none(trained.read_scaled(trained.entries[0]))
