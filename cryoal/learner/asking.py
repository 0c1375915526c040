"""The query: which fields or micrographs to ask the expert about next."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cryoal.acquisition.fields import (
    QueriedMicrograph,
    buy_micrographs,
    grid_corners,
    grid_origin,
    query_fields,
    query_micrographs,
)
from cryoal.acquisition.micrographs import Aggregation
from cryoal.acquisition.selectors import class_selector
from cryoal.acquisition.strategies import Strategy, get_strategy
from cryoal.data.candidates import Candidates, QueriedField
from cryoal.data.fields import Fields
from cryoal.data.labels import Field, MicrographLabels
from cryoal.errors import NoCandidatesError, OptionError, WorkspaceError
from cryoal.io import star
from cryoal.learner.cold_start import cold_start_pool, needs_cold_start
from cryoal.learner.edge_query import edge_first
from cryoal.learner.project import Project
from cryoal.learner.queries import cold_start_query, write_query
from cryoal.workspace.candidates import RoundPool, scored_keys
from cryoal.workspace.journal import RANDOM
from cryoal.workspace.layout import RoundLayout
from cryoal.workspace.lock import writer_lock
from cryoal.workspace.rounds import published_rounds, read_info

_Asked = TypeVar("_Asked")


def ask_fields(
    project: Project,
    strategy: str | None = None,
    n: int | None = None,
    seed: int | None = None,
    aggregation: str | None = None,
    *,
    even_classes: bool = False,
) -> tuple[Path, list[QueriedField]]:
    """Choose fields and write the query.

    Before there is a round, while one that started from nothing has learnt too little (`needs_cold_start`), and where
    the newest proposes nothing at all, the candidates are those of `cold_start_pool`.

    Parameters
    ----------
    project : Project
    strategy : str, optional
        By default `QueryConfig.cold_start` at first, `QueryConfig.strategy` then, which begins at an edge while it is
        open whether particles are marked there (`edge_first`).
    n : int, optional
        How many; by default `QueryConfig.fields`, or all that are left.
    seed : int, optional
    aggregation : str, optional
        How candidates' scores become a field's, in place of the strategy's own (`Aggregation`).
    even_classes : bool
        As many of each predicted particle class, whatever the strategy.

    Returns
    -------
    path : Path
        The query's STAR file.
    asked : list of QueriedField
        In the order they were chosen.

    Raises
    ------
    OptionError
        Strategy or aggregation are not known, or fewer fields are left than asked for.
    WorkspaceError
        The newest round is not scored.
    """
    config = project.config.query
    _check_names(strategy, aggregation)
    source = _candidates(project, strategy, aggregation)
    fields = _fields_to_ask(project, source.pool)
    n = _checked_number(min(config.fields, len(fields)) if n is None else n, len(fields), "fields")
    chooser = _even(source) if even_classes else source.strategy
    within_quota = int(np.minimum(np.bincount(fields.micrograph), config.per_micrograph).sum())
    quota = config.per_micrograph if n <= within_quota else None
    rng = _generator(project, source.layout, seed)
    asked = _or_random(partial(query_fields, source.pool, fields, chooser, n, rng, per_micrograph=quota))
    if strategy is None and source.layout is not None and isinstance(source.pool, RoundPool):
        asked = edge_first(project, source.layout, source.pool, fields, asked, rng)
    path = query_path(project, source.layout)
    with writer_lock(project.layout.rounds_lock, "cryoal query"):
        write_query(path, asked)
    return path, asked


def ask_micrographs(
    project: Project,
    strategy: str | None = None,
    n: int | None = None,
    seed: int | None = None,
    aggregation: str | None = None,
    budget_seconds: float | None = None,
) -> tuple[Path, list[QueriedMicrograph]]:
    """Choose whole micrographs and write the query; parameters and errors as for `ask_fields`.

    With `budget_seconds` they are chosen by utility per expert second until it is spent, in place of `n`.
    """
    config = project.config.query
    _check_names(strategy, aggregation)
    if n is not None and budget_seconds is not None:
        raise OptionError("--fields and --budget-seconds: give one of them")
    labels = project.labels()
    source = _candidates(project, strategy, aggregation)
    keys = source.pool.micrographs
    free = [i for i, key in enumerate(keys) if key not in labels or not labels[key].complete]
    if not free:
        raise WorkspaceError(f"{project.layout.root}: every micrograph is complete; there is nothing left to ask")
    n = _checked_number(min(config.fields, len(free)) if n is None else n, len(free), "micrographs")
    pool = source.pool.on(free)
    rng = _generator(project, source.layout, seed)
    if budget_seconds is None:
        asked = _or_random(partial(query_micrographs, pool, source.strategy, n, rng))
    else:
        asked = buy_micrographs(pool, source.strategy, budget_seconds, rng)
    path = query_path(project, source.layout)
    columns: Mapping[str, Sequence[object]] = {
        "rlnMicrographName": [one.micrograph for one in asked],
        "cryoalUtility": [one.utility for one in asked],
        "cryoalSeconds": [one.seconds for one in asked],
        "cryoalReason": [one.reason for one in asked],
    }
    with writer_lock(project.layout.rounds_lock, "cryoal query"):
        star.write(path, {"micrographs": columns})
    return path, asked


def _or_random(query: Callable[..., list[_Asked]]) -> list[_Asked]:
    """What a query asks; random units where none that is open holds a candidate, for something may have been missed."""
    try:
        return query()
    except NoCandidatesError:
        return query(exploration=1.0)


def query_path(project: Project, layout: RoundLayout | None) -> Path:
    """Where the query of a round lies; that of the cold start lies in the workspace itself."""
    return cold_start_query(project.layout) if layout is None else layout.query


def open_fields(project: Project, labels: Mapping[str, MicrographLabels]) -> Fields:
    """The grid of fields over all usable micrographs, less what is complete."""
    corners: dict[tuple[tuple[int, int], float, tuple[int, int]], NDArray[np.float64]] = {}
    keys, found, sizes = [], [np.empty((0, 2))], []
    for entry in project.usable():
        known = labels.get(entry.key, MicrographLabels())
        if known.complete or entry.key not in project.shapes:
            continue
        size = project.config.query.field_diameters * project.diameter_px(entry)
        alike = (project.shapes[entry.key], size, grid_origin(entry.key))
        if alike not in corners:
            corners[alike] = grid_corners(*alike)
        grid = corners[alike]
        for other in known.fields:
            grid = grid[~_overlap(grid, size, other)]
        keys.append(entry.key)
        found.append(grid)
        sizes.append(size)
    counts = [len(grid) for grid in found[1:]]
    return Fields(tuple(keys), np.repeat(np.arange(len(keys)), counts), np.concatenate(found), np.repeat(sizes, counts))


def _fields_to_ask(project: Project, candidates: Candidates) -> Fields:
    """Open fields on micrographs that have candidates: elsewhere the expert would be shown one without proposals."""
    fields = open_fields(project, project.labels())
    if not fields:
        raise WorkspaceError(f"{project.layout.root}: every field is labelled; there is nothing left to ask")
    known = set(candidates.micrographs)
    chosen = fields.select(np.array([key in known for key in fields.micrographs])[fields.micrograph])
    if not chosen:
        raise WorkspaceError(f"{project.layout.root}: every field that is scored is labelled; run cryoal score")
    return chosen


def _checked_number(n: int, most: int, units: str) -> int:
    """Refuse to ask for none, or for more than there are."""
    if not 1 <= n <= most:
        raise OptionError(f"--fields: {n} is not allowed; {most:,} {units} are not yet labelled, give 1 to {most}")
    return n


def _overlap(corner: NDArray[np.float64], size: float, other: Field) -> NDArray[np.bool_]:
    """Which squares, by their smallest x and y, shape (U, 2), share more than their rims with a field."""
    apart = corner - (other.x, other.y) + (size - other.size) / 2
    overlap: NDArray[np.bool_] = np.all(np.abs(apart) < (size + other.size) / 2 - 0.01, axis=1)
    return overlap


@dataclass(frozen=True, slots=True)
class _Source:
    """What a query chooses from, and how."""

    layout: RoundLayout | None
    pool: Candidates
    strategy: Strategy


def _candidates(project: Project, strategy: str | None, aggregation: str | None) -> _Source:
    """The newest round's candidates, or those of the cold start, and the strategy."""
    rounds = published_rounds(project.layout)
    newest = rounds[-1] if rounds else None
    is_cold = newest is None or (
        not read_info(newest).is_pretrained and needs_cold_start(project.labels(), project.config.query)
    )
    by_default = project.config.query.strategy
    chosen = _for_round(newest, strategy or by_default)
    scored = None if newest is None or is_cold else _scored_pool(project, newest, chosen.uses_embedding)
    pool: Candidates
    if scored is not None and not scored.is_empty:
        pool = scored
    else:
        pool = blobs = cold_start_pool(project)
        is_cold, by_default = True, project.config.query.cold_start if len(blobs) else RANDOM
        chosen = _for_round(newest, strategy or by_default)
    if is_cold and chosen.min_members > 1:
        enough = project.config.query.cold_start_labels
        raise OptionError(
            f"--strategy: {chosen.name} needs a committee that has learnt from {enough} particles and {enough} labels "
            f"of background, and that proposes candidates; label more, or give --strategy {by_default}"
        )
    if aggregation is not None:
        chosen = replace(chosen, aggregation=Aggregation(aggregation))
    return _Source(newest, pool, chosen)


def _for_round(newest: RoundLayout | None, name: str) -> Strategy:
    """The strategy of a name, or the one that asks in its place until the newest committee has learnt from labels."""
    chosen = get_strategy(name)
    is_untaught = newest is not None and not read_info(newest).has_learnt
    return get_strategy(chosen.first) if chosen.first and is_untaught else chosen


def _even(source: _Source) -> Strategy:
    """The strategy, evenly over the predicted particle classes."""
    if not source.pool.classes.particles:
        raise OptionError("--even-classes: the newest round tells no particle classes apart; label some and train")
    return replace(source.strategy, selector=class_selector(source.strategy.selector))


def _scored_pool(project: Project, newest: RoundLayout, embedding: bool) -> RoundPool:
    """The candidates of a round on the micrographs that are usable."""
    done = scored_keys(newest)
    scored = [entry.key for entry in project.usable() if entry.key in done]
    if not scored:
        raise WorkspaceError(
            f"{project.layout.root}: round {newest.number} has not scored any micrograph; run cryoal score"
        )
    return RoundPool(newest, scored, embedding=embedding)


def _check_names(strategy: str | None, aggregation: str | None) -> None:
    """Refuse what is not known, before anything is read."""
    if strategy is not None:
        get_strategy(strategy)
    if aggregation is not None and aggregation not in list(Aggregation):
        raise OptionError(f"--aggregation: {aggregation!r} is not known; give one of {', '.join(Aggregation)}")


def _generator(project: Project, layout: RoundLayout | None, seed: int | None) -> np.random.Generator:
    """Differs from round to round, the same for the same seed."""
    base = project.settings.seed if seed is None else seed
    return np.random.default_rng([base, 0 if layout is None else layout.number])
