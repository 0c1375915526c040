"""The way to the picker's scale in torch, on any device: what `pipeline`, `valid` and `background` do, and resampling.

Those work without torch, for a window to look at micrographs with; the tests hold the two against each other.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cryoal.config import PreprocessConfig
from cryoal.data.micrograph import ScaledMicrograph
from cryoal.errors import MicrographError
from cryoal.filters import box_max, box_mean, gaussian
from cryoal.preprocess.background import COARSE_PX
from cryoal.preprocess.pipeline import MAD_TO_SIGMA, NO_IMAGE, scaled_shape
from cryoal.preprocess.resampling import resample
from cryoal.preprocess.valid import check_share

_TORCH_DTYPES = (np.int8, np.uint8, np.int16, np.float16, np.float32)


@dataclass(frozen=True, slots=True)
class PreparedMicrograph:
    """A `ScaledMicrograph` as tensors on a device; the attributes are the same.

    Attributes
    ----------
    pixels : float32 Tensor, shape (my, mx)
    valid : bool Tensor, shape (my, mx)
    scale : (float, float)
    shape_px : (int, int)
    surroundings : float32 Tensor, shape (my, mx)
    """

    pixels: Tensor
    valid: Tensor
    scale: tuple[float, float]
    shape_px: tuple[int, int]
    surroundings: Tensor

    @classmethod
    def of(cls, scaled: ScaledMicrograph) -> "PreparedMicrograph":
        """The same arrays, seen as tensors."""
        pixels, valid, around = map(torch.from_numpy, (scaled.pixels, scaled.valid, scaled.surroundings))
        return cls(pixels, valid, scaled.scale, scaled.shape_px, around)


@torch.inference_mode()
def prepare_on_device(
    pixels: Tensor, diameter_px: float, config: PreprocessConfig, *, particles_dark: bool = True
) -> PreparedMicrograph:
    """Bring a micrograph to the picker's scale on the device where its pixels are.

    Parameters
    ----------
    pixels : Tensor, shape (ny, nx)
    diameter_px : float
        Particle diameter, original pixels.
    particles_dark : bool
        Particles are darker than their surroundings (the rule); they come out bright.

    Raises
    ------
    MicrographError
        The micrograph is too small for the particle, or carries no image.
    """
    shape_px = (int(pixels.shape[0]), int(pixels.shape[1]))
    shape = scaled_shape(shape_px, diameter_px, config)
    image = resample(pixels, shape)
    valid = _valid_mask(image, config)
    normal, around = _normalised(image, valid, config)
    scale = (shape_px[1] / shape[1], shape_px[0] / shape[0])
    if particles_dark:
        normal, around = -normal, -around
    return PreparedMicrograph(normal, valid, scale, shape_px, around)


def as_tensor(pixels: NDArray[np.generic]) -> Tensor:
    """Stored pixels as torch takes them: without a copy where their type and layout allow."""
    contiguous = np.ascontiguousarray(pixels)
    if contiguous.dtype not in _TORCH_DTYPES:
        contiguous = contiguous.astype(np.float32)
    return torch.from_numpy(contiguous if contiguous.flags.writeable else contiguous.copy())


def _normalised(image: Tensor, valid: Tensor, config: PreprocessConfig) -> tuple[Tensor, Tensor]:
    """As `pipeline.flatten_and_normalise`; and the surroundings' brightness, in the same units."""
    size = config.pixels_per_diameter
    image = image - image[valid].median()
    flat = image - _local_mean(image, valid, config.background_sigma_diameters * size)
    inside = flat[valid]
    centre = inside.median()
    sigma = MAD_TO_SIGMA * float((inside - centre).abs().median())
    if not sigma > 0:
        raise MicrographError(NO_IMAGE)
    normal = ((flat - centre) / sigma).clamp(-config.clip_sigmas, config.clip_sigmas)
    around = _local_mean(image, valid, config.surroundings_sigma_diameters * size)
    around = ((around - around[valid].median()) / sigma).clamp(-config.clip_sigmas, config.clip_sigmas)
    return torch.where(valid, normal, 0.0), torch.where(valid, around, 0.0)


def _local_mean(image: Tensor, valid: Tensor, sigma_px: float) -> Tensor:
    """As `background.local_mean`."""
    my, mx = image.shape
    weight = valid.to(image.dtype)
    both = functional.pad(torch.stack([image * weight, weight]), (0, -mx % COARSE_PX, 0, -my % COARSE_PX))
    sums = functional.avg_pool2d(both[None], COARSE_PX, divisor_override=1)[0]
    total, coverage = gaussian(sums, sigma_px / COARSE_PX, zero_beyond=True)
    coarse = torch.where(coverage > 1e-4, total / coverage.clamp(min=1e-4), 0.0)
    mean = functional.interpolate(coarse[None, None], scale_factor=COARSE_PX, mode="bilinear", align_corners=False)
    return mean[0, 0, :my, :mx]


def _valid_mask(image: Tensor, config: PreprocessConfig) -> Tensor:
    """As `valid.valid_mask`."""
    window = max(3, round(config.dead_window_diameters * config.pixels_per_diameter) | 1)
    activity = torch.minimum(_mean_difference(image, 0, window), _mean_difference(image, 1, window))
    alive = activity > 0
    if alive.any():
        alive = activity > config.dead_activity * activity[alive].median()
    # Specks are noise: an area counts as dead, or as alive, from the window's size on.
    # Mirrored beyond the edge, for there a border may be narrower than the window.
    rows, columns = (_mirrored(size, window, image.device) for size in image.shape)
    core = ~box_max(alive[rows][:, columns], window)
    # The window reaches over an area's edge by half its side, and a pixel more.
    dead = box_max(core, window)[window:-window, window:-window]
    valid = ~box_max(dead, 2 * (window // 2 + 1) + 1)
    check_share(float(valid.float().mean()))
    return valid


def _mirrored(size: int, margin: int, device: torch.device) -> Tensor:
    """Indices that go on beyond both ends as in a mirror, the last pixel twice."""
    return torch.from_numpy(np.pad(np.arange(size), margin, mode="symmetric")).to(device)


def _mean_difference(image: Tensor, axis: int, window: int) -> Tensor:
    """Mean absolute difference of neighbours along an axis, over a window."""
    before_last = image.narrow(axis, image.shape[axis] - 2, 1)
    return box_mean(torch.diff(image, dim=axis, append=before_last).abs(), window)
