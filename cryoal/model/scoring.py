"""Score maps of whole micrographs, in one pass or, where memory demands it, in tiles without seams."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional

from cryoal.data.micrograph import ScaledMicrograph
from cryoal.model.committee import Committee
from cryoal.model.network import STRIDE_PX


@dataclass(frozen=True, slots=True)
class ScoreMaps:
    """What a committee says of a scaled micrograph.

    Attributes
    ----------
    logits : float32 array, shape (K, my, mx)
        Before calibration, one map a member.
    features : float32 array, shape (D, ⌈my/2⌉, ⌈mx/2⌉)
        The first member's, at half the scale.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32]

    def features_at(self, xy: NDArray[np.float64]) -> NDArray[np.float32]:
        """Features at scaled (x, y), shape (N, D); nearest pixel."""
        half = np.clip(np.round(xy / 2 - 0.25).astype(int), 0, np.array(self.features.shape[:0:-1]) - 1)
        at: NDArray[np.float32] = self.features[:, half[:, 1], half[:, 0]].T
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
    height, width = image.shape[-2:]
    if height * width <= max_tile_px**2:
        logits, features = committee(image)
        return _finished(logits.float().cpu().numpy(), features.float().cpu().numpy(), (my, mx), smoothing_px)
    halo = committee.halo_px
    logit_map = np.empty((len(committee), height, width), np.float32)
    feature_map: NDArray[np.float32] | None = None
    for y0, y1 in _spans(height, max_tile_px - 2 * halo):
        for x0, x1 in _spans(width, max_tile_px - 2 * halo):
            top, left = max(y0 - halo, 0), max(x0 - halo, 0)
            logits, features = committee(image[..., top : y1 + halo, left : x1 + halo])
            inside = logits[:, y0 - top : y1 - top, x0 - left : x1 - left]
            logit_map[:, y0:y1, x0:x1] = inside.float().cpu().numpy()
            if feature_map is None:
                feature_map = np.empty((features.shape[0], height // 2, width // 2), np.float32)
            inside = features[:, (y0 - top) // 2 : (y1 - top) // 2, (x0 - left) // 2 : (x1 - left) // 2]
            feature_map[:, y0 // 2 : y1 // 2, x0 // 2 : x1 // 2] = inside.float().cpu().numpy()
    assert feature_map is not None
    return _finished(logit_map, feature_map, (my, mx), smoothing_px)


def _finished(
    logits: NDArray[np.float32], features: NDArray[np.float32], shape: tuple[int, int], smoothing_px: float
) -> ScoreMaps:
    """Cut off the padding and smooth."""
    my, mx = shape
    return ScoreMaps(_smoothed(logits[:, :my, :mx], smoothing_px), features[:, : -(-my // 2), : -(-mx // 2)])


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
