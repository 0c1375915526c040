"""Import of labels: from picks of any program to decisions in the journal."""

import getpass
from collections import Counter, defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from cryoal.data.labels import Field, Label, MicrographLabels, Origin, Verdict
from cryoal.data.picks import Picks
from cryoal.errors import LabelError, OptionError
from cryoal.evaluation.matching import match
from cryoal.io.formats import read_picks
from cryoal.io.options import ImportOptions
from cryoal.learner.classes import class_number
from cryoal.learner.project import Project
from cryoal.learner.queries import read_query
from cryoal.workspace.journal import (
    RANDOM,
    CompleteField,
    CompleteMicrograph,
    Decision,
    What,
    append_decisions,
    read_journal,
)
from cryoal.workspace.labelling import new_decisions
from cryoal.workspace.lock import writer_lock

_CLASS, _FIELD, _MICROGRAPH = "class number", "complete field", "complete micrograph"
_KINDS = (*(verdict.value for verdict in Verdict), _CLASS, _FIELD, _MICROGRAPH)


@dataclass(frozen=True, slots=True)
class LabelImport:
    """What `label` is told.

    Attributes
    ----------
    paths : tuple of Path
        Files or folders of picks.
    verdict : Verdict, optional
        They are answers about single candidates; None for a plain import, that is, positives only.
    complete : bool
        What is not marked in those micrographs is background.
    query : Path, optional
        Take only what lies in this query's fields, and make those fields complete.
    format_name : str, optional
        Format of the files, told by content otherwise.
    cs_y : str
        Direction of cryoSPARC's y.
    class_text : str, optional
        Name or number of the class, or kind of junk, of all positions; by default what the files tell.
    classes : bool
        Class numbers of autopick's templates or of a classification are kinds of particles, too; so they are where the
        workspace has names for its classes (with Verdict.REJECTED: for its kinds of junk).
    """

    paths: tuple[Path, ...]
    verdict: Verdict | None = None
    complete: bool = False
    query: Path | None = None
    format_name: str | None = None
    cs_y: str = "file"
    class_text: str | None = None
    classes: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import added.

    Attributes
    ----------
    micrographs : int
        How many the files named.
    added : mapping of str to int
        New decisions by kind; empty where all were known.
    """

    micrographs: int
    added: Mapping[str, int] = field(default_factory=dict)


def import_labels(project: Project, what: LabelImport) -> Imported:
    """Read picks and append what is new to the journal.

    A particle that is marked already, within `Project.same_particle_px`, stays where it is marked; where the picks
    tell its class, and the mark another or none, it takes that class.

    Raises
    ------
    LabelError
        The picks do not fit the workspace's micrographs.
    FileError, FileFormatError
        A file cannot be read.
    OptionError
        Options that contradict each other.
    """
    if what.verdict == Verdict.REJECTED and what.complete:
        raise OptionError("--complete: rejected positions complete nothing; import the particles with --complete")
    if what.verdict and what.query:
        raise OptionError("--as and --query: give one of them; what lies in a query's fields is particles")
    names, number = _class_names(project, what), _class_number(project, what)
    told = what.classes or bool(names) or number is not None
    options = ImportOptions(project.entries, project.shapes, what.cs_y, all_class_numbers=told)  # type: ignore[arg-type]
    picks = read_picks(what.paths, options, what.format_name)
    if number is not None:
        picks = {key: replace(one, class_number=np.full(len(one), number)) for key, one in picks.items()}
    decisions = _of_fields(what.query, picks) if what.query else _of_micrographs(what, picks)
    with writer_lock(project.layout.labels_lock, "cryoal label"):
        marked = project.labels()
        decisions = _as_marked(decisions, marked, project.same_particle_px)
        new = new_decisions(read_journal(project.layout.labels), decisions)
        append_decisions(project.layout.labels, new)
    known = {(key, mark.x, mark.y) for key, one in marked.items() for mark in one.labels}
    counts = Counter(_kind(decision, known) for decision in new)
    return Imported(len(picks), {kind: counts[kind] for kind in _KINDS if counts[kind]})


def _class_number(project: Project, what: LabelImport) -> int | None:
    """The class that all positions are given; None for that of the files."""
    if what.class_text is None:
        return None
    return class_number(what.class_text, _class_names(project, what), "--class")


def _class_names(project: Project, what: LabelImport) -> tuple[str, ...]:
    """Names of the classes, or kinds of junk, that the positions may have."""
    return project.settings.junk if what.verdict == Verdict.REJECTED else project.settings.classes


def _of_micrographs(what: LabelImport, picks: Mapping[str, Picks]) -> list[Decision]:
    """Decisions about whole micrographs."""
    origin = Origin.ANSWER if what.verdict else Origin.IMPORT
    origin = Origin.COMPLETE if what.complete else origin
    verdict = what.verdict or Verdict.PARTICLE
    if not what.complete and not any(len(one) for one in picks.values()):
        raise LabelError(f"{what.paths[0]}: holds no positions; give --complete if these micrographs have no particle")
    decisions = []
    for key, one in picks.items():
        decisions += _labels(key, one, verdict, origin)
        if what.complete:
            decisions.append(_decision(CompleteMicrograph(), key))
    return decisions


def _of_fields(query: Path, picks: Mapping[str, Picks]) -> list[Decision]:
    """Decisions about the fields of a query on the micrographs that the files name."""
    decisions = []
    for asked in read_query(query):
        square: Field = asked.field
        if square.micrograph not in picks:
            continue
        one = picks[square.micrograph]
        decisions += _labels(square.micrograph, one.select(square.contains(one.xy)), Verdict.PARTICLE, Origin.COMPLETE)
        drawn = RANDOM if asked.reason == RANDOM else asked.reason
        decisions.append(_decision(CompleteField(square, drawn), square.micrograph))
    if not decisions:
        raise LabelError(f"{query}: the files name none of the micrographs of this query; give their labels")
    return decisions


def _as_marked(
    decisions: Sequence[Decision], marked: Mapping[str, MicrographLabels], radius_px: float
) -> list[Decision]:
    """The decisions, those about particles that are marked already moved to the marks."""
    out = list(decisions)
    rows: dict[str, list[int]] = defaultdict(list)
    for row, decision in enumerate(decisions):
        if _may_be_marked(decision.what) and decision.micrograph in marked:
            rows[decision.micrograph].append(row)
    for key, indices in rows.items():
        marks = [mark for mark in marked[key].labels if mark.verdict == Verdict.PARTICLE]
        imported = [cast("Label", decisions[row].what) for row in indices]
        pairs = match(_positions(imported), _positions(marks), radius_px)
        for pick, truth in zip(pairs.pick, pairs.truth, strict=True):
            row, mark, label = indices[pick], marks[truth], imported[pick]
            origin = label.origin if label.origin == Origin.COMPLETE else mark.origin
            number = label.class_number or mark.class_number
            out[row] = replace(out[row], what=replace(mark, origin=origin, class_number=number))
    return out


def _may_be_marked(what: What) -> bool:
    """Whether it is a particle of a file; an answer is about the very position."""
    return isinstance(what, Label) and what.verdict == Verdict.PARTICLE and what.origin != Origin.ANSWER


def _positions(labels: Sequence[Label]) -> NDArray[np.float64]:
    """(x, y), shape (N, 2)."""
    return np.array([(label.x, label.y) for label in labels], np.float64).reshape(-1, 2)


def _labels(key: str, picks: Picks, verdict: Verdict, origin: Origin) -> list[Decision]:
    """A decision for each position."""
    numbers = np.maximum(picks.class_number, 0)
    rows = zip(picks.x, picks.y, numbers, strict=True)
    return [_decision(Label(float(x), float(y), verdict, origin, int(c)), key) for x, y, c in rows]


def _decision(what: Label | CompleteField | CompleteMicrograph, key: str) -> Decision:
    return Decision(what, key, who=_user())


def _user() -> str:
    """The login name, empty where the system has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _kind(decision: Decision, known: Container[tuple[str, float, float]]) -> str:
    """Word for the summary."""
    match decision.what:
        case Label() as label:
            is_known = label.class_number and (decision.micrograph, label.x, label.y) in known
            return _CLASS if is_known else label.verdict.value
        case CompleteField():
            return _FIELD
        case _:
            return _MICROGRAPH
