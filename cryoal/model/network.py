"""One member of the committee: a fully convolutional network from a scaled micrograph to a score map."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cryoal.config import NetworkConfig
from cryoal.data.classes import NO_CLASSES, Classes

STRIDE_PX = 4
"""Sides of the input must be a multiple of this."""

_BACKGROUND_LOGIT = -3.0


class _ConvNorm(nn.Module):
    """Convolution and batch normalisation; the latter is folded into the former for scoring."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        padding = dilation * (size // 2)
        self.conv = nn.Conv2d(inputs, outputs, size, stride, padding, dilation, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(x))
        return out

    def fold(self) -> None:
        """Fold the normalisation's running statistics into the weights."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


class _Residual(nn.Module):
    """Two convolutions around a skip connection."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.first = _ConvNorm(channels, channels, dilation=dilation)
        self.second = _ConvNorm(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(functional.relu(self.first(x))))


class _ClassBranch(nn.Module):
    """Classes at a quarter of the scale, from the image itself: detection's weights are neither used nor changed."""

    def __init__(self, config: NetworkConfig, n_logits: int) -> None:
        super().__init__()
        wide, deep = config.channels, config.deep_channels
        self.stem = _ConvNorm(1, wide, size=5, stride=2)
        self.skip = _Residual(wide, 1)
        self.down = _ConvNorm(wide, deep, stride=2)
        self.trunk = nn.Sequential(*(_Residual(deep, dilation) for dilation in config.dilations))
        self.head = nn.Conv2d(deep, n_logits, 1)

    def forward(self, x: Tensor, masks: tuple[Tensor, Tensor] | None) -> Tensor:
        fine = self.skip(functional.relu(self.stem(x)))
        deep = self.trunk(functional.relu(self.down(fine)))
        out: Tensor = self.head(deep if masks is None else deep * masks[0])
        return out


class PickerNetwork(nn.Module):
    """Scores every pixel of a scaled micrograph.

    A stem at half the scale, residual blocks at a quarter of it, back to half with a skip connection, and a 1×1 head
    whose four outputs are the 2×2 pixels of the full scale. No layer looks at statistics of the image, so a patch
    gets the scores that it gets inside its micrograph.

    Parameters
    ----------
    config : NetworkConfig
    classes : Classes
        What the branch for classes tells apart; there is none without classes.
    """

    def __init__(self, config: NetworkConfig, classes: Classes = NO_CLASSES) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        wide, deep = config.channels, config.deep_channels
        self.stem = _ConvNorm(1, wide, size=5, stride=2)
        self.skip = _Residual(wide, 1)
        self.down = _ConvNorm(wide, deep, stride=2)
        self.trunk = nn.Sequential(*(_Residual(deep, dilation) for dilation in config.dilations))
        self.up = _ConvNorm(deep + wide, wide)
        self.head = nn.Conv2d(wide, 4, 1)
        nn.init.constant_(self.head.bias, _BACKGROUND_LOGIT)  # type: ignore[arg-type]
        # Last, so that from one seed the other weights are the same with and without it.
        self.class_branch = _ClassBranch(config, classes.n_logits) if classes else None

    @property
    def halo_px(self) -> int:
        """How far a score sees, scaled pixels, rounded up to the stride."""
        blocks = sum(dilation + 1 for dilation in self.config.dilations)
        reach = 2 + 2 * 2 + 2 + 4 * blocks + 4 + 2
        return -(-reach // STRIDE_PX) * STRIDE_PX

    @property
    def dropout_channels(self) -> tuple[int, int]:
        """Widths of the two dropout masks."""
        return self.config.deep_channels, self.config.channels

    def forward(self, x: Tensor, masks: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Score images.

        Parameters
        ----------
        x : Tensor, shape (B, 1, H, W)
            H and W multiples of `STRIDE_PX`.
        masks : two Tensors, shapes (B or 1, deep_channels, 1, 1) and (B or 1, channels, 1, 1), optional
            Factors of the channels, for dropout.

        Returns
        -------
        logits : Tensor, shape (B, 1, H, W)
        features : Tensor, shape (B, channels, H/2, W/2)
            What the head sees.
        """
        fine = self.skip(functional.relu(self.stem(x)))
        deep = self.trunk(functional.relu(self.down(fine)))
        if masks is not None:
            deep = deep * masks[0]
        wide = functional.interpolate(deep, scale_factor=2, mode="bilinear", align_corners=False)
        features = functional.relu(self.up(torch.cat([wide, fine], dim=1)))
        if masks is not None:
            features = features * masks[1]
        return functional.pixel_shuffle(self.head(features), 2), features

    def class_logits(self, x: Tensor, masks: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Tell classes apart in images; parameters as of `forward`.

        Returns
        -------
        Tensor, shape (B, L, H/4, W/4)
            L is 0 without classes; see `Classes`.
        """
        if self.class_branch is None:
            return x[:, :0, ::STRIDE_PX, ::STRIDE_PX]
        logits: Tensor = self.class_branch(x, masks)
        return logits

    def for_scoring(self) -> "PickerNetwork":
        """A copy in evaluation mode with its normalisation folded in."""
        folded = copy.deepcopy(self).eval()
        for module in folded.modules():
            if isinstance(module, _ConvNorm):
                module.fold()
        return folded.to(memory_format=torch.channels_last).requires_grad_(False)  # type: ignore[call-overload, no-any-return]
