"""Make the sample set beside this script, or in another folder: ``python make_sample_data.py [OUT]``.

The same script makes the same bytes; a micrograph depends only on its number and on the two particles.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from cryoal.simulation.junk import Junk
from cryoal.simulation.micrographs import MicrographSettings, SimulatedMicrograph, simulate_micrograph
from cryoal.simulation.optics import Detector, Optics
from cryoal.simulation.project import write_project
from cryoal.simulation.specimen import Ice, Species
from cryoal.simulation.volumes import Volume, build_volume

SEED = 2
SHAPE = (704, 832)
PIXEL_SIZE_ANGSTROM = 4.0
DIAMETER_ANGSTROM = 165.0
DETECTOR = Detector(dose_per_square_angstrom=25.0, mtf_at_nyquist=0.6)

# defocus in µm, ice in Å, share of the area under wanted particles, junk
MICROGRAPHS = (
    (1.8, 350, 0.15, Junk(ethane_patches=1)),
    (1.6, 450, 0.13, Junk(ice_crystals=4, ethane_patches=3, aggregates=1)),
    (2.6, 450, 0.16, Junk(ethane_patches=6)),
    (1.8, 350, 0.15, Junk(carbon_reach=0.45, aggregates=3)),
    (2.2, 500, 0.11, Junk(aggregates=5, ethane_patches=3)),
    (1.4, 400, 0.18, Junk(ice_crystals=2, aggregates=4)),
    (2.4, 600, 0.14, Junk(ethane_patches=5, aggregates=2)),
    (2.9, 450, 0.15, Junk(carbon_reach=0.35, ethane_patches=5)),
    (1.9, 500, 0.20, Junk(ice_crystals=6, aggregates=4)),
    (2.1, 400, 0.15, Junk(ice_crystals=2, ethane_patches=4, aggregates=5)),
)


@cache
def particles() -> tuple[Volume, Volume]:
    """The wanted particle, a globular complex without symmetry, and the contaminant, a small barrel."""
    rng = np.random.default_rng([SEED, 1])
    return build_volume("globular", DIAMETER_ANGSTROM, rng), build_volume("barrel", 125.0, rng, "C7")


def name(index: int) -> str:
    """Name of micrograph `index`, counted from 0."""
    return f"sample_{index + 1:02d}"


def micrograph(index: int) -> SimulatedMicrograph:
    """Micrograph `index`, counted from 0."""
    wanted, contaminant = particles()
    defocus_micrometre, thickness_angstrom, coverage, junk = MICROGRAPHS[index]
    rng = np.random.default_rng([SEED, 2, index])
    optics = replace(
        Optics(),
        defocus_angstrom=defocus_micrometre * 1e4,
        astigmatism_angstrom=rng.uniform(100, 700),
        astigmatism_angle_degrees=rng.uniform(0, 180),
    )
    settings = MicrographSettings(
        SHAPE,
        PIXEL_SIZE_ANGSTROM,
        (Species(wanted, coverage), Species(contaminant, 0.025)),
        spacing=0.8,
        ice=Ice(thickness_angstrom),
        optics=optics,
        detector=DETECTOR,
        junk=junk,
    )
    return simulate_micrograph(settings, rng)


def micrographs() -> Iterator[tuple[str, SimulatedMicrograph]]:
    """All of them, one after another."""
    for index in range(len(MICROGRAPHS)):
        yield name(index), micrograph(index)


def main(out: Path) -> None:
    """Write the project."""
    write_project(out, micrographs(), Optics(), DIAMETER_ANGSTROM, np.int8)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?", default=Path(__file__).resolve().parent)
    main(parser.parse_args().out)
