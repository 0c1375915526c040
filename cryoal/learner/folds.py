"""Which part of the labels each member leaves out of its training, so that it can be judged there."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cryoal.data.labels import Field, MicrographLabels
from cryoal.data.micrograph import ScaledMicrograph
from cryoal.model.label_maps import LabelMaps

_MIN_UNITS = 4
NO_FOLD = -1


def fold_maps(
    scaled: Sequence[ScaledMicrograph],
    labels: Sequence[MicrographLabels],
    maps: Sequence[LabelMaps],
    folds: int,
    rng: np.random.Generator,
) -> tuple[list[NDArray[np.int16]], int]:
    """Deal the labels out to folds: by micrograph where there are four or more, else by field or quarter.

    Parameters
    ----------
    scaled, labels, maps
        Of each labelled micrograph.
    folds : int
        At most so many.
    rng : numpy.random.Generator

    Returns
    -------
    list of int16 array, shape (my, mx)
        Fold of each scaled pixel, `NO_FOLD` for none.
    int
        Number of folds; 0 where there are too few units to leave any out.
    """
    images = [np.full(one.pixels.shape, NO_FOLD, np.int16) for one in scaled]
    units = _units(scaled, labels, maps)
    folds = min(folds, len(units))
    if folds < _MIN_UNITS and len(units) < _MIN_UNITS:
        return images, 0
    for place, unit in enumerate(rng.permutation(len(units))):
        index, region = units[unit]
        images[index][region] = place % folds
    return images, folds


_Region = tuple[slice, slice]


def _units(
    scaled: Sequence[ScaledMicrograph], labels: Sequence[MicrographLabels], maps: Sequence[LabelMaps]
) -> list[tuple[int, _Region]]:
    """Parts that are left out together: (index of the micrograph, region)."""
    judged = [index for index, one in enumerate(maps) if one.judged.any()]
    whole = (slice(None), slice(None))
    if len(judged) >= _MIN_UNITS:
        return [(index, whole) for index in judged]
    units: list[tuple[int, _Region]] = []
    for index in judged:
        if labels[index].fields and not labels[index].complete:
            regions = [_region(scaled[index], square) for square in labels[index].fields]
        else:
            regions = _quarters(scaled[index].pixels.shape)
        # Where nothing is judged there is nothing to leave out, and another unit may be all there is to learn from.
        units += [(index, region) for region in regions if maps[index].judged[region].any()]
    return units


def _region(scaled: ScaledMicrograph, square: Field) -> _Region:
    """A field in scaled pixels."""
    x, y, size = square.x, square.y, square.size
    (x0, y0), (x1, y1) = np.maximum(np.round(scaled.to_scaled(np.array([[x, y], [x + size, y + size]]))).astype(int), 0)
    return slice(y0, y1), slice(x0, x1)


def _quarters(shape: tuple[int, ...]) -> list[_Region]:
    """Four quarters of an image."""
    rows = (slice(None, shape[0] // 2), slice(shape[0] // 2, None))
    columns = (slice(None, shape[1] // 2), slice(shape[1] // 2, None))
    return [(r, c) for r in rows for c in columns]
