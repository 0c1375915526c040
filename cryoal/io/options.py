"""What readers and writers of picks must be told beyond the file and the picks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import OptionError


@dataclass(frozen=True, slots=True)
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
    """

    entries: Sequence[MicrographEntry] = ()
    shapes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    cs_y: Literal["file", "inverted"] = "file"

    def __post_init__(self) -> None:
        if self.cs_y not in ("file", "inverted"):
            raise OptionError(f"--cs-y: '{self.cs_y}' is not known; give 'file' or 'inverted'")


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
    root: Path = field(default_factory=Path)
    micrographs_star: str = ""
    exposures: Path | None = None
    cs_y: Literal["file", "inverted"] = "file"

    def __post_init__(self) -> None:
        if self.cs_y not in ("file", "inverted"):
            raise OptionError(f"--cs-y: '{self.cs_y}' is not known; give 'file' or 'inverted'")
        if self.box_size_px is not None and self.box_size_px < 2:
            raise OptionError(f"box size: {self.box_size_px} pixels; give at least 2")

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
        """Keep the picks that reach the threshold and lie on a pixel of the image (where its shape is known)."""
        ny, nx = self.shapes.get(entry.key, (np.inf, np.inf))
        on_pixel = (picks.x >= -0.5) & (picks.x < nx - 0.5) & (picks.y >= -0.5) & (picks.y < ny - 0.5)
        return picks.select(on_pixel & ~(picks.score < self.threshold))


def rounded(picks: Picks) -> Picks:
    """Move picks to the nearest pixel centres; halves go up."""
    return Picks(np.floor(picks.x + 0.5), np.floor(picks.y + 0.5), picks.score, picks.class_number)
