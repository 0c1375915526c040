"""Training patches: augmented crops of labelled micrographs."""

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
from cryoal.data.micrograph import ScaledMicrograph
from cryoal.errors import LabelError
from cryoal.model.class_labels import ClassLabels
from cryoal.model.label_maps import LabelMaps, at
from cryoal.model.network import STRIDE_PX

_IMAGE, _TARGET, _KNOWN, _UNLABELLED, _FOLD = range(5)
_WHOLLY = 0.99


@dataclass(frozen=True, slots=True)
class TrainingImage:
    """One micrograph with its label maps, ready to be cut into patches."""

    scaled: ScaledMicrograph
    maps: LabelMaps
    folds: NDArray[np.int16]
    stack: Tensor
    classed: ClassLabels | None = None
    place: Tensor | None = None

    @classmethod
    def build(
        cls,
        scaled: ScaledMicrograph,
        maps: LabelMaps,
        folds: NDArray[np.int16],
        classed: ClassLabels | None = None,
    ) -> "TrainingImage":
        """Put image and maps together.

        Parameters
        ----------
        folds : int16 array, shape (my, mx)
            Which member leaves the pixel out of its training; -1 for none.
        classed : ClassLabels, optional
        """
        # Between pixels of two folds a patch would mix what is learnt with what is left out.
        within = ndimage.maximum_filter(folds, 3) == ndimage.minimum_filter(folds, 3)
        layers = (scaled.pixels, maps.target, maps.known & within, maps.unlabelled & within, folds)
        stack = torch.from_numpy(np.stack([layer.astype(np.float32) for layer in layers]))[None]
        if classed is None:
            return cls(scaled, maps, folds, stack)
        place = torch.from_numpy((classed.place * within).astype(np.float32))[None, None]
        return cls(scaled, maps, folds, stack, classed, place)

    def used(self, held_out: int | None) -> NDArray[np.bool_]:
        """Pixels that a member learns from."""
        used = self.maps.known | self.maps.unlabelled
        return used if held_out is None else used & (self.folds != held_out)


@dataclass(frozen=True, slots=True)
class Batch:
    """Patches, each Tensor of shape (B, 1, side, side).

    `place`, of shape (B, side/4, side/4) as the logits of classes are, is 1 + index of the right logit, 0 for none;
    None without classes.
    """

    image: Tensor
    target: Tensor
    known: Tensor
    unlabelled: Tensor
    place: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        """The same on a device, laid out as its convolutions like it."""
        parts = (self.image, self.target, self.known, self.unlabelled)
        image, target, known, unlabelled = (
            part.to(device).contiguous(memory_format=torch.channels_last) for part in parts
        )
        return Batch(image, target, known, unlabelled, None if self.place is None else self.place.to(device))

    @property
    def target_density(self) -> float:
        """Mean of the target over all that is known or unlabelled."""
        used = self.known + self.unlabelled
        return float((self.target * used).sum() / used.sum().clamp(min=1))


class PatchSampler:
    """Draws augmented patches: any rotation, mirrored or not, small changes of scale and contrast, added noise.

    Parameters
    ----------
    images : sequence of TrainingImage
    held_out : int, optional
        Pixels of this fold are not learnt from.
    pixels_per_diameter : int
    config : TrainingConfig
    extra_noise_sigma : float
        Most noise beside `TrainingConfig.noise_sigma`; each patch gets a share of it.

    Raises
    ------
    LabelError
        There is nothing to learn from.
    """

    def __init__(
        self,
        images: Sequence[TrainingImage],
        held_out: int | None,
        pixels_per_diameter: int,
        config: TrainingConfig,
        extra_noise_sigma: float = 0.0,
    ) -> None:
        self._config = config
        self._extra_noise_sigma = extra_noise_sigma
        self._held_out = held_out
        used = [image.used(held_out) for image in images]
        self._stacks = [image.stack for image in images]
        self._places = [image.place for image in images]
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
        spots = [self._spot(rng) for _ in range(n)]
        stacks = torch.cat([_sampled(self._stacks[index], grid, "bilinear") for index, grid in spots])
        contrast = torch.from_numpy(rng.uniform(-1, 1, (2, n, 1, 1, 1)).astype(np.float32))
        contrast *= config.max_contrast_change
        noise = torch.from_numpy(rng.standard_normal((n, 1, self._side, self._side), dtype=np.float32))
        sigma = config.noise_sigma * torch.ones((n, 1, 1, 1))
        if self._extra_noise_sigma:
            sigma += self._extra_noise_sigma * torch.from_numpy(rng.random((n, 1, 1, 1), dtype=np.float32))
        image = stacks[:, _IMAGE : _IMAGE + 1] * contrast[0].exp() + contrast[1] + sigma * noise
        target, known, unlabelled, fold = (stacks[:, i : i + 1] for i in (_TARGET, _KNOWN, _UNLABELLED, _FOLD))
        learnt = torch.ones_like(fold) if self._held_out is None else (fold.round() != self._held_out).float()
        return Batch(
            image,
            target,
            (known > _WHOLLY).float() * learnt,
            (unlabelled > _WHOLLY).float() * learnt,
            self._drawn_places(spots, learnt),
        )

    def _drawn_places(self, spots: Sequence[tuple[int, Tensor]], learnt: Tensor) -> Tensor | None:
        """Which logit is right where, at a quarter of the scale; each pixel takes the nearest of the image."""
        places = [(self._places[index], grid[:, 1::4, 1::4]) for index, grid in spots]
        drawn = [_sampled(place, grid, "nearest") for place, grid in places if place is not None]
        return (torch.cat(drawn) * learnt[..., 1::4, 1::4])[:, 0].long() if drawn else None

    def _centre(self, rng: np.random.Generator) -> tuple[int, NDArray[np.float64]]:
        """An image and (x, y) in it: a particle, or anywhere known."""
        near = rng.random() < self._config.particle_share and self._particle_share.any()
        share = self._particle_share if near else self._any_share
        index = int(rng.choice(share.size, p=share / share.sum()))
        if near:
            particles = self._particles[index]
            return index, particles[rng.integers(len(particles))]
        anywhere, width = self._anywhere[index], self._stacks[index].shape[-1]
        return index, np.array(divmod(int(anywhere[rng.integers(anywhere.size)]), width)[::-1], dtype=float)

    def _spot(self, rng: np.random.Generator) -> tuple[int, Tensor]:
        """Which image a patch is cut from, and where, as `grid_sample` wants it."""
        index, centre = self._centre(rng)
        height, width = self._stacks[index].shape[-2:]
        x, y = centre + rng.uniform(-self._side / 3, self._side / 3, 2)
        scale = math.exp(rng.uniform(-1, 1) * self._config.max_scale_change)
        angle, mirror = rng.uniform(0, 2 * math.pi), rng.choice([-1.0, 1.0])
        cos, sin = scale * math.cos(angle), scale * math.sin(angle)
        grid_x = x + mirror * (cos * self._grid_x - sin * self._grid_y)
        grid_y = y + sin * self._grid_x + cos * self._grid_y
        return index, torch.stack([(2 * grid_x + 1) / width - 1, (2 * grid_y + 1) / height - 1], dim=-1)[None]


def _sampled(layers: Tensor, grid: Tensor, mode: str) -> Tensor:
    """Layers of an image at a patch's pixels; 0 beyond the image."""
    return functional.grid_sample(layers, grid, mode=mode, padding_mode="zeros", align_corners=False)
