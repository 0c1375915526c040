"""A query's first field lies at an edge while it is open whether the expert marks particles there."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cryoal.acquisition.fields import query_fields
from cryoal.acquisition.strategies import get_strategy
from cryoal.acquisition.units import RANDOM
from cryoal.data.candidates import Candidates, QueriedField
from cryoal.data.fields import Fields
from cryoal.data.labels import Field
from cryoal.data.micrograph import edge_distance_px
from cryoal.errors import NoCandidatesError
from cryoal.learner.project import Project
from cryoal.model.calibration import read_calibration
from cryoal.model.margin import WIDEST_DIAMETERS, is_open
from cryoal.workspace.layout import RoundLayout

REASON = "edge"
_MICROGRAPHS, _TRIED = 24, 8
_AT_EDGE_DIAMETERS = 0.25
_LIKELY = 0.2  # of a candidate near the edge, whose probability a possible margin has halved


def edge_first(
    project: Project,
    layout: RoundLayout,
    pool: Candidates,
    fields: Fields,
    asked: Sequence[QueriedField],
    rng: np.random.Generator,
) -> list[QueriedField]:
    """Let the query begin with the field that tells most about the edges, its own or else one in place of another.

    One field then changes what is thought of the edges of all micrographs. Nothing is changed where that is known well
    enough, or where no field at an edge holds likely candidates.

    Parameters
    ----------
    layout : RoundLayout
        The newest round, whose candidates are in `pool`.
    fields : Fields
        All that are open.
    asked : sequence of QueriedField
        What the strategy chose.
    """
    unchanged = list(asked)
    if len(asked) < 2 or not is_open(read_calibration(layout.calibration).unmarked):
        return unchanged
    telling = [_candidates_near_edge(project, one) for one in asked]
    best = int(np.argmax(telling))
    if telling[best] > 1:
        return [asked[best], *asked[:best], *asked[best + 1 :]]
    tried = _at_edges(project, pool, fields, rng)
    if not tried or max(found := [_candidates_near_edge(project, one) for one in tried]) <= telling[best]:
        return unchanged
    given_up = max((i for i, one in enumerate(asked) if one.reason != RANDOM), default=len(asked) - 1)
    return [tried[int(np.argmax(found))], *asked[:given_up], *asked[given_up + 1 :]]


def _at_edges(project: Project, pool: Candidates, fields: Fields, rng: np.random.Generator) -> list[QueriedField]:
    """Some fields at edges, of a few micrographs, in which particles are seen."""
    chosen = rng.permutation(len(pool.micrographs))[:_MICROGRAPHS]
    here = {pool.micrographs[i] for i in chosen}
    mine = np.flatnonzero(np.array([key in here for key in fields.micrographs])[fields.micrograph])
    at_edge = fields.select(mine[[_is_at_edge(project, fields[int(i)]) for i in mine]] if mine.size else mine)
    if not at_edge:
        return []
    strategy = get_strategy("foreground-random")
    few = pool.on(sorted(int(i) for i in chosen))
    try:
        tried = query_fields(few, at_edge, strategy, min(_TRIED, len(at_edge)), rng, exploration=0.0)
    except NoCandidatesError:
        return []
    return [QueriedField(one.field, one.utility, REASON, one.candidates, one.class_number) for one in tried]


def _is_at_edge(project: Project, field: Field) -> bool:
    """Whether a field reaches an edge, but for a little."""
    ny, nx = project.shapes[field.micrograph]
    gap = min(field.x, field.y, nx - field.x - field.size, ny - field.y - field.size)
    return gap < _AT_EDGE_DIAMETERS * project.diameter_px(project.by_key[field.micrograph])


def _candidates_near_edge(project: Project, asked: QueriedField) -> int:
    """How many likely candidates of a field lie where a margin is possible."""
    key, found = asked.field.micrograph, asked.candidates
    distance: NDArray[np.float64] = edge_distance_px(found[:, :2], project.shapes[key])
    near = distance < WIDEST_DIAMETERS * project.diameter_px(project.by_key[key])
    return int(np.sum(near & (found[:, 2] > _LIKELY)))
