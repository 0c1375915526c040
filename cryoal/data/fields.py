"""Many fields, kept as columns: a collection has millions."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from cryoal.data.labels import Field


@dataclass(frozen=True, slots=True, eq=False)
class Fields(Sequence[Field]):
    """Fields of one or many micrographs; each one that is asked for is a `Field`.

    Attributes
    ----------
    micrographs : tuple of str
        Keys; `micrograph` indexes it.
    micrograph : int64 array, shape (U,)
    xy : float64 array, shape (U, 2)
        Smallest x and y inside, pixels of the original micrograph.
    size : float64 array, shape (U,)
        Side, pixels.
    """

    micrographs: tuple[str, ...]
    micrograph: NDArray[np.int64]
    xy: NDArray[np.float64]
    size: NDArray[np.float64]

    @classmethod
    def of(cls, fields: Iterable[Field]) -> "Fields":
        """Columns of fields that are given one by one."""
        if isinstance(fields, Fields):
            return fields
        listed = list(fields)
        place: dict[str, int] = {}
        micrograph = [place.setdefault(field.micrograph, len(place)) for field in listed]
        xy = np.array([(field.x, field.y) for field in listed], np.float64).reshape(-1, 2)
        return cls(tuple(place), np.array(micrograph, np.int64), xy, np.array([one.size for one in listed], np.float64))

    def __len__(self) -> int:
        return int(self.micrograph.size)

    @overload
    def __getitem__(self, index: int) -> Field: ...
    @overload
    def __getitem__(self, index: slice) -> "Fields": ...
    def __getitem__(self, index: int | slice) -> "Field | Fields":
        """One field, or some."""
        if isinstance(index, slice):
            return self.select(np.arange(len(self))[index])
        x, y = self.xy[index].tolist()
        return Field(self.micrographs[self.micrograph[index]], x, y, float(self.size[index]))

    def __iter__(self) -> Iterator[Field]:
        columns = (self.micrograph.tolist(), self.xy.tolist(), self.size.tolist())
        return (Field(self.micrographs[m], x, y, size) for m, (x, y), size in zip(*columns, strict=True))

    def select(self, index: NDArray[np.generic]) -> "Fields":
        """The fields at `index` (a boolean mask or integer indices)."""
        return Fields(self.micrographs, self.micrograph[index], self.xy[index], self.size[index])
