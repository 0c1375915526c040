"""The query as a STAR file: fields or micrographs to ask about, and the candidates inside."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cryoal.data.candidates import QueriedField
from cryoal.data.labels import Field
from cryoal.errors import FileFormatError
from cryoal.io import star
from cryoal.workspace.layout import Layout

_NAME, _X, _Y = "rlnMicrographName", "rlnCoordinateX", "rlnCoordinateY"
_FIELDS = [_NAME, "cryoalFieldX", "cryoalFieldY", "cryoalFieldSize", "cryoalUtility", "cryoalReason"]
_FOM, _CLASS = "rlnAutopickFigureOfMerit", "rlnClassNumber"


def cold_start_query(layout: Layout) -> Path:
    """Where the query lies that is asked before there is a round."""
    return layout.root / "query.star"


def asks_fields(path: Path) -> bool:
    """Whether a query asks for fields, not for whole micrographs.

    Raises
    ------
    FileError, FileFormatError
        The file cannot be read.
    """
    return "fields" in star.read(path)


def write_query(path: Path, asked: Sequence[QueriedField]) -> None:
    """Write the fields, in the order they were chosen, and the candidates inside.

    Micrographs are named by their keys.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    rows = [(one.field.micrograph, one.field.x, one.field.y, one.field.size, one.utility, one.reason) for one in asked]
    fields: star.Columns = {label: [row[i] for row in rows] for i, label in enumerate(_FIELDS)}
    inside = np.concatenate([one.candidates for one in asked]) if asked else np.empty((0, 3))
    owner = [one.field.micrograph for one in asked for _ in one.candidates]
    candidates: star.Columns = {_NAME: owner, _X: inside[:, 0], _Y: inside[:, 1], _FOM: inside[:, 2]}
    numbers = [one.class_number for one in asked if one.class_number is not None]
    if numbers:
        candidates = {**candidates, _CLASS: np.concatenate(numbers)}
    star.write(path, {"fields": fields, "candidates": candidates})


def read_query(path: Path) -> list[QueriedField]:
    """Read a query.

    Raises
    ------
    FileError, FileFormatError
        The file is missing, or not a query of fields.
    """
    blocks = star.read(path)
    if "micrographs" in blocks and "fields" not in blocks:
        raise FileFormatError(
            f"{path}: asks for whole micrographs, not for fields; give --complete in place of --query"
        )
    table = star.table_with(blocks, _FIELDS, path)
    x, y, size, utility = (star.numbers(table, label, path) for label in _FIELDS[1:5])
    candidates = star.table_with(blocks, [_NAME, _X, _Y, _FOM], path)
    values = np.column_stack([star.numbers(candidates, label, path) for label in (_X, _Y, _FOM)])
    classes = star.numbers(candidates, _CLASS, path).astype(np.int64) if _CLASS in candidates else None
    owner = candidates[_NAME].to_numpy()
    asked = []
    for i, (name, reason) in enumerate(zip(table[_FIELDS[0]], table[_FIELDS[5]], strict=True)):
        square = Field(str(name), float(x[i]), float(y[i]), float(size[i]))
        inside = (owner == name) & square.contains(values[:, :2])
        numbers = None if classes is None else classes[inside]
        asked.append(QueriedField(square, float(utility[i]), str(reason), values[inside], numbers))
    return asked
