"""What is known where: the labels of one micrograph drawn at its scaled pixels."""

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cryoal.config import TrainingConfig
from cryoal.data.labels import MicrographLabels, Origin, Verdict
from cryoal.data.micrograph import ScaledMicrograph

_Value = TypeVar("_Value", np.bool_, np.float32)


@dataclass(frozen=True, slots=True)
class LabelMaps:
    """What the labels of one micrograph say of each scaled pixel.

    Attributes
    ----------
    target : float32 array, shape (my, mx)
        A Gaussian of height 1 at each particle; the larger where they meet.
    known : bool array, shape (my, mx)
        Where `target` is the whole truth.
    unlabelled : bool array, shape (my, mx)
        Where there may be particles beside the marked ones (imported positives).
    judged : bool array, shape (my, mx)
        The part of `known` that came from judging the image: not the discs around imported positives, which hold
        no background by construction.
    complete : bool array, shape (my, mx)
        The part of `judged` where all particles are marked: in complete fields and micrographs.
    particles : float64 array, shape (N, 2)
        (x, y) of the particles, scaled pixels.
    """

    target: NDArray[np.float32]
    known: NDArray[np.bool_]
    unlabelled: NDArray[np.bool_]
    judged: NDArray[np.bool_]
    complete: NDArray[np.bool_]
    particles: NDArray[np.float64]


def label_maps(
    scaled: ScaledMicrograph, labels: MicrographLabels, pixels_per_diameter: int, config: TrainingConfig
) -> LabelMaps:
    """Draw the labels of one micrograph.

    Complete fields are known but for a rim, where a particle just outside would show, unless it is the micrograph's
    edge; a single answer is known in a disc; what is unsure is known nowhere.
    """
    shape, sigma = scaled.pixels.shape, config.target_sigma_diameters * pixels_per_diameter
    radius = config.answer_radius_diameters * pixels_per_diameter
    particles = scaled.to_scaled(labels.xy(Verdict.PARTICLE))
    rejected = scaled.to_scaled(labels.xy(Verdict.REJECTED))
    unsure = scaled.to_scaled(labels.xy(Verdict.UNSURE))
    known = np.full(shape, labels.complete)
    for square in labels.fields:
        corners = scaled.to_scaled(square.interior(sigma * np.array(scaled.scale), scaled.shape_px))
        (x0, y0), (x1, y1) = np.maximum(np.round(corners).astype(int), 0)
        known[y0:y1, x0:x1] = True
    imported = scaled.to_scaled(labels.xy(Verdict.PARTICLE, Origin.IMPORT))
    judged_ones = scaled.to_scaled(labels.xy(Verdict.PARTICLE, Origin.ANSWER, Origin.COMPLETE))
    sure = scaled.valid & ~discs(shape, unsure, radius)
    judged = sure & (known | discs(shape, judged_ones, radius) | discs(shape, rejected, radius))
    complete = sure & known
    known = judged | (sure & discs(shape, imported, radius))
    unlabelled = sure & ~known & (labels.positives_only)
    return LabelMaps(gaussians(shape, particles, sigma), known, unlabelled, judged, complete, particles)


def at(image: NDArray[_Value], xy: NDArray[np.float64]) -> NDArray[_Value]:
    """Value of a map at each (x, y), shape (N,); False, or 0, outside it."""
    x, y = np.round(xy).astype(int).T.reshape(2, -1)
    inside = (x >= 0) & (y >= 0) & (x < image.shape[1]) & (y < image.shape[0])
    value: NDArray[_Value] = inside * image[np.where(inside, y, 0), np.where(inside, x, 0)]
    return value


def discs(shape: tuple[int, ...], xy: NDArray[np.float64], radius: float) -> NDArray[np.bool_]:
    """Union of discs."""
    mask = np.zeros(shape, dtype=bool)
    for window, distance2 in _windows(shape, xy, radius):
        mask[window] |= distance2 <= radius**2
    return mask


def gaussians(shape: tuple[int, ...], xy: NDArray[np.float64], sigma: float) -> NDArray[np.float32]:
    """Pixelwise maximum of Gaussians of height 1."""
    image = np.zeros(shape, dtype=np.float32)
    for window, distance2 in _windows(shape, xy, 4 * sigma):
        np.maximum(image[window], np.exp(-distance2 / (2 * sigma**2)), out=image[window], casting="same_kind")
    return image


def _windows(
    shape: tuple[int, ...], xy: NDArray[np.float64], reach: float
) -> "list[tuple[tuple[slice, slice], NDArray[np.float64]]]":
    """For each centre the window it reaches and the squared distances in it."""
    out = []
    for x, y in xy:
        rows = slice(max(math.floor(y - reach), 0), max(min(math.ceil(y + reach) + 1, shape[0]), 0))
        columns = slice(max(math.floor(x - reach), 0), max(min(math.ceil(x + reach) + 1, shape[1]), 0))
        dy, dx = np.arange(rows.start, rows.stop) - y, np.arange(columns.start, columns.stop) - x
        out.append(((rows, columns), dy[:, None] ** 2 + dx[None] ** 2))
    return out
