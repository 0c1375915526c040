"""What a few micrographs tell before anything else is known: dark or light particles, and their diameter."""

import math
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logit

from cryoal.config import Config
from cryoal.data.micrograph import MicrographEntry
from cryoal.errors import FileError, MicrographError, OptionError
from cryoal.io.micrographs import read_micrograph
from cryoal.learner.progress import Progress
from cryoal.model.committee import Committee
from cryoal.model.pretrained import pretrained_calibration, pretrained_members
from cryoal.model.scoring import score
from cryoal.picking.proposals import propose
from cryoal.preprocess.on_device import as_tensor
from cryoal.preprocess.pipeline import prepare
from cryoal.preprocess.polarity import brightness_skew
from cryoal.preprocess.resampling import resample
from cryoal.workspace.settings import DOUBTED_RATIO

ASSUMED_ANGSTROM = 50 * 1.25 ** np.arange(13)
"""Diameters that are tried, Å: 50 to 728."""
_MICROGRAPHS = 4
_POLARITY_ANGSTROM = (100.0, 150.0, 225.0)  # sizes by which the polarity is judged where the diameter is not known
CLEAR_SKEWNESS = 0.15
"""Below it, the committee is asked for dark and for light particles."""
_JUDGES = 2  # the last ones: longer trained members are less particular about size
_TILE_DIAMETERS = 15.0  # of each micrograph the middle is looked at
_LEAST_DIAMETERS = 4.0  # a micrograph less wide tells nothing about a diameter
_LEAST_DIAMETER_PX = 16.0  # enlarged images look like large particles
_STRONGEST = 10  # candidates a micrograph
_SURE, _DOUBTED = 1.9, 0.07  # log-odds: the least at the best diameter that counts, and the least loss elsewhere
_USUAL_ANGSTROM, _UNUSUAL = 180.0, 0.07  # prior: e times larger or smaller must be worth so many log-odds


@dataclass(frozen=True, slots=True)
class SizeCurve:
    """How sure the shipped committee is of its best candidates, by the diameter that is assumed.

    The network sees a particle at 20 pixels a diameter; at a wrong diameter it sees something else.

    Attributes
    ----------
    diameter_angstrom : float64 array, shape (G,)
        Assumed, ascending.
    response : float64 array, shape (G,)
        Mean calibrated log-odds of the strongest candidates, ten a micrograph.
    """

    diameter_angstrom: NDArray[np.float64]
    response: NDArray[np.float64]

    @property
    def best_angstrom(self) -> float:
        """The likeliest diameter: a parabola in the logarithm through the three points about the largest response.

        Sizes far from the usual need a little more evidence.
        """
        place = np.log(self.diameter_angstrom)
        likely = self.response - _UNUSUAL * (place - math.log(_USUAL_ANGSTROM)) ** 2
        top = int(np.argmax(likely))
        if not 0 < top < len(likely) - 1:
            return float(self.diameter_angstrom[top])
        before, at, after = likely[top - 1 : top + 2]
        bend = before - 2 * at + after
        shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
        return float(np.exp(place[top] + shift * (place[top + 1] - place[top])))

    def loss(self, diameter_angstrom: float) -> float:
        """How much smaller the response is at a diameter than at the best one, log-odds."""
        given, best = np.interp(
            np.log([diameter_angstrom, self.best_angstrom]), np.log(self.diameter_angstrom), self.response
        )
        return float(best - given)


@dataclass(frozen=True, slots=True)
class SmallImage:
    """A micrograph no finer than the smallest assumed particle needs.

    Attributes
    ----------
    pixels : array, shape (ny, nx)
    pixel_size_angstrom : float
    """

    pixels: NDArray[np.generic]
    pixel_size_angstrom: float


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What was found out, or was known.

    Attributes
    ----------
    diameter_angstrom : float
    particles_dark : bool
    diameter_estimate_angstrom : float, optional
        The micrographs' own word on the diameter: where none was given, or where they speak against the one given.
    """

    diameter_angstrom: float
    particles_dark: bool
    diameter_estimate_angstrom: float | None


def look(
    entries: Sequence[MicrographEntry], diameter_angstrom: float | None, particles_dark: bool | None, config: Config
) -> Generator[Progress, None, FirstLook]:
    """Find out what is not known, and check the diameter, on four micrographs spread over the list.

    Raises
    ------
    OptionError
        No diameter is given, and none can be judged.
    """
    images: list[SmallImage] = []
    chosen = spread(entries, _MICROGRAPHS)
    for done, entry in enumerate(chosen):
        yield Progress("looking at micrographs", done, len(chosen))
        images += read_small([entry], config)
    yield Progress("looking at micrographs", len(chosen), len(chosen))
    dark, is_clear = particles_dark, True
    if dark is None:
        skewness = _skewness(images, (diameter_angstrom,) if diameter_angstrom else _POLARITY_ANGSTROM, config)
        dark, is_clear = skewness <= 0, abs(skewness) >= CLEAR_SKEWNESS
    curve = yield from size_curve(images, config, particles_dark=dark)
    if curve is not None and not is_clear:
        other = yield from size_curve(images, config, particles_dark=not dark)
        if other is not None and other.response.max() > curve.response.max():
            dark, curve = not dark, other
    if diameter_angstrom is not None:
        doubted = curve is not None and doubts(curve, diameter_angstrom)
        return FirstLook(diameter_angstrom, dark, round(curve.best_angstrom) if curve and doubted else None)
    if curve is None:
        raise OptionError("--diameter: cannot be judged from these micrographs; give the particle's diameter in Å")
    return FirstLook(float(round(curve.best_angstrom)), dark, float(round(curve.best_angstrom)))


def judged_diameter(entries: Sequence[MicrographEntry], particles_dark: bool | None, config: Config) -> float:
    """The diameter as the micrographs tell it, Å; see `look`.

    Raises
    ------
    OptionError
        None can be judged.
    """
    work = look(entries, None, particles_dark, config)
    while True:
        try:
            next(work)
        except StopIteration as done:
            found: FirstLook = done.value
            return found.diameter_angstrom


def spread(entries: Sequence[MicrographEntry], count: int) -> list[MicrographEntry]:
    """At most so many micrographs, evenly spread over the list."""
    return [entries[i] for i in np.unique(np.linspace(0, len(entries) - 1, count).astype(int))]


def read_small(entries: Iterable[MicrographEntry], config: Config) -> Iterator[SmallImage]:
    """The micrographs that can be read and have a pixel size."""
    for entry in entries:
        if not (math.isfinite(entry.pixel_size_angstrom) and entry.pixel_size_angstrom > 0):
            continue
        try:
            yield shrunk(read_micrograph(entry.path).pixels, entry.pixel_size_angstrom, config)
        except (FileError, MicrographError):
            continue


def shrunk(pixels: NDArray[np.generic], pixel_size_angstrom: float, config: Config) -> SmallImage:
    """A micrograph no finer than the smallest assumed particle needs: all sizes are then quickly made of it."""
    finest = ASSUMED_ANGSTROM[0] / config.preprocess.pixels_per_diameter
    if pixel_size_angstrom >= finest:
        return SmallImage(pixels, pixel_size_angstrom)
    shape = round(pixels.shape[0] * pixel_size_angstrom / finest), round(pixels.shape[1] * pixel_size_angstrom / finest)
    return SmallImage(resample(as_tensor(pixels), shape).numpy(), finest)


def doubts(curve: SizeCurve, diameter_angstrom: float) -> bool:
    """Whether micrographs speak against a diameter, strongly enough to be said."""
    ratio = max(curve.best_angstrom / diameter_angstrom, diameter_angstrom / curve.best_angstrom)
    is_sure = bool(curve.response.max() >= _SURE)
    return is_sure and ratio > DOUBTED_RATIO and curve.loss(diameter_angstrom) > _DOUBTED


def size_curve(
    images: Sequence[SmallImage], config: Config, *, particles_dark: bool
) -> Generator[Progress, None, SizeCurve | None]:
    """Score the middle of micrographs at every assumed diameter; None where that is not possible."""
    members = pretrained_members(config.network)[-_JUDGES:]
    tried = [one for one in ASSUMED_ANGSTROM if images and all(_fits(image, one) for image in images)]
    if len(tried) < 3 or not members:
        return None
    committee, calibration = Committee(members, torch.device("cpu")), pretrained_calibration()
    response = []
    for done, diameter_angstrom in enumerate(tried):
        yield Progress("judging the diameter", done, len(tried))
        logits = [_strongest(committee, image, diameter_angstrom, config, particles_dark) for image in images]
        response.append(float(logit(calibration(np.array([np.mean(np.concatenate(logits))]))[0])))
    yield Progress("judging the diameter", len(tried), len(tried))
    return SizeCurve(np.array(tried), np.array(response))


def _skewness(images: Sequence[SmallImage], sizes_angstrom: Sequence[float], config: Config) -> float:
    """Median over micrographs and sizes; 0 where there are none."""
    found = []
    for image in images:
        for one in sizes_angstrom:
            try:
                scaled = prepare(image.pixels, one / image.pixel_size_angstrom, config.preprocess, particles_dark=False)
            except MicrographError:
                continue
            found.append(brightness_skew(scaled, config.preprocess.pixels_per_diameter))
    return float(np.median(found)) if found else 0.0


def _fits(image: SmallImage, diameter_angstrom: float) -> bool:
    """Whether a micrograph is neither too small nor too coarse for particles of a diameter."""
    diameter_px = diameter_angstrom / image.pixel_size_angstrom
    return bool(_LEAST_DIAMETER_PX <= diameter_px <= min(image.pixels.shape) / _LEAST_DIAMETERS)


def _strongest(
    committee: Committee, image: SmallImage, diameter_angstrom: float, config: Config, particles_dark: bool
) -> NDArray[np.float64]:
    """Mean logits of the strongest candidates of a micrograph at an assumed diameter."""
    diameter_px = diameter_angstrom / image.pixel_size_angstrom
    size, picking = config.preprocess.pixels_per_diameter, config.picking
    try:
        scaled = prepare(
            _middle(image.pixels, diameter_px), diameter_px, config.preprocess, particles_dark=particles_dark
        )
    except MicrographError:
        return np.empty(0)
    maps = score(committee, scaled, picking.max_tile_px, picking.smoothing_diameters * size)
    found = propose(maps.logits, scaled.valid, size, picking).member_logit.mean(axis=0)
    strongest = np.full(_STRONGEST, picking.min_logit)
    best = np.sort(found)[: -_STRONGEST - 1 : -1]
    strongest[: len(best)] = best
    return strongest


def _middle(pixels: NDArray[np.generic], diameter_px: float) -> NDArray[np.generic]:
    """The middle of a micrograph, at most `_TILE_DIAMETERS` wide."""
    side = round(_TILE_DIAMETERS * diameter_px)
    (ny, nx), (my, mx) = pixels.shape, (min(side, n) for n in pixels.shape)
    top, left = (ny - my) // 2, (nx - mx) // 2
    return pixels[top : top + my, left : left + mx]
