"""The query: which fields or micrographs to ask the expert about next."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cryoal.acquisition.fields import QueriedMicrograph, grid_fields, query_fields, query_micrographs
from cryoal.acquisition.strategies import get_strategy
from cryoal.data.candidates import CandidatePool, QueriedField
from cryoal.data.labels import Field, MicrographLabels
from cryoal.errors import OptionError, WorkspaceError
from cryoal.io import star
from cryoal.learner.project import Project
from cryoal.learner.queries import cold_start_query, write_query
from cryoal.workspace.candidates import is_scored, read_pool
from cryoal.workspace.journal import RANDOM
from cryoal.workspace.layout import RoundLayout
from cryoal.workspace.lock import writer_lock
from cryoal.workspace.rounds import published_rounds


def ask_fields(
    project: Project, strategy: str | None = None, n: int | None = None, seed: int | None = None
) -> tuple[Path, list[QueriedField]]:
    """Choose fields and write the query.

    Before there is a scored round only `random` can choose, and does.

    Returns
    -------
    path : Path
        The query's STAR file.
    asked : list of QueriedField
        In the order they were chosen.

    Raises
    ------
    OptionError
        The strategy is not known, or fewer fields are left than asked for.
    WorkspaceError
        The newest round is not scored.
    """
    config = project.config.query
    layout, pool = _newest_pool(project, strategy)
    fields = open_fields(project, project.labels())
    if not fields:
        raise WorkspaceError(f"{project.layout.root}: every field is labelled; there is nothing left to ask")
    n = _checked_number(min(config.fields, len(fields)) if n is None else n, len(fields), "fields")
    name = RANDOM if layout is None else strategy or config.strategy
    rng = _generator(project, layout, seed)
    open_in = Counter(field.micrograph for field in fields)
    within_quota = sum(min(number, config.per_micrograph) for number in open_in.values())
    quota = config.per_micrograph if n <= within_quota else None
    asked = query_fields(pool, fields, get_strategy(name), n, rng, per_micrograph=quota)
    path = query_path(project, layout)
    with writer_lock(project.layout.rounds_lock, "cryoal query"):
        write_query(path, asked)
    return path, asked


def ask_micrographs(
    project: Project, strategy: str | None = None, n: int | None = None, seed: int | None = None
) -> tuple[Path, list[QueriedMicrograph]]:
    """Choose whole micrographs and write the query; raises as `ask_fields`."""
    config = project.config.query
    layout, pool = _newest_pool(project, strategy)
    labels = project.labels()
    free = [i for i, key in enumerate(pool.micrographs) if key not in labels or not labels[key].complete]
    if not free:
        raise WorkspaceError(f"{project.layout.root}: every micrograph is complete; there is nothing left to ask")
    name = RANDOM if layout is None else strategy or config.strategy
    rest = _restrict(pool, free)
    n = _checked_number(min(config.fields, len(free)) if n is None else n, len(free), "micrographs")
    asked = query_micrographs(rest, get_strategy(name), n, _generator(project, layout, seed))
    path = query_path(project, layout)
    columns: Mapping[str, Sequence[object]] = {
        "rlnMicrographName": [one.micrograph for one in asked],
        "cryoalUtility": [one.utility for one in asked],
        "cryoalReason": [one.reason for one in asked],
    }
    with writer_lock(project.layout.rounds_lock, "cryoal query"):
        star.write(path, {"micrographs": columns})
    return path, asked


def query_path(project: Project, layout: RoundLayout | None) -> Path:
    """Where the query of a round lies; that of the cold start lies in the workspace itself."""
    return cold_start_query(project.layout) if layout is None else layout.query


def open_fields(project: Project, labels: Mapping[str, MicrographLabels]) -> list[Field]:
    """The grid of fields over all usable micrographs, less what is complete."""
    out: list[Field] = []
    for entry in project.usable():
        known = labels.get(entry.key, MicrographLabels())
        if known.complete or entry.key not in project.shapes:
            continue
        size = project.config.query.field_diameters * project.diameter_px(entry)
        grid = grid_fields(entry.key, project.shapes[entry.key], size)
        out += [field for field in grid if not any(_overlap(field, other) for other in known.fields)]
    return out


def _checked_number(n: int, most: int, units: str) -> int:
    """Refuse to ask for none, or for more than there are."""
    if not 1 <= n <= most:
        raise OptionError(f"--fields: {n} is not allowed; {most:,} {units} are not yet labelled, give 1 to {most}")
    return n


def _overlap(a: Field, b: Field) -> bool:
    """Whether two fields share more than their rims."""
    reach = (a.size + b.size) / 2 - 0.01
    centre = ((a.x - b.x) + (a.size - b.size) / 2, (a.y - b.y) + (a.size - b.size) / 2)
    return abs(centre[0]) < reach and abs(centre[1]) < reach


def _newest_pool(project: Project, strategy: str | None) -> tuple[RoundLayout | None, CandidatePool]:
    """The newest round's candidates; no round and an empty pool before there is one."""
    usable = [entry.key for entry in project.usable()]
    if strategy is not None:
        get_strategy(strategy)
    rounds = published_rounds(project.layout)
    if not rounds:
        if strategy not in (None, RANDOM):
            raise OptionError(
                f"--strategy: {strategy} needs a committee; run cryoal train and score, or give --strategy {RANDOM}"
            )
        empty = (np.empty(shape, np.float32) for shape in ((0, 2), (2, 0, 2), (0, 1)))
        return None, CandidatePool(tuple(usable), np.empty(0, np.int32), *empty)
    newest = rounds[-1]
    scored = [key for key in usable if is_scored(newest, key)]
    if not scored:
        raise WorkspaceError(
            f"{project.layout.root}: round {newest.number} has not scored any micrograph; run cryoal score"
        )
    return newest, read_pool(newest, scored)


def _restrict(pool: CandidatePool, micrographs: Sequence[int]) -> CandidatePool:
    """The pool of some micrographs only."""
    place = np.full(len(pool.micrographs), -1)
    place[list(micrographs)] = np.arange(len(micrographs))
    part = pool.select(place[pool.micrograph] >= 0)
    names = tuple(pool.micrographs[i] for i in micrographs)
    return CandidatePool(names, place[part.micrograph].astype(np.int32), part.xy, part.probability, part.embedding)


def _generator(project: Project, layout: RoundLayout | None, seed: int | None) -> np.random.Generator:
    """Differs from round to round, the same for the same seed."""
    base = project.settings.seed if seed is None else seed
    return np.random.default_rng([base, 0 if layout is None else layout.number])
