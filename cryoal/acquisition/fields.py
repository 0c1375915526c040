"""Queries of fields and of whole micrographs, the units an expert is asked about."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryoal.acquisition.assigning import FieldIndex, places
from cryoal.acquisition.checks import FloatArray, IndexArray
from cryoal.acquisition.micrographs import annotation_seconds, cost_aware_select, seconds_to_complete
from cryoal.acquisition.selectors import foreground_probability, particle_class
from cryoal.acquisition.strategies import Strategy
from cryoal.acquisition.units import RANDOM, Limits, Units, choose_units, pool_units
from cryoal.data.candidates import CandidatePool, Candidates, QueriedField
from cryoal.data.fields import Fields
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
    """Lay whole, non-overlapping squares over a micrograph, from the corner that `grid_origin` gives it.

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
    grid = [
        Field(micrograph, x, y, size_px)
        for x, y in grid_corners(image_shape, size_px, grid_origin(micrograph)).tolist()
    ]
    if valid is None:
        return grid
    keep = valid if callable(valid) else lambda field: _mostly_true(valid, field, image_shape)
    return [field for field in grid if keep(field)]


def grid_origin(micrograph: str) -> tuple[int, int]:
    """From which sides in x and y, 0 or 1, a micrograph's grid starts: drawn from its key, so that all rims are asked.

    What particles do there, where they are cut, is to be learnt, too; a margin left on all sides would never be seen.
    """
    return divmod(zlib.crc32(micrograph.encode()) % 4, 2)


def grid_corners(image_shape: tuple[int, int], size_px: float, origin: tuple[int, int]) -> FloatArray:
    """Smallest x and y of each square of `grid_fields`, shape (U, 2); errors as there."""
    ny, nx = image_shape
    if not (np.isfinite(size_px) and size_px > 0 and min(ny, nx) > 0):
        raise ArrayError(f"size_px: fields of {size_px} on an image of {ny}×{nx} pixels, expected sizes above 0")
    rows, columns = int(ny // size_px), int(nx // size_px)
    x0, y0 = origin[0] * (nx - columns * size_px) - 0.5, origin[1] * (ny - rows * size_px) - 0.5
    y, x = np.divmod(np.arange(rows * columns), max(columns, 1))
    return np.column_stack([x0 + x * size_px, y0 + y * size_px])


def query_fields(
    candidates: Candidates,
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
    candidates : Candidates
        A `CandidatePool`, or candidates that are read as they are needed.
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
    columns = Fields.of(fields)
    units = Units(columns.micrograph, columns.xy + columns.size[:, np.newaxis] / 2, FieldIndex(columns))
    share = strategy.exploration if exploration is None else exploration
    quota = _quota(units.micrograph, n, per_micrograph)
    batch = choose_units(candidates, units, strategy, n, rng, Limits(share, _APART * float(columns.size.max()), quota))
    asked = columns.select(np.array(batch.indices))
    inside = _candidates_inside(candidates, asked)
    return [
        QueriedField(field, float(batch.utility[i]), reason, *found)
        for field, i, reason, found in zip(asked, batch.indices, batch.reasons, inside, strict=True)
    ]


def query_micrographs(
    candidates: Candidates, strategy: Strategy, n: int, rng: np.random.Generator, *, exploration: float | None = None
) -> list[QueriedMicrograph]:
    """Choose whole micrographs to ask about, from all that are named, those without candidates included.

    Parameters, returns (exactly n) and errors as for `query_fields`.
    """
    keys = candidates.micrographs
    if not 1 <= n <= len(keys):
        raise OptionError(f"micrographs: {n} asked for, {len(keys)} are in the pool; ask for 1 to {len(keys)}")
    share = strategy.exploration if exploration is None else exploration
    limits = Limits(share, apart_px=0.0, quota=1)
    batch = choose_units(candidates, _micrograph_units(candidates), strategy, n, rng, limits)
    seconds = _seconds(candidates.on(batch.indices))
    return [
        QueriedMicrograph(keys[i], float(batch.utility[i]), reason, one)
        for i, reason, one in zip(batch.indices, batch.reasons, seconds.tolist(), strict=True)
    ]


def buy_micrographs(
    candidates: Candidates, strategy: Strategy, budget_seconds: float, rng: np.random.Generator
) -> list[QueriedMicrograph]:
    """Choose whole micrographs by utility per expert second until a budget is spent.

    The strategy's exploration share of the budget goes to micrographs drawn at random first; its selector plays no
    part.

    Parameters
    ----------
    candidates : Candidates
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
    keys, seconds = candidates.micrographs, _seconds(candidates)
    size = len(keys)
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
        utility = _micrograph_utility(candidates, strategy, rng)
        rest = budget_seconds - float(seconds[drawn].sum())
        chosen = left[cost_aware_select(utility[left], seconds[left], rest).indices]
    reasons = [strategy.name] * chosen.size + [RANDOM] * drawn.size
    return [
        QueriedMicrograph(keys[i], float(utility[i]), reason, float(seconds[i]))
        for i, reason in zip([*chosen, *drawn], reasons, strict=True)
    ]


def _micrograph_utility(candidates: Candidates, strategy: Strategy, rng: np.random.Generator) -> FloatArray:
    """Aggregated scores of whole micrographs."""
    utility = pool_units(candidates, _micrograph_units(candidates), strategy, rng).utility
    if np.ptp(utility) == 0 and utility.size > 1:
        raise OptionError(
            f"strategy: {strategy.name} gives every micrograph the same utility, which cannot be weighed against "
            "seconds; choose one that scores candidates, such as entropy"
        )
    return utility


def _micrograph_units(candidates: Candidates) -> Units:
    """Every micrograph is a unit."""
    place_of = {key: i for i, key in enumerate(candidates.micrographs)}
    return Units(np.arange(len(place_of)), np.zeros((len(place_of), 2)), lambda pool: places(pool, place_of))


def _seconds(candidates: Candidates) -> FloatArray:
    """Expert seconds that completing each micrograph is expected to take."""
    place_of = {key: i for i, key in enumerate(candidates.micrographs)}
    seconds = np.full(len(place_of), annotation_seconds(0, 0))
    for part in candidates.parts():
        if len(part):
            some, local = np.unique(places(part, place_of), return_inverse=True)
            seconds[some] = seconds_to_complete(foreground_probability(part), local, some.size)
    return seconds


def _candidates_inside(candidates: Candidates, asked: Fields) -> list[tuple[FloatArray, IndexArray | None]]:
    """Each field's candidates: x, y and consensus probability, shape (M, 3), and class numbers where there are any."""
    wanted = {asked.micrographs[m] for m in asked.micrograph}
    pool = CandidatePool.joined(
        candidates.on([i for i, key in enumerate(candidates.micrographs) if key in wanted]).parts()
    )
    if not len(pool):
        return [(np.empty((0, 3)), None)] * len(asked)
    group = FieldIndex(asked)(pool)
    columns = np.column_stack([pool.xy.astype(np.float64), foreground_probability(pool)])
    numbers = np.array(pool.classes.particles)[particle_class(pool) - 1] if pool.classes.particles else None
    members = [np.flatnonzero(group == i) for i in range(len(asked))]
    return [(columns[rows], None if numbers is None else numbers[rows]) for rows in members]


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
