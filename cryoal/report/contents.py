"""What the page says of a workspace: gathered once, at whatever stage the workspace is."""

import platform
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from cryoal import __version__
from cryoal.data.micrograph import MicrographEntry, ScaledMicrograph
from cryoal.data.picks import Picks
from cryoal.errors import MicrographError, WorkspaceError
from cryoal.learner.audit import AuditedField, read_audit
from cryoal.learner.outlook import Quality, random_quality
from cryoal.learner.picks import newest_picks
from cryoal.learner.progress import Progress
from cryoal.learner.project import Project
from cryoal.learner.stability import agreements
from cryoal.learner.status import Status, status
from cryoal.workspace.candidates import read_candidates, scored_keys
from cryoal.workspace.layout import RoundLayout
from cryoal.workspace.rounds import published_rounds

_SAMPLE = 100
_PACKAGES = ("numpy", "torch", "scipy", "scikit-image", "pandas")


@dataclass(frozen=True, slots=True)
class Example:
    """A micrograph to show.

    Attributes
    ----------
    why : str
        What it is an example of.
    entry : MicrographEntry
    scaled : ScaledMicrograph
    picks : Picks
        In pixels of the original micrograph.
    """

    why: str
    entry: MicrographEntry
    scaled: ScaledMicrograph
    picks: Picks


@dataclass(frozen=True, slots=True)
class Contents:
    """All that the page says.

    Attributes
    ----------
    project : Project
    status : Status
    qualities : tuple of Quality or None
        Of each round, on random fields; None where it was judged on none.
    audited : tuple of AuditedField
        The random fields of the newest round that was judged on any.
    kappas : tuple of float or None
        Agreement of each round but the first with the one before.
    scored_round : int
        The newest round that has scored a micrograph; 0 where none has.
    candidates, sampled : float64 array, int
        Probabilities of the candidates that `scored_round` proposes on so many micrographs spread over the list.
    picked_round : int
        The round that the picks are of; 0 where nothing is picked.
    picks : tuple of (MicrographEntry, Picks)
        Of the micrographs that have a file of picks, in the list's order.
    examples : tuple of Example
    versions : dict of str to str
        By name of the program.
    """

    project: Project
    status: Status
    qualities: tuple[Quality | None, ...]
    audited: tuple[AuditedField, ...]
    kappas: tuple[float | None, ...]
    scored_round: int
    candidates: NDArray[np.float64]
    sampled: int
    picked_round: int
    picks: tuple[tuple[MicrographEntry, Picks], ...]
    examples: tuple[Example, ...]
    versions: dict[str, str]


def gather(project: Project) -> Iterator[Progress | Contents]:
    """Read what the page needs; the last value is it.

    Raises
    ------
    FileError, FileFormatError
        A file of the workspace is broken or cannot be read.
    """
    rounds = published_rounds(project.layout)
    audits = [read_audit(one) for one in rounds]
    scored_round, candidates, sampled = yield from _candidates(project, rounds)
    yield Progress("reading picks", 0, 1)
    picked_round, picks = _picks(project)
    yield Progress("reading picks", 1, 1)
    examples = yield from _examples(project, picks)
    yield Contents(
        project,
        status(project),
        tuple(random_quality(one) for one in audits),
        tuple(next((one for one in reversed(audits) if one), [])),
        tuple(agreements(project)),
        scored_round,
        candidates,
        sampled,
        picked_round,
        tuple(picks),
        tuple(examples),
        {"cryoal": __version__, "Python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
    )


def _candidates(
    project: Project, rounds: Sequence[RoundLayout]
) -> Generator[Progress, None, tuple[int, NDArray[np.float64], int]]:
    """The newest scored round's probabilities, on micrographs spread over the list."""
    for layout in reversed(rounds):
        scored = scored_keys(layout)
        entries = [entry for entry in project.usable() if entry.key in scored]
        if not entries:
            continue
        chosen = [entries[i] for i in np.unique(np.linspace(0, len(entries) - 1, _SAMPLE).astype(int))]
        found = []
        for done, entry in enumerate(chosen):
            yield Progress("reading candidates", done, len(chosen))
            found.append(read_candidates(layout, entry.key).probability.astype(np.float64))
        yield Progress("reading candidates", len(chosen), len(chosen))
        return layout.number, np.concatenate(found), len(chosen)
    return 0, np.empty(0), 0


def _picks(project: Project) -> tuple[int, list[tuple[MicrographEntry, Picks]]]:
    """The newest picks and their round; none where nothing is picked."""
    try:
        layout, picks = newest_picks(project)
    except WorkspaceError:
        return 0, []
    return layout.number, picks


def _examples(
    project: Project, picks: Sequence[tuple[MicrographEntry, Picks]]
) -> Generator[Progress, None, list[Example]]:
    """The micrographs with the most picks, the median number and the fewest; those that cannot be read are left out."""
    order = np.argsort([-len(found) for _, found in picks], kind="stable")
    places = {"most picks": 0, "median number of picks": (len(order) - 1) // 2, "fewest picks": len(order) - 1}
    chosen = {int(order[place]): why for why, place in reversed(places.items())} if len(order) else {}
    examples = []
    for done, (row, why) in enumerate(sorted(chosen.items(), key=lambda item: list(places).index(item[1]))):
        yield Progress("reading example micrographs", done, len(chosen))
        entry, found = picks[row]
        try:
            examples.append(Example(why, entry, project.read_scaled(entry), found))
        except MicrographError:
            continue
    yield Progress("reading example micrographs", len(chosen), len(chosen))
    return examples
