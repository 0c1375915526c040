"""`cryoal simulate`."""

from pathlib import Path
from typing import Annotated

import typer

from cryoal.cli.options import DEFAULTS, DIAMETER, PIXEL_SIZE, POLARITY, PROJECT, QUIET, dark_particles


def command(
    micrographs: Annotated[str, typer.Option(help="A glob in quotes, or a STAR file.", show_default=False)],
    truth: Annotated[Path, typer.Option(help="File or folder of true centres, complete.", show_default=False)],
    strategies: Annotated[str, typer.Option(help="Names, separated by commas.", show_default=False)],
    out: Annotated[
        Path, typer.Option(help="Folder for runs and results; called again, it goes on.", show_default=False)
    ],
    diameter: DIAMETER,
    seeds: Annotated[int, typer.Option(min=1, help="Paired seeds; ten or more for tests that mean something.")] = 10,
    rounds: Annotated[int, typer.Option(min=1, help="Queries a run.")] = 5,
    fields: Annotated[int, typer.Option(min=1, help="Fields a query.")] = 4,
    members: Annotated[int, typer.Option(min=1, help="Size of the committee.")] = DEFAULTS.training.members,
    start: Annotated[str, typer.Option(help="pretrained or scratch.")] = DEFAULTS.training.start,
    max_steps: Annotated[int, typer.Option(min=1, help="Most steps of a training.")] = DEFAULTS.training.max_steps,
    misses: Annotated[float, typer.Option(help="Chance that the expert overlooks a particle.")] = 0.0,
    false_accepts: Annotated[float, typer.Option(help="Chance that the expert accepts a wrong proposal.")] = 0.0,
    jitter: Annotated[float, typer.Option(help="Standard deviation of added marks, in diameters.")] = 0.0,
    test_share: Annotated[float, typer.Option(help="Share of the micrographs kept for judging.")] = 1 / 3,
    jobs: Annotated[int | None, typer.Option(min=1, help="Runs at a time; by default one a core.")] = None,
    pixel_size: PIXEL_SIZE = None,
    polarity: POLARITY = "auto",
    project: PROJECT = Path(),
    quiet: QUIET = False,
) -> None:
    """Active learning against a simulated expert: which strategy learns most from an expert's time.

    Writes rounds.csv, table.md and curves.png to OUT.
    """
    import os
    from dataclasses import replace

    from cryoal.cli import console
    from cryoal.config import Config
    from cryoal.io.durable import write_atomic
    from cryoal.learner.project import NewWorkspace
    from cryoal.report.plots import save
    from cryoal.report.strategies import HEADS, markdown, rows, strategies_figure, write_rows
    from cryoal.simulation.design import Experiment
    from cryoal.simulation.experiment import open_truth, simulate
    from cryoal.simulation.oracle import Expert
    from cryoal.simulation.outcome import outcome

    names = [name.strip() for name in strategies.split(",") if name.strip()]
    expert = Expert(misses=misses, false_accepts=false_accepts, jitter_diameters=jitter)
    config = Config(training=replace(DEFAULTS.training, members=members, start=start, max_steps=max_steps))
    new = NewWorkspace(out / "workspace", micrographs, diameter, pixel_size, dark_particles(polarity), 0, project)
    settings, centres = console.run(open_truth(new, truth, config), quiet=quiet)
    of_keys = {entry.key: xy for entry, xy in centres.items()}
    experiment = Experiment(out, tuple(centres), of_keys, settings, config, expert, rounds, fields, test_share)
    steps = console.run(simulate(experiment, names, seeds, jobs or len(os.sched_getaffinity(0))), quiet=quiet)
    write_rows(out / "rounds.csv", steps)
    found = outcome(steps)
    write_atomic(out / "table.md", markdown(found))
    save(strategies_figure(found, steps, f"{len(centres)} micrographs, {seeds} paired seeds"), out / "curves.png")
    if not quiet:
        console.table(f"{found.full.size} paired seeds, full supervision {found.full.mean():.3f}", HEADS, rows(found))
    for objection in found.objections:
        console.say(f"not to be ranked: {objection}", quiet=quiet)
    console.say(f"written to {out}: rounds.csv, table.md, curves.png", quiet=quiet)
