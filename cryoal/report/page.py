"""The one page about a workspace: HTML with its images inside, readable without scripts and without a network."""

import base64
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from cryoal.learner.progress import Progress, last_value
from cryoal.learner.project import Project
from cryoal.report import charts
from cryoal.report.contents import Contents, gather

_LISTED = 12
_METRICS = {"best F1": "best_f1", "average precision": "average_precision", "ECE": "ece_after"}
_UNKNOWN = float("nan")


def page(project: Project) -> Iterator[Progress | str]:
    """The page about a workspace at whatever stage; the last value is its HTML.

    Raises
    ------
    FileError, FileFormatError
        A file of the workspace is broken or cannot be read.
    """
    found: Contents = yield from last_value(gather(project))
    yield Progress("drawing", 0, 1)
    html = _html(found)
    yield Progress("drawing", 1, 1)
    yield html


def _html(found: Contents) -> str:
    """Fill in the template, which escapes whatever it is given."""
    environment = Environment(
        loader=PackageLoader("cryoal", "report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["capitalised"] = lambda text: text[:1].upper() + text[1:]
    return environment.get_template("page.html").render(
        folder=found.project.layout.root.absolute().name,
        status=found.status,
        overview=_overview(found),
        labels=_labels(found),
        round_heads=["round", "particles", "scored", *_METRICS, "CKA", "picked"],
        round_rows=_round_rows(found),
        rounds_image=_image(_rounds(found)) if found.status.rounds else "",
        picks=_picks(found),
        settings=[(name, value) for name, value in asdict(found.project.settings).items() if value is not None],
        versions=[*found.versions.items()],
        **_probabilities(found),
        **_counts(found),
        examples=_examples(found),
    )


def _overview(found: Contents) -> str:
    """The workspace in a sentence."""
    settings, status = found.project.settings, found.status
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"{status.micrographs:,} micrographs ({len(status.set_aside):,} set aside), particles "
        f"{'dark' if settings.particles_dark else 'light'}, {settings.diameter_angstrom:g} Å in diameter; as of {when}."
    )


def _labels(found: Contents) -> str:
    """What is labelled, in words."""
    counts = {kind: count for kind, count in found.status.labels.items() if count}
    return "labelled: " + (", ".join(f"{kind} {count:,}" for kind, count in counts.items()) or "nothing yet")


def _round_rows(found: Contents) -> list[list[str]]:
    """A row a round."""
    usable = found.status.micrographs - len(found.status.set_aside)
    return [
        [
            str(one.number),
            f"{one.labels.get('particle', 0):,}",
            f"{one.scored:,} of {usable:,}",
            *(_number(one.metrics.get(name)) for name in (*_METRICS.values(), "embedding_cka")),
            "yes" if one.picked else "no",
        ]
        for one in found.status.rounds
    ]


def _rounds(found: Contents) -> Figure:
    """Figures by round."""
    rounds = found.status.rounds
    held_out = {name: [one.metrics.get(key, _UNKNOWN) for one in rounds] for name, key in _METRICS.items()}
    random_fields = {
        name: [getattr(one, key) if one else None for one in found.qualities]
        for name, key in (("precision", "precision"), ("recall", "recall"), ("F1", "f1"))
    }
    changes = {
        "embedding, CKA": [one.metrics.get("embedding_cka") for one in rounds],
        "decisions, κ": [None, *found.kappas],
    }
    return charts.rounds_figure(held_out, random_fields, changes)


def _probabilities(found: Contents) -> dict[str, str]:
    """Reliability, and the histogram of scores."""
    probability = np.concatenate([np.empty(0), *(one.candidates for one in found.audited)])
    is_particle = np.concatenate([np.empty(0, bool), *(one.is_particle for one in found.audited)])
    own = found.picked_round == found.scored_round
    scores = np.concatenate([np.empty(0), *(one.score for _, one in found.picks)]) if own else np.empty(0)
    chosen = scores[np.isfinite(scores)]
    lowest = float(chosen.min()) if chosen.size else None
    return {
        "reliability_image": _image(charts.reliability_figure(probability, is_particle)) if probability.size else "",
        "scores_image": _image(charts.scores_figure(found.candidates, lowest)) if found.scored_round else "",
        "scores_caption": (
            f"Probabilities of the {found.candidates.size:,} candidates of round {found.scored_round} on "
            f"{found.sampled:,} micrographs spread over the list. Two heaps far apart are a committee that is sure."
        ),
    }


def _picks(found: Contents) -> str:
    """What is picked, in words."""
    if not found.picks:
        return ""
    total = sum(len(one) for _, one in found.picks)
    return f"Round {found.picked_round}: {total:,} picks on {len(found.picks):,} micrographs."


def _counts(found: Contents) -> dict[str, object]:
    """Picks by micrograph: the plot, and the micrographs with the fewest and the most."""
    if not found.picks:
        return {"counts_image": "", "count_tables": []}
    counts = np.array([len(one) for _, one in found.picks], np.int64)
    order = np.argsort(counts, kind="stable")
    if counts.size <= 2 * _LISTED:
        tables = [("Fewest picks first", order)]
    else:
        tables = [("Fewest picks", order[:_LISTED]), ("Most picks", order[::-1][:_LISTED])]
    rows = [(title, [_count_row(found, int(row)) for row in some]) for title, some in tables]
    return {"counts_image": _image(charts.counts_figure(counts)), "count_tables": rows}


def _count_row(found: Contents, row: int) -> list[str]:
    """Name, number of picks and mean probability of a micrograph."""
    entry, picks = found.picks[row]
    return [entry.name, f"{len(picks):,}", _number(float(picks.score.mean()) if len(picks) else None)]


def _examples(found: Contents) -> list[tuple[str, str]]:
    """Images of the examples with their captions."""
    settings, size = found.project.settings, found.project.config.preprocess.pixels_per_diameter
    images = []
    for one in found.examples:
        figure = charts.example_figure(
            one.scaled, one.picks, size, one.entry.pixel_size_angstrom, dark=settings.particles_dark
        )
        images.append((_image(figure), f"{one.why.capitalize()}: {one.entry.name}, {len(one.picks):,} picks."))
    return images


def _image(figure: Figure) -> str:
    """A figure as the page holds it."""
    return base64.b64encode(charts.png(figure)).decode()


def _number(value: float | None) -> str:
    """Three decimals; a dash for what is not known."""
    return f"{value:.3f}" if value is not None and np.isfinite(value) else "–"
