"""Make a simulated project of two particle species and junk: ``python benchmarks/two_species.py OUT [MICROGRAPHS]``.

Class 1 is a compact globular complex, class 2 a barrel of about its size: both are picked, and told apart by class.
The truth carries rlnClassNumber; the kinds of junk are 1 ice, 2 ethane, 3 aggregate.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from cryoal.simulation.junk import Junk
from cryoal.simulation.micrographs import MicrographSettings, SimulatedMicrograph, simulate_micrograph
from cryoal.simulation.optics import Detector, Optics
from cryoal.simulation.project import write_project
from cryoal.simulation.specimen import Species
from cryoal.simulation.volumes import build_volume

SEED = 5
DIAMETER_ANGSTROM = 165.0
JUNK = Junk(ice_crystals=3, ethane_patches=2, aggregates=3)


def micrographs(
    count: int, shape: tuple[int, int] = (704, 832), junk: Junk = JUNK
) -> Iterator[tuple[str, SimulatedMicrograph]]:
    """Micrographs of both species, one after another."""
    rng = np.random.default_rng([SEED, 1])
    species = (
        Species(build_volume("globular", DIAMETER_ANGSTROM, rng), 0.09),
        Species(build_volume("barrel", 150.0, rng, "C7"), 0.06),
    )
    settings = MicrographSettings(
        shape, 4.0, species, 0.8, detector=Detector(dose_per_square_angstrom=25.0, mtf_at_nyquist=0.6), junk=junk
    )
    for index in range(count):
        rng = np.random.default_rng([SEED, 2, index])
        optics = replace(Optics(), defocus_angstrom=rng.uniform(1.4e4, 2.8e4))
        yield f"mix_{index + 1:02d}", simulate_micrograph(replace(settings, optics=optics), rng)


if __name__ == "__main__":
    number = int(sys.argv[2]) if len(sys.argv) > 2 else 16
    write_project(Path(sys.argv[1]), micrographs(number), Optics(), DIAMETER_ANGSTROM, np.int8, (1, 2), junk=True)
