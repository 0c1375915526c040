"""Sample data: simulated micrographs with the true centres."""

from pathlib import Path
from typing import Any

import numpy as np

from cryoal.errors import FileError
from cryoal.io.mrc import read
from cryoal.io.relion import read as read_star
from napari_plugin.images import contrast_limits
from napari_plugin.scene import CYAN, to_world

_NAME = "sample_04"


def sample_folder() -> Path:
    """Where the sample set lies: inside the installed package, or in the repository.

    Raises
    ------
    FileError
        In neither.
    """
    here = Path(__file__).parent
    for folder in (here / "sample_data", here.parent / "sample_data"):
        if (folder / "Micrographs").is_dir():
            return folder
    raise FileError(f"{here}: the sample data are missing; install cryoal again")


def sample_layers() -> list[tuple[Any, dict[str, Any], str]]:
    """One micrograph and the true centres, as layers of napari."""
    folder = sample_folder()
    micrograph = read(folder / "Micrographs" / f"{_NAME}.mrc")
    diameter_angstrom = float((folder / "diameter_angstrom.txt").read_text(encoding="utf-8"))
    size = diameter_angstrom / micrograph.pixel_size_angstrom
    picks = next(iter(read_star(folder / "truth" / f"{_NAME}.star").values()))
    points = {
        "name": "true centres",
        "size": size,
        "symbol": "disc",
        "face_color": "transparent",
        "border_color": CYAN,
        "border_width": 0.05,
    }
    image = {"name": _NAME, "contrast_limits": contrast_limits(micrograph.pixels), "colormap": "gray"}
    return [(np.asarray(micrograph.pixels), image, "image"), (to_world(picks.xy), points, "points")]
