"""Writers are really killed, at random moments; what they had finished is there, and work goes on."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cryoal.data.labels import Label, Origin, Verdict
from cryoal.io.durable import is_temporary, remove_leftovers
from cryoal.workspace.candidates import is_scored, read_candidates
from cryoal.workspace.journal import CompleteMicrograph, Decision, append_decisions, read_journal
from cryoal.workspace.layout import Layout
from cryoal.workspace.lock import writer_lock
from cryoal.workspace.rounds import RoundInfo, newest_round, next_round, published_rounds, read_info

KILLS = 12
COMMON = """
import itertools, pathlib, sys
from cryoal.workspace.layout import Layout
from cryoal.workspace.lock import writer_lock
layout = Layout(pathlib.Path(sys.argv[1]))
def tell(what):
    print(what, flush=True)
"""
LABELS = """
from cryoal.data.labels import Label, Origin, Verdict
from cryoal.workspace.journal import CompleteMicrograph, Decision, append_decisions, read_journal
with writer_lock(layout.labels_lock, "label"):
    for number in itertools.count(len(read_journal(layout.labels))):
        label = Label(number, 0, Verdict.PARTICLE, Origin.COMPLETE)
        append_decisions(layout.labels, [Decision(label, str(number), "ada")])
        tell(number)
"""
BATCHES = """
from cryoal.data.labels import Label, Origin, Verdict
from cryoal.workspace.journal import CompleteMicrograph, Decision, append_decisions
with writer_lock(layout.labels_lock, "label"):
    for number in itertools.count():
        made = [Decision(CompleteMicrograph(), "a")]
        made += [Decision(Label(x, 0, Verdict.PARTICLE, Origin.COMPLETE), "a", "w" * 100) for x in range(2000)]
        append_decisions(layout.labels, made)
        tell(number)
"""
ROUNDS = """
from cryoal.io.durable import write_atomic
from cryoal.workspace.rounds import RoundInfo, next_round
with writer_lock(layout.rounds_lock, "train"):
    while True:
        with next_round(layout, RoundInfo(3, 0, {})) as making:
            for member in range(3):
                write_atomic(making.members / f"{member}.safetensors", bytes([making.number % 256]) * 50_000)
            write_atomic(making.calibration, "{}")
        tell(making.number)
"""
CANDIDATES = """
import numpy as np
from cryoal.workspace.candidates import ScoredMicrograph, is_scored, write_candidates
round_layout = layout.round(1)
f4 = np.float32
for number in itertools.count():
    if not is_scored(round_layout, f"m/{number}"):
        xy, embedding = np.full((300, 2), number, f4), np.zeros((300, 64), np.float16)
        scored = ScoredMicrograph(xy, np.zeros((5, 300), f4), np.zeros(300, f4), embedding)
        write_candidates(round_layout, f"m/{number}", scored)
    tell(number)
"""


def kill_at_random(root: Path, code: str, rng: random.Random) -> list[int]:
    """Run the writer, kill it a moment after it finished something; the numbers of what it said it had finished."""
    command = [sys.executable, "-c", COMMON + code, str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline()]
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        told += process.stdout.read().splitlines()
    return [int(line) for line in told]


def test_labels_survive(tmp_path: Path) -> None:
    layout, rng = Layout(tmp_path), random.Random(1)
    for _ in range(KILLS):
        told = kill_at_random(tmp_path, LABELS, rng)
        decisions = read_journal(layout.labels)
        assert [decision.micrograph for decision in decisions] == [str(n) for n in range(len(decisions))]
        assert told[-1] + 1 <= len(decisions) <= told[-1] + 2


def test_a_micrograph_is_complete_only_with_all_its_labels(tmp_path: Path) -> None:
    layout, rng = Layout(tmp_path), random.Random(2)
    for _ in range(KILLS):
        kill_at_random(tmp_path, BATCHES, rng)
        labels = 0
        for decision in read_journal(layout.labels):
            if isinstance(decision.what, CompleteMicrograph):
                assert labels >= 2000
                labels = 0
            else:
                labels += 1
        layout.labels.unlink()


def test_rounds_survive_whole_or_are_not_seen(tmp_path: Path) -> None:
    layout, rng = Layout(tmp_path), random.Random(3)
    for _ in range(KILLS):
        told = kill_at_random(tmp_path, ROUNDS, rng)
        rounds = published_rounds(layout)
        assert [one.number for one in rounds] == list(range(1, len(rounds) + 1))
        assert told[-1] <= len(rounds) <= told[-1] + 1
        for one in rounds:
            assert read_info(one).members == 3
            weights = [path.read_bytes() for path in sorted(one.members.iterdir())]
            assert weights == [bytes([one.number % 256]) * 50_000] * 3
            assert one.calibration.read_text() == "{}"
    with writer_lock(layout.rounds_lock, "train"), next_round(layout, RoundInfo(5, 0, {})) as making:
        pass
    assert newest_round(layout).number == making.number == len(rounds) + 1
    assert [path for path in tmp_path.rglob("*") if is_temporary(path)] == []


def test_candidates_are_whole_and_scoring_resumes(tmp_path: Path) -> None:
    one, rng = Layout(tmp_path).round(1), random.Random(4)
    for _ in range(KILLS // 2):
        told = kill_at_random(tmp_path, CANDIDATES, rng)
        files = [path for path in one.candidates_folder.rglob("*.parquet") if not is_temporary(path)]
        assert told == list(range(told[-1] + 1))
        assert told[-1] + 1 <= len(files) <= told[-1] + 2
        for number in range(len(files)):
            assert is_scored(one, f"m/{number}")
            assert (read_candidates(one, f"m/{number}").xy == number).all()
    remove_leftovers(tmp_path)
    assert [path for path in tmp_path.rglob("*") if is_temporary(path)] == []


@pytest.mark.parametrize("torn", [1, 20, 100])
def test_work_goes_on_after_a_torn_write(tmp_path: Path, torn: int) -> None:
    journal = Layout(tmp_path).labels
    append_decisions(journal, [Decision(Label(n, 0, Verdict.PARTICLE, Origin.ANSWER), str(n)) for n in range(3)])
    journal.write_bytes(journal.read_bytes()[:-torn])
    append_decisions(journal, [Decision(CompleteMicrograph(), "3")])
    assert [decision.micrograph for decision in read_journal(journal)] == ["0", "1", "3"]
