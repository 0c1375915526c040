"""Where the expert is in a workspace, and the bookmark that lets a later session go on from there."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cryoal.data.labels import Field
from cryoal.errors import FileFormatError
from cryoal.io.durable import write_atomic

_BOOKMARK = "napari.json"
_SAME_PX = 0.01


@dataclass(frozen=True, slots=True)
class Place:
    """Where the expert is.

    Attributes
    ----------
    micrograph : str
    field : Field, optional
        None while micrographs are leafed through.
    target : (float, float), optional
        x and y of the proposal to judge; None where all that are shown are judged.
    left : Field, optional
        The field left a moment ago because its last proposal was judged; it is this one that can be finished.
    """

    micrograph: str
    field: Field | None = None
    target: tuple[float, float] | None = None
    left: Field | None = None

    @property
    def to_finish(self) -> Field | None:
        """The field that is meant by "this field is finished"."""
        return self.left or self.field

    def centre(self, shape_px: tuple[int, int]) -> tuple[float, float]:
        """Middle (x, y) of the field, or of the micrograph of shape (ny, nx)."""
        if self.field:
            return self.field.x + self.field.size / 2, self.field.y + self.field.size / 2
        return shape_px[1] / 2, shape_px[0] / 2


@dataclass(frozen=True, slots=True)
class Bookmark:
    """What is kept between sessions beside the labels.

    Attributes
    ----------
    round_number : int
    threshold : float
    place : Place
    """

    round_number: int
    threshold: float
    place: Place


def write_bookmark(workspace: Path, bookmark: Bookmark) -> None:
    """Keep the bookmark in a workspace.

    Raises
    ------
    FileError
        It cannot be written.
    """
    write_atomic(
        workspace / _BOOKMARK, json.dumps(asdict(replace(bookmark, place=replace(bookmark.place, left=None)))) + "\n"
    )


def read_bookmark(workspace: Path) -> Bookmark | None:
    """The bookmark of a workspace; None where there is none.

    Raises
    ------
    FileFormatError
        It is broken.
    """
    path = workspace / _BOOKMARK
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        place = content["place"]
        field = Field(**place["field"]) if place["field"] else None
        target = (float(place["target"][0]), float(place["target"][1])) if place["target"] else None
        return Bookmark(
            int(content["round_number"]), float(content["threshold"]), Place(str(place["micrograph"]), field, target)
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        raise FileFormatError(f"{path}: not a bookmark ({error}); delete it, no label is in it") from error


def same_field(a: Field, b: Field) -> bool:
    """Whether two fields are one, but for rounding in files."""
    return a.micrograph == b.micrograph and max(abs(a.x - b.x), abs(a.y - b.y), abs(a.size - b.size)) < _SAME_PX
