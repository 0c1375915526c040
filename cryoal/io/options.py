"""What readers and writers of picks must be told beyond the file and the picks."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import OptionError
from cryoal.io.names import NameIndex


@dataclass(frozen=True)
class ImportOptions:
    """What reading picks may need.

    Attributes
    ----------
    entries : sequence of MicrographEntry
        The micrographs the picks belong to; formats that count y from the bottom or shifts in Å ask them.
    shapes : mapping of str to (ny, nx)
        Image shape by micrograph key, for formats that count y from the bottom; read from the file where missing.
    cs_y : {"file", "inverted"}
        Direction of cryoSPARC's ``center_y_frac``: rows as in the file, or counted from the bottom.
    pixel_size_angstrom : float
        Of micrographs whose pixel size neither list nor file tells, for shifts in Å.
    all_class_numbers : bool
        False: only those that an expert may have given, not the numbers of autopick's templates or of a classification.
    """

    entries: Sequence[MicrographEntry] = ()
    shapes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    cs_y: Literal["file", "inverted"] = "file"
    pixel_size_angstrom: float = float("nan")
    all_class_numbers: bool = True

    def __post_init__(self) -> None:
        if self.cs_y not in ("file", "inverted"):
            raise OptionError(f"--cs-y: '{self.cs_y}' is not known; give 'file' or 'inverted'")

    @cached_property
    def index(self) -> NameIndex:
        """Finds which of the micrographs a name means."""
        return NameIndex(self.entries)


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What writing picks may need.

    Attributes
    ----------
    diameter_angstrom : float
        Particle diameter; formats with boxes draw them of this size unless `box_size_px` is given.
    box_size_px : int or None
        Side of the boxes, pixels of the original micrograph; made even.
    threshold : float
        Picks with a lower score are left out; those without a score stay.
    round_coordinates : bool
        Write integers to RELION files, since RELION's extraction truncates (100.99 to 100).
    shapes : mapping of str to (ny, nx)
        Image shape by micrograph key; picks outside the image are left out.
    rim_diameters : float
        Picks closer to the image's edge are left out; a half keeps the particles that lie wholly inside.
    only : collection of str, optional
        Keys of the micrographs whose own files are written; the others' are there already. Lists and tables are always
        written, whole.
    root : Path
        RELION's project folder: paths below it are written relative to it.
    micrographs_star : str
        The micrograph list as RELION shall find it; empty where there is none.
    exposures : Path or None
        cryoSPARC's exposures ``.cs`` whose uids the picks repeat.
    cs_y : {"file", "inverted"}
        As `ImportOptions.cs_y`.
    """

    diameter_angstrom: float = float("nan")
    box_size_px: int | None = None
    threshold: float = float("-inf")
    round_coordinates: bool = True
    shapes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    rim_diameters: float = 0.0
    only: Collection[str] | None = None
    root: Path = field(default_factory=Path)
    micrographs_star: str = ""
    exposures: Path | None = None
    cs_y: Literal["file", "inverted"] = "file"

    def __post_init__(self) -> None:
        if self.cs_y not in ("file", "inverted"):
            raise OptionError(f"--cs-y: '{self.cs_y}' is not known; give 'file' or 'inverted'")
        if self.box_size_px is not None and self.box_size_px < 2:
            raise OptionError(f"box size: {self.box_size_px} pixels; give at least 2")
        if not 0 <= self.rim_diameters < float("inf"):
            raise OptionError(f"--rim: {self.rim_diameters} is not allowed; give diameters, 0 or more")

    def writes(self, entry: MicrographEntry) -> bool:
        """Whether a micrograph's own file is to be written."""
        return self.only is None or entry.key in self.only

    def box_px(self, entry: MicrographEntry) -> int:
        """Give the even side of the boxes on one micrograph.

        Raises
        ------
        OptionError
            Neither a box size nor a diameter and a pixel size are known.
        """
        if self.box_size_px is not None:
            return self.box_size_px + self.box_size_px % 2
        side = self.diameter_angstrom / entry.pixel_size_angstrom
        if not 0 < side < float("inf"):
            raise OptionError(
                f"{entry.name}: boxes need a size, but the diameter is {self.diameter_angstrom} Å and the pixel size "
                f"{entry.pixel_size_angstrom} Å; give a box size, or both of these"
            )
        return max(2, 2 * round(side / 2))

    def select(self, entry: MicrographEntry, picks: Picks) -> Picks:
        """Keep the picks that reach the threshold and lie on the image (where its shape is known), off its rim.

        Raises
        ------
        OptionError
            A rim is asked for, but the image's shape, its pixel size or the diameter is not known.
        """
        inside = on_image(picks, self.shapes.get(entry.key), self._rim_px(entry))
        return picks.select(inside & ~(picks.score < self.threshold))

    def count(self, picks: Iterable[tuple[MicrographEntry, Picks]]) -> int:
        """How many picks `select` keeps."""
        return sum(len(self.select(entry, found)) for entry, found in picks)

    def _rim_px(self, entry: MicrographEntry) -> float:
        """Width of the rim on one micrograph."""
        if self.rim_diameters == 0:
            return 0.0
        rim = self.rim_diameters * self.diameter_angstrom / entry.pixel_size_angstrom
        if not np.isfinite(rim) or entry.key not in self.shapes:
            raise OptionError(
                f"--rim: the image shape, the pixel size or the diameter of {entry.name} is not known; give "
                "--micrographs, --pixel-size and --diameter, or leave --rim out"
            )
        return rim


def on_image(picks: Picks, shape: tuple[int, int] | None, rim_px: float = 0.0) -> NDArray[np.bool_]:
    """Which picks lie on an image of (ny, nx) pixels, `rim_px` or more from its edge; None is an image without end."""
    ny, nx = shape or (np.inf, np.inf)
    low, right, bottom = rim_px - 0.5, nx - 0.5 - rim_px, ny - 0.5 - rim_px
    return (picks.x >= low) & (picks.x < right) & (picks.y >= low) & (picks.y < bottom)


def rounded(picks: Picks) -> Picks:
    """Move picks to the nearest pixel centres; halves go up."""
    return Picks(np.floor(picks.x + 0.5), np.floor(picks.y + 0.5), picks.score, picks.class_number)
