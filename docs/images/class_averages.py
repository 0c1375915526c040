"""Draw the class averages of a RELION 2D classification: ``class_averages.py Class2D/jobNNN/run_itNNN OUT.png``."""

import sys
from collections import Counter
from pathlib import Path

import mrcfile

from cryoal.io import star
from cryoal.report.plots import class_averages_figure, save


def main(iteration: str, out: Path) -> None:
    """Read the averages and how many particles each has."""
    data = Path(f"{iteration}_data.star")
    classes = star.table_with(star.read(data), ["rlnClassNumber"], data)["rlnClassNumber"]
    counts = Counter(int(number) for number in classes)
    with mrcfile.open(f"{iteration}_classes.mrcs", permissive=True) as opened:
        averages, pixel_size_angstrom = opened.data.copy(), float(opened.voxel_size.x)
    particles = [counts[number] for number in range(1, len(averages) + 1)]
    title = f"{sum(particles):,} particles in {len(particles)} classes"
    save(class_averages_figure(averages, particles, pixel_size_angstrom, title), out)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
