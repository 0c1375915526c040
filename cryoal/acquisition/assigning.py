"""Which unit a candidate belongs to: its micrograph, or the field that it lies in."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from cryoal.acquisition.checks import FloatArray, IndexArray
from cryoal.data.candidates import CandidatePool
from cryoal.data.fields import Fields
from cryoal.data.labels import Field
from cryoal.errors import ArrayError

_TOLERANCE = 1e-6  # of a side: how far off its place in a grid a field may lie
_NUDGE = 1e-9  # of a side: a candidate so near to the line between two fields is tried on both sides of it
_ROW_BITS = 20
_LAST = 2**_ROW_BITS - 2  # column or row of a grid


def assign_candidates(pool: CandidatePool, fields: Sequence[Field]) -> IndexArray:
    """Index of the field each candidate lies in, shape (N,), the first where fields overlap; −1 for none.

    Raises
    ------
    ArrayError
        A position is not finite.
    """
    return FieldIndex(Fields.of(fields))(pool)


def places(pool: CandidatePool, place_of: Mapping[str, int]) -> IndexArray:
    """Place of each candidate's micrograph, shape (N,); −1 where it has none."""
    used, which = np.unique(pool.micrograph, return_inverse=True)
    found: IndexArray = np.array([place_of.get(pool.micrographs[m], -1) for m in used], np.int64)[which]
    return found


class FieldIndex:
    """Finds the field of a candidate: by arithmetic on micrographs whose fields lie in a grid, by trial on others.

    Parameters
    ----------
    fields : Fields
    """

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._place_of = {key: i for i, key in enumerate(fields.micrographs)}
        size = len(fields.micrographs)
        self._corner = np.full((size, 2), np.inf)
        for axis in (0, 1):
            np.minimum.at(self._corner[:, axis], fields.micrograph, fields.xy[:, axis])
        self._corner[np.isinf(self._corner)] = 0.0  # no field there
        self._side = np.ones(size)
        self._side[fields.micrograph] = fields.size
        cell = np.rint((fields.xy - self._corner[fields.micrograph]) / fields.size[:, np.newaxis])
        keys = _keys(fields.micrograph, cell)
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]
        self._off_grid = self._is_off_grid(cell)

    def __call__(self, pool: CandidatePool) -> IndexArray:
        """Index of the field each candidate lies in, the first where fields overlap; −1 for none.

        Raises
        ------
        ArrayError
            A position is not finite.
        """
        if not np.isfinite(pool.xy).all():
            raise ArrayError("pool: xy has values that are not finite; leave such candidates out")
        xy, micrograph = pool.xy.astype(np.float64), places(pool, self._place_of)
        group = np.full(len(pool), -1, np.int64)
        known = micrograph >= 0
        if not known.any():
            return group
        gridded = known & ~self._off_grid[micrograph]
        rows = np.flatnonzero(gridded)
        group[rows] = self._in_grid(xy[rows], micrograph[rows])
        for m in np.unique(micrograph[known & ~gridded]):
            rows = np.flatnonzero(micrograph == m)
            group[rows] = _first_field(xy[rows], self._fields_of(int(m)), self._fields)
        return group

    def _in_grid(self, xy: FloatArray, micrograph: IndexArray) -> IndexArray:
        """The field at a candidate's place in the grid, if it is there and holds it."""
        place = (xy - self._corner[micrograph]) / self._side[micrograph, np.newaxis]
        found = self._at(np.floor(place), xy, micrograph)
        on_line = np.flatnonzero((np.abs(place - np.rint(place)) < _NUDGE).any(axis=1))
        for nudge in product((-_NUDGE, _NUDGE), repeat=2) if on_line.size else ():
            other = self._at(np.floor(place[on_line] + nudge), xy[on_line], micrograph[on_line])
            found[on_line] = np.minimum(found[on_line], other)
        return np.where(found < len(self._fields), found, -1)

    def _at(self, cell: FloatArray, xy: FloatArray, micrograph: IndexArray) -> IndexArray:
        """The field at a place of the grid that holds a candidate; the number of fields where there is none."""
        keys = _keys(micrograph, cell)
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        field = self._order[at]
        offset = xy - self._fields.xy[field]
        inside = ((offset >= 0.0) & (offset < self._fields.size[field, np.newaxis])).all(axis=1)
        found: IndexArray = np.where((self._keys[at] == keys) & inside, field, len(self._fields))
        return found

    def _fields_of(self, micrograph: int) -> IndexArray:
        """Indices of a micrograph's fields, in their order."""
        first, last = np.searchsorted(self._keys, np.array([micrograph, micrograph + 1]) << (2 * _ROW_BITS))
        return np.sort(self._order[first:last])

    def _is_off_grid(self, cell: FloatArray) -> NDArray[np.bool_]:
        """Micrographs whose fields differ in size, lie between the places of a grid, or twice on one."""
        fields = self._fields
        side = self._side[fields.micrograph]
        shift = np.abs(fields.xy - self._corner[fields.micrograph] - cell * side[:, np.newaxis]).max(axis=1)
        wrong = (fields.size != side) | (shift > _TOLERANCE * side) | (cell.max(axis=1) > _LAST)
        off = np.zeros(len(fields.micrographs), bool)
        off[fields.micrograph[wrong]] = True
        off[fields.micrograph[self._order[1:][np.diff(self._keys) == 0]]] = True
        return off


def _keys(micrograph: IndexArray, cell: FloatArray) -> IndexArray:
    """One number for each place in a grid, sorted by micrograph; columns and rows from −1."""
    column, row = np.clip(cell, -1, _LAST).astype(np.int64).T + 1
    keys: IndexArray = (micrograph << (2 * _ROW_BITS)) | (row << _ROW_BITS) | column
    return keys


def _first_field(xy: FloatArray, indices: IndexArray, fields: Fields) -> IndexArray:
    """Try every field of a micrograph."""
    offset = xy[:, np.newaxis] - fields.xy[indices]
    inside: NDArray[np.bool_] = np.all((offset >= 0.0) & (offset < fields.size[indices, np.newaxis]), axis=2)
    found: IndexArray = np.where(inside.any(axis=1), indices[inside.argmax(axis=1)], -1)
    return found
