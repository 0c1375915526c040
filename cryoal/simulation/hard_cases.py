"""Hard micrographs: five cases of what makes pickers fail, with the truth of particles and of every piece of junk."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from cryoal.errors import OptionError
from cryoal.simulation.junk import Junk
from cryoal.simulation.micrographs import MicrographSettings, SimulatedMicrograph, simulate_micrograph
from cryoal.simulation.optics import Detector, Optics
from cryoal.simulation.specimen import Ice, Species
from cryoal.simulation.volumes import build_volume

_SIDE_PX = 1024
_PIXELS_PER_DIAMETER = 40


@dataclass(frozen=True, slots=True)
class HardCase:
    """One kind of trouble.

    Attributes
    ----------
    description : str
    shape, symmetry : str
        Of the particle (`build_volume`).
    diameter_angstrom : float
    coverage, spacing : float
        See `Species` and `MicrographSettings`.
    ice_angstrom, defocus_angstrom, dose_per_square_angstrom : (float, float)
        Least and greatest; drawn anew for each micrograph.
    junk : callable
        From a Generator to the junk of one micrograph.
    """

    description: str
    shape: str
    symmetry: str
    diameter_angstrom: float
    junk: Callable[[Generator], Junk]
    coverage: float = 0.15
    spacing: float = 0.9
    ice_angstrom: tuple[float, float] = (300.0, 600.0)
    defocus_angstrom: tuple[float, float] = (1e4, 2.5e4)
    dose_per_square_angstrom: tuple[float, float] = (9.0, 15.0)


def _carbon(rng: Generator) -> Junk:
    return Junk(carbon_reach=rng.uniform(0.35, 0.7), ethane_patches=2)


def _ice(rng: Generator) -> Junk:
    return Junk(ice_crystals=rng.uniform(8, 20), ethane_patches=rng.uniform(8, 16))


def _aggregates(rng: Generator) -> Junk:
    return Junk(aggregates=rng.uniform(5, 10), fragments=rng.uniform(20, 40))


def _some_of_each(rng: Generator) -> Junk:
    return Junk(rng.uniform(1, 4), rng.uniform(1, 4), rng.uniform(1, 3), fragments=rng.uniform(0, 8))


HARD_CASES: dict[str, HardCase] = {
    "carbon": HardCase("carbon film with particles on it that must not be used", "globular", "C1", 150.0, _carbon),
    "ice": HardCase("crystalline ice and ethane", "barrel", "C7", 165.0, _ice),
    "aggregates": HardCase("heaps of broken particles, and broken ones alone", "globular", "D2", 170.0, _aggregates),
    "contrast": HardCase(
        "small particles in thick ice, near focus",
        "globular",
        "C2",
        120.0,
        _some_of_each,
        ice_angstrom=(800.0, 1300.0),
        defocus_angstrom=(1e4, 1.5e4),
    ),
    "crowding": HardCase(
        "particles that touch and overlap", "shell", "O", 130.0, _some_of_each, coverage=0.55, spacing=0.75
    ),
}
"""By name."""


def hard_micrographs(name: str, count: int, seed: int = 0) -> Iterator[tuple[str, SimulatedMicrograph]]:
    """Simulate the micrographs of one case, 1024² pixels, 25 particle diameters wide, one after the other.

    Parameters
    ----------
    name : str
        One of `HARD_CASES`.
    count : int
    seed : int
        The particle, and each micrograph, depend on it and on the case alone, not on `count`.

    Yields
    ------
    str
        The micrograph's name.
    SimulatedMicrograph
        `picks` are the particles; `junk` and `junk_picks` are what must not be picked.

    Raises
    ------
    OptionError
        The case is not known.
    """
    if name not in HARD_CASES:
        raise OptionError(f"case: {name!r} is not known; give one of {', '.join(HARD_CASES)}")
    case, number = HARD_CASES[name], list(HARD_CASES).index(name)
    volume = build_volume(case.shape, case.diameter_angstrom, np.random.default_rng([seed, number]), case.symmetry)
    for index in range(count):
        rng = np.random.default_rng([seed, number, index])
        yield f"{name}_{index + 1:02d}", simulate_micrograph(_settings(case, Species(volume, case.coverage), rng), rng)


def _settings(case: HardCase, species: Species, rng: Generator) -> MicrographSettings:
    """What one micrograph is like."""
    return MicrographSettings(
        (_SIDE_PX, _SIDE_PX),
        case.diameter_angstrom / _PIXELS_PER_DIAMETER,
        (species,),
        case.spacing,
        Ice(rng.uniform(*case.ice_angstrom), gradient=0.4, granularity=0.05),
        replace(Optics(), defocus_angstrom=rng.uniform(*case.defocus_angstrom)),
        Detector(rng.uniform(*case.dose_per_square_angstrom), 0.5),
        case.junk(rng),
    )
