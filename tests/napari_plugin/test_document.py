"""The document: every gesture one line in the journal, undone by another; nothing of it knows Qt."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryoal.data.labels import Verdict
from cryoal.learner.asking import ask_micrographs
from cryoal.learner.picks import newest_picks, pick
from cryoal.learner.project import Project
from napari_plugin.document import Document
from napari_plugin.marks import State
from tests.napari_plugin.conftest import lines

VERDICTS = list(Verdict)


def test_a_query_of_whole_micrographs_is_no_queue_of_fields(project: Project) -> None:
    ask_micrographs(project, "random", 2)
    assert Document(project).questions.queue == []


def test_three_decisions_are_three_lines_on_three_targets_and_three_undos_restore_all(
    project: Project, workspace: Path
) -> None:
    document = Document(project)
    before, targets = document.snapshot(), []
    for verdict in VERDICTS:
        targets.append(document.place.target)
        assert document.judge(verdict)
    written = lines(workspace)
    assert [row["verdict"] for row in written] == ["particle", "rejected", "unsure"]
    assert len(set(targets)) == 3
    for row, target in zip(written, targets, strict=True):
        assert target is not None
        assert (row["x"], row["y"]) == pytest.approx(target, abs=1e-3)
    after = document.snapshot()
    assert after != before
    for _ in VERDICTS:
        assert document.undo()
    assert document.snapshot() == before
    for _ in VERDICTS:
        assert document.redo()
    assert document.snapshot() == after
    assert not document.redo()


@given(st.lists(st.sampled_from(["particle", "rejected", "unsure", "enter", "next", "click", "box"]), max_size=12))
@settings(max_examples=25)
def test_as_many_undos_as_steps_restore_the_document(
    template: Path, tmp_path_factory: pytest.TempPathFactory, gestures: list[str]
) -> None:
    root = tmp_path_factory.mktemp("undo") / "ws"
    root.mkdir()
    (root.parent / "Micrographs").symlink_to(template / "Micrographs")
    for name in ("workspace.toml", "micrographs.star"):
        (root / name).write_bytes((template / "ws" / name).read_bytes())
    (root / "rounds").symlink_to(template / "ws" / "rounds")
    document = Document(Project.open(root))
    steps, labels = 0, document.ledger.counts()
    rng = np.random.default_rng(0)
    for gesture in gestures:
        match gesture:
            case "enter":
                steps += document.finish_field()
            case "next":
                document.next_field()
            case "click":
                steps += document.click((float(rng.uniform(0, 800)), float(rng.uniform(0, 700))))
            case "box":
                x, y = rng.uniform(0, 600, 2)
                steps += document.judge_inside((x, x + 120), (y, y + 120), Verdict.REJECTED)
            case _:
                steps += document.judge(Verdict(gesture))
    for _ in range(steps):
        assert document.undo()
    assert document.ledger.counts() == labels
    assert not document.undo()
    assert all(not document.questions.is_finished(one.field) for one in document.questions.queue)


def test_reopening_goes_on_at_the_same_target(project: Project) -> None:
    document = Document(project)
    for _ in range(7):
        document.judge(Verdict.PARTICLE)
    document.remember()
    again = Document(Project.open(project.layout.root))
    assert again.place.target == document.place.target
    assert again.place.field == document.place.field
    assert again.undo()
    assert again.ledger.counts() == Counter({Verdict.PARTICLE: 6})


def test_what_is_shown_is_what_is_exported(project: Project) -> None:
    document = Document(project)
    for verdict in VERDICTS * 4:
        document.judge(verdict)
    document.finish_field()
    document.click((400.0, 300.0))
    for threshold in (0.2, 0.5, 0.8):
        document.threshold = threshold
        list(pick(project, threshold=threshold))
        _, picked = newest_picks(project)
        for entry, picks in picked:
            marks = document.marks(entry.key)
            drawn = rounded(marks.xy[marks.of(State.PROPOSED, State.ACCEPTED, State.ADDED)])
            assert (marks.score[marks.of(State.PROPOSED)] >= threshold).all()
            assert rounded(document.picks(entry.key).xy) == rounded(picks.xy)
            assert drawn <= rounded(picks.xy)
            assert rounded(picks.xy) - drawn <= rounded(marks.xy[marks.of(State.UNSURE)])


def rounded(xy: np.ndarray) -> set[tuple[float, float]]:
    return {(round(float(x) + 0.013, 1), round(float(y) + 0.013, 1)) for x, y in xy}  # no ties: candidates are float32


def test_enter_finishes_the_field_that_was_left(project: Project, workspace: Path) -> None:
    document = Document(project)
    first = document.place.field
    while document.place.field == first:
        document.judge(Verdict.PARTICLE)
    assert document.place.to_finish == first
    place = document.place
    assert document.finish_field()
    assert first is not None
    assert document.questions.is_finished(first)
    assert (document.place.field, document.place.target) == (place.field, place.target)
    assert lines(workspace)[-1]["what"] == "field"
    assert place.field is not None
    assert not document.questions.is_finished(place.field)


def test_clicks_accept_add_and_reject(project: Project) -> None:
    document = Document(project)
    marks = document.marks()
    at = marks.xy[marks.of(State.PROPOSED)][0]
    assert document.click((at[0] + 3, at[1] - 3))
    assert document.marks().nearest((at[0], at[1]), 0.1, State.ACCEPTED) is not None
    assert not document.click((at[0], at[1]))
    assert document.reject_at((at[0], at[1]))
    assert document.marks().nearest((at[0], at[1]), 0.1, State.REJECTED) is not None
    assert not document.click((-40.0, 5.0))


def test_moving_a_particle_leaves_one(project: Project) -> None:
    document = Document(project)
    free = next(
        (float(x), float(y))
        for x in range(60, 700, 20)
        for y in range(60, 600, 20)
        if document.marks().nearest((x, y), 60, *State) is None
    )
    document.click(free)
    assert document.move(free, (free[0] + 40, free[1]))
    assert document.ledger.counts()[Verdict.PARTICLE] == 1
    document.undo()
    known = document.ledger.labels(document.place.micrograph)
    assert [(one.x, one.y) for one in known.labels] == [free]


def test_a_kill_at_any_moment_loses_nothing_older_than_the_last_decision(workspace: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom cryoal.data.labels import Verdict\n"
        "from cryoal.learner.project import Project\nfrom napari_plugin.document import Document\n"
        "document = Document(Project.open(Path(sys.argv[1])))\n"
        "print('ready', flush=True)\n"
        "for i in range(100000):\n"
        "    done = document.judge(Verdict.PARTICLE) if i % 5 else document.undo()\n"
        "    document.remember()\n"
        "    print(document.ledger.made, flush=True)\n"
    )
    rng = np.random.default_rng(3)
    for _ in range(3):
        before = len(lines(workspace))
        process = subprocess.Popen([sys.executable, "-c", script, str(workspace)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0.05, 0.3))
        os.kill(process.pid, signal.SIGKILL)
        told = process.stdout.read().splitlines()
        process.wait()
        said = int(told[-1]) if told and told[-1].isdigit() else 0
        assert len(lines(workspace)) - before >= said
        document = Document(Project.open(workspace))
        assert document.place.target is None or document.place.micrograph in document.keys
