"""Figures of a workspace's progress: figures by round, reliability, scores, picks by micrograph, picks on a micrograph.

No figure carries a name from the user's files: the page escapes those.
"""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import binomtest

from cryoal.data.micrograph import ScaledMicrograph
from cryoal.data.picks import Picks
from cryoal.evaluation.field_estimates import Estimate
from cryoal.evaluation.reliability import reliability_diagram
from cryoal.report.plots import BLUE, GREEN, VERMILION, scale_bar

_STYLES = ((BLUE, "o", "-"), (VERMILION, "s", "--"), (GREEN, "^", ":"))
_SHIFTS = (0.0, -0.04, 0.04)  # so that intervals do not lie on each other
_LOW_PASS_DIAMETERS = 0.08
_CONTRAST_PERCENTILES = (0.5, 99.5)
_BINS = 10
_DPI = 110


def png(figure: Figure) -> bytes:
    """The figure as a PNG image."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def rounds_figure(
    held_out: Mapping[str, Sequence[float]],
    random_fields: Mapping[str, Sequence[Estimate | None]],
    changes: Mapping[str, Sequence[float | None]],
) -> Figure:
    """Draw figures against the number of the round: on held-out labels, on random fields, and against the round before.

    Parameters
    ----------
    held_out : mapping of str to sequence of float
        By name, a value a round from the first on; NaN where there is none.
    random_fields : mapping of str to sequence of Estimate or None
        The same with intervals.
    changes : mapping of str to sequence of float or None
        The same, from 1 (nothing changed) down.
    """
    figure = Figure(figsize=(12.6, 4.5), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    _lines(panels[0], "labels kept out of training", held_out)
    _lines(panels[1], "fields drawn at random, 95 % intervals", random_fields)
    _lines(panels[2], "likeness to the round before", changes)
    panels[0].set_ylim(-0.02, 1.02)
    return figure


def reliability_figure(probability: NDArray[np.float64], is_particle: NDArray[np.bool_]) -> Figure:
    """Draw how many of the candidates said to be particles with a probability are particles, by tenths.

    Intervals are Wilson's, 95 %, as if candidates of one field were independent.

    Parameters
    ----------
    probability : float64 array, shape (N,), N ≥ 1
    is_particle : bool array, shape (N,)
    """
    figure, axes = _axes(5.2, 4.6)
    diagram = reliability_diagram(probability, is_particle, _BINS)
    full = diagram.count > 0
    x, y, count = diagram.mean_probability[full], diagram.frequency[full], diagram.count[full]
    bounds = [
        binomtest(round(share * n), int(n)).proportion_ci(method="wilson") for share, n in zip(y, count, strict=True)
    ]
    low, high = np.array([one.low for one in bounds]), np.array([one.high for one in bounds])
    axes.plot([0, 1], [0, 1], color="#808080", ls="--", lw=1, label="calibrated")
    error = [np.clip(y - low, 0, None), np.clip(high - y, 0, None)]
    axes.errorbar(x, y, error, fmt="o-", color=BLUE, capsize=3, label="as labelled")
    for at, height, n in zip(x, high, count, strict=True):
        axes.annotate(f"{n:,}", (at, height), (0, 3), textcoords="offset points", ha="center", fontsize=8)
    axes.set_xlabel("probability as said")
    axes.set_ylabel("share that are particles")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.1)
    axes.legend(loc="upper left", frameon=False)
    return figure


def scores_figure(candidates: NDArray[np.float64], lowest_pick: float | None) -> Figure:
    """Draw the histogram of the candidates' probabilities, and where the picks begin.

    Parameters
    ----------
    candidates : float64 array, shape (N,)
    lowest_pick : float, optional
    """
    figure, axes = _axes(5.2, 4.6)
    edges = np.linspace(0, 1, 41)
    axes.hist(candidates, edges.tolist(), color=BLUE, alpha=0.75)
    if lowest_pick is not None:
        axes.axvline(lowest_pick, color=VERMILION, ls="--", label=f"lowest pick, {lowest_pick:.3f}")
        axes.legend(loc="upper center", framealpha=1.0)
    axes.set_yscale("symlog", linthresh=10)
    axes.set_xlim(0, 1)
    axes.set_xlabel("probability of a particle")
    axes.set_ylabel("candidates")
    return figure


def counts_figure(counts: NDArray[np.int64]) -> Figure:
    """Draw the number of picks of each micrograph in the list's order, and how often each number occurs.

    Parameters
    ----------
    counts : int64 array, shape (M,), M ≥ 1
    """
    figure = Figure(figsize=(12.0, 3.4), layout="constrained")
    in_order, histogram = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    in_order.plot(np.arange(1, counts.size + 1), counts, "o", ms=4 if counts.size < 500 else 1.5, color=BLUE)
    median = float(np.median(counts))
    for axes in (in_order, histogram):
        axes.axhline(median, color=VERMILION, ls="--", lw=1, label=f"median, {median:g}")
        _plain(axes)
    in_order.set_xlabel("place in the list of micrographs")
    in_order.set_ylabel("picks")
    in_order.set_ylim(0, max(1.05 * counts.max(), 1))
    in_order.xaxis.set_major_locator(MaxNLocator(integer=True))
    in_order.legend(loc="lower left", frameon=False)
    histogram.hist(counts, bins=min(30, max(int(counts.size**0.5), 5)), orientation="horizontal", color=BLUE)
    histogram.set_xlabel("micrographs")
    histogram.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def example_figure(
    scaled: ScaledMicrograph, picks: Picks, pixels_per_diameter: int, pixel_size_angstrom: float, *, dark: bool
) -> Figure:
    """Draw a micrograph, flattened and low-passed, with its picks coloured by their probability and a scale bar.

    Parameters
    ----------
    scaled : ScaledMicrograph
    picks : Picks
        In pixels of the original micrograph.
    pixels_per_diameter : int
        Of the scaled micrograph.
    pixel_size_angstrom : float
        Å/pixel of the original micrograph.
    dark : bool
        Show particles dark.
    """
    my, mx = scaled.pixels.shape
    figure = Figure(figsize=(9.0, 8.1 * my / mx), layout="constrained")
    axes = figure.add_subplot()
    image = ndimage.gaussian_filter(
        -scaled.pixels if dark else scaled.pixels, _LOW_PASS_DIAMETERS * pixels_per_diameter
    )
    low, high = np.percentile(image, _CONTRAST_PERCENTILES)
    axes.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="bilinear")
    axes.set_axis_off()
    if len(picks):
        size = np.full(len(picks), float(pixels_per_diameter))
        round_picks = EllipseCollection(
            size,
            size,
            np.zeros(len(picks)),
            units="xy",
            offsets=scaled.to_scaled(picks.xy),
            offset_transform=axes.transData,
            facecolors="none",
            cmap="cool_r",
            clim=(0, 1),
            linewidths=1.3,
        )
        round_picks.set_array(picks.score)
        axes.add_collection(round_picks)
        figure.colorbar(round_picks, ax=axes, shrink=0.5, pad=0.01, label="probability")
    axes.set_xlim(-0.5, mx - 0.5)
    axes.set_ylim(my - 0.5, -0.5)
    scale_bar(axes, (my, mx), pixel_size_angstrom * scaled.scale[0])
    return figure


def _lines(axes: Axes, title: str, values: Mapping[str, Sequence[float | Estimate | None]]) -> None:
    """One panel of figures by round."""
    for shift, (name, series), (colour, marker, line) in zip(_SHIFTS, values.items(), _STYLES, strict=False):
        found = [_bounds(one) for one in series]
        x, (low, y, high) = np.arange(1, len(found) + 1) + shift, np.array(found, np.float64).reshape(-1, 3).T
        known = np.isfinite(y)
        if known.any():
            label = f"{name} ({y[known][-1]:.3f})"
            error = [(y - low)[known], (high - y)[known]]
            style = f"{marker}{line}"
            axes.errorbar(
                x[known], y[known], error if np.any(error) else None, fmt=style, color=colour, label=label, capsize=3
            )
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_xlabel("round")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _plain(axes)
    if axes.lines or axes.containers:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), frameon=False, fontsize=9)
    else:
        axes.text(0.5, 0.5, "not known yet", ha="center", va="center", transform=axes.transAxes, color="#606060")


def _bounds(one: float | Estimate | None) -> tuple[float, float, float]:
    """Low end, value and high end; the same three times where there is no interval."""
    if isinstance(one, Estimate):
        return one.low, one.value, one.high
    value = float("nan") if one is None else float(one)
    return value, value, value


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    """One plain panel."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    _plain(axes)
    return figure, axes


def _plain(axes: Axes) -> None:
    """No frame where there is no scale; a faint grid."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
