"""Score maps of whole micrographs, in one pass or, where memory demands it, in tiles without seams."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cryoal.data.micrograph import ScaledMicrograph
from cryoal.filters import gaussian, gaussian_reach_px
from cryoal.model.committee import Committee
from cryoal.model.network import STRIDE_PX

MARGIN_PX = STRIDE_PX
"""So far beyond what a tile owns its maps are right."""

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


@dataclass(frozen=True, slots=True)
class TileScores:
    """What a committee says of one tile, on its device.

    Attributes
    ----------
    logits : float32 Tensor, shape (K, H, W)
        Smoothed; before calibration.
    features : Tensor, shape (D, H/2, W/2)
    class_logits : Tensor, shape (K, L, H/4, W/4)
        L is 0 without classes.
    y0, x0 : int
        The tile's first row and column in the scaled micrograph, multiples of the network's stride.
    own : two slices
        Rows and columns, of the tile, that no other tile owns; `MARGIN_PX` and more around them are right as well.
    """

    logits: Tensor
    features: Tensor
    class_logits: Tensor
    y0: int
    x0: int
    own: tuple[slice, slice]

    def features_at(self, xy: NDArray[np.float64]) -> NDArray[np.float32]:
        """Features at (x, y) in the tile, shape (N, D); nearest pixel."""
        x, y = torch.from_numpy(_nearest(xy, 2, self.features.shape)).to(self.features.device)
        at: NDArray[np.float32] = self.features[:, y, x].T.float().cpu().numpy()
        return at

    def class_logits_at(self, xy: NDArray[np.float64]) -> NDArray[np.float32]:
        """Logits of the classes at (x, y) in the tile, shape (K, N, L); nearest pixel."""
        x, y = torch.from_numpy(_nearest(xy, 4, self.class_logits.shape)).to(self.class_logits.device)
        at: NDArray[np.float32] = self.class_logits[:, :, y, x].transpose(1, 2).float().cpu().numpy()
        return at


@torch.inference_mode()
def score_tiles(
    committee: Committee, pixels: Tensor, max_tile_px: int, smoothing_px: float = 0.0
) -> Iterator[TileScores]:
    """Score a scaled micrograph tile by tile; in one pass where it is no larger than a tile.

    Parameters
    ----------
    committee : Committee
    pixels : float32 Tensor, shape (my, mx)
    max_tile_px : int
        Largest side of a square that is scored in one pass; the scores do not depend on it.
    smoothing_px : float
        Standard deviation of the Gaussian that the score maps are smoothed by, scaled pixels.
    """
    my, mx = pixels.shape
    image = functional.pad(pixels[None, None], (0, -mx % STRIDE_PX, 0, -my % STRIDE_PX))
    halo = committee.halo_px + _up(gaussian_reach_px(smoothing_px)) + MARGIN_PX
    at_once = image.shape[-2] * image.shape[-1] <= max_tile_px**2
    step = max(image.shape[-2:]) if at_once else max_tile_px - 2 * halo
    for y, y1 in _spans(my, step):
        for x, x1 in _spans(mx, step):
            y0, x0 = max(y - halo, 0), max(x - halo, 0)
            logits, features, classes = committee(image[..., y0 : y1 + halo, x0 : x1 + halo])
            # Beyond the image there is nothing to smooth in.
            inside = logits[:, : my - y0, : mx - x0]
            smooth = torch.stack([gaussian(one, smoothing_px) for one in inside])
            yield TileScores(smooth, features, classes, y0, x0, (slice(y - y0, y1 - y0), slice(x - x0, x1 - x0)))


def score(committee: Committee, scaled: ScaledMicrograph, max_tile_px: int, smoothing_px: float = 0.0) -> ScoreMaps:
    """Score a micrograph and keep its maps; parameters as of `score_tiles`."""
    my, mx = scaled.pixels.shape
    maps: list[NDArray[np.float32]] = []
    for tile in score_tiles(committee, torch.from_numpy(scaled.pixels), max_tile_px, smoothing_px):
        parts = (tile.logits, tile.features, tile.class_logits)
        if not maps:
            sizes = [(-(-my // step), -(-mx // step)) for step in _STEPS]
            maps = [np.empty((*part.shape[:-2], *size), np.float32) for part, size in zip(parts, sizes, strict=True)]
        for whole, part, step in zip(maps, parts, _STEPS, strict=True):
            rows, columns = (slice(one.start // step, -(-one.stop // step)) for one in tile.own)
            own = part[..., rows, columns].float().cpu().numpy()
            y, x = tile.y0 // step + rows.start, tile.x0 // step + columns.start
            whole[..., y : y + own.shape[-2], x : x + own.shape[-1]] = own
    return ScoreMaps(maps[0], maps[1], maps[2] if maps[2].shape[1] else None)


def _nearest(xy: NDArray[np.float64], step: int, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Indices x and y, shape (2, N), of scaled positions in a map of a pixel every `step`, which are areas."""
    nearest = np.round((xy + 0.5) / step - 0.5).astype(np.int64)
    inside: NDArray[np.int64] = np.clip(nearest, 0, np.array(shape[:-3:-1]) - 1).T
    return inside


def _spans(length: int, step: int) -> Iterator[tuple[int, int]]:
    """Cover a length by steps that keep to the network's stride."""
    step = max(step // STRIDE_PX, 1) * STRIDE_PX
    step = _up(-(-length // -(-length // step)))  # as many, of one size
    for start in range(0, length, step):
        yield start, min(start + step, length)


def _up(length: int) -> int:
    """The next multiple of the stride."""
    return -(-length // STRIDE_PX) * STRIDE_PX
