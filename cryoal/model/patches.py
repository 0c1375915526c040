"""From labels to training patches: what is known where, and augmented crops of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from cryoal.config import TrainingConfig
from cryoal.data.labels import MicrographLabels, Origin, Verdict
from cryoal.data.micrograph import ScaledMicrograph
from cryoal.errors import LabelError
from cryoal.model.network import STRIDE_PX

_IMAGE, _TARGET, _KNOWN, _UNLABELLED, _FOLD = range(5)
_WHOLLY = 0.99


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
    particles : float64 array, shape (N, 2)
        (x, y) of the particles, scaled pixels.
    """

    target: NDArray[np.float32]
    known: NDArray[np.bool_]
    unlabelled: NDArray[np.bool_]
    judged: NDArray[np.bool_]
    particles: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TrainingImage:
    """One micrograph with its label maps, ready to be cut into patches."""

    scaled: ScaledMicrograph
    maps: LabelMaps
    folds: NDArray[np.int16]
    stack: Tensor

    @classmethod
    def build(cls, scaled: ScaledMicrograph, maps: LabelMaps, folds: NDArray[np.int16]) -> "TrainingImage":
        """Put image and maps together.

        Parameters
        ----------
        folds : int16 array, shape (my, mx)
            Which member leaves the pixel out of its training; -1 for none.
        """
        # Between pixels of two folds a patch would mix what is learnt with what is left out.
        within = ndimage.maximum_filter(folds, 3) == ndimage.minimum_filter(folds, 3)
        layers = (scaled.pixels, maps.target, maps.known & within, maps.unlabelled & within, folds)
        stack = torch.from_numpy(np.stack([layer.astype(np.float32) for layer in layers]))[None]
        return cls(scaled, maps, folds, stack)

    def used(self, held_out: int | None) -> NDArray[np.bool_]:
        """Pixels that a member learns from."""
        used = self.maps.known | self.maps.unlabelled
        return used if held_out is None else used & (self.folds != held_out)


@dataclass(frozen=True, slots=True)
class Batch:
    """Patches, each Tensor of shape (B, 1, side, side)."""

    image: Tensor
    target: Tensor
    known: Tensor
    unlabelled: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same on a device, laid out as its convolutions like it."""
        parts = (self.image, self.target, self.known, self.unlabelled)
        return Batch(*(part.to(device).contiguous(memory_format=torch.channels_last) for part in parts))

    @property
    def target_density(self) -> float:
        """Mean of the target over all that is known or unlabelled."""
        used = self.known + self.unlabelled
        return float((self.target * used).sum() / used.sum().clamp(min=1))


def label_maps(
    scaled: ScaledMicrograph, labels: MicrographLabels, pixels_per_diameter: int, config: TrainingConfig
) -> LabelMaps:
    """Draw the labels of one micrograph.

    Complete fields are known but for a rim, where a particle just outside would show; a single answer is known in a
    disc; what is unsure is known nowhere.
    """
    shape, sigma = scaled.pixels.shape, config.target_sigma_diameters * pixels_per_diameter
    radius = config.answer_radius_diameters * pixels_per_diameter
    particles = scaled.to_scaled(labels.xy(Verdict.PARTICLE))
    rejected = scaled.to_scaled(labels.xy(Verdict.REJECTED))
    unsure = scaled.to_scaled(labels.xy(Verdict.UNSURE))
    known = np.full(shape, labels.complete)
    for square in labels.fields:
        corners = scaled.to_scaled(np.array([[square.x, square.y], [square.x + square.size, square.y + square.size]]))
        (x0, y0), (x1, y1) = np.round(corners).astype(int)
        rim = round(sigma)
        known[max(y0 + rim, 0) : max(y1 - rim, 0), max(x0 + rim, 0) : max(x1 - rim, 0)] = True
    imported = scaled.to_scaled(labels.xy(Verdict.PARTICLE, Origin.IMPORT))
    judged_ones = scaled.to_scaled(labels.xy(Verdict.PARTICLE, Origin.ANSWER, Origin.COMPLETE))
    sure = scaled.valid & ~_discs(shape, unsure, radius)
    judged = sure & (known | _discs(shape, judged_ones, radius) | _discs(shape, rejected, radius))
    known = judged | (sure & _discs(shape, imported, radius))
    unlabelled = sure & ~known & (labels.positives_only)
    return LabelMaps(_gaussians(shape, particles, sigma), known, unlabelled, judged, particles)


def at(mask: NDArray[np.bool_], xy: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Value of a map at each (x, y), shape (N,); False outside it."""
    x, y = np.round(xy).astype(int).T.reshape(2, -1)
    inside = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
    value: NDArray[np.bool_] = inside & mask[np.where(inside, y, 0), np.where(inside, x, 0)]
    return value


class PatchSampler:
    """Draws augmented patches: any rotation, mirrored or not, small changes of scale and contrast, added noise.

    Parameters
    ----------
    images : sequence of TrainingImage
    held_out : int, optional
        Pixels of this fold are not learnt from.
    pixels_per_diameter : int
    config : TrainingConfig

    Raises
    ------
    LabelError
        There is nothing to learn from.
    """

    def __init__(
        self, images: Sequence[TrainingImage], held_out: int | None, pixels_per_diameter: int, config: TrainingConfig
    ) -> None:
        self._config = config
        self._held_out = held_out
        used = [image.used(held_out) for image in images]
        self._stacks = [image.stack for image in images]
        self._particles = [
            image.maps.particles[at(mask, image.maps.particles)] for image, mask in zip(images, used, strict=True)
        ]
        self._anywhere = [np.flatnonzero(mask) for mask in used]
        self._particle_share = np.array([len(xy) for xy in self._particles], dtype=float)
        self._any_share = np.array([pixels.size for pixels in self._anywhere], dtype=float)
        if not self._any_share.any():
            raise LabelError("no labelled pixel carries an image; label particles away from borders and dead areas")
        targets = sum(float(image.maps.target[mask].sum()) for image, mask in zip(images, used, strict=True))
        self.target_density = targets / float(self._any_share.sum())
        side = round(config.crop_diameters * pixels_per_diameter / STRIDE_PX) * STRIDE_PX
        offset = torch.arange(side, dtype=torch.float32) - (side - 1) / 2
        self._grid_y, self._grid_x = torch.meshgrid(offset, offset, indexing="ij")
        self._side = side

    def draw(self, rng: np.random.Generator) -> Batch:
        """One batch."""
        config, n = self._config, self._config.batch
        stacks = torch.cat([self._patch(rng) for _ in range(n)])
        contrast = torch.from_numpy(rng.uniform(-1, 1, (2, n, 1, 1, 1)).astype(np.float32))
        contrast *= config.max_contrast_change
        noise = torch.from_numpy(rng.standard_normal((n, 1, self._side, self._side), dtype=np.float32))
        image = stacks[:, _IMAGE : _IMAGE + 1] * contrast[0].exp() + contrast[1] + config.noise_sigma * noise
        target, known, unlabelled, fold = (stacks[:, i : i + 1] for i in (_TARGET, _KNOWN, _UNLABELLED, _FOLD))
        learnt = torch.ones_like(fold) if self._held_out is None else (fold.round() != self._held_out).float()
        return Batch(image, target, (known > _WHOLLY).float() * learnt, (unlabelled > _WHOLLY).float() * learnt)

    def _patch(self, rng: np.random.Generator) -> Tensor:
        """All layers of one patch, shape (1, 5, side, side)."""
        near = rng.random() < self._config.particle_share and self._particle_share.any()
        share = self._particle_share if near else self._any_share
        index = rng.choice(share.size, p=share / share.sum())
        stack, particles, anywhere = self._stacks[index], self._particles[index], self._anywhere[index]
        height, width = stack.shape[-2:]
        if near:
            centre = particles[rng.integers(len(particles))]
        else:
            centre = np.array(divmod(int(anywhere[rng.integers(anywhere.size)]), width)[::-1], dtype=float)
        x, y = centre + rng.uniform(-self._side / 3, self._side / 3, 2)
        scale = math.exp(rng.uniform(-1, 1) * self._config.max_scale_change)
        angle, mirror = rng.uniform(0, 2 * math.pi), rng.choice([-1.0, 1.0])
        cos, sin = scale * math.cos(angle), scale * math.sin(angle)
        grid_x = x + mirror * (cos * self._grid_x - sin * self._grid_y)
        grid_y = y + sin * self._grid_x + cos * self._grid_y
        grid = torch.stack([(2 * grid_x + 1) / width - 1, (2 * grid_y + 1) / height - 1], dim=-1)[None]
        return functional.grid_sample(stack, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _discs(shape: tuple[int, ...], xy: NDArray[np.float64], radius: float) -> NDArray[np.bool_]:
    """Union of discs."""
    mask = np.zeros(shape, dtype=bool)
    for window, distance2 in _windows(shape, xy, radius):
        mask[window] |= distance2 <= radius**2
    return mask


def _gaussians(shape: tuple[int, ...], xy: NDArray[np.float64], sigma: float) -> NDArray[np.float32]:
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
