import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cryoal.config import Config, NetworkConfig, TrainingConfig
from cryoal.errors import OptionError, WorkspaceError
from cryoal.learner.progress import Progress
from cryoal.learner.project import NewWorkspace
from cryoal.simulation.design import FULL, FULL_TWICE, Experiment, Task
from cryoal.simulation.experiment import open_truth, simulate
from cryoal.simulation.learning import run
from cryoal.simulation.oracle import Expert
from tests.command_line import DIAMETER, ROOT, new_project

CONFIG = Config(
    network=NetworkConfig(8, 16, (1,)),
    training=TrainingConfig(members=2, min_steps=8, max_steps=8, start="scratch", crop_diameters=3.0),
)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulate")
    root = new_project(folder)
    workspace = folder / "out" / "workspace"
    new = NewWorkspace(workspace, "micrographs.star", float(DIAMETER), particles_dark=True, root=root)
    *_, (settings, centres) = open_truth(new, root / "truth", CONFIG)
    truth = {entry.key: xy for entry, xy in centres.items()}
    return Experiment(folder / "out", tuple(centres), truth, settings, CONFIG, Expert(), rounds=2, fields=2)


def finished(work):
    reports = list(work)
    assert all(isinstance(one, Progress) for one in reports[:-1])
    return reports[-1]


@pytest.fixture(scope="module")
def steps(experiment):
    return finished(simulate(experiment, ["random", "entropy"], 1, 1))


def test_every_run_is_there(steps):
    rounds = [(step.strategy, step.queries) for step in steps]
    assert rounds == [
        *((FULL, 0), ("random", 1), ("random", 2), ("entropy", 1), ("entropy", 2), (FULL_TWICE, 0)),
    ]


def test_strategies_start_alike_and_cost_grows(steps):
    random, entropy = ([step for step in steps if step.strategy == name] for name in ("random", "entropy"))
    assert replace(random[0], strategy="entropy") == entropy[0]
    assert random[1].seconds > random[0].seconds > 0
    assert random[1].labels >= random[1].particles > 0


def test_finished_runs_are_not_done_again(experiment, steps, monkeypatch):
    def refuse(*_):
        raise AssertionError("a finished run was started again")

    monkeypatch.setattr("cryoal.simulation.experiment._run", refuse)
    assert finished(simulate(experiment, ["random", "entropy"], 1, 1)) == steps


def test_a_run_depends_on_its_seed_alone(experiment, steps, tmp_path):
    again = list(run(Task(experiment, "entropy", 0), tmp_path / "a"))
    assert again == [step for step in steps if step.strategy == "entropy"]


def test_split_is_by_micrograph_and_by_seed(experiment):
    splits = [Task(experiment, "random", seed).split for seed in range(4)]
    for pool, test in splits:
        assert not {entry.key for entry in pool} & {entry.key for entry in test}
        assert len(pool) + len(test) == len(experiment.entries)
    assert splits == [Task(experiment, FULL, seed).split for seed in range(4)]
    assert len({test for _, test in splits}) > 1


def test_another_experiment_in_the_same_folder_is_refused(experiment, steps):
    other = replace(experiment, fields=3)
    with pytest.raises(OptionError, match="other fields"):
        finished(simulate(other, ["random"], 1, 1))


def test_unknown_strategies_are_refused_before_work(experiment):
    with pytest.raises(OptionError, match="nonsense"):
        next(simulate(experiment, ["nonsense"], 1, 1))


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"fields": 0}, {"test_share": 1.0}])
def test_impossible_experiments_are_refused(experiment, wrong):
    with pytest.raises(OptionError):
        replace(experiment, **wrong)


def test_one_micrograph_is_refused(experiment):
    with pytest.raises(OptionError, match="two"):
        replace(experiment, entries=experiment.entries[:1])


def test_from_the_command_line(tmp_path):
    root = new_project(tmp_path)
    words = ["simulate", "--micrographs", "micrographs.star", "--truth", "truth", "--diameter", str(DIAMETER)]
    words += ["--strategies", "random,bald", "--seeds", "2", "--rounds", "2", "--fields", "2", "--members", "2"]
    words += ["--max-steps", "8", "--out", "out", "--polarity", "dark"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "cryoal", *words]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    table = (root / "out" / "table.md").read_text()
    assert "| random |" in table
    assert "| bald |" in table
    assert (root / "out" / "curves.png").stat().st_size > 10_000
    rows = (root / "out" / "rounds.csv").read_text().splitlines()
    assert len(rows) == 1 + 2 * (1 + 3 + 3) + 2  # full supervision, three rounds of two strategies, twice the steps
    kept = json.loads((root / "out" / "experiment.json").read_text())
    assert kept["expert"]["verify_seconds"] == 1.5
    assert np.isfinite([float(row.split(",")[6]) for row in rows[1:]]).all()


def test_a_query_without_particles_costs_time_and_teaches_nothing(experiment, tmp_path):
    nothing = {key: np.empty((0, 2)) for key in experiment.truth}
    pretrained = replace(
        experiment.config, network=NetworkConfig(), training=replace(CONFIG.training, start="pretrained")
    )
    task = Task(replace(experiment, config=pretrained, rounds=1, truth=nothing), "random", 0)
    before, after = run(task, tmp_path / "a")
    assert after.seconds > before.seconds == 0
    assert after.average_precision == before.average_precision
    assert (after.queries, after.particles) == (1, 0)


def test_killed_experiments_leave_no_workers(tmp_path):
    pids = tmp_path / "pids"
    code = (
        "import multiprocessing, os, pathlib, sys, time\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from cryoal.simulation.experiment import _take_core\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context('spawn')\n"
        "    cores = context.Queue()\n"
        "    cores.put(min(os.sched_getaffinity(0)))\n"
        "    pool = ProcessPoolExecutor(1, context, _take_core, (cores,))\n"
        "    worker = pool.submit(os.getpid).result()\n"
        "    pool.submit(time.sleep, 600)\n"
        f"    pathlib.Path({str(pids)!r}).write_text(str(worker))\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    script = tmp_path / "parent.py"
    script.write_text(code)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, str(script)], env=environment, check=False)
    worker = Path(f"/proc/{pids.read_text()}")
    for _ in range(200):
        if not worker.exists():
            return
        time.sleep(0.05)
    raise AssertionError("the worker outlived its parent by ten seconds")


def test_a_folder_of_other_micrographs_or_another_diameter_is_refused(tmp_path):
    root = new_project(tmp_path)

    def told(diameter):
        return NewWorkspace(tmp_path / "ws", "micrographs.star", diameter, particles_dark=True, root=root)

    list(open_truth(told(165.0), root / "truth", CONFIG))
    list(open_truth(told(165.0), root / "truth", CONFIG))
    with pytest.raises(WorkspaceError, match="--diameter 165"):
        list(open_truth(told(150.0), root / "truth", CONFIG))


def test_a_moved_truth_is_another_experiment(experiment):
    moved = {key: xy + 1.0 for key, xy in experiment.truth.items()}
    assert replace(experiment, truth=moved).describe() != experiment.describe()
