"""Many strategies against a simulated expert: paired runs, each of which becomes a file, so that all of it resumes."""

import json
import multiprocessing
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cryoal.acquisition.strategies import get_strategy
from cryoal.config import Config
from cryoal.data.micrograph import MicrographEntry
from cryoal.errors import OptionError
from cryoal.io.durable import write_atomic
from cryoal.io.formats import read_picks
from cryoal.io.options import ImportOptions
from cryoal.learner.opening import open_or_create
from cryoal.learner.progress import Progress, last_value
from cryoal.learner.project import NewWorkspace, Project
from cryoal.simulation.design import FULL, FULL_TWICE, Experiment, Task
from cryoal.simulation.learning import Step, is_scaled, run, write_scaled
from cryoal.workspace.layout import Layout
from cryoal.workspace.settings import Settings

_DESCRIPTION = "experiment.json"
_PLATEAU_SEEDS = 3


def open_truth(
    new: NewWorkspace, truth: Path, config: Config
) -> Iterator[Progress | tuple[Settings, dict[MicrographEntry, NDArray[np.float64]]]]:
    """List the micrographs that have a truth, the last value, with their centres; raises as `create`, `read_picks`."""
    project = yield from last_value(open_or_create(new, config))
    reading = ImportOptions(entries=project.entries, shapes=project.shapes)
    picks = read_picks([truth], reading)
    yield project.settings, {entry: picks[entry.key].xy for entry in project.entries if entry.key in picks}


def simulate(
    experiment: Experiment, strategies: Sequence[str], seeds: int, jobs: int
) -> Iterator[Progress | list[Step]]:
    """Run every strategy, and full supervision, for every seed; the last value is all rounds of all runs.

    A finished run is a file below ``runs``; called again, only what is missing is done.

    Raises
    ------
    OptionError
        A strategy is not known, or the folder holds runs of another experiment.
    MicrographError
        A micrograph cannot be used.
    """
    for name in strategies:
        get_strategy(name)
    _check_same(experiment)
    yield from _scale(experiment)
    runs = [(name, seed) for seed in range(seeds) for name in (FULL, *strategies)]
    runs += [(FULL_TWICE, seed) for seed in range(min(seeds, _PLATEAU_SEEDS))]
    todo = [one for one in runs if not _path(experiment, *one).exists()]
    yield Progress("runs", len(runs) - len(todo), len(runs))
    context = multiprocessing.get_context("spawn")
    cores = context.Queue()
    available = sorted(os.sched_getaffinity(0))
    for job in range(jobs):
        cores.put(available[job % len(available)])
    with ProcessPoolExecutor(jobs, context, _take_core, (cores,)) as pool:
        futures = [pool.submit(_run, Task(experiment, *one), _path(experiment, *one)) for one in todo]
        try:
            for done, future in enumerate(as_completed(futures), len(runs) - len(todo) + 1):
                future.result()
                yield Progress("runs", done, len(runs))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    yield [step for one in runs for step in _read(_path(experiment, *one))]


def _scale(experiment: Experiment) -> Iterator[Progress]:
    """Bring each micrograph to the picker's scale once."""
    folder = experiment.scaled
    source = Project(Layout(folder), experiment.settings, experiment.entries, experiment.config)
    for done, entry in enumerate(experiment.entries):
        yield Progress("scaling micrographs", done, len(experiment.entries))
        if not is_scaled(folder, entry):
            write_scaled(folder, entry, source.read_scaled(entry))
    yield Progress("scaling micrographs", len(experiment.entries), len(experiment.entries))


def _run(task: Task, path: Path) -> None:
    """One run, to its file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        steps = list(run(task, Path(folder) / "workspace"))
    write_atomic(path, json.dumps([asdict(step) for step in steps], indent=1) + "\n")


def _read(path: Path) -> list[Step]:
    """A finished run."""
    return [Step(**row) for row in json.loads(path.read_text(encoding="utf-8"))]


def _path(experiment: Experiment, strategy: str, seed: int) -> Path:
    """Where a run is kept."""
    return experiment.folder / "runs" / f"{strategy.replace(', ', ' ').replace(' ', '_')}-{seed}.json"


def _check_same(experiment: Experiment) -> None:
    """Refuse to mix runs of two experiments in one folder."""
    path, now = experiment.folder / _DESCRIPTION, experiment.describe()
    if not path.exists():
        write_atomic(path, json.dumps(now, indent=1) + "\n")
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    changed = [name for name in now if before.get(name) != now[name]]
    if changed:
        raise OptionError(
            f"{experiment.folder}: holds runs with other {', '.join(changed)} (see {_DESCRIPTION}); give another --out"
        )


def _take_core(cores: "multiprocessing.Queue[int]") -> None:
    """Keep a worker to a core of its own, so that its training does not fight with the others', and end it in time."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {cores.get()})


def _end_with_parent() -> None:
    """Leave no worker behind that would go on for hours after the command was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
