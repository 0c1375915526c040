"""Simulated micrographs: ice, particles and junk, imaged by a microscope and counted by a camera, with the truth."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import fft, ndimage

from cryoal.data.picks import Picks
from cryoal.errors import OptionError
from cryoal.simulation.junk import Junk, add_junk
from cryoal.simulation.optics import Detector, Optics, image_intensity, interaction_constant, record
from cryoal.simulation.specimen import Ice, Slab, Species, ice_thickness, place_particles
from cryoal.simulation.volumes import random_orientations

Floats = NDArray[np.float64]

_MARGIN_ANGSTROM = 200.0  # simulated beyond the frame: particles and their fringes are cut by the edge, not by a wrap
_BEAD_SIGMA_ANGSTROM = 2.5  # a residue and its motion
_WATER_PER_CUBIC_ANGSTROM, _WATER_VOLT_CUBIC_ANGSTROM = 0.0314, 145.0
_CARBON_PER_CUBIC_ANGSTROM, _CARBON_VOLT_CUBIC_ANGSTROM = 0.1, 120.0
_CARBON_GRANULARITY = 0.15


@dataclass(frozen=True, slots=True)
class MicrographSettings:
    """All that a simulated micrograph depends on besides chance.

    Attributes
    ----------
    shape : (int, int)
        Pixels (ny, nx).
    pixel_size_angstrom : float
    species : tuple of Species
        Their class numbers in the truth are 1, 2, ...; none makes an empty micrograph.
    spacing : float
        Least distance of two particles, as a share of the sum of their radii; below 1 they may overlap.
    ice, optics, detector, junk
        See `Ice`, `Optics`, `Detector`, `Junk`.

    Raises
    ------
    OptionError
        The shape or the pixel size is not positive.
    """

    shape: tuple[int, int]
    pixel_size_angstrom: float
    species: tuple[Species, ...] = ()
    spacing: float = 0.9
    ice: Ice = field(default_factory=Ice)
    optics: Optics = field(default_factory=Optics)
    detector: Detector = field(default_factory=Detector)
    junk: Junk = field(default_factory=Junk)

    def __post_init__(self) -> None:
        if min(self.shape) < 1:
            raise OptionError(f"shape: found {self.shape}, give two positive numbers of pixels")
        if not self.pixel_size_angstrom > 0:
            raise OptionError(f"pixel_size_angstrom: found {self.pixel_size_angstrom}, give a positive number of Å")


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedMicrograph:
    """A micrograph and what is on it.

    Attributes
    ----------
    pixels : float32 array, shape (ny, nx)
        Electrons counted for each pixel; particles are dark.
    pixel_size_angstrom : float
    picks : Picks
        Centres of mass of the particles whose centre is in the frame and not on junk; ``class_number`` tells the
        species.
    junk : bool array, shape (ny, nx)
        Carbon, crystals, ethane and aggregates: nothing there is in `picks`.
    junk_picks : Picks
        Centres of crystals, ethane spots and aggregates in the frame, and a grid of points on carbon; ``class_number``
        tells the kind (`cryoal.simulation.junk.JunkKind`).
    """

    pixels: NDArray[np.float32]
    pixel_size_angstrom: float
    picks: Picks
    junk: NDArray[np.bool_]
    junk_picks: Picks


def simulate_micrograph(settings: MicrographSettings, rng: Generator) -> SimulatedMicrograph:
    """Simulate one micrograph; the same settings and generator state give the same pixels.

    Particles lie on carbon too, but are marked neither there nor in the picks: the expert would not use them.

    Parameters
    ----------
    settings : MicrographSettings
    rng : Generator

    Returns
    -------
    SimulatedMicrograph
    """
    frame, padded = _frame(settings)
    slab = Slab.empty(padded, settings.pixel_size_angstrom)
    add_junk(slab, settings.junk, settings.species, rng)
    positions = place_particles(slab, settings.species, settings.spacing, rng)
    for one, xy in zip(settings.species, positions, strict=True):
        for orientation, at in zip(random_orientations(len(xy), one.tilt_spread_degrees, rng), xy, strict=True):
            slab.add_particle(one.volume, orientation, at)
    pixels = _image(slab, settings, rng)[frame]
    return SimulatedMicrograph(
        pixels.astype(np.float32),
        settings.pixel_size_angstrom,
        _marked(positions, slab, frame),
        slab.junk[frame].copy(),
        _marked_junk(slab, frame),
    )


def _frame(settings: MicrographSettings) -> tuple[tuple[slice, slice], tuple[int, int]]:
    """Where the micrograph lies in the larger simulated area, and that area's shape."""
    widest = max((one.volume.diameter_angstrom for one in settings.species), default=0.0)
    margin = int(np.ceil(max(_MARGIN_ANGSTROM, widest) / settings.pixel_size_angstrom))
    ny, nx = (fft.next_fast_len(n + 2 * margin, real=True) for n in settings.shape)
    return (slice(margin, margin + settings.shape[0]), slice(margin, margin + settings.shape[1])), (ny, nx)


def _image(slab: Slab, settings: MicrographSettings, rng: Generator) -> Floats:
    """Electrons counted over the whole simulated area."""
    pixel = settings.pixel_size_angstrom
    thickness = ice_thickness(settings.ice, slab.shape, rng)
    # variance of the projected potential of independent scatterers: number in the pixel's column · (V·Å³ / area)²
    variance = settings.ice.granularity * _WATER_PER_CUBIC_ANGSTROM * _WATER_VOLT_CUBIC_ANGSTROM**2 * thickness
    variance += _CARBON_GRANULARITY * _CARBON_PER_CUBIC_ANGSTROM * _CARBON_VOLT_CUBIC_ANGSTROM**2 * slab.carbon_angstrom
    grain = rng.standard_normal(slab.shape) * np.sqrt(variance) / pixel
    potential = ndimage.gaussian_filter(slab.potential, _BEAD_SIGMA_ANGSTROM / pixel, mode="nearest") + grain
    intensity = image_intensity(
        interaction_constant(settings.optics.voltage_kilovolt) * potential,
        slab.absorption + thickness / settings.ice.free_path_angstrom,
        settings.optics,
        pixel,
    )
    return record(intensity, settings.detector, pixel, rng)


def _marked(positions: Sequence[Floats], slab: Slab, frame: tuple[slice, slice]) -> Picks:
    """The particles whose centre is in the frame and not on junk, in the frame's pixels."""
    xy = np.concatenate([np.empty((0, 2)), *positions])
    species = np.repeat(np.arange(1, len(positions) + 1), [len(one) for one in positions])
    nearest = np.rint(xy).astype(np.intp)
    wanted = _inside(nearest, frame)
    wanted &= ~slab.junk[nearest[:, 1], nearest[:, 0]]
    return _in_frame(xy[wanted], species[wanted], frame)


def _marked_junk(slab: Slab, frame: tuple[slice, slice]) -> Picks:
    """The centres of junk in the frame, in the frame's pixels."""
    centres = np.array(slab.junk_centres, dtype=np.float64).reshape(-1, 3)
    inside = _inside(np.rint(centres[:, :2]).astype(np.intp), frame)
    return _in_frame(centres[inside, :2], centres[inside, 2].astype(np.int64), frame)


def _inside(nearest: NDArray[np.intp], frame: tuple[slice, slice]) -> NDArray[np.bool_]:
    """Which pixels (x, y) of the simulated area are in the frame."""
    rows, columns = frame
    inside: NDArray[np.bool_] = (nearest[:, 1] >= rows.start) & (nearest[:, 1] < rows.stop)
    inside &= (nearest[:, 0] >= columns.start) & (nearest[:, 0] < columns.stop)
    return inside


def _in_frame(xy: Floats, numbers: NDArray[np.int64], frame: tuple[slice, slice]) -> Picks:
    """Picks in the frame's pixels."""
    rows, columns = frame
    return Picks(xy[:, 0] - columns.start, xy[:, 1] - rows.start, class_number=numbers)
