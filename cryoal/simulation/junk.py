"""What is on a grid besides whole particles in ice: crystals, ethane, aggregates, fragments, the carbon film's edge."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.random import Generator
from scipy.spatial.transform import Rotation

from cryoal.simulation.specimen import Floats, Slab, Species
from cryoal.simulation.volumes import Volume, fragment, random_orientations

_ICE_VOLT = 4.6  # mean inner potential of ice: crystals lie on the film, in vacuum
_CARBON_VOLT = 5.0  # amorphous carbon, less the ice it displaces
_ETHANE_VOLT = 1.5  # solid ethane on ice, thin
_CRYSTAL_FREE_PATH_ANGSTROM = 900.0  # electrons diffracted out of the aperture are lost as well
_ETHANE_FREE_PATH_ANGSTROM = 2500.0
_CARBON_FREE_PATH_ANGSTROM = 5000.0
_HOLE_RADIUS_ANGSTROM = 6000.0
_CARBON_MARK_ANGSTROM = 400.0  # distance of the points that mark the film in the truth


class JunkKind(IntEnum):
    """Numbers of the kinds of junk in the truth."""

    ICE = 1
    ETHANE = 2
    AGGREGATE = 3
    CARBON = 4
    FRAGMENT = 5


@dataclass(frozen=True, slots=True)
class Junk:
    """What must not be picked.

    Attributes
    ----------
    ice_crystals, ethane_patches, aggregates : float
        Mean numbers in the simulated area: dark facetted crystals of 120 to 700 Å; groups of faint soft spots of 60
        to 240 Å; heaps of broken particles.
    carbon_reach : float
        How far the carbon film reaches in, as a share of the shorter side; 0 is none.
    carbon_thickness_angstrom : float
    fragments : float
        Mean number of single broken particles.
    """

    ice_crystals: float = 0.0
    ethane_patches: float = 0.0
    aggregates: float = 0.0
    carbon_reach: float = 0.0
    carbon_thickness_angstrom: float = 120.0
    fragments: float = 0.0


def add_junk(slab: Slab, junk: Junk, species: Sequence[Species], rng: Generator) -> None:
    """Add all of it to the slab, its outlines and its centres too; aggregates and fragments are of the species."""
    if junk.carbon_reach > 0:
        _add_carbon(slab, junk, rng)
    for _ in range(rng.poisson(junk.ice_crystals)):
        _add_ice_crystal(slab, rng)
    for _ in range(rng.poisson(junk.ethane_patches)):
        _add_ethane(slab, rng)
    for _ in range(rng.poisson(junk.aggregates) if species else 0):
        _add_aggregate(slab, species[int(rng.integers(len(species)))], rng)
    for _ in range(rng.poisson(junk.fragments) if species and junk.fragments > 0 else 0):
        _add_fragment(slab, species[int(rng.integers(len(species)))], rng)


def _add_carbon(slab: Slab, junk: Junk, rng: Generator) -> None:
    """Film outside a round hole whose edge wobbles, from a random direction."""
    ny, nx = slab.shape
    y, x = (axis * slab.pixel_size_angstrom for axis in np.ogrid[:ny, :nx])
    toward = rng.uniform(0, 2 * np.pi)
    height, width = ny * slab.pixel_size_angstrom, nx * slab.pixel_size_angstrom
    reach = junk.carbon_reach * min(height, width)
    # the film ends `reach` inside the frame's outermost point in that direction
    outermost = (abs(np.cos(toward)) * width + abs(np.sin(toward)) * height) / 2
    back = _HOLE_RADIUS_ANGSTROM - outermost + reach
    from_x, from_y = x - (width / 2 - back * np.cos(toward)), y - (height / 2 - back * np.sin(toward))
    turn = np.linspace(-np.pi, np.pi, 20001)
    waves = rng.integers(10, 150, 12)  # cycles about the hole
    wobble = sum(150 / wave * np.cos(wave * turn + rng.uniform(0, 6.3)) for wave in waves)
    edge = _HOLE_RADIUS_ANGSTROM + np.interp(np.arctan2(from_y, from_x), turn, wobble)
    beyond = np.hypot(from_x, from_y) - edge
    share = 1 / (1 + np.exp(-np.clip(beyond / 15, -30, 30)))
    share[share < 0.02] = 0
    slab.carbon_angstrom += junk.carbon_thickness_angstrom * share
    slab.potential += _CARBON_VOLT * junk.carbon_thickness_angstrom * share
    slab.absorption += junk.carbon_thickness_angstrom / _CARBON_FREE_PATH_ANGSTROM * share
    slab.junk |= share > 0
    step = round(_CARBON_MARK_ANGSTROM / slab.pixel_size_angstrom)
    for row, column in np.argwhere(share[step // 2 :: step, step // 2 :: step] > 0.5) * step + step // 2:
        slab.junk_centres.append((float(column), float(row), JunkKind.CARBON))


def _add_ice_crystal(slab: Slab, rng: Generator) -> None:
    """A facetted lump: the least of several tilted planes."""
    radius = float(np.exp(rng.uniform(np.log(60), np.log(350))))
    centre = _random_point(slab, rng)
    slab.junk_centres.append((*centre.tolist(), JunkKind.ICE))
    window, x, y = _window(slab, centre, 1.8 * radius)
    facets = int(rng.integers(5, 9))
    angles = (np.arange(facets) + rng.uniform(-0.3, 0.3, facets)) * 2 * np.pi / facets + rng.uniform(0, 6.3)
    slopes = rng.uniform(0.8, 2.5, facets)
    height = np.full(np.broadcast_shapes(x.shape, y.shape), rng.uniform(0.6, 1.2) * radius)
    for angle, slope in zip(angles, slopes, strict=True):
        height = np.minimum(height, slope * (radius * rng.uniform(0.7, 1.1) - x * np.cos(angle) - y * np.sin(angle)))
    height = np.maximum(height, 0)
    slab.potential[window] += _ICE_VOLT * height
    slab.absorption[window] += height / _CRYSTAL_FREE_PATH_ANGSTROM
    slab.junk[window] |= height > 0


def _add_ethane(slab: Slab, rng: Generator) -> None:
    """A loose group of soft, uneven spots."""
    middle = _random_point(slab, rng)
    spots = 1 + rng.poisson(4)
    spread = rng.uniform(80, 250)
    for _ in range(spots):
        radius = rng.uniform(30, 120)
        at = middle + rng.normal(0, spread / slab.pixel_size_angstrom, 2)
        slab.junk_centres.append((*at.tolist(), JunkKind.ETHANE))
        window, x, y = _window(slab, at, 2 * radius)
        angle = np.arctan2(y, x)
        outline = radius * (
            1 + sum(rng.normal(0, 0.12) * np.cos(order * angle + rng.uniform(0, 6.3)) for order in (2, 3, 4))
        )
        height = rng.uniform(20, 120) * np.exp(-((np.hypot(x, y) / np.maximum(outline, 1.0)) ** 4))
        slab.potential[window] += _ETHANE_VOLT * height
        slab.absorption[window] += height / _ETHANE_FREE_PATH_ANGSTROM
        slab.junk[window] |= height > 8


def _add_aggregate(slab: Slab, species: Species, rng: Generator) -> None:
    """A heap of fragments of one species."""
    pieces = int(rng.integers(12, 45))
    diameter_px = species.volume.diameter_angstrom / slab.pixel_size_angstrom
    middle = _random_point(slab, rng)
    slab.junk_centres.append((*middle.tolist(), JunkKind.AGGREGATE))
    spread = 0.22 * diameter_px * np.sqrt(pieces) * np.exp(rng.normal(0, 0.35, 2))
    for orientation in random_orientations(pieces, None, rng):
        piece = fragment(species.volume, rng)
        at = middle + rng.normal(size=2) * spread
        _add_piece(slab, piece, orientation, at)


def _add_fragment(slab: Slab, species: Species, rng: Generator) -> None:
    """One broken particle by itself."""
    at = _random_point(slab, rng)
    slab.junk_centres.append((*at.tolist(), JunkKind.FRAGMENT))
    _add_piece(slab, fragment(species.volume, rng), random_orientations(1, None, rng)[0], at)


def _add_piece(slab: Slab, piece: Volume, orientation: Rotation, at: Floats) -> None:
    """Part of a particle, and where it lies as junk."""
    slab.add_particle(piece, orientation, at)
    window, x, y = _window(slab, at, piece.diameter_angstrom / 2)
    slab.junk[window] |= np.hypot(x, y) < 0.4 * piece.diameter_angstrom


def _random_point(slab: Slab, rng: Generator) -> Floats:
    """(x, y) anywhere, in pixels."""
    ny, nx = slab.shape
    return rng.random(2) * (nx - 1, ny - 1)


def _window(slab: Slab, xy: Floats, radius_angstrom: float) -> tuple[tuple[slice, slice], Floats, Floats]:
    """The part of the slab about (x, y), and each pixel's distance from there in Å along x and y."""
    ny, nx = slab.shape
    reach = radius_angstrom / slab.pixel_size_angstrom
    x0, x1 = np.clip([np.floor(xy[0] - reach), np.ceil(xy[0] + reach) + 1], 0, nx).astype(int)
    y0, y1 = np.clip([np.floor(xy[1] - reach), np.ceil(xy[1] + reach) + 1], 0, ny).astype(int)
    x = (np.arange(x0, x1) - xy[0])[None, :] * slab.pixel_size_angstrom
    y = (np.arange(y0, y1) - xy[1])[:, None] * slab.pixel_size_angstrom
    return (slice(y0, y1), slice(x0, x1)), x, y
