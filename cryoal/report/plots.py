"""Figures of micrographs with judged picks, of learning curves and of class averages; matplotlib without pyplot.

Colours are Okabe and Ito's, told apart by colour-blind readers, and no meaning rests on colour alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy import ndimage

from cryoal.errors import ArrayError
from cryoal.evaluation.matching import match
from cryoal.io.durable import atomic_path

BLUE, VERMILION, YELLOW, GREEN, SKY = "#0072B2", "#D55E00", "#F0E442", "#009E73", "#56B4E9"
_CURVES = ((BLUE, "o", "-"), (VERMILION, "s", "--"), (GREEN, "^", ":"))
_CLASSES = ((SKY, "o"), (VERMILION, "s"), (YELLOW, "^"), (GREEN, "D"), (BLUE, "v"))
_LOW_PASS_DIAMETERS = 0.08
_CONTRAST_PERCENTILES = (0.5, 99.5)
_WIDTH_INCHES = 8.0
_DPI = 150


@dataclass(frozen=True, slots=True)
class JudgedPicks:
    """Picks of one micrograph held against its true centres.

    Attributes
    ----------
    found, false, missed : float64 array, shapes (N, 2)
        Picks that are particles, picks that are none, and particles without a pick: (x, y) in pixels.
    """

    found: NDArray[np.float64]
    false: NDArray[np.float64]
    missed: NDArray[np.float64]

    @classmethod
    def by_truth(
        cls, picks_xy: NDArray[np.floating], truth_xy: NDArray[np.floating], radius_px: float
    ) -> "JudgedPicks":
        """Match picks with true centres at most `radius_px` apart; raises as `cryoal.evaluation.matching.match`."""
        pairs = match(picks_xy, truth_xy, radius_px)
        missed = np.ones(len(truth_xy), dtype=bool)
        missed[pairs.truth] = False
        picks, truth = np.asarray(picks_xy, np.float64), np.asarray(truth_xy, np.float64)
        return cls(picks[pairs.correct], picks[~pairs.correct], truth[missed])


def picks_figure(
    pixels: NDArray[np.generic], judged: JudgedPicks, diameter_px: float, pixel_size_angstrom: float, title: str = ""
) -> Figure:
    """Draw a micrograph, low-passed, with its judged picks, a scale bar and a legend with their numbers.

    Parameters
    ----------
    pixels : array, shape (ny, nx)
    judged : JudgedPicks
    diameter_px : float
        Particle diameter, pixels.
    pixel_size_angstrom : float
        Å/pixel.
    title : str
    """
    marks = (
        ("found", judged.found, SKY, "o"),
        ("false", judged.false, VERMILION, "s"),
        ("missed", judged.missed, YELLOW, "^"),
    )
    return _marked_figure(pixels, marks, diameter_px, pixel_size_angstrom, title)


def classes_figure(
    pixels: NDArray[np.generic],
    by_class: Mapping[str, NDArray[np.float64]],
    diameter_px: float,
    pixel_size_angstrom: float,
    title: str = "",
) -> Figure:
    """Draw a micrograph, low-passed, with the picks of each class in a colour and shape of their own.

    Parameters
    ----------
    pixels : array, shape (ny, nx)
    by_class : mapping of str to float64 array, shape (N, 2)
        (x, y) of the picks by the name of their class; five classes at most.
    diameter_px, pixel_size_angstrom, title
        As `picks_figure`.

    Raises
    ------
    ArrayError
        There are more classes than colours.
    """
    if len(by_class) > len(_CLASSES):
        raise ArrayError(f"by_class: {len(by_class)} classes, there are colours for {len(_CLASSES)}; draw fewer")
    marks = [(name, xy, *look) for (name, xy), look in zip(by_class.items(), _CLASSES, strict=False)]
    return _marked_figure(pixels, marks, diameter_px, pixel_size_angstrom, title)


_Mark = tuple[str, NDArray[np.float64], str, str]


def _marked_figure(
    pixels: NDArray[np.generic], marks: Sequence[_Mark], diameter_px: float, pixel_size_angstrom: float, title: str
) -> Figure:
    """A micrograph with marks: word, positions, colour and shape of each kind."""
    ny, nx = pixels.shape
    figure = Figure(figsize=(_WIDTH_INCHES, _WIDTH_INCHES * ny / nx + 0.8), layout="constrained")
    axes = figure.add_subplot()
    smooth = ndimage.gaussian_filter(pixels.astype(np.float32), _LOW_PASS_DIAMETERS * diameter_px)
    low, high = np.percentile(smooth, _CONTRAST_PERCENTILES)
    axes.imshow(smooth, cmap="gray", vmin=low, vmax=high, interpolation="bilinear")
    axes.set_axis_off()
    axes.set_title(title, fontsize=11, loc="left")
    side_points = diameter_px / nx * _WIDTH_INCHES * 72 * 0.95
    for _, xy, colour, shape in marks:
        size = side_points if shape == "o" else 0.85 * side_points
        axes.plot(xy[:, 0], xy[:, 1], shape, ms=size, mfc="none", mec="black", mew=2.6, alpha=0.45)
        axes.plot(xy[:, 0], xy[:, 1], shape, ms=size, mfc="none", mec=colour, mew=1.5)
    axes.set_xlim(-0.5, nx - 0.5)
    axes.set_ylim(ny - 0.5, -0.5)
    scale_bar(axes, (ny, nx), pixel_size_angstrom)
    handles = [
        Line2D([], [], ls="", marker=shape, ms=10, mfc="#808080", mec=colour, mew=2, label=f"{len(xy)} {word}")
        for word, xy, colour, shape in marks
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=11)
    return figure


def learning_curve_figure(
    labels: Sequence[int], metrics: Mapping[str, NDArray[np.float64]], title: str = "", x_label: str = "labels"
) -> Figure:
    """Draw metrics against the number of labels: the mean over micrographs, and each micrograph.

    Parameters
    ----------
    labels : sequence of int, length R
        Number of labels of each round.
    metrics : mapping of str to float64 array, shape (R, M)
        By the metric's name, its value for each round and test micrograph; at most three.

    Raises
    ------
    ArrayError
        A metric has not one row a round, or there are more than three metrics.
    """
    if len(metrics) > len(_CURVES):
        raise ArrayError(f"metrics: {len(metrics)} curves, expected at most {len(_CURVES)}")
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for (name, values), (colour, marker, line) in zip(metrics.items(), _CURVES, strict=False):
        if values.ndim != 2 or len(values) != len(labels):
            raise ArrayError(f"metrics: {name} has shape {values.shape}, expected {len(labels)} rounds × micrographs")
        axes.fill_between(labels, values.min(axis=1), values.max(axis=1), color=colour, alpha=0.12, lw=0)
        axes.plot(np.repeat(labels, values.shape[1]), values.ravel(), marker, ms=3, color=colour, alpha=0.45)
        mean = values.mean(axis=1)
        axes.plot(labels, mean, line, marker=marker, ms=7, lw=2, color=colour, label=f"{name} (last: {mean[-1]:.2f})")
    axes.set_xlabel(x_label)
    axes.set_ylabel("on micrographs never labelled")
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_xlim(0, 1.05 * max(labels))
    axes.set_ylim(top=1.0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False, title="mean; band and dots: each micrograph", title_fontsize=8)
    return figure


def class_averages_figure(
    averages: NDArray[np.floating], particles: Sequence[int], pixel_size_angstrom: float, title: str = ""
) -> Figure:
    """Draw the averages of a 2D classification, the most populated first, each with its number of particles.

    Parameters
    ----------
    averages : array, shape (C, n, n)
    particles : sequence of int, length C
    pixel_size_angstrom : float
        Å/pixel of the averages.
    title : str

    Raises
    ------
    ArrayError
        There are not as many numbers as averages.
    """
    if averages.ndim != 3 or len(averages) != len(particles):
        raise ArrayError(f"averages: shape {averages.shape} with {len(particles)} numbers, expected (C, n, n) and C")
    figure = Figure(figsize=(1.6 * len(particles), 2.3), layout="constrained")
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    panels = figure.subplots(1, len(particles), squeeze=False)[0]
    for axes, index in zip(panels, np.argsort(-np.asarray(particles), kind="stable"), strict=True):
        axes.imshow(averages[index], cmap="gray", interpolation="bilinear")
        axes.set_axis_off()
        axes.set_title(f"{particles[index]:,}", fontsize=10)
    scale_bar(panels[0], averages.shape[1:], pixel_size_angstrom, share=0.4)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    with atomic_path(path) as temporary:
        FigureCanvasAgg(figure)
        figure.savefig(temporary, format="png", dpi=_DPI)


def scale_bar(axes: Axes, shape: tuple[int, ...], pixel_size_angstrom: float, share: float = 1 / 6) -> None:
    """Draw a bar of a round length, at most this share of the width, in the lower left corner.

    Parameters
    ----------
    axes : Axes
    shape : (int, int)
        (ny, nx) of the image.
    pixel_size_angstrom : float
        Å/pixel of the image.
    share : float
    """
    ny, nx = shape
    wanted_nm = nx * pixel_size_angstrom / 10 * share
    power = 10.0 ** np.floor(np.log10(wanted_nm))
    length_nm = max(step * power for step in (1, 2, 5) if step * power <= wanted_nm)
    length_px = length_nm * 10 / pixel_size_angstrom
    x, y = 0.03 * nx, 0.965 * ny
    for width, colour in ((7, "black"), (4, "white")):
        axes.plot([x, x + length_px], [y, y], color=colour, lw=width, solid_capstyle="butt")
    axes.text(
        x + length_px / 2,
        y - 0.015 * ny,
        f"{length_nm:g} nm",
        ha="center",
        va="bottom",
        fontsize=10,
        color="white",
        bbox={"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 1.5},
    )
