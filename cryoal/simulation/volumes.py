"""Procedurally built particles, as clouds of residue-sized beads, and their projections.

A bead cloud rotates exactly, projects without interpolating a grid, and its mass is conserved by construction.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from cryoal.errors import OptionError

Floats = NDArray[np.float64]

RESIDUE_VOLUME_CUBIC_ANGSTROM = 136.0
_CONTACT = 1.3  # distance of touching subunits over their radius: they are no spheres
_LIPID_DENSITY = 0.4  # contrast of a bilayer with its water and tails, protein being 1
PROTEIN_CONTRAST_VOLT = 2.5  # mean inner potential of protein less that of vitreous ice


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """A particle in vitreous ice, as beads of one residue each.

    Attributes
    ----------
    diameter_angstrom : float
        Diameter of the sphere about the centre of mass that holds every bead.
    beads_angstrom : float64 array, shape (N, 3)
        Bead positions (x, y, z); the centre of mass is the origin.
    potential : float64 array, shape (N,)
        Integral of each bead's electrostatic potential above that of ice, V·Å³.
    """

    diameter_angstrom: float
    beads_angstrom: Floats
    potential: Floats


@dataclass(frozen=True, slots=True)
class _Domain:
    """An ellipsoid of protein."""

    centre: Floats
    semi_axes: Floats
    orientation: Rotation
    density: float


def build_volume(shape: str, diameter_angstrom: float, rng: Generator, symmetry: str | None = None) -> Volume:
    """A random particle of one of the `SHAPES`.

    Parameters
    ----------
    shape : str
        ``globular``, ``barrel``, ``rod``, ``shell`` or ``disc``, a membrane protein in a disc of lipid.
    diameter_angstrom : float
        Diameter of the sphere about the centre of mass that holds the particle.
    rng : Generator
    symmetry : str, optional
        Point group: C1, C7, D2, T, O, I...; the shape's own choice where it is not given.

    Raises
    ------
    OptionError
        The shape or the symmetry is unknown, or the diameter is not positive.
    """
    if shape not in SHAPES:
        raise OptionError(f"shape: found '{shape}', allowed are {', '.join(SHAPES)}; choose one of them")
    if not diameter_angstrom > 0:
        raise OptionError(f"diameter_angstrom: found {diameter_angstrom}, give a positive number of Å")
    domains, group = SHAPES[shape](rng, symmetry)
    return _fill(domains, _point_group(group), diameter_angstrom, rng)


def fragment(volume: Volume, rng: Generator) -> Volume:
    """What is left of a particle after a random plane near its centre has cut it."""
    normal = _directions(1, rng)[0]
    offset = rng.uniform(-0.1, 0.2) * volume.diameter_angstrom
    kept = volume.beads_angstrom @ normal > offset
    if not kept.any():
        return volume
    return _centred(volume.beads_angstrom[kept], volume.potential[kept])


def random_orientations(count: int, tilt_spread_degrees: float | None, rng: Generator) -> Rotation:
    """Orientations of particles: uniform, or preferred views about the particle's z axis.

    Parameters
    ----------
    count : int
    tilt_spread_degrees : float or None
        Standard deviation of the angle between the particle's z axis and the beam; None is uniform over SO(3).
    rng : Generator
    """
    if tilt_spread_degrees is None:
        return _uniform_rotations(count, rng)
    turns = rng.uniform(0, 360, (count, 2))
    tilt = rng.normal(0, tilt_spread_degrees, count)
    return Rotation.from_euler("ZYZ", np.column_stack([turns[:, 0], tilt, turns[:, 1]]), degrees=True)


def project(
    volume: Volume, orientation: Rotation, pixel_size_angstrom: float, offset_px: tuple[float, float] = (0.0, 0.0)
) -> Floats:
    """Projected potential of a rotated particle along z.

    Each bead is shared bilinearly by the four pixels about it, so that
    ``sum(projection) · pixel_size² = sum(potential)`` and the centre of mass is exact.

    Parameters
    ----------
    volume : Volume
    orientation : Rotation
        Applied to the beads before the projection.
    pixel_size_angstrom : float
    offset_px : (float, float)
        Where (y, x) the centre of mass falls, from the middle pixel; less than one pixel.

    Returns
    -------
    float64 array, shape (n, n), n odd
        V·Å; the middle pixel is n // 2.
    """
    half = int(np.ceil(volume.diameter_angstrom / 2 / pixel_size_angstrom)) + 2
    side = 2 * half + 1
    turned = orientation.apply(volume.beads_angstrom)
    x = turned[:, 0] / pixel_size_angstrom + half + offset_px[1]
    y = turned[:, 1] / pixel_size_angstrom + half + offset_px[0]
    column, row = x.astype(np.intp), y.astype(np.intp)
    right, below = x - column, y - row
    corner = row * side + column
    flat = np.zeros(side * side)
    for step, share in (
        (0, (1 - right) * (1 - below)),
        (1, right * (1 - below)),
        (side, (1 - right) * below),
        (side + 1, right * below),
    ):
        flat += np.bincount(corner + step, volume.potential * share, side * side)
    return flat.reshape(side, side) / pixel_size_angstrom**2


def _point_group(name: str) -> Rotation:
    """All rotations of a point group."""
    try:
        return Rotation.create_group(cast("Any", name))  # scipy-stubs know only the letters
    except ValueError as error:
        raise OptionError(f"symmetry: found '{name}', allowed are C1, C2, ..., D2, ..., T, O and I") from error


def _globular(rng: Generator, symmetry: str | None) -> tuple[list[_Domain], str]:
    group = symmetry or "C1"
    mates = _point_group(group)
    domains = _cluster(rng, int(rng.integers(10, 20)) if len(mates) == 1 else int(rng.integers(3, 6)))
    if len(mates) == 1:
        return domains, group
    outward, nearest = _spread_outward(mates, rng)
    away = outward.apply([0.0, 0.0, _CONTACT * _radius(domains) / nearest])
    return [_moved(domain, away) for domain in domains], group


def _barrel(rng: Generator, symmetry: str | None) -> tuple[list[_Domain], str]:
    group = symmetry or f"C{int(rng.integers(5, 10))}"
    copies = max(len(_point_group(group)), 3)
    dihedral = group.upper().startswith("D")  # its twofold axes make the lower half
    unit = _cluster(rng, int(rng.integers(1, 4)))
    reach = _radius(unit)
    ring = _CONTACT * reach / (2 * np.sin(np.pi / (copies / 2 if dihedral else copies)))
    layers = int(rng.integers(1, 5))
    twist = rng.uniform(0, 0.3)
    placed = []
    for layer in range(layers):
        height = (layer + 0.5 if dihedral else layer - (layers - 1) / 2) * 1.1 * reach
        at = np.array([ring * np.cos(layer * twist), ring * np.sin(layer * twist), height])
        placed += [_moved(domain, at) for domain in unit]
    return placed, group


def _rod(rng: Generator, symmetry: str | None) -> tuple[list[_Domain], str]:
    group = symmetry or "C1"
    pitch, length = rng.uniform(0.3, 1.0), int(rng.integers(4, 9))
    steps = np.arange(length) - (length - 1) / 2
    wobble = rng.uniform(0.1, 0.5)
    return [
        _Domain(
            np.array([wobble * np.cos(pitch * step), wobble * np.sin(pitch * step), 1.1 * step]),
            rng.uniform(0.6, 1.1, 3),
            _uniform_rotations(1, rng)[0],
            rng.uniform(0.8, 1.2),
        )
        for step in steps
    ], group


def _shell(rng: Generator, symmetry: str | None) -> tuple[list[_Domain], str]:
    group = symmetry or "I"
    mates = _point_group(group)
    size = np.sqrt(4 / len(mates)) * rng.uniform(0.9, 1.1)  # caps of this radius about cover the unit sphere
    thickness = rng.uniform(0.08, 0.2)
    domains = []
    for _ in range(int(rng.integers(1, 4))):
        outward, _ = _spread_outward(mates, rng)
        axes = np.array([size * rng.uniform(0.6, 1), size * rng.uniform(0.6, 1), thickness])
        domains.append(_Domain(outward.apply([0.0, 0.0, 1.0]), axes, outward, rng.uniform(0.8, 1.2)))
    return domains, group


def _disc(rng: Generator, symmetry: str | None) -> tuple[list[_Domain], str]:
    group = symmetry or f"C{int(rng.integers(1, 5))}"
    copies = len(_point_group(group))
    unit = _cluster(rng, int(rng.integers(3, 8)))
    size = rng.uniform(0.5, 0.9) / _radius(unit) / np.sqrt(copies)
    aside = 0.0 if copies == 1 else _CONTACT * size * _radius(unit) / (2 * np.sin(np.pi / copies))
    at = np.array([aside, 0.0, rng.uniform(0, 0.4)])  # more of it on one side of the membrane
    protein = [_Domain(at + size * d.centre, size * d.semi_axes, d.orientation, d.density) for d in unit]
    lipid = _LIPID_DENSITY / copies  # every mate has a disc, all in one place
    return [*protein, _Domain(np.zeros(3), np.array([1.0, 1.0, 0.4]), Rotation.identity(), lipid)], group


SHAPES: dict[str, Callable[[Generator, str | None], tuple[list[_Domain], str]]] = {
    "globular": _globular,
    "barrel": _barrel,
    "rod": _rod,
    "shell": _shell,
    "disc": _disc,
}


def _cluster(rng: Generator, count: int) -> list[_Domain]:
    """Ellipsoids in a compact heap, each touching an earlier one."""
    domains: list[_Domain] = []
    while len(domains) < count:
        axes = rng.uniform(0.6, 1.3, 3)
        centre = np.zeros(3)
        if domains:
            parent = domains[int(rng.integers(len(domains)))]
            reach = 0.8 * (axes.mean() + parent.semi_axes.mean())
            tries = parent.centre + reach * _directions(8, rng)
            others = np.array([other.centre for other in domains])
            apart = np.linalg.norm(tries[:, None] - others, axis=2).min(axis=1)
            outlying = np.linalg.norm(tries - others.mean(axis=0), axis=1)
            centre = tries[int(np.argmin(outlying + 10 * (apart < 0.8 * reach)))]
        domains.append(_Domain(centre, axes, _uniform_rotations(1, rng)[0], rng.uniform(0.75, 1.25)))
    middle = np.mean([domain.centre for domain in domains], axis=0)
    return [_moved(domain, -middle) for domain in domains]


def _spread_outward(mates: Rotation, rng: Generator) -> tuple[Rotation, float]:
    """A random rotation that takes z to where symmetry mates keep well apart, and how far, on the unit sphere."""
    tries = _uniform_rotations(8, rng)
    outward = tries.apply([0.0, 0.0, 1.0])
    turns = [mate for mate in mates if mate.magnitude() > 1e-6]
    apart = np.min([np.linalg.norm(mate.apply(outward) - outward, axis=1) for mate in turns], axis=0, initial=2.0)
    best = int(np.argmax(apart))
    return tries[best], float(apart[best])


def _uniform_rotations(count: int, rng: Generator) -> Rotation:
    """Uniform over SO(3), the same in every version of scipy."""
    return Rotation.from_quat(rng.normal(size=(count, 4)))


def _directions(count: int, rng: Generator) -> Floats:
    """Uniform unit vectors, shape (count, 3)."""
    vectors = rng.normal(size=(count, 3))
    unit: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _moved(domain: _Domain, by: Floats) -> _Domain:
    return _Domain(domain.centre + by, domain.semi_axes, domain.orientation, domain.density)


def _radius(domains: list[_Domain]) -> float:
    return max(float(np.linalg.norm(domain.centre) + domain.semi_axes.mean()) for domain in domains)


def _fill(domains: list[_Domain], group: Rotation, diameter_angstrom: float, rng: Generator) -> Volume:
    """Beads drawn evenly inside the domains and all their symmetry mates, one for each residue's volume."""
    scale = diameter_angstrom / 2 / _radius(domains)
    beads, density = [], []
    for index, domain in enumerate(domains):
        volume = 4 / 3 * np.pi * float(np.prod(domain.semi_axes)) * scale**3
        count = max(1, round(volume / RESIDUE_VOLUME_CUBIC_ANGSTROM))
        ball = _directions(count, rng) * rng.random((count, 1)) ** (1 / 3)
        points = domain.centre + domain.orientation.apply(ball * domain.semi_axes)
        for earlier in domains[:index]:
            points = points[~_inside(earlier, points)]
        beads.append(points)
        density.append(np.full(len(points), domain.density))
    unit = np.concatenate(beads)
    mates = np.concatenate([operation.apply(unit) for operation in group])
    potential = np.tile(np.concatenate(density), len(group)) * PROTEIN_CONTRAST_VOLT * RESIDUE_VOLUME_CUBIC_ANGSTROM
    centred = _centred(mates, potential)
    stretch = diameter_angstrom / centred.diameter_angstrom
    return Volume(diameter_angstrom, centred.beads_angstrom * stretch, potential * (stretch / scale) ** 3)


def _inside(domain: _Domain, points: Floats) -> NDArray[np.bool_]:
    local = domain.orientation.inv().apply(points - domain.centre) / domain.semi_axes
    within: NDArray[np.bool_] = (local**2).sum(axis=1) < 1
    return within


def _centred(beads: Floats, potential: Floats) -> Volume:
    """The volume with its centre of mass at the origin."""
    centre = np.average(beads, axis=0, weights=potential)
    radius = float(np.linalg.norm(beads - centre, axis=1).max())
    return Volume(2 * radius, beads - centre, potential)
