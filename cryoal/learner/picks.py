"""Picks of the newest round: candidates above a threshold, and what the expert said, which no model overrules."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from cryoal.data.labels import MicrographLabels, Verdict
from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import OptionError, WorkspaceError
from cryoal.io.durable import remove_folder, remove_leftovers, temporary_sibling
from cryoal.io.formats import format_named, write_picks
from cryoal.io.micrographs import write_list
from cryoal.io.options import ExportOptions
from cryoal.learner.pick_files import read_picks_files, write_picks_files
from cryoal.learner.pick_rule import Rule
from cryoal.learner.progress import Progress
from cryoal.learner.project import Project
from cryoal.model.thresholds import threshold_for_expected_f1, threshold_for_precision
from cryoal.workspace.candidates import ScoredMicrograph, read_many, scored_keys
from cryoal.workspace.layout import RoundLayout
from cryoal.workspace.lock import writer_lock
from cryoal.workspace.rounds import found_picks, newest_round, publish_picks, published_rounds

_SAME_DIAMETERS = 0.5  # a candidate this near to the expert's particle is that particle


@dataclass(frozen=True, slots=True)
class Picked:
    """What picking did.

    Attributes
    ----------
    round_number : int
    threshold : float
        Calibrated probability from which candidates became picks.
    micrographs, picks : int
    not_scored : int
        Micrographs left out because the round has not scored them.
    expected_precision : float
        Mean calibrated probability of the picks that no expert saw; NaN where there are none.
    """

    round_number: int
    threshold: float
    micrographs: int
    picks: int
    not_scored: int
    expected_precision: float


def pick(
    project: Project, threshold: float | None = None, precision: float | None = None
) -> Iterator[Progress | Picked]:
    """Write the picks of the newest round; the last value sums them up.

    Parameters
    ----------
    threshold : float, optional
        Lowest calibrated probability.
    precision : float, optional
        Lowest threshold at which so large a share of the picks that no expert judged is expected to be true.
        Without either, the threshold of the largest expected F1.

    Raises
    ------
    OptionError
        A value outside 0 to 1, or both given.
    WorkspaceError
        Nothing is scored.
    """
    check_wish(threshold, precision)
    layout = newest_round(project.layout)
    usable = project.usable()
    done = scored_keys(layout)
    entries = [entry for entry in usable if entry.key in done]
    if not entries:
        raise WorkspaceError(f"{project.layout.root}: round {layout.number} has scored nothing; run cryoal score")
    candidates, marks = yield from _read(project, layout, entries)
    probability = np.concatenate([one.score for one in candidates])
    wished_threshold = threshold
    if threshold is None:
        threshold = _choose(probability, precision)
    picks = [joined(expert, one.select(one.score >= threshold)) for expert, one in zip(marks, candidates, strict=True)]
    rule = Rule(threshold, len(entries), wished_threshold, precision)
    with writer_lock(project.layout.rounds_lock, "cryoal pick"):
        _publish(layout, [entry.key for entry in entries], picks, rule)
    chosen = probability[probability >= threshold]
    expected = float(chosen.mean()) if chosen.size else float("nan")
    total = sum(len(one) for one in picks)
    yield Picked(layout.number, threshold, len(entries), total, len(usable) - len(entries), expected)


def add_picks(
    project: Project, layout: RoundLayout, entries: Sequence[MicrographEntry], threshold: float
) -> list[tuple[MicrographEntry, Picks]]:
    """Write the picks of some more micrographs that a round has scored and picked others of; the same again is no harm.

    Raises
    ------
    WorkspaceError
        The round has no picks.
    WorkspaceLockedError
        Another process is making picks.
    """
    labels = project.labels()
    with writer_lock(project.layout.rounds_lock, "cryoal watch"):
        folder = found_picks(layout)
        if folder is None:
            raise WorkspaceError(f"{project.layout.root}: round {layout.number} has no picks; run cryoal pick")
        found, picks = read_many(layout, [entry.key for entry in entries], embedding=False), []
        for entry, scored in zip(entries, found, strict=True):
            free, expert = _judged(project, entry, scored, labels)
            picks.append(joined(expert, free.select(free.score >= threshold)))
        write_picks_files(folder, [entry.key for entry in entries], picks)
    return list(zip(entries, picks, strict=True))


def newest_picks(project: Project) -> tuple[RoundLayout, list[tuple[MicrographEntry, Picks]]]:
    """The picks of the newest round that has any, by micrograph in the list's order.

    Raises
    ------
    WorkspaceError
        Nothing is picked yet.
    """
    rounds = reversed(published_rounds(project.layout))
    picked = next(((layout, folder) for layout in rounds if (folder := found_picks(layout))), None)
    if picked is None:
        raise WorkspaceError(f"{project.layout.root}: there are no picks yet; run cryoal pick")
    layout, folder = picked
    return layout, read_picks_files(folder, project.entries)


def export(project: Project, format_name: str, out: Path, options: ExportOptions) -> list[Path]:
    """Write the newest picks for another program, and beside them the list of their micrographs with pixel sizes.

    Raises
    ------
    OptionError
        The format is not known, or lacks an option.
    WorkspaceError
        Nothing is picked yet.
    FileError
        A file cannot be written.
    """
    format_named(format_name)
    _, picks = newest_picks(project)
    if not project.root.is_relative_to(out.absolute()):  # a whole project would take long to look through
        remove_leftovers(out)
    return export_picks(picks, format_name, out, options)


def export_picks(
    picks: Sequence[tuple[MicrographEntry, Picks]], format_name: str, out: Path, options: ExportOptions
) -> list[Path]:
    """Write picks as `export` does; with `ExportOptions.only`, those of the other micrographs are not looked at.

    Raises
    ------
    OptionError
        The format is not known, or lacks an option.
    FileError
        A file cannot be written.
    """
    written = write_picks(format_name, picks, out, options)
    listed = out / "micrographs.star"
    if listed not in written:
        write_list(listed, [entry for entry, _ in picks])
        written.append(listed)
    return written


def export_options(project: Project, **changes: object) -> ExportOptions:
    """What writers must know of a workspace: diameter, image shapes, RELION's project folder and micrograph list."""
    source = Path(project.settings.source)
    known: dict[str, object] = {
        "diameter_angstrom": project.settings.diameter_angstrom,
        "root": project.root,
        "micrographs_star": project.settings.source if source.suffix == ".star" else "",
    }
    if "shapes" not in changes:  # every header is asked
        known["shapes"] = project.shapes
    return ExportOptions(**(known | changes))  # type: ignore[arg-type]


def _read(
    project: Project, layout: RoundLayout, entries: Sequence[MicrographEntry]
) -> Generator[Progress, None, tuple[list[Picks], list[Picks]]]:
    """Of each micrograph the candidates that no expert has judged, and the expert's particles."""
    labels, candidates, marks = project.labels(), [], []
    found = read_many(layout, [entry.key for entry in entries], embedding=False)
    for done, (entry, scored) in enumerate(zip(entries, found, strict=True)):
        yield Progress("reading candidates", done, len(entries))
        free, expert = _judged(project, entry, scored, labels)
        candidates.append(free)
        marks.append(expert)
    yield Progress("reading candidates", len(entries), len(entries))
    return candidates, marks


def _judged(
    project: Project, entry: MicrographEntry, scored: ScoredMicrograph, labels: Mapping[str, MicrographLabels]
) -> tuple[Picks, Picks]:
    """Candidates of a micrograph that no expert has judged, and the expert's particles."""
    known = labels.get(entry.key, MicrographLabels())
    diameter_px = project.diameter_px(entry)
    return not_judged(scored, known, diameter_px), marked(known, scored, diameter_px)


def _choose(probability: NDArray[np.float64], precision: float | None) -> float:
    """Threshold for a precision, or for the largest expected F1."""
    if not probability.size:
        return 0.5
    if precision is None:
        return float(threshold_for_expected_f1(probability))
    return float(threshold_for_precision(probability, precision))


def not_judged(scored: ScoredMicrograph, labels: MicrographLabels, diameter_px: float) -> Picks:
    """The candidates that no expert has judged."""
    xy = scored.xy.astype(np.float64)
    free = unjudged(xy, labels, diameter_px)
    return Picks(xy[free, 0], xy[free, 1], scored.probability[free].astype(np.float64), scored.class_number[free])


def with_marks(picks: Picks, labels: MicrographLabels) -> Picks:
    """The expert's particles, of score 1, and then the picks."""
    return joined(marked(labels), picks)


def marked(labels: MicrographLabels, scored: ScoredMicrograph | None = None, diameter_px: float = 0.0) -> Picks:
    """The expert's particles, of score 1; one without a class has that of the candidate in its place, if any."""
    xy = labels.xy(Verdict.PARTICLE)
    numbers = np.array([p.class_number for p in labels.labels if p.verdict == Verdict.PARTICLE], dtype=np.int64)
    if scored is not None and scored.classes.particles and len(scored) and len(xy):
        distance, nearest = cKDTree(scored.xy).query(xy)
        told = (numbers == 0) & (distance <= _SAME_DIAMETERS * diameter_px)
        numbers[told] = scored.class_number[np.asarray(nearest)[told]]
    return Picks(xy[:, 0], xy[:, 1], np.ones(len(xy)), numbers)


def joined(first: Picks, second: Picks) -> Picks:
    """One after the other."""
    columns = ("x", "y", "score", "class_number")
    return Picks(*(np.concatenate([getattr(first, name), getattr(second, name)]) for name in columns))


def unjudged(xy: NDArray[np.float64], labels: MicrographLabels, diameter_px: float) -> NDArray[np.bool_]:
    """Which positions, shape (N, 2), no expert has judged; what is unsure is left to the committee."""
    free = np.full(len(xy), not labels.complete)
    for square in labels.fields:
        free &= ~square.contains(xy)
    for verdict, diameters in ((Verdict.PARTICLE, _SAME_DIAMETERS), (Verdict.REJECTED, 0.3)):
        free &= ~_near(xy, labels.xy(verdict), diameters * diameter_px)
    return free


def _near(xy: NDArray[np.float64], others: NDArray[np.float64], radius_px: float) -> NDArray[np.bool_]:
    """Which positions have one of the others within a radius."""
    if not len(others) or not len(xy):
        return np.zeros(len(xy), dtype=bool)
    distance, _ = cKDTree(others).query(xy)
    near: NDArray[np.bool_] = np.asarray(distance <= radius_px)
    return near


def _publish(layout: RoundLayout, keys: Sequence[str], picks: Sequence[Picks], rule: Rule) -> None:
    """Write all picks into a hidden folder and put it in the place of the old one."""
    making = temporary_sibling(layout.picks_folder)
    remove_leftovers(layout.folder)
    try:
        write_picks_files(making, keys, picks)
        rule.write(making)
        publish_picks(layout, making)
    finally:
        remove_folder(making)


def check_wish(threshold: float | None, precision: float | None) -> None:
    """Refuse wishes that no picking can fulfil.

    Raises
    ------
    OptionError
        A value outside 0 to 1, or both given.
    """
    if threshold is not None and precision is not None:
        raise OptionError("--threshold and --precision: give one of them")
    if threshold is not None and not 0 <= threshold <= 1:
        raise OptionError(f"--threshold: {threshold} is not allowed; give a number from 0 to 1")
    if precision is not None and not 0 < precision <= 1:
        raise OptionError(f"--precision: {precision} is not allowed; give a number above 0, up to 1")
