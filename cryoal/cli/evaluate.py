"""`cryoal evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryoal.cli.options import CS_Y, DEFAULTS, DIAMETER, PIXEL_SIZE, QUIET

if TYPE_CHECKING:
    from cryoal.learner.evaluating import Evaluation, Figures


def command(
    picks: Annotated[Path, typer.Option(help="File or folder of picks.", show_default=False)],
    truth: Annotated[Path, typer.Option(help="File or folder of true centres.", show_default=False)],
    diameter: DIAMETER,
    radius: Annotated[
        float, typer.Option(help="Largest distance of a match, in diameters.")
    ] = DEFAULTS.picking.match_radius_diameters,
    json: Annotated[Path | None, typer.Option(help="Write the figures here.", show_default=False)] = None,
    pixel_size: PIXEL_SIZE = None,
    micrographs: Annotated[
        str | None, typer.Option(help="Micrograph list; by default micrographs.star beside truth or picks.")
    ] = None,
    cs_y: CS_Y = "file",
    quiet: QUIET = False,
) -> None:
    """Hold picks against the truth: precision, recall, F1, average precision, by micrograph and in all."""
    from cryoal.cli import console
    from cryoal.io.durable import write_atomic
    from cryoal.learner.evaluating import EvaluateOptions, evaluate

    options = EvaluateOptions(diameter, radius, pixel_size, micrographs, cs_y)
    done = evaluate(picks, truth, options)
    if json is not None:
        write_atomic(json, _json(done, options.radius_diameters))
    if quiet:
        return
    heads = ["micrograph", "picks", "truth", "precision", "recall", "F1", "AP", "best F1", "error"]
    rows = [_row(name, figures) for name, figures in done.by_micrograph.items()]
    title = f"matched one to one within {radius:g} diameters; error: median distance in diameters"
    console.table(title, heads, [*rows, _row("all", done.overall)])
    if done.classes is not None:
        names = [f"class {number}" for number in done.classes.numbers]
        console.confusion_table("true class of the matched picks", names, done.classes)
    if done.without_truth:
        console.say(f"left out, for want of truth: {len(done.without_truth):,} micrographs")


def _row(name: str, f: "Figures") -> list[object]:
    """One line of the table."""
    head: list[object] = [name, f.n_picks, f.n_truth]
    return [*head, f.precision, f.recall, f.f1, f.average_precision, f.best_f1, f.median_error_diameters]


def _json(done: "Evaluation", radius: float) -> str:
    """The figures as JSON, NaN as null."""
    import json as json_module
    from dataclasses import asdict

    def plain(figures: "Figures") -> dict[str, float | int | None]:
        return {name: None if value != value else value for name, value in asdict(figures).items()}  # noqa: PLR0124

    by_micrograph = {name: plain(figures) for name, figures in done.by_micrograph.items()}
    content = {"radius_diameters": radius, "overall": plain(done.overall), "by_micrograph": by_micrograph}
    classes = done.classes and {"numbers": done.classes.numbers, "confusion": done.classes.counts.tolist()}
    return json_module.dumps(content | {"without_truth": done.without_truth, "classes": classes}, indent=1) + "\n"
