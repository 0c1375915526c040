"""Where a workspace stands, and what to do next."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryoal.errors import FileFormatError
from cryoal.learner.outlook import Outlook, outlook
from cryoal.learner.project import Project
from cryoal.learner.queries import asks_fields, cold_start_query
from cryoal.workspace.candidates import scored_keys
from cryoal.workspace.labelling import count_labels
from cryoal.workspace.layout import RoundLayout
from cryoal.workspace.rounds import PRETRAINED, found_picks, published_rounds, read_info
from cryoal.workspace.set_aside import read_set_aside


@dataclass(frozen=True, slots=True)
class RoundStatus:
    """One round.

    Attributes
    ----------
    number : int
    labels : mapping of str to int
        What it learnt from.
    metrics : mapping of str to number, or to lists of numbers
        Measured on labels kept out of training.
    scored : int
        Micrographs.
    queried, picked : bool
    """

    number: int
    labels: Mapping[str, int]
    metrics: Mapping[str, Any]
    scored: int
    queried: bool
    picked: bool


@dataclass(frozen=True, slots=True)
class Status:
    """A workspace.

    Attributes
    ----------
    micrographs : int
    set_aside : mapping of str to str
        Reason by key.
    labels : mapping of str to int
    rounds : tuple of RoundStatus
    advice : str
        What to do next.
    outlook : Outlook, optional
        Whether another round is likely to pay; None before there is one.
    """

    micrographs: int
    set_aside: Mapping[str, str]
    labels: Mapping[str, int]
    rounds: tuple[RoundStatus, ...]
    advice: str
    outlook: Outlook | None


def status(project: Project) -> Status:
    """Look at a workspace.

    Raises
    ------
    FileFormatError
        A file of the workspace is broken.
    """
    aside = read_set_aside(project.layout)
    usable = [entry.key for entry in project.entries if entry.key not in aside]
    rounds = tuple(_round(one, usable) for one in published_rounds(project.layout))
    labels = count_labels(project.labels())
    return Status(len(project.entries), aside, labels, rounds, advice(project), outlook(project))


def advice(project: Project) -> str:
    """What to do next, one line.

    Raises
    ------
    FileFormatError
        A file of the workspace is broken.
    """
    root, labels = project.layout.root, count_labels(project.labels())
    rounds = published_rounds(project.layout)
    if not rounds and not labels["particle"]:
        return _ask_for_particles(project)
    if can_learn(project, labels) and not is_learnt(project, labels):
        return f"teach the committee the new labels, cryoal train {root}"
    newest, usable = rounds[-1], project.usable()
    missing = len({entry.key for entry in usable} - scored_keys(newest))
    if missing:
        return f"score {missing:,} of {len(usable):,} micrographs, cryoal score {root}"
    if found_picks(newest) is not None:
        return f"hand over the picks, cryoal export {root} --format relion --out DIR"
    if newest.query.exists():
        return f"{_answer(project, newest.query)}; or be content: cryoal pick {root}"
    return f"ask what to label, cryoal query {root}; or be content: cryoal pick {root}"


def can_learn(project: Project, labels: Mapping[str, int]) -> bool:
    """Whether so many labels of each kind are enough: background alone is where training starts from weights."""
    background = sum(labels[kind] for kind in ("rejected", "complete fields", "complete micrographs"))
    return bool(labels["particle"] or (background and project.config.training.start == PRETRAINED))


def is_learnt(project: Project, labels: Mapping[str, int]) -> bool:
    """Whether the newest round was trained on so many labels of each kind."""
    rounds = published_rounds(project.layout)
    return bool(rounds) and dict(read_info(rounds[-1]).labels) == dict(labels)


def _ask_for_particles(project: Project) -> str:
    """The first step: nothing can be learnt without a particle."""
    root = project.layout.root
    if cold_start_query(project.layout).exists():
        return _answer(project, cold_start_query(project.layout))
    return (
        f"propose particles before any is labelled, cryoal score {root}; cryoal label {root} PICKS imports labels; "
        f"cryoal query {root} says which fields to mark"
    )


def _answer(project: Project, query: Path) -> str:
    """How a query is answered."""
    command = f"cryoal label {project.layout.root} PICKS"
    if asks_fields(query):
        return f"mark the particles in the fields of {query}, {command} --query {query}"
    return f"mark the particles in the micrographs of {query}, {command} --complete"


def _round(layout: RoundLayout, usable: list[str]) -> RoundStatus:
    """One round."""
    try:
        metrics = json.loads(layout.metrics.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{layout.metrics}: broken ({error}); delete {layout.folder} and train again") from error
    return RoundStatus(
        layout.number,
        read_info(layout).labels,
        metrics,
        len(scored_keys(layout).intersection(usable)),
        layout.query.exists(),
        found_picks(layout) is not None,
    )
