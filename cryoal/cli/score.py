"""`cryoal score`."""

from typing import Annotated

import typer

from cryoal.cli.options import DEVICES, QUIET, WORKERS, WORKSPACE
from cryoal.errors import OptionError


def command(
    workspace: WORKSPACE,
    device: DEVICES = "auto",
    shard: Annotated[str, typer.Option(help="I/N: only the I-th of N parts, for job arrays.")] = "1/1",
    workers: WORKERS = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what was set aside.")] = False,
    dask: Annotated[
        str | None,
        typer.Option(
            help="Score over a Dask cluster: ADDRESS, scheduler.json, slurm[:JOBS] or local:WORKERS.",
            show_default=False,
        ),
    ] = None,
    quiet: QUIET = False,
) -> None:
    """Score every micrograph with the newest round; resumes, and skips what is done."""
    from cryoal.cli import console
    from cryoal.learner.project import Project
    from cryoal.learner.scoring import ScoreOptions, score
    from cryoal.learner.status import advice

    options = ScoreOptions(device, _shard(shard), workers, retry_failed)
    project = Project.open(workspace)
    if dask is None:
        work = score(project, options)
    else:
        from cryoal.cluster.dask import score_on_cluster

        work = score_on_cluster(project, options, dask)
    done = console.run(work, quiet=quiet)
    console.say(
        f"round {done.round_number}: {done.candidates:,} candidates on {done.scored:,} micrographs scored now; "
        f"{done.already_scored:,} were scored before, {done.set_aside:,} set aside now",
        quiet=quiet,
    )
    console.doubt(project.settings, quiet=quiet)
    console.say(f"next: {advice(project)}", quiet=quiet)


def _shard(text: str) -> tuple[int, int]:
    """I/N as numbers."""
    index, slash, count = text.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal()):
        raise OptionError(f"--shard: {text!r} is not allowed; give I/N, such as 3/16")
    return int(index), int(count)
