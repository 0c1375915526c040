"""The specimen along the beam: vitreous ice of uneven thickness, and particles placed in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from cryoal.errors import OptionError
from cryoal.simulation.volumes import Volume, project

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_PLACING_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Ice:
    """Vitreous ice.

    Attributes
    ----------
    thickness_angstrom : float
        Mean over the micrograph.
    gradient : float
        Change of thickness across the micrograph, as a share of the mean.
    undulation : float
        Amplitude of further slow changes, as a share of the mean.
    free_path_angstrom : float
        An image behind t Å of ice has exp(−t / free path) of the electrons.
    granularity : float
        Scattering of the ice as a share of that of a gas of its density (its structure factor, blurred by motion).
    """

    thickness_angstrom: float = 400.0
    gradient: float = 0.25
    undulation: float = 0.06
    free_path_angstrom: float = 3000.0
    granularity: float = 0.03


@dataclass(frozen=True, slots=True)
class Species:
    """One kind of particle and how much of it there is.

    Attributes
    ----------
    volume : Volume
    coverage : float
        Share of the area that the particles' discs would cover if none overlapped.
    tilt_spread_degrees : float or None
        Preferred orientation (see `random_orientations`); None is none.

    Raises
    ------
    OptionError
        The coverage is negative.
    """

    volume: Volume
    coverage: float
    tilt_spread_degrees: float | None = None

    def __post_init__(self) -> None:
        if not self.coverage >= 0:
            raise OptionError(f"coverage: found {self.coverage}, give 0 or more")


@dataclass(slots=True, eq=False)
class Slab:
    """The specimen under construction, summed along the beam.

    Attributes
    ----------
    pixel_size_angstrom : float
    potential : float64 array, shape (ny, nx)
        Projected potential above that of the ice, V·Å.
    absorption : float64 array, shape (ny, nx)
        Thickness over mean free path.
    carbon_angstrom : float64 array, shape (ny, nx)
        Thickness of carbon film.
    junk : bool array, shape (ny, nx)
        Where nothing is to be picked.
    junk_centres : list of (float, float, int)
        x, y in pixels and kind of what was added as junk.
    """

    pixel_size_angstrom: float
    potential: Floats
    absorption: Floats
    carbon_angstrom: Floats
    junk: Mask
    junk_centres: list[tuple[float, float, int]] = field(default_factory=list)

    @classmethod
    def empty(cls, shape: tuple[int, int], pixel_size_angstrom: float) -> "Slab":
        """Nothing yet."""
        return cls(pixel_size_angstrom, np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape, bool))

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels (ny, nx)."""
        return self.potential.shape[0], self.potential.shape[1]

    def add_particle(self, volume: Volume, orientation: Rotation, xy: Floats) -> None:
        """Put a particle's centre of mass at (x, y), pixels; what falls outside is lost."""
        column, row = int(np.floor(xy[0])), int(np.floor(xy[1]))
        patch = project(volume, orientation, self.pixel_size_angstrom, (float(xy[1]) - row, float(xy[0]) - column))
        half = patch.shape[0] // 2
        y0, x0 = row - half, column - half
        top, left = max(0, -y0), max(0, -x0)
        bottom = min(patch.shape[0], self.shape[0] - y0)
        right = min(patch.shape[1], self.shape[1] - x0)
        if top < bottom and left < right:
            self.potential[y0 + top : y0 + bottom, x0 + left : x0 + right] += patch[top:bottom, left:right]


def ice_thickness(ice: Ice, shape: tuple[int, int], rng: Generator) -> Floats:
    """Thickness of the ice in Å, shape (ny, nx): a plane in a random direction and a few slow waves."""
    v, u = np.ogrid[-0.5 : 0.5 : shape[0] * 1j, -0.5 : 0.5 : shape[1] * 1j]
    direction = rng.uniform(0, 2 * np.pi)
    relative = 1 + ice.gradient * (u * np.cos(direction) + v * np.sin(direction))
    for _ in range(4):
        turn, phase = rng.uniform(0, 2 * np.pi, 2)
        cycles = rng.uniform(0.5, 2.5)
        relative = relative + ice.undulation / 2 * np.cos(
            2 * np.pi * cycles * (u * np.cos(turn) + v * np.sin(turn)) + phase
        )
    thickness: Floats = ice.thickness_angstrom * np.maximum(relative, 0.05)
    return thickness


def place_particles(slab: Slab, species: Sequence[Species], spacing: float, rng: Generator) -> list[Floats]:
    """Random positions for the particles of every species.

    Two particles are never nearer than ``spacing · (r₁ + r₂)``, r being half a diameter: 1 keeps their spheres apart,
    less lets them overlap in projection. None lies on junk or across its outline, but some lie on carbon. Where there
    is no room for all, fewer are placed.

    Parameters
    ----------
    slab : Slab
        Tells the size, the junk and the carbon; it is not changed.
    species : sequence of Species
    spacing : float
    rng : Generator

    Returns
    -------
    list of float64 arrays, shape (N, 2)
        (x, y) in pixels, one array a species.
    """
    ny, nx = slab.shape
    outline = _outline(slab.junk)
    allowed = ~slab.junk | (slab.carbon_angstrom > 0)
    placed: list[Floats] = []
    radii = [one.volume.diameter_angstrom / 2 / slab.pixel_size_angstrom for one in species]
    for index, one in enumerate(species):
        radius = radii[index]
        wanted = rng.poisson(one.coverage * ny * nx / (np.pi * radius**2))
        xy = np.empty((0, 2))
        for _ in range(_PLACING_ROUNDS):
            tries = rng.random((wanted - len(xy), 2)) * (nx - 1, ny - 1)
            nearest = np.rint(tries).astype(np.intp)
            tries = tries[allowed[nearest[:, 1], nearest[:, 0]]]
            tries = tries[_far_from(outline, tries, radius)]
            for other, other_radius in zip(placed, radii, strict=False):
                tries = tries[_far_from(other, tries, spacing * (radius + other_radius))]
            tries = tries[_far_from(xy, tries, 2 * spacing * radius)]
            xy = np.concatenate([xy, _thinned(tries, 2 * spacing * radius)])
        placed.append(xy)
    return placed


def _outline(mask: Mask) -> Floats:
    """(x, y) of the pixels of a mask that have a neighbour outside it."""
    inner = mask.copy()
    inner[1:] &= mask[:-1]
    inner[:-1] &= mask[1:]
    inner[:, 1:] &= mask[:, :-1]
    inner[:, :-1] &= mask[:, 1:]
    return np.argwhere(mask & ~inner)[:, ::-1].astype(np.float64)


def _far_from(others: Floats, xy: Floats, distance: float) -> Mask:
    """Which of `xy` have no other within the distance."""
    if not len(others) or not len(xy):
        return np.ones(len(xy), dtype=bool)
    nearest: Floats = np.asarray(cKDTree(others).query(xy)[0])
    return nearest >= distance


def _thinned(xy: Floats, distance: float) -> Floats:
    """`xy` without those that have an earlier one within the distance."""
    if not len(xy):
        return xy
    keep = np.ones(len(xy), dtype=bool)
    keep[cKDTree(xy).query_pairs(distance, output_type="ndarray").reshape(-1, 2).max(axis=1, initial=-1)] = False
    return xy[keep]
