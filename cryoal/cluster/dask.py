"""Scoring over the workers of a Dask cluster: tasks write files, so that a task that is done again changes nothing."""

import functools
import importlib
import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cryoal.config import Config
from cryoal.data.micrograph import MicrographEntry
from cryoal.errors import OptionError
from cryoal.learner.progress import Progress
from cryoal.learner.project import Project
from cryoal.learner.scorer import Scorer
from cryoal.learner.scoring import Scored, ScoreOptions, plan_scoring, score_entries
from cryoal.model.devices import devices_named
from cryoal.workspace.candidates import is_scored
from cryoal.workspace.layout import RoundLayout

_PER_TASK = 4
_SLURM_JOBS = 4
_CONNECT_SECONDS = 30.0
_WAIT_SECONDS = 2.0
_FORMS = "ADDRESS, a scheduler's .json file, slurm[:JOBS] or local:WORKERS"


def score_on_cluster(project: Project, options: ScoreOptions, where: str) -> Iterator[Progress | Scored]:
    """Score all micrographs that the newest round has not scored, as `cryoal.learner.scoring.score`, over a cluster.

    Workers must see the workspace and the micrographs by the same paths. What a lost worker was doing, at most four
    micrographs, another does again.

    Parameters
    ----------
    where : str
        A scheduler's address, the ``.json`` file that it wrote, ``slurm`` or ``slurm:JOBS`` (jobs as Dask's own
        configuration of ``jobqueue.slurm`` describes them), or ``local:WORKERS`` (processes of this machine).

    Raises
    ------
    OptionError
        `where` is none of these, no scheduler answers, or Dask is not installed.
    WorkspaceError
        No micrograph is to be found, or a worker does not see the workspace.
    DeviceError
        A worker has not the device asked for, or too little memory for the smallest tile.
    """
    plan = plan_scoring(project, options)
    if not plan.entries:
        yield Progress("scoring", 0, 0)
        yield Scored(plan.layout.number, 0, plan.already, 0, 0)
        return
    with ExitStack() as stack:
        client = _client(where, stack)
        yield from _wait_for_workers(client)
        failed, candidates, lost = yield from _gather(client, project, plan.layout, plan.entries, options)
    yield Scored(plan.layout.number, len(plan.entries) - failed - lost, plan.already, failed, candidates)


def score_some(
    workspace: str, round_number: int, keys: Sequence[str], options: ScoreOptions, listed: int
) -> tuple[int, int, list[str]]:
    """One task, on a worker: score some micrographs but those that are scored; gives set aside, candidates and notes.

    `listed`, the number of micrographs in the list, tells when what the worker remembers of the workspace is old.

    Raises
    ------
    WorkspaceError, DeviceError, FileError
        As `cryoal.learner.scoring.score`.
    """
    project, layout, scorers = _opened(workspace, round_number, options.device, listed)
    entries = [project.by_key[key] for key in keys if not is_scored(layout, key)]
    work = score_entries(project, layout, scorers, entries, options.workers)
    notes: list[str] = []
    while True:
        try:
            report = next(work)
        except StopIteration as end:
            failed, candidates = end.value
            return failed, candidates, notes
        notes += [report.note] if report.note else []


@functools.lru_cache(maxsize=1)
def _opened(
    workspace: str,
    round_number: int,
    device: str,
    listed: int,  # noqa: ARG001
) -> tuple[Project, RoundLayout, tuple[Scorer, ...]]:
    """A worker's workspace and committee, read once."""
    project = Project.open(Path(workspace), Config())
    layout = project.layout.round(round_number)
    return project, layout, Scorer.load_all(layout, project.config, devices_named(device))


def _gather(
    client: Any, project: Project, layout: RoundLayout, entries: Sequence[MicrographEntry], options: ScoreOptions
) -> Generator[Progress, None, tuple[int, int, int]]:
    """Hand out the tasks and count what comes back: set aside, candidates, and micrographs whose workers were lost."""
    distributed = _module("distributed")
    root, listed = str(project.layout.root.absolute()), len(project.entries)
    keys = [entry.key for entry in entries]
    some = [keys[start : start + _PER_TASK] for start in range(0, len(keys), _PER_TASK)]
    futures = {client.submit(score_some, root, layout.number, one, options, listed, pure=False): one for one in some}
    failed, candidates, lost, done = 0, 0, 0, 0
    yield Progress("scoring", 0, len(keys))
    try:
        for future in distributed.as_completed(futures):
            done += len(futures[future])
            try:
                new_failed, new_candidates, notes = future.result()
            except distributed.KilledWorker:
                missing = [key for key in futures[future] if not is_scored(layout, key)]
                lost += len(missing)
                notes = [f"{key}: worker after worker was lost at it; run cryoal score again" for key in missing]
            else:
                failed, candidates = failed + new_failed, candidates + new_candidates
            for note in notes:
                yield Progress("scoring", done, len(keys), note)
            yield Progress("scoring", done, len(keys))
    finally:
        client.cancel([*futures])
    return failed, candidates, lost


def _wait_for_workers(client: Any) -> Generator[Progress, None, None]:
    """Wait for the first worker, as long as it takes: jobs may have to queue."""
    yield Progress("waiting for workers", 0, 1)
    while not client.scheduler_info()["workers"]:
        try:
            client.wait_for_workers(1, timeout=_WAIT_SECONDS)
        except TimeoutError:
            yield Progress("waiting for workers", 0, 1)
    yield Progress("waiting for workers", 1, 1)


def _client(where: str, stack: ExitStack) -> Any:
    """Connect, and where it is ours to start the cluster first; the stack ends both."""
    distributed = _module("distributed")
    kind, _, number = where.partition(":")
    try:
        if kind == "local":
            # a worker that is closed while its heartbeat is under way logs an error, though nothing is amiss
            settings = {"threads_per_worker": 1, "dashboard_address": None, "silence_logs": logging.CRITICAL}
            cluster = stack.enter_context(distributed.LocalCluster(n_workers=_number(where, number), **settings))
            return stack.enter_context(distributed.Client(cluster))
        if kind == "slurm":
            jobs = _number(where, number or str(_SLURM_JOBS))
            cluster = stack.enter_context(_module("dask_jobqueue").SLURMCluster())
            cluster.scale(jobs=jobs)
            return stack.enter_context(distributed.Client(cluster))
        told = {"scheduler_file": where} if where.endswith(".json") else {"address": where}
        if "scheduler_file" in told and not Path(where).is_file():
            raise OptionError(f"--dask: {where} is not there; give the file that dask scheduler --scheduler-file wrote")
        return stack.enter_context(distributed.Client(**told, timeout=_CONNECT_SECONDS))
    except (OSError, ValueError, TypeError) as error:
        if isinstance(error, OptionError):
            raise
        reason = " ".join(str(error).split())
        remedy = "set jobqueue.slurm in Dask's configuration" if kind == "slurm" else f"give {_FORMS}"
        raise OptionError(f"--dask: {where}: no cluster there ({reason}); {remedy}") from error


def _number(where: str, text: str) -> int:
    """How many workers or jobs."""
    if not (text.isdecimal() and int(text) > 0):
        raise OptionError(f"--dask: {where!r} is not allowed; give {_FORMS}")
    return int(text)


def _module(name: str) -> Any:
    """Dask's module, imported when it is asked for."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise OptionError(f"--dask: {name} is not installed ({error}); run pip install 'cryoal[dask]'") from error
