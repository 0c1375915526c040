"""Simulated micrographs beside the real sets, in one figure: ``python benchmarks/simulator.py [OUT.png]``.

All is measured at the scale that the network sees (20 pixels a particle diameter), after preprocessing, particles
bright. The simulated ones are those that the shipped committee is trained on (`cryoal.simulation.pretraining`). Needs
../shared/data beside the repository. About a minute.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.stats import skew

from cryoal.config import Config
from cryoal.data.micrograph import ScaledMicrograph
from cryoal.preprocess.pipeline import prepare
from cryoal.simulation.micrographs import MicrographSettings, simulate_micrograph
from cryoal.simulation.pretraining import training_image
from cryoal.simulation.specimen import Species
from cryoal.simulation.volumes import build_volume

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
SETS = {"apoferritin_10146": 84.0, "bgal_10017": 108.0, "ribosome80S_10028": 56.0}
"""Particle diameter in pixels."""
COLOURS = ("#0072B2", "#D55E00", "#009E73")
SEED, HALF = 71, 25
CONFIG = Config()
SIZE = CONFIG.preprocess.pixels_per_diameter
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """One micrograph.

    power : by cycles a diameter, white noise of the same variance being 1
    histogram : density of the pixels' values, in robust standard deviations
    profile : mean particle by distance from its centre
    signal : contrast of each particle, in standard deviations of the same measurement away from particles
    numbers : skewness of the pixels; correlation of neighbouring pixels; particles in a square diameter
    """

    power: Floats
    histogram: Floats
    profile: Floats
    signal: Floats
    numbers: dict[str, float]


FREQUENCY = np.arange(0.5, 10, 0.5)
VALUES = np.linspace(-6, 6, 49)
RADIUS = np.arange(HALF + 1) / SIZE


def measure(scaled: ScaledMicrograph, xy: Floats) -> Measured:
    """Measure a micrograph whose particles are known."""
    pixels = scaled.pixels.astype(np.float64)
    inside = pixels[scaled.valid]
    boxes = np.array([box for box in (_box(pixels, at) for at in xy) if box is not None])
    density = np.histogram(inside, VALUES, density=True)[0]
    neighbours = scaled.valid[:, 1:] & scaled.valid[:, :-1]
    numbers = {
        "skewness": float(skew(inside)),
        "neighbours' correlation": float(np.corrcoef(pixels[:, 1:][neighbours], pixels[:, :-1][neighbours])[0, 1]),
        "particles a square diameter": len(xy) / (scaled.valid.sum() / SIZE**2),
    }
    return Measured(_power(pixels), density, _profile(boxes), _signal(scaled, xy), numbers)


def _power(pixels: Floats) -> Floats:
    """Radially averaged power spectrum."""
    window = np.outer(np.hanning(pixels.shape[0]), np.hanning(pixels.shape[1]))
    power = np.abs(np.fft.fft2(pixels * window)) ** 2 / (window**2).sum() / pixels.var()
    ky, kx = (np.fft.fftfreq(n, 1 / SIZE) for n in pixels.shape)
    radius = np.hypot(ky[:, None], kx[None, :])
    bins = np.digitize(radius, np.append(FREQUENCY - 0.25, FREQUENCY[-1] + 0.25)) - 1
    chosen = (bins >= 0) & (bins < len(FREQUENCY))
    sums = np.bincount(bins[chosen], power[chosen], len(FREQUENCY))
    return sums / np.bincount(bins[chosen], minlength=len(FREQUENCY))


def _box(pixels: Floats, at: Floats) -> Floats | None:
    """The pixels about a place; None where they are not all in the image."""
    x, y = np.rint(at).astype(int)
    if min(x, y) < HALF or x + HALF >= pixels.shape[1] or y + HALF >= pixels.shape[0]:
        return None
    return pixels[y - HALF : y + HALF + 1, x - HALF : x + HALF + 1]


def _profile(boxes: Floats) -> Floats:
    """Mean of the mean box by distance from the middle."""
    if not len(boxes):
        return np.full(len(RADIUS), np.nan)
    y, x = np.mgrid[-HALF : HALF + 1, -HALF : HALF + 1]
    ring = np.rint(np.hypot(y, x)).astype(int).ravel()
    mean = boxes.mean(axis=0).ravel()
    return (np.bincount(ring, mean) / np.bincount(ring))[: HALF + 1]


def _signal(scaled: ScaledMicrograph, xy: Floats) -> Floats:
    """Disc (0.35 diameters) less ring (0.6 to 0.8) at particles, over its spread where no particle is near."""
    y, x = np.mgrid[-16:17, -16:17] / SIZE
    distance = np.hypot(y, x)
    disc, ring = distance <= 0.35, (distance >= 0.6) & (distance <= 0.8)
    kernel = disc / disc.sum() - ring / ring.sum()
    contrast = ndimage.convolve(scaled.pixels.astype(np.float64), kernel, mode="reflect")
    free = ndimage.binary_erosion(scaled.valid, iterations=SIZE // 2)
    nearest = np.rint(xy).astype(int)
    marks = np.ones(scaled.pixels.shape, bool)
    marks[nearest[:, 1].clip(0, marks.shape[0] - 1), nearest[:, 0].clip(0, marks.shape[1] - 1)] = False
    free &= ndimage.distance_transform_edt(marks) > SIZE
    if free.sum() < SIZE**2 or not len(xy):
        return np.empty(0)
    spread = 1.4826 * np.median(np.abs(contrast[free] - np.median(contrast[free])))
    at = contrast[nearest[:, 1].clip(0, marks.shape[0] - 1), nearest[:, 0].clip(0, marks.shape[1] - 1)]
    return (at - np.median(contrast[free])) / spread


def real(name: str) -> Iterator[Measured]:
    """The micrographs of a real set."""
    for path in sorted((SHARED / name / "images").iterdir()):
        pixels = np.asarray(Image.open(path).convert("F"))
        scaled = prepare(pixels, SETS[name], CONFIG.preprocess)
        marks = np.loadtxt(SHARED / name / "particles" / f"{path.stem}.csv", delimiter=",", skiprows=1, usecols=(0, 1))
        yield measure(scaled, (marks.reshape(-1, 2) + 0.5) / scaled.scale - 0.5)


def simulated(count: int) -> Iterator[Measured]:
    """What the shipped committee is trained on."""
    for index in range(count):
        scaled, maps = training_image(SEED, index, CONFIG)
        yield measure(scaled, maps.particles)


def draw(sets: dict[str, list[Measured]], of_simulated: Sequence[Measured], out: Path) -> None:
    """The figure: the simulated ones as a band from the 5th to the 95th percentile, and their median."""
    figure = Figure((11, 7), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    middle = (VALUES[1:] + VALUES[:-1]) / 2
    for axis, name, x, label in (
        (axes[0], "power", FREQUENCY, "cycles a diameter"),
        (axes[1], "histogram", middle, "pixel, robust standard deviations"),
        (axes[2], "profile", RADIUS, "distance from the centre, diameters"),
    ):
        rows = np.array([getattr(one, name) for one in of_simulated])
        low, half, high = np.nanpercentile(rows, [5, 50, 95], axis=0)
        axis.fill_between(x, low, high, color="0.85", label="simulated, 5 to 95 %")
        axis.plot(x, half, color="0.4", label="simulated, median")
        for (title, ones), colour in zip(sets.items(), COLOURS, strict=True):
            axis.plot(x, np.nanmean([getattr(one, name) for one in ones], axis=0), color=colour, label=title)
        axis.set(xlabel=label)
    axes[0].set(title="power spectrum, white noise = 1", yscale="log", xscale="log")
    axes[1].set(title="pixels", yscale="log", ylim=(1e-5, 1))
    axes[2].set(title="mean particle")
    axes[0].legend(fontsize=7)
    _strips(
        axes[3],
        "signal of single particles, σ",
        sets,
        of_simulated,
        lambda one: float(np.median(one.signal)) if len(one.signal) else np.nan,
    )
    _strips(axes[4], "skewness of the pixels", sets, of_simulated, lambda one: one.numbers["skewness"])
    _strips(
        axes[5],
        "correlation of neighbouring pixels",
        sets,
        of_simulated,
        lambda one: one.numbers["neighbours' correlation"],
    )
    figure.savefig(out, dpi=110)


def _strips(axis: Axes, title: str, sets, of_simulated, number) -> None:
    """A dot a micrograph."""
    rng = np.random.default_rng(0)
    groups = {**sets, "simulated": of_simulated}
    for row, (ones, colour) in enumerate(zip(groups.values(), (*COLOURS, "0.5"), strict=True)):
        values = [number(one) for one in ones]
        axis.plot(values, row + rng.uniform(-0.2, 0.2, len(values)), ".", color=colour)
    axis.set(title=title, yticks=range(len(groups)), yticklabels=[name.split("_")[0] for name in groups])
    axis.invert_yaxis()


def seconds_for_a_large_one() -> float:
    """Processor time of a simulation of 4096² pixels of 1 Å, 45 % of it covered by particles."""
    rng = np.random.default_rng(SEED)
    settings = MicrographSettings((4096, 4096), 1.0, (Species(build_volume("globular", 180.0, rng), 0.45),))
    start = time.process_time()
    simulate_micrograph(settings, rng)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", nargs="?", type=Path, default=ROOT / "docs" / "images" / "simulator.png")
    parser.add_argument("--micrographs", type=int, default=24)
    options = parser.parse_args()
    sets = {name: list(real(name)) for name in SETS}
    of_simulated = list(simulated(options.micrographs))
    draw(sets, of_simulated, options.out)
    for name, ones in {**sets, "simulated": of_simulated}.items():
        signal = np.array([np.median(one.signal) for one in ones if len(one.signal)])
        told = [f"signal {np.percentile(signal, [5, 50, 95]).round(2)}"]
        for number in ones[0].numbers:
            values = [one.numbers[number] for one in ones]
            told += [f"{number} {np.percentile(values, [5, 50, 95]).round(3)}"]
        print(f"{name}: {len(ones)} micrographs; 5th, 50th, 95th percentile: {'; '.join(told)}")
    print(f"a simulated micrograph of 4096² pixels took {seconds_for_a_large_one():.1f} s of processor time")


if __name__ == "__main__":
    main()
