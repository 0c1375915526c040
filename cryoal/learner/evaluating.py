"""Picks held against the truth, by micrograph and in all."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import FileError, LabelError, OptionError
from cryoal.evaluation.confusion import Confusion, confusion
from cryoal.evaluation.curves import precision_recall_curve
from cryoal.evaluation.matching import match
from cryoal.io.formats import FoundPicks, read_files
from cryoal.io.micrographs import list_micrographs
from cryoal.io.names import NameIndex
from cryoal.io.options import ImportOptions

_LIST = "micrographs.star"
_LEVELS_UP = 3


@dataclass(frozen=True, slots=True)
class Figures:
    """How good picks are.

    Attributes
    ----------
    n_picks, n_truth, n_matched : int
    precision, recall, f1 : float
        NaN where undefined.
    average_precision, best_f1, best_f1_threshold : float
        Over all thresholds; NaN without scores.
    median_error_diameters : float
        Median distance of matched picks from the true centres, in particle diameters.
    class_accuracy : float
        Share of right classes among matched picks where both sides carry one; NaN where the truth has not two.
    """

    n_picks: int
    n_truth: int
    n_matched: int
    precision: float
    recall: float
    f1: float
    average_precision: float
    best_f1: float
    best_f1_threshold: float
    median_error_diameters: float
    class_accuracy: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of a set of picks.

    Attributes
    ----------
    overall : Figures
        All micrographs together.
    by_micrograph : mapping of str to Figures
    without_truth : tuple of str
        Names of micrographs that have picks but no truth, left out.
    classes : Confusion, optional
        Of the matched picks where both sides carry a class; None where the truth has not two.
    """

    overall: Figures
    by_micrograph: Mapping[str, Figures]
    without_truth: tuple[str, ...]
    classes: Confusion | None


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """What `evaluate` is told beyond the two paths.

    Attributes
    ----------
    diameter_angstrom : float
    radius_diameters : float
        Largest distance of a match.
    pixel_size_angstrom : float, optional
        Overrules the micrograph list.
    micrographs : str, optional
        Micrograph list; by default ``micrographs.star`` in or above the folders of truth and picks.
    cs_y : str
    """

    diameter_angstrom: float
    radius_diameters: float = 0.3
    pixel_size_angstrom: float | None = None
    micrographs: str | None = None
    cs_y: str = "file"

    def __post_init__(self) -> None:
        for name in ("diameter_angstrom", "radius_diameters", "pixel_size_angstrom"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                flag = name.removesuffix("_angstrom").removesuffix("_diameters").replace("_", "-")
                raise OptionError(f"--{flag}: {value} is not allowed; give a number above 0")


def evaluate(picks: Path, truth: Path, options: EvaluateOptions) -> Evaluation:
    """Match picks with true centres on every micrograph that has truth.

    Raises
    ------
    FileError, FileFormatError
        A file cannot be read.
    LabelError
        No truth, or the pixel size is not known.
    OptionError
        A value is not allowed.
    """
    entries = _entries(picks, truth, options)
    size = math.nan if options.pixel_size_angstrom is None else options.pixel_size_angstrom
    reading = ImportOptions(entries, cs_y=options.cs_y, pixel_size_angstrom=size)  # type: ignore[arg-type]
    true_picks = read_files([truth], reading)
    if not entries:
        entries = _named_by(truth, true_picks, options)
    index = NameIndex(entries)
    centres, strangers = _by_entry(true_picks, index)
    if not (strangers or centres):
        raise LabelError(f"{truth}: names no micrograph, for it holds no positions; give the true centres")
    if strangers:
        raise LabelError(
            f"{truth}: {len(strangers)} micrographs it names, {strangers[0]} first, are not in the micrograph list; "
            "give the right list by --micrographs"
        )
    found, without_truth = _by_entry(read_files([picks], reading), index)
    by_key = {entry.key: entry for entry in entries}
    compared = [
        _compare(found.get(key, Picks.empty()), one, _diameter_px(by_key[key], options), options.radius_diameters)
        for key, one in centres.items()
    ]
    figures = {by_key[key].name: _figures([one]) for key, one in zip(centres, compared, strict=True)}
    extra = [by_key[key].name for key in found if key not in centres]
    return Evaluation(_figures(compared), figures, (*without_truth, *extra), _classes(compared))


@dataclass(frozen=True, slots=True)
class _Compared:
    """One micrograph's picks, each judged."""

    scores: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
    correct_by_score: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    error_diameters: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
    n_truth: int
    classes: np.ndarray[tuple[int, ...], np.dtype[np.int64]]


def _compare(picks: Picks, truth: Picks, diameter_px: float, radius_diameters: float) -> _Compared:
    """Match one micrograph: as many as can be for the given set, in order of score for the curve."""
    radius = radius_diameters * diameter_px
    pairs = match(picks.xy, truth.xy, radius)
    scored = np.nan_to_num(picks.score, nan=0.0)
    by_score = match(picks.xy, truth.xy, radius, scored)
    classes = np.column_stack([truth.class_number[pairs.truth], picks.class_number[pairs.pick]])
    return _Compared(picks.score, by_score.correct, pairs.distance_px / diameter_px, len(truth), classes)


def _classes(parts: Sequence[_Compared]) -> Confusion | None:
    """Confusion of the pairs that carry a class on both sides."""
    pairs = np.concatenate([one.classes for one in parts])
    pairs = pairs[(pairs > 0).all(axis=1)]
    return confusion(*pairs.T) if len(np.unique(pairs[:, 0])) > 1 else None


def _figures(parts: Sequence[_Compared]) -> Figures:
    """Figures of some micrographs together."""
    scores = np.concatenate([one.scores for one in parts])
    correct = np.concatenate([one.correct_by_score for one in parts])
    errors = np.concatenate([one.error_diameters for one in parts])
    n_truth, n_matched, n_picks = sum(one.n_truth for one in parts), int(errors.size), int(scores.size)
    average, best, threshold = math.nan, math.nan, math.nan
    if n_truth and n_picks and np.isfinite(scores).all():
        curve = precision_recall_curve(scores, correct, n_truth)
        average = curve.average_precision
        best, threshold = curve.best_f1
    return Figures(
        n_picks,
        n_truth,
        n_matched,
        n_matched / n_picks if n_picks else math.nan,
        n_matched / n_truth if n_truth else math.nan,
        2 * n_matched / (n_picks + n_truth) if n_picks + n_truth else math.nan,
        average,
        best,
        threshold,
        float(np.median(errors)) if n_matched else math.nan,
        classes.accuracy if (classes := _classes(parts)) else math.nan,
    )


def _entries(picks: Path, truth: Path, options: EvaluateOptions) -> list[MicrographEntry]:
    """The micrograph list given, or found beside the truth or the picks; empty where there is none."""
    if options.micrographs:
        return list_micrographs(options.micrographs, options.pixel_size_angstrom, Path.cwd(), must_exist=False)
    for start in (truth, picks):
        if not start.exists():
            raise FileError(f"{start}: does not exist; give a file or a folder of coordinates")
        absolute = start.absolute()
        for folder in (absolute, *absolute.parents)[: _LEVELS_UP + 1]:
            if (folder / _LIST).is_file():
                return list_micrographs(str(folder / _LIST), options.pixel_size_angstrom, folder, must_exist=False)
    return []


def _named_by(truth: Path, found: Sequence[FoundPicks], options: EvaluateOptions) -> list[MicrographEntry]:
    """Stand-ins for the micrographs that the truth names."""
    if options.pixel_size_angstrom is None:
        raise LabelError(
            f"{truth}: the pixel size is not known, for there is no {_LIST} in or above the folders of truth "
            "and picks; give --pixel-size or --micrographs"
        )
    return [MicrographEntry(one.micrograph, Path(one.micrograph), options.pixel_size_angstrom) for one in found]


def _by_entry(found: Sequence[FoundPicks], index: NameIndex) -> tuple[dict[str, Picks], tuple[str, ...]]:
    """Picks by micrograph key, and the names that mean no micrograph."""
    known: dict[str, Picks] = {}
    strangers = []
    for one in found:
        entry = index.find(one.place)
        if entry is None:
            strangers.append(one.name)
        elif entry.key in known:
            raise LabelError(f"{one.path}: micrograph {entry.name} has picks in another file too; give one of them")
        else:
            known[entry.key] = one.picks
    return known, tuple(strangers)


def _diameter_px(entry: MicrographEntry, options: EvaluateOptions) -> float:
    """Particle diameter in pixels."""
    size = options.pixel_size_angstrom or entry.pixel_size_angstrom
    if not (math.isfinite(size) and size > 0):
        raise LabelError(f"{entry.name}: its pixel size is not known; give --pixel-size")
    return options.diameter_angstrom / size
