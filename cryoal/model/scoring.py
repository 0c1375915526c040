"""Score maps of whole micrographs, in one pass or, where memory demands it, in tiles without seams."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from cryoal.data.micrograph import ScaledMicrograph
from cryoal.model.committee import Committee
from cryoal.model.network import STRIDE_PX

_STEPS = (1, 2, 4)  # scaled pixels per pixel of scores, features and classes


@dataclass(frozen=True, slots=True)
class ScoreMaps:
    """What a committee says of a scaled micrograph.

    Attributes
    ----------
    logits : float32 array, shape (K, my, mx)
        Before calibration, one map a member.
    features : float32 array, shape (D, ⌈my/2⌉, ⌈mx/2⌉)
        The first member's, at half the scale.
    class_logits : float32 array, shape (K, L, ⌈my/4⌉, ⌈mx/4⌉), optional
        Each member's logits of the classes, at a quarter of the scale; None without classes.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    class_logits: NDArray[np.float32] | None = None

    def features_at(self, xy: NDArray[np.float64]) -> NDArray[np.float32]:
        """Features at scaled (x, y), shape (N, D); nearest pixel."""
        x, y = _nearest(xy, 2, self.features.shape)
        at: NDArray[np.float32] = self.features[:, y, x].T
        return at

    def class_logits_at(self, xy: NDArray[np.float64]) -> NDArray[np.float32]:
        """Logits of the classes at scaled (x, y), shape (K, N, L); nearest pixel, L is 0 without classes."""
        if self.class_logits is None:
            return np.empty((len(self.logits), len(xy), 0), np.float32)
        x, y = _nearest(xy, 4, self.class_logits.shape)
        at: NDArray[np.float32] = self.class_logits[:, :, y, x].transpose(0, 2, 1)
        return at


def score(committee: Committee, scaled: ScaledMicrograph, max_tile_px: int, smoothing_px: float = 0.0) -> ScoreMaps:
    """Score a micrograph.

    Parameters
    ----------
    committee : Committee
    scaled : ScaledMicrograph
    max_tile_px : int
        Largest side of a square that is scored in one pass; the scores do not depend on it.
    smoothing_px : float
        Standard deviation of the Gaussian that the score maps are smoothed by, scaled pixels.
    """
    my, mx = scaled.pixels.shape
    image = torch.from_numpy(scaled.pixels)[None, None]
    image = functional.pad(image, (0, -mx % STRIDE_PX, 0, -my % STRIDE_PX))
    if image.shape[-2] * image.shape[-1] <= max_tile_px**2:
        maps = _arrays(committee, image)
    else:
        maps = _tiled(committee, image, max_tile_px)
    logits, features, classes = maps
    half, quarter = ((slice(-(-my // step)), slice(-(-mx // step))) for step in _STEPS[1:])
    return ScoreMaps(
        _smoothed(logits[:, :my, :mx], smoothing_px),
        features[:, *half],
        classes[:, :, *quarter] if classes.shape[1] else None,
    )


def _arrays(committee: Committee, image: Tensor) -> list[NDArray[np.float32]]:
    """What the committee gives, as arrays."""
    return [part.float().cpu().numpy() for part in committee(image)]


def _tiled(committee: Committee, image: Tensor, max_tile_px: int) -> list[NDArray[np.float32]]:
    """The same, tile by tile."""
    height, width = image.shape[-2:]
    halo = committee.halo_px
    whole: list[NDArray[np.float32]] = []
    for y0, y1 in _spans(height, max_tile_px - 2 * halo):
        for x0, x1 in _spans(width, max_tile_px - 2 * halo):
            top, left = max(y0 - halo, 0), max(x0 - halo, 0)
            parts = _arrays(committee, image[..., top : y1 + halo, left : x1 + halo])
            if not whole:
                sizes = [(height // step, width // step) for step in _STEPS]
                whole = [np.empty((*p.shape[:-2], *size), np.float32) for p, size in zip(parts, sizes, strict=True)]
            for target, part, step in zip(whole, parts, _STEPS, strict=True):
                inside = part[..., (y0 - top) // step : (y1 - top) // step, (x0 - left) // step : (x1 - left) // step]
                target[..., y0 // step : y1 // step, x0 // step : x1 // step] = inside
    return whole


def _nearest(xy: NDArray[np.float64], step: int, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Indices x and y, shape (2, N), of scaled positions in a map of a pixel every `step`, which are areas."""
    nearest = np.round((xy + 0.5) / step - 0.5).astype(np.int64)
    inside: NDArray[np.int64] = np.clip(nearest, 0, np.array(shape[:-3:-1]) - 1).T
    return inside


def _smoothed(maps: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    """Gaussian filter of each map; the maps go on beyond their rims as they are there."""
    if not sigma_px > 0:
        return maps
    return np.stack([ndimage.gaussian_filter(one, sigma_px, mode="nearest") for one in maps])


def _spans(length: int, step: int) -> Iterator[tuple[int, int]]:
    """Cover a length by steps that keep to the network's stride."""
    step = max(step // STRIDE_PX, 1) * STRIDE_PX
    for start in range(0, length, step):
        yield start, min(start + step, length)
