"""Draw the picks of a micrograph by class: ``two_classes.py IMAGE.mrc PICKS.star DIAMETER OUT.png NAME...``."""

import sys
from collections.abc import Sequence
from pathlib import Path

from cryoal.data.classes import class_name
from cryoal.io import mrc, relion
from cryoal.report.plots import classes_figure, save


def main(micrograph: Path, coordinates: Path, diameter_angstrom: float, out: Path, names: Sequence[str]) -> None:
    """Read the picks and draw them."""
    image = mrc.read(micrograph)
    picks = next(iter(relion.read(coordinates).values()))
    numbers = sorted(set(picks.class_number.tolist()))
    by_class = {class_name(number, names): picks.xy[picks.class_number == number] for number in numbers}
    diameter_px = diameter_angstrom / image.pixel_size_angstrom
    save(classes_figure(image.pixels, by_class, diameter_px, image.pixel_size_angstrom), out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]), sys.argv[5:])
