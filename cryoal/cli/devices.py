"""`cryoal devices`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryoal.cli.options import DEVICES, QUIET

if TYPE_CHECKING:
    from cryoal.cluster.devices import Hardware
    from cryoal.cluster.forecast import Forecast

_GIBIBYTE = 2**30


def command(
    workspace: Annotated[
        Path | None, typer.Argument(metavar="[WORKSPACE]", help="To measure on some of its micrographs.")
    ] = None,
    device: DEVICES = "auto",
    quiet: QUIET = False,
) -> None:
    """Say what hardware there is, what will be used, and how long a collection takes.

    With a workspace, some micrographs are read and scored; nothing is written.
    """
    from cryoal.cli import console
    from cryoal.cluster.devices import hardware
    from cryoal.cluster.forecast import forecast
    from cryoal.learner.project import Project
    from cryoal.model.devices import devices_named
    from cryoal.model.processors import processors

    used = " and ".join(map(str, devices_named(device)))
    there = hardware()
    for line in _told(there):
        console.say(line, quiet=quiet)
    threads = f", threads: {processors()}" if used == "cpu" else ""
    console.say(f"--device {device}: {used}{threads}", quiet=quiet)
    if workspace is not None:
        measured = console.run(forecast(Project.open(workspace), device), quiet=quiet)
        for line in _foretold(measured):
            console.say(line, quiet=quiet)


def _told(there: "Hardware") -> list[str]:
    """The hardware in words."""
    limit = "" if there.cpu_limit is None else f", {there.cpu_limit:g} of them by its control group"
    granted = there.memory_limit_bytes
    memory = "" if granted is None else f", {granted / _GIBIBYTE:.1f} GiB granted by the control group"
    lines = [
        f"processors: {there.cpus}, this process may use {there.allowed_cpus}{limit}",
        f"memory: {there.memory_bytes / _GIBIBYTE:.1f} GiB, {there.free_bytes / _GIBIBYTE:.1f} GiB free{memory}",
    ]
    for gpu in there.gpus:
        sizes = f"{gpu.memory_bytes / _GIBIBYTE:.1f} GiB, {gpu.free_bytes / _GIBIBYTE:.1f} GiB free"
        lines.append(f"GPU {gpu.device}: {gpu.name}, {sizes}")
    if not there.gpus:
        why = "" if there.torch_has_cuda else ", which is built without CUDA"
        lines.append(f"GPUs: none that torch {there.torch_version}{why}, sees")
    if there.has_mps:
        lines.append("GPU mps: there, but cryoal computes on CPUs and CUDA only")
    return lines


def _foretold(measured: "Forecast") -> list[str]:
    """What micrographs cost, in words."""
    costs = f"{measured.read_seconds:.2f} s to read, {measured.score_seconds:.2f} s to score"
    how = f"{measured.readers} are read and {measured.scorers} scored at the same time"
    lines = [
        f"a micrograph, median of {measured.sample}: {costs} on {measured.device} in {measured.dtype}; {how}",
    ]
    for what, count in (("all", measured.micrographs), ("those not scored yet", measured.to_score)):
        low, high = (_duration(seconds) for seconds in measured.bounds_seconds(count))
        length = low if low == high else f"{low} to {high}"
        lines.append(f"{what}, {count:,}: {length}" if count else f"{what}: none")
    lines.append("the longer where reading and scoring get in each other's way; other work on the machine adds to both")
    return lines


def _duration(seconds: float) -> str:
    """A length of time in one or two units."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds // 3600:.0f} h {seconds % 3600 / 60:02.0f} min"
