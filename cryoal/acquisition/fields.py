"""Queries of fields and of whole micrographs, the units an expert is asked about."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryoal.acquisition.checks import FloatArray, IndexArray
from cryoal.acquisition.choosing import score_candidates
from cryoal.acquisition.micrographs import aggregate_groups, cost_aware_select, seconds_to_complete
from cryoal.acquisition.selectors import foreground_probability, particle_class
from cryoal.acquisition.strategies import Strategy
from cryoal.acquisition.units import RANDOM, TOP_K, Limits, Units, choose_units
from cryoal.data.candidates import CandidatePool, QueriedField
from cryoal.data.labels import Field
from cryoal.errors import ArrayError, OptionError

_APART = 1.5  # sides between the centres of two fields of a batch, where there is room: neighbours look alike


@dataclass(frozen=True, slots=True)
class QueriedMicrograph:
    """A micrograph to ask the expert about, and why.

    Attributes
    ----------
    micrograph : str
        Its key.
    utility : float
        Aggregated score; higher was asked first.
    reason : str
        Name of the strategy that chose it, or ``random``.
    seconds : float
        Expert seconds that completing it is expected to take.
    """

    micrograph: str
    utility: float
    reason: str
    seconds: float


def grid_fields(
    micrograph: str,
    image_shape: tuple[int, int],
    size_px: float,
    valid: Callable[[Field], bool] | NDArray[np.bool_] | None = None,
) -> list[Field]:
    """Lay whole, non-overlapping squares over a micrograph, with equal margins on opposite sides.

    The image reaches from −0.5 to nx − 0.5 in x (an integer is the centre of a pixel), likewise in y.

    Parameters
    ----------
    micrograph : str
        Its key.
    image_shape : (ny, nx)
        Pixels of the original micrograph.
    size_px : float
        Side of a field.
    valid : callable or bool array, optional
        Which fields to keep: a function of the field, or a mask over the image, at any scale, of which at least
        half must be true inside the field.

    Returns
    -------
    list of Field
        Row by row; empty where the micrograph is smaller than a field.

    Raises
    ------
    ArrayError
        The size or the shape is not above zero.
    """
    ny, nx = image_shape
    if not (np.isfinite(size_px) and size_px > 0 and min(ny, nx) > 0):
        raise ArrayError(f"size_px: fields of {size_px} on an image of {ny}×{nx} pixels, expected sizes above 0")
    rows, columns = int(ny // size_px), int(nx // size_px)
    x0, y0 = (nx - columns * size_px) / 2 - 0.5, (ny - rows * size_px) / 2 - 0.5
    grid = [
        Field(micrograph, x0 + column * size_px, y0 + row * size_px, size_px)
        for row in range(rows)
        for column in range(columns)
    ]
    if valid is None:
        return grid
    keep = valid if callable(valid) else lambda field: _mostly_true(valid, field, image_shape)
    return [field for field in grid if keep(field)]


def query_fields(
    pool: CandidatePool,
    fields: Sequence[Field],
    strategy: Strategy,
    n: int,
    rng: np.random.Generator,
    *,
    per_micrograph: int | None = None,
    exploration: float | None = None,
) -> list[QueriedField]:
    """Choose fields to ask about.

    Candidates are scored and aggregated to fields (mean of the best five). The strategy's selector then works
    on fields as it does on candidates: a field's embedding is the mean of its candidates', its probabilities
    are the mean of its best five. Fields of a batch do not touch where there is room, and no micrograph gives
    more than its quota. The exploration share is drawn first, uniformly over all fields within the quota, so
    that fields without candidates are seen and some labels stay unbiased; their reason is ``random``.

    Parameters
    ----------
    pool : CandidatePool
    fields : sequence of Field
        The fields not yet labelled; they do not overlap.
    strategy : Strategy
    n : int
        How many fields.
    rng : numpy.random.Generator
    per_micrograph : int, optional
        Quota; by default twice the even share, and more only where fields would not suffice.
    exploration : float, optional
        Share from 0 to 1 in place of the strategy's own.

    Returns
    -------
    list of QueriedField
        Exactly n, the strategy's choice first, the random ones last.

    Raises
    ------
    OptionError
        More fields asked for than there are, the quota allows fewer, or the committee is too small.
    ArrayError
        No candidate lies in any field (unless the strategy is all random), or the pool breaks its contract.
    """
    if not 1 <= n <= len(fields):
        raise OptionError(f"fields: {n} asked for, {len(fields)} are not yet labelled; ask for 1 to {len(fields)}")
    group = assign_candidates(pool, fields)
    corner = np.array([(field.x, field.y) for field in fields])
    side = np.array([field.size for field in fields])
    _, micrograph = np.unique([field.micrograph for field in fields], return_inverse=True)
    units = Units(micrograph.astype(np.int64), corner + side[:, np.newaxis] / 2, group)
    share = strategy.exploration if exploration is None else exploration
    quota = _quota(units.micrograph, n, per_micrograph)
    batch = choose_units(pool, units, strategy, n, rng, Limits(share, _APART * float(side.max()), quota))
    inside = _candidates_by_group(pool, group, len(fields))
    return [
        QueriedField(fields[i], float(batch.utility[i]), reason, *inside(i))
        for i, reason in zip(batch.indices, batch.reasons, strict=True)
    ]


def query_micrographs(
    pool: CandidatePool, strategy: Strategy, n: int, rng: np.random.Generator, *, exploration: float | None = None
) -> list[QueriedMicrograph]:
    """Choose whole micrographs to ask about, from all the pool names, those without candidates included.

    Parameters, returns (exactly n) and errors as for `query_fields`.
    """
    size = len(pool.micrographs)
    if not 1 <= n <= size:
        raise OptionError(f"micrographs: {n} asked for, {size} are in the pool; ask for 1 to {size}")
    units = Units(np.arange(size), np.zeros((size, 2)), pool.micrograph.astype(np.int64))
    share = strategy.exploration if exploration is None else exploration
    batch = choose_units(pool, units, strategy, n, rng, Limits(share, apart_px=0.0, quota=1))
    seconds = seconds_to_complete(foreground_probability(pool), units.group, size)
    return [
        QueriedMicrograph(pool.micrographs[i], float(batch.utility[i]), reason, float(seconds[i]))
        for i, reason in zip(batch.indices, batch.reasons, strict=True)
    ]


def buy_micrographs(
    pool: CandidatePool, strategy: Strategy, budget_seconds: float, rng: np.random.Generator
) -> list[QueriedMicrograph]:
    """Choose whole micrographs by utility per expert second until a budget is spent.

    The strategy's exploration share of the budget goes to micrographs drawn at random first; its selector plays no
    part.

    Parameters
    ----------
    pool : CandidatePool
    strategy : Strategy
    budget_seconds : float
        Never exceeded by the expected seconds of what is chosen (`seconds_to_complete`).
    rng : numpy.random.Generator

    Raises
    ------
    OptionError
        The budget buys nothing, or the strategy gives every micrograph the same utility.
    ArrayError
        The pool is empty or breaks its contract.

    References
    ----------
    Settles, Craven & Friedland 2008.
    """
    size = len(pool.micrographs)
    seconds = seconds_to_complete(foreground_probability(pool), pool.micrograph.astype(np.int64), size)
    if not np.isfinite(budget_seconds) or budget_seconds < seconds.min():
        raise OptionError(
            f"budget: {budget_seconds:g} seconds are not enough for any micrograph, the cheapest takes about "
            f"{seconds.min():.0f}; give more, or ask for fields"
        )
    order = rng.permutation(size)
    drawn = order[np.cumsum(seconds[order]) <= strategy.exploration * budget_seconds]
    utility, chosen = np.zeros(size), np.empty(0, np.int64)
    left = np.setdiff1d(np.arange(size), drawn)
    if strategy.exploration < 1 and left.size:
        utility = _micrograph_utility(pool, strategy, rng)
        rest = budget_seconds - float(seconds[drawn].sum())
        chosen = left[cost_aware_select(utility[left], seconds[left], rest).indices]
    reasons = [strategy.name] * chosen.size + [RANDOM] * drawn.size
    return [
        QueriedMicrograph(pool.micrographs[i], float(utility[i]), reason, float(seconds[i]))
        for i, reason in zip([*chosen, *drawn], reasons, strict=True)
    ]


def _micrograph_utility(pool: CandidatePool, strategy: Strategy, rng: np.random.Generator) -> FloatArray:
    """Aggregated scores of whole micrographs."""
    size = len(pool.micrographs)
    scores = score_candidates(pool, strategy, rng)
    utility = aggregate_groups(scores, pool.micrograph.astype(np.int64), size, strategy.aggregation, TOP_K)
    if np.ptp(utility) == 0 and size > 1:
        raise OptionError(
            f"strategy: {strategy.name} gives every micrograph the same utility, which cannot be weighed against "
            "seconds; choose one that scores candidates, such as entropy"
        )
    return utility


def assign_candidates(pool: CandidatePool, fields: Sequence[Field]) -> IndexArray:
    """Index of the field each candidate lies in, shape (N,), the first where fields overlap; −1 for none.

    Raises
    ------
    ArrayError
        A position is not finite.
    """
    if not np.isfinite(pool.xy).all():
        raise ArrayError("pool: xy has values that are not finite; leave such candidates out")
    group = np.full(len(pool), -1, dtype=np.int64)
    by_key: dict[str, list[int]] = {}
    for i, field in enumerate(fields):
        by_key.setdefault(field.micrograph, []).append(i)
    order = np.argsort(pool.micrograph, kind="stable")
    bounds = np.searchsorted(pool.micrograph[order], np.arange(len(pool.micrographs) + 1))
    for m, key in enumerate(pool.micrographs):
        members = order[bounds[m] : bounds[m + 1]]
        if members.size and key in by_key:
            group[members] = _first_field(pool.xy[members].astype(np.float64), by_key[key], fields)
    return group


def _first_field(xy: FloatArray, indices: list[int], fields: Sequence[Field]) -> IndexArray:
    box = np.array([(fields[i].x, fields[i].y, fields[i].size) for i in indices])
    offset = xy[:, np.newaxis] - box[:, :2]
    inside = ((offset >= 0.0) & (offset < box[:, 2:])).all(axis=2)
    found: IndexArray = np.where(inside.any(axis=1), np.array(indices)[inside.argmax(axis=1)], -1)
    return found


def _candidates_by_group(
    pool: CandidatePool, group: IndexArray, size: int
) -> Callable[[int], tuple[FloatArray, IndexArray | None]]:
    """A function from field to its candidates' x, y and consensus probability, shape (M, 3), and class numbers."""
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(size + 1))
    columns = np.column_stack([pool.xy.astype(np.float64), foreground_probability(pool)])
    numbers = np.array(pool.classes.particles)[particle_class(pool) - 1] if pool.classes.particles else None

    def inside(i: int) -> tuple[FloatArray, IndexArray | None]:
        members = order[bounds[i] : bounds[i + 1]]
        return columns[members], None if numbers is None else numbers[members]

    return inside


def _mostly_true(mask: NDArray[np.bool_], field: Field, image_shape: tuple[int, int]) -> bool:
    scale_y, scale_x = mask.shape[0] / image_shape[0], mask.shape[1] / image_shape[1]
    top, left = int((field.y + 0.5) * scale_y), int((field.x + 0.5) * scale_x)
    bottom, right = int(np.ceil((field.y + field.size) * scale_y)), int(np.ceil((field.x + field.size) * scale_x))
    return bool(mask[top:bottom, left:right].mean() >= 0.5)


def _quota(micrograph: IndexArray, n: int, per_micrograph: int | None) -> int:
    """Largest number of fields from one micrograph."""
    sizes = np.bincount(micrograph)
    quota = int(np.ceil(2 * n / sizes.size)) if per_micrograph is None else per_micrograph
    while per_micrograph is None and np.minimum(sizes, quota).sum() < n:
        quota += 1
    most = int(np.minimum(sizes, max(quota, 0)).sum())
    if most < n:
        raise OptionError(
            f"per_micrograph: a quota of {quota} allows {most} fields, {n} are asked for; raise the quota"
        )
    return quota
