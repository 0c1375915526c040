"""Picks: what the expert said always holds, and the threshold is chosen where no expert spoke."""

from pathlib import Path

import numpy as np
import pytest

from cryoal.data.classes import Classes
from cryoal.data.labels import Field
from cryoal.data.picks import Picks
from cryoal.errors import OptionError, WorkspaceError
from cryoal.learner.picks import Picked, newest_picks, pick
from cryoal.learner.project import Project
from tests.learner.workspaces import label, new_workspace, publish_round, result_of, say

A, B, C = "Micrographs/a_01", "Micrographs/a_03", "Micrographs/a_05"
DIAMETER_PX = 165 / 4


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return new_workspace(tmp_path)


def picked(project: Project, **wish: float) -> tuple[Picked, dict[str, Picks]]:
    """Pick, and read what was written."""
    done = result_of(pick(project, **wish))
    assert isinstance(done, Picked)
    return done, {entry.key: picks for entry, picks in newest_picks(project)[1]}


def positions(picks: Picks) -> list[tuple[float, float]]:
    return sorted(zip(picks.x.tolist(), picks.y.tolist(), strict=True))


def test_the_expert_is_never_overruled(project: Project) -> None:
    candidates = [(100, 100, 0.99), (200, 100, 0.98), (300, 100, 0.97), (200, 300, 0.96), (350, 350, 0.01)]
    publish_round(project, {A: candidates, B: candidates, C: candidates})
    say(project, A, label(102, 101), label(201, 99, "rejected"), label(300, 100, "unsure"), label(30, 30, number=3))
    say(project, B, None, label(350, 350, origin="complete"))
    say(project, C, Field(C, 150, 50, 120), label(160, 60, origin="complete"))
    done, found = picked(project, threshold=0.5)
    assert positions(found[A]) == [(30, 30), (102, 101), (200, 300), (300, 100)]  # what is unsure is the committee's
    assert positions(found[B]) == [(350, 350)]
    assert positions(found[C]) == [(100, 100), (160, 60), (200, 300), (300, 100)]
    score = dict(zip(positions(found[A]), found[A].score[np.lexsort((found[A].y, found[A].x))], strict=True))
    assert score[30, 30] == score[102, 101] == 1
    assert score[200, 300] == pytest.approx(0.96)
    assert found[A].class_number[np.argmin(found[A].x)] == 3
    assert (done.picks, done.micrographs, done.not_scored) == (9, 3, 3)


@pytest.mark.parametrize("seed", range(10))
def test_picks_of_random_labels_against_a_naive_rule(project: Project, seed: int) -> None:
    rng = np.random.default_rng(seed)
    candidates = np.column_stack([rng.uniform(0, 400, 60), rng.uniform(0, 360, 60), rng.uniform(0, 1, 60)])
    said = [
        label(x, y, rng.choice(["particle", "rejected", "unsure"])) for x, y in rng.uniform(0, 360, (15, 2)).round(2)
    ]
    fields = [Field(A, x, y, 60.0) for x, y in rng.uniform(0, 300, (2, 2)).round(1)]
    publish_round(project, {A: [tuple(row) for row in candidates]})
    say(project, A, *said, *fields)
    _, found = picked(project, threshold=0.4)
    reach = {"particle": 0.5 * DIAMETER_PX, "rejected": 0.3 * DIAMETER_PX, "unsure": -1.0}
    kept = [(one.x, one.y) for one in project.labels()[A].labels if one.verdict == "particle"]
    for x, y, p in candidates.astype(np.float32).astype(float):
        answered = any(np.hypot(one.x - x, one.y - y) <= reach[one.verdict] for one in project.labels()[A].labels)
        shown = any(f.x <= x < f.x + f.size and f.y <= y < f.y + f.size for f in fields)
        if p >= 0.4 and not answered and not shown:
            kept.append((x, y))
    assert np.array(positions(found[A])) == pytest.approx(np.array(sorted(kept)), abs=1e-4)


def test_the_threshold_is_chosen_where_no_expert_spoke(project: Project) -> None:
    publish_round(
        project, {A: [(100, 100, 1.0)] * 50, B: [(50 + 50 * i, 100, p) for i, p in enumerate([0.9, 0.8, 0.1])]}
    )
    say(project, A, None)
    done, found = picked(project, precision=0.84)
    assert done.threshold == pytest.approx(0.8)
    assert done.expected_precision == pytest.approx(0.85)
    assert len(found[A]) == 0
    assert len(found[B]) == 2
    done, _ = picked(project)
    assert done.threshold == pytest.approx(0.8)  # expected F1: 0.9 → 0.64, 0.8 → 0.89, 0.1 → 0.75


def test_where_all_is_judged_the_marks_are_the_picks(project: Project) -> None:
    publish_round(project, {A: [(100, 100, 0.9)]})
    say(project, A, None, label(60, 60, origin="complete"))
    done, found = picked(project)
    assert positions(found[A]) == [(60, 60)]
    assert np.isnan(done.expected_precision)


def test_a_threshold_is_inclusive_and_replaces_older_picks(project: Project) -> None:
    publish_round(project, {A: [(100, 100, 0.7), (200, 200, 0.3)], B: []})
    assert len(picked(project, threshold=0.0)[1][A]) == 2
    first = picked(project, threshold=float(np.float32(0.7)))[1]
    assert positions(first[A]) == [(100, 100)]
    assert len(first[B]) == 0


def test_picks_of_an_older_round_are_used_until_there_are_newer(project: Project) -> None:
    publish_round(project, {A: [(100, 100, 0.7)]})
    picked(project, threshold=0.5)
    publish_round(project, {})
    assert newest_picks(project)[0].number == 1
    with pytest.raises(WorkspaceError, match="round 2 has scored nothing"):
        result_of(pick(project))


@pytest.mark.parametrize("after", ["publishing the new", "moving the old away", "nothing"])
def test_a_kill_while_picks_are_put_in_place_leaves_the_old_or_the_new(
    project: Project, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    publish_round(project, {A: [(100, 100, 0.7), (200, 200, 0.3)]})
    picked(project, threshold=0.5)
    rename, calls = Path.rename, []

    def killed(self: Path, target: Path) -> Path:
        if not target.name.startswith("picks"):
            return rename(self, target)
        if len(calls) == ["nothing", "publishing the new", "moving the old away"].index(after):
            raise KeyboardInterrupt
        calls.append(target)
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            picked(project, threshold=0.1)
    found = {entry.key: picks for entry, picks in newest_picks(project)[1]}
    assert len(found[A]) == (2 if after == "moving the old away" else 1)
    assert len(picked(project, threshold=0.1)[1][A]) == 2
    assert {path.name for path in project.layout.round(1).folder.iterdir() if "picks" in path.name} == {"picks"}


@pytest.mark.parametrize(
    "wish", [{"threshold": -0.1}, {"threshold": float("nan")}, {"precision": 0.0}, {"threshold": 0.5, "precision": 0.5}]
)
def test_impossible_wishes(project: Project, wish: dict[str, float]) -> None:
    with pytest.raises(OptionError):
        result_of(pick(project, **wish))


def test_a_pick_has_its_most_probable_class_and_the_expert_the_last_word(project: Project) -> None:
    candidates = [(100, 100, 0.9, 0.8, 0.2), (200, 100, 0.9, 0.1, 0.9), (300, 100, 0.9, 0.1, 0.9)]
    publish_round(project, {A: candidates}, Classes((4, 7)))
    say(project, A, label(202, 100, number=4), label(301, 101), label(50, 300))
    _, found = picked(project, threshold=0.5)
    classes = dict(zip(zip(found[A].x, found[A].y, strict=True), found[A].class_number, strict=True))
    # the committee's; the expert's own; the candidate's where the expert gave none; none where there is no candidate
    assert classes == {(100, 100): 4, (202, 100): 4, (301, 101): 7, (50, 300): 0}
