"""A network that takes noise off a micrograph for the eye; it ships with the package, and no score depends on it."""

from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from cryoal.errors import FileError, FileFormatError

_CHANNELS = 16
_STRIDE_PX = 8
_HALO_PX = 64  # more than a pixel sees: two 3×3 convolutions at each of four scales, down and up again
_STRIP_PX = 512
_FILE = "denoiser.safetensors"


class DenoisingNetwork(nn.Module):
    """A U-Net of four scales without normalisation: what it says of a pixel depends on 60 pixels around it alone.

    References
    ----------
    Ronneberger et al. 2015, U-Net; for micrographs Bepler et al. 2020, Topaz-Denoise.
    """

    def __init__(self, channels: int = _CHANNELS) -> None:
        super().__init__()
        wide = 2 * channels
        self.down = nn.ModuleList(
            [_convolutions(1, channels), *(_convolutions(n, wide) for n in (channels, wide, wide))]
        )
        self.up = nn.ModuleList(
            [_convolutions(2 * wide, wide), _convolutions(2 * wide, channels), _convolutions(wide, channels)]
        )
        self.last = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The images without their noise.

        Parameters
        ----------
        x : Tensor, shape (B, 1, H, W)
            H and W multiples of 8; background taken off, noise of unit variance.
        """
        seen = [self.down[0](x)]
        for block in self.down[1:]:
            seen.append(block(functional.avg_pool2d(seen[-1], 2)))
        out = seen.pop()
        for block in self.up:
            out = block(torch.cat([functional.interpolate(out, scale_factor=2.0), seen.pop()], dim=1))
        clean: Tensor = self.last(out)
        return clean


def save_denoiser(network: DenoisingNetwork, folder: Path) -> None:
    """Write a network's weights into a folder.

    Raises
    ------
    FileError
        They cannot be written.
    """
    path = folder / _FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, path)
    except (OSError, SafetensorError) as error:
        raise FileError(f"{path}: cannot write the denoiser ({error}); check space and permissions") from error


def load_denoiser(folder: Path | None = None) -> DenoisingNetwork:
    """The network of a folder; by default the one that ships with the package.

    Raises
    ------
    FileFormatError
        Its file is missing, broken or of another network.
    """
    if folder is None:
        with as_file(files("cryoal.model") / "weights" / "denoiser") as shipped:
            return load_denoiser(shipped)
    with torch.device("meta"):  # no weights are drawn in place of those that are read
        network = DenoisingNetwork()
    try:
        network.load_state_dict(load_file(folder / _FILE), assign=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise FileFormatError(
            f"{folder / _FILE}: cannot be read as a denoiser ({error}); install cryoal again"
        ) from error
    return network.eval().requires_grad_(False)


@torch.inference_mode()
def without_noise(network: DenoisingNetwork, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """An image without its noise, worked out strip by strip so that memory does not grow with its height.

    Parameters
    ----------
    pixels : float32 array, shape (my, mx)
        Background taken off, robust standard deviation 1, as `ScaledMicrograph.pixels`.

    Returns
    -------
    float32 array, shape (my, mx)
        In the same units.
    """
    my, mx = pixels.shape
    image = functional.pad(torch.from_numpy(pixels)[None, None], (0, -mx % _STRIDE_PX, 0, -my % _STRIDE_PX))
    image = image.contiguous(memory_format=torch.channels_last)
    strips = []
    for y in range(0, my, _STRIP_PX):
        y0 = max(y - _HALO_PX, 0)
        strips.append(network(image[:, :, y0 : y + _STRIP_PX + _HALO_PX])[0, 0, y - y0 : y - y0 + _STRIP_PX])
    clean: NDArray[np.float32] = torch.cat(strips)[:my, :mx].numpy()
    return clean


def _convolutions(inputs: int, outputs: int) -> nn.Sequential:
    """Two of 3×3 pixels."""
    first, second = nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)
    return nn.Sequential(first, nn.LeakyReLU(0.1), second, nn.LeakyReLU(0.1))
