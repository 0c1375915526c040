"""Many strategies against a simulated expert: paired runs, each of which becomes a file, so that all of it resumes."""

import hashlib
import json
import multiprocessing
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

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
from cryoal.model.pretrained import weights_digest
from cryoal.simulation.learning import FULL, FULL_TWICE, Step, Task, is_scaled, run, write_scaled
from cryoal.simulation.oracle import Expert
from cryoal.workspace.layout import Layout
from cryoal.workspace.settings import Settings

_DESCRIPTION = "experiment.json"
_SPLIT = 1
_PLATEAU_SEEDS = 3


@dataclass(frozen=True)
class Experiment:
    """What is simulated, the same for every strategy.

    Attributes
    ----------
    folder : Path
        Where scaled micrographs, finished runs and results are kept.
    entries : tuple of MicrographEntry
    truth : mapping of str to float64 array, shape (N, 2)
        True centres by key, (x, y) in pixels.
    settings : Settings
    config : Config
    expert : Expert
    rounds, fields : int
        Queries a run, and fields a query.
    test_share : float
        Share of the micrographs that is kept for judging, drawn anew for each seed.

    Raises
    ------
    OptionError
        One micrograph only, or a number that is not allowed.
    """

    folder: Path
    entries: tuple[MicrographEntry, ...]
    truth: Mapping[str, NDArray[np.float64]]
    settings: Settings
    config: Config
    expert: Expert
    rounds: int = 5
    fields: int = 4
    test_share: float = 1 / 3

    def __post_init__(self) -> None:
        if len(self.entries) < 2:
            raise OptionError("--micrographs: give two with truth or more, for some are kept for judging")
        if self.rounds < 1 or self.fields < 1:
            raise OptionError(f"--rounds, --fields: {self.rounds} and {self.fields} are not allowed; give 1 or more")
        if not 0 < self.test_share < 1:
            raise OptionError(f"--test-share: {self.test_share} is not allowed; give a share above 0 and below 1")

    def task(self, strategy: str, seed: int) -> Task:
        """One run; the split is the same for all strategies of a seed."""
        order = np.random.default_rng([seed, _SPLIT]).permutation(len(self.entries))
        n_test = min(max(round(self.test_share * len(order)), 1), len(order) - 1)
        test, pool = (tuple(self.entries[i] for i in sorted(part)) for part in (order[:n_test], order[n_test:]))
        return Task(
            strategy,
            seed,
            pool,
            test,
            self.truth,
            self.settings,
            _twice_the_steps(self.config) if strategy == FULL_TWICE else self.config,
            self.expert,
            self.rounds,
            self.fields,
            self.folder / "scaled",
        )

    def describe(self) -> dict[str, Any]:
        """All that the outcome depends on beside strategy and seed, fit for JSON."""
        plain = {
            "micrographs": [entry.name for entry in self.entries],
            "truth": {key: hashlib.sha256(xy.tobytes()).hexdigest() for key, xy in self.truth.items()},
            "weights": weights_digest(),
            "diameter_angstrom": self.settings.diameter_angstrom,
            "config": asdict(self.config),
            "expert": asdict(self.expert),
            "rounds": self.rounds,
            "fields": self.fields,
            "test_share": self.test_share,
        }
        described: dict[str, Any] = json.loads(json.dumps(plain))
        return described


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
        futures = [pool.submit(_run, experiment.task(*one), _path(experiment, *one)) for one in todo]
        try:
            for done, future in enumerate(as_completed(futures), len(runs) - len(todo) + 1):
                future.result()
                yield Progress("runs", done, len(runs))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    yield [step for one in runs for step in _read(_path(experiment, *one))]


def _scale(experiment: Experiment) -> Iterator[Progress]:
    """Bring each micrograph to the picker's scale once."""
    folder = experiment.folder / "scaled"
    source = Project(Layout(folder), experiment.settings, experiment.entries, experiment.config)
    for done, entry in enumerate(experiment.entries):
        yield Progress("scaling micrographs", done, len(experiment.entries))
        if not is_scaled(folder, entry):
            write_scaled(folder, entry, source.read_scaled(entry))
    yield Progress("scaling micrographs", len(experiment.entries), len(experiment.entries))


def _twice_the_steps(config: Config) -> Config:
    """To see whether more training would do what labels are hoped to do."""
    training = config.training
    longer = replace(
        training,
        min_steps=2 * training.min_steps,
        max_steps=2 * training.max_steps,
        diameters2_per_step=training.diameters2_per_step / 2,
    )
    return replace(config, training=longer)


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
