"""Picks, and the one coordinate convention of cryoal.

The image is the data as stored in the MRC file: row 0 is the file's first row. A position is (x, y) =
(column, row), 0-based, in pixels of the original micrograph; an integer is the centre of a pixel; no flip.
Arrays of pixels are indexed [y, x].
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cryoal.errors import ArrayError


@dataclass(frozen=True, slots=True)
class Picks:
    """Positions on one micrograph, with scores.

    Attributes
    ----------
    x, y : float64 array, shape (N,)
        Position in pixels of the original micrograph.
    score : float64 array, shape (N,)
        Figure of merit, higher is better; NaN where there is none.
    class_number : int64 array, shape (N,)
        Class of the particle (RELION's ``rlnClassNumber``); 0 where there is none.

    Raises
    ------
    ArrayError
        The arrays differ in length or a position is not finite.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    score: NDArray[np.float64] = field(default=None)  # type: ignore[arg-type]
    class_number: NDArray[np.int64] = field(default=None)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        n = np.size(self.x)
        score = np.full(n, np.nan) if self.score is None else self.score
        class_number = np.zeros(n) if self.class_number is None else self.class_number
        values = {"x": self.x, "y": self.y, "score": score, "class_number": class_number}
        for name, value in values.items():
            dtype = np.int64 if name == "class_number" else np.float64
            array = np.array(value, dtype=dtype).reshape(-1)
            if array.size != n:
                raise ArrayError(f"picks: {name} has {array.size} values, x has {n}; give one for each pick")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if not (np.isfinite(self.x).all() and np.isfinite(self.y).all()):
            raise ArrayError("picks: x and y must be finite numbers")

    def __len__(self) -> int:
        return int(self.x.size)

    @classmethod
    def empty(cls) -> "Picks":
        """No picks."""
        return cls(np.empty(0), np.empty(0))

    @property
    def xy(self) -> NDArray[np.float64]:
        """Positions, shape (N, 2)."""
        return np.column_stack([self.x, self.y])

    def select(self, index: NDArray[np.generic]) -> "Picks":
        """The picks at `index` (a boolean mask or integer indices)."""
        return Picks(self.x[index], self.y[index], self.score[index], self.class_number[index])
