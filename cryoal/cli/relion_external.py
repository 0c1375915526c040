"""`cryoal relion-external`: the program that RELION's External job runs."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryoal.errors import OptionError

if TYPE_CHECKING:
    from cryoal.learner.relion_job import ExternalDone, ExternalJob

CONTEXT_SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}
"""What is wrong with an option must be told after the job's folder is known, for RELION waits for a marker there."""

_Text = str | None
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")


def command(
    context: typer.Context,
    folder: Annotated[Path, typer.Option("--o", help="The job's folder: External/jobNNN/.", show_default=False)],
    micrographs: Annotated[_Text, typer.Option("--in_mics", help="Micrographs STAR file.")] = None,
    coordinates: Annotated[_Text, typer.Option("--in_coords", help="Coordinates to learn from.")] = None,
    particles: Annotated[_Text, typer.Option("--in_parts", help="Particles to learn from.")] = None,
    workspace: Annotated[_Text, typer.Option(help="A trained workspace to pick with.")] = None,
    diameter: Annotated[_Text, typer.Option(help="Particle diameter, Å; judged if not known.")] = None,
    pixel_size: Annotated[_Text, typer.Option(help="Å/pixel, where neither STAR nor header tells.")] = None,
    complete: Annotated[str, typer.Option(help="yes: what is not marked is background.")] = "no",
    threshold: Annotated[_Text, typer.Option(help="Lowest probability of a pick.")] = None,
    precision: Annotated[_Text, typer.Option(help="Share of the picks that shall be particles.")] = None,
    rim: Annotated[_Text, typer.Option(help="Leave out picks this close to the edge, diameters.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    relion_version: Annotated[_Text, typer.Option(help="3.1, 4 or 5; told by the project otherwise.")] = None,
    threads: Annotated[str, typer.Option("--j", help="Threads.")] = "1",
    pipeline_control: Annotated[Path | None, typer.Option("--pipeline_control", help="Folder of the markers.")] = None,
) -> None:
    """Pick as RELION's External job: give `cryoal relion-external` as its executable.

    With --workspace a trained committee picks; with coordinates or particles a committee is trained on them first;
    with neither, the committee that ships with cryoal picks.
    """
    import signal
    import sys
    from contextlib import redirect_stderr

    from cryoal.cli import console
    from cryoal.config import Config
    from cryoal.learner.relion_pipeline import exit_marker, until_aborted

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a queue's end of time aborts the job
    control = pipeline_control or folder
    # RELION shows standard error in red as an error: progress goes to the log beside it.
    with exit_marker(control), redirect_stderr(sys.stdout):
        from cryoal.learner.relion_job import ExternalJob, run_external

        if not micrographs:
            raise OptionError("--in_mics: is missing; give the job micrographs on its Input tab")
        job = ExternalJob(
            folder,
            micrographs,
            tuple(Path(path) for path in (coordinates, particles) if path),
            _truth("--complete", complete),
            Path(workspace) if workspace else None,
            _number("--diameter", diameter),
            _number("--pixel-size", pixel_size),
            _number("--threshold", threshold),
            _number("--precision", precision),
            _number("--rim", rim) or 0.0,
            device,
            _threads(threads),
            relion_version or None,
        )
        # Last, for a label without a value swallows the option after it.
        if context.args:
            raise OptionError(
                f"{context.args[0]}: is not known; the job's labels are workspace, diameter, pixel-size, complete, "
                "threshold, precision, rim, device and relion-version"
            )
        _announce(job)
        done = console.run(until_aborted(run_external(job, Config()), control), quiet=False)
        _sum_up(done)


def _announce(job: "ExternalJob") -> None:
    """What the job was told."""
    from cryoal import __version__
    from cryoal.cli import console

    console.say(f"cryoal {__version__} in {job.folder}, {console.listed({'thread': job.workers})}")
    console.say(f"micrographs: {job.micrographs}")
    learn = ", ".join(str(path) for path in job.labels) or "none"
    console.say(f"labels: {learn}{' (complete micrographs)' if job.complete else ''}")
    untold = "to be trained on the labels" if job.labels else "the one that ships with cryoal"
    console.say(f"committee: {job.workspace or untold}")


def _sum_up(done: "ExternalDone") -> None:
    """What the job did."""
    from cryoal.cli import console

    judged = done.settings.diameter_estimate_angstrom == done.settings.diameter_angstrom
    known = ", judged from the micrographs" if judged else ""
    console.say(f"particle diameter: {done.settings.diameter_angstrom:g} Å{known}")
    console.doubt(done.settings)
    console.say(f"source of the picks: {done.source}")
    console.say(f"{done.picks:,} picks on {done.micrographs:,} micrographs ({done.set_aside:,} set aside)")
    console.say(f"next: an Extract job (RELION {done.version}) with the coordinates {done.node}")


def _number(flag: str, text: str | None) -> float | None:
    """A value of a label as a number above zero; nothing where the label is empty."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise OptionError(f"{flag}: {text!r} is not allowed; give a number")
    return value


def _threads(text: str) -> int:
    """RELION's number of threads."""
    if not (text.isdecimal() and int(text) > 0):
        raise OptionError(f"--j: {text!r} is not allowed; give a whole number from 1 up")
    return int(text)


def _truth(flag: str, text: str) -> bool:
    """A value of a label as yes or no."""
    if text.lower() not in (*_YES, *_NO):
        raise OptionError(f"{flag}: {text!r} is not known; give yes or no")
    return text.lower() in _YES
