"""Where a workspace stands, and what to do next."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from cryoal.errors import FileFormatError
from cryoal.learner.project import Project
from cryoal.learner.training import count_labels
from cryoal.workspace.candidates import is_scored
from cryoal.workspace.layout import RoundLayout
from cryoal.workspace.rounds import published_rounds, read_info
from cryoal.workspace.set_aside import read_set_aside


@dataclass(frozen=True, slots=True)
class RoundStatus:
    """One round.

    Attributes
    ----------
    number : int
    labels : mapping of str to int
        What it learnt from.
    metrics : mapping of str to float
        Measured on labels kept out of training.
    scored : int
        Micrographs.
    queried, picked : bool
    """

    number: int
    labels: Mapping[str, int]
    metrics: Mapping[str, float]
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
    """

    micrographs: int
    set_aside: Mapping[str, str]
    labels: Mapping[str, int]
    rounds: tuple[RoundStatus, ...]
    advice: str


def status(project: Project) -> Status:
    """Look at a workspace.

    Raises
    ------
    FileFormatError
        A file of the workspace is broken.
    """
    labels = count_labels(project.labels())
    usable = [entry.key for entry in project.usable()]
    rounds = tuple(_round(one, usable) for one in published_rounds(project.layout))
    return Status(
        len(project.entries),
        read_set_aside(project.layout),
        labels,
        rounds,
        _advice(project, labels, rounds, len(usable)),
    )


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
        sum(is_scored(layout, key) for key in usable),
        layout.query.exists(),
        layout.picks_folder.is_dir(),
    )


def _advice(project: Project, labels: Mapping[str, int], rounds: tuple[RoundStatus, ...], usable: int) -> str:
    """The next step."""
    root = project.layout.root
    if not labels["particle"]:
        return f"label particles: cryoal query {root} says where, cryoal label {root} PICKS imports them"
    if not rounds or dict(rounds[-1].labels) != dict(labels):
        return f"there are labels that no committee has learnt from: cryoal train {root}"
    newest = rounds[-1]
    if newest.scored < usable:
        return f"{usable - newest.scored} micrographs are not scored: cryoal score {root}"
    if not newest.queried and not newest.picked:
        return f"ask what to label next, cryoal query {root}, or be content with what there is, cryoal pick {root}"
    if not newest.picked:
        return f"label the fields of {newest_query(root, newest)}, or be content: cryoal pick {root}"
    return f"hand over: cryoal export {root} --format relion --out DIR"


def newest_query(root: object, newest: RoundStatus) -> str:
    """Where the newest query lies, for a person."""
    return f"{root}/rounds/{newest.number:04d}/query.star"
