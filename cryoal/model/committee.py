"""The committee: peers that score the same micrograph, and how far they agree."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cryoal.data.classes import Classes
from cryoal.filters import gaussian
from cryoal.model.devices import fast_dtype
from cryoal.model.network import PickerNetwork

_TRIAL_PX = 128


@dataclass(frozen=True, slots=True)
class Member:
    """One voice of the committee.

    Attributes
    ----------
    network : PickerNetwork
        As trained; members by MC dropout share one.
    prior_shift_logit : float
        Added to its scores.
    dropout_seed : int, optional
        Draws its dropout mask, one for all micrographs of the round; None for no dropout.
    """

    network: PickerNetwork
    prior_shift_logit: float = 0.0
    dropout_seed: int | None = None

    def masks(self) -> tuple[Tensor, Tensor] | None:
        """The member's dropout masks, the same at every call."""
        share = self.network.config.dropout
        if self.dropout_seed is None or share == 0:
            return None
        rng = np.random.default_rng(self.dropout_seed)
        first, second = (
            torch.from_numpy((rng.random((1, n, 1, 1)) >= share).astype(np.float32) / (1 - share))
            for n in self.network.dropout_channels
        )
        return first, second


class Committee:
    """Members made ready to score on a device.

    Parameters
    ----------
    members : sequence of Member
    device : torch.device
    dtype : torch.dtype
        What the networks compute in; scores come in float32.
    """

    def __init__(self, members: Sequence[Member], device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        self.members = tuple(members)
        self.device = device
        self.dtype = dtype
        folded: dict[int, PickerNetwork] = {}
        for member in members:
            if id(member.network) not in folded:
                folded[id(member.network)] = member.network.for_scoring().to(device, dtype)
        self._networks = [folded[id(member.network)] for member in members]
        self._masks = [_on(member.masks(), device, dtype) for member in members]
        self.halo_px = members[0].network.halo_px
        self.classes: Classes = members[0].network.classes

    def __len__(self) -> int:
        return len(self.members)

    @torch.inference_mode()
    def __call__(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score one image by all members, which read it once and wait for nothing between them.

        Parameters
        ----------
        image : Tensor, shape (1, 1, H, W)
            H and W multiples of the network's stride.

        Returns
        -------
        logits : Tensor, shape (K, H, W)
        features : Tensor, shape (D, H/2, W/2)
            The first member's, in the networks' dtype.
        class_logits : Tensor, shape (K, L, H/4, W/4)
            L is 0 without classes.
        """
        image = image.to(self.device, self.dtype).contiguous(memory_format=torch.channels_last)
        rows, classes, features = [], [], None
        for member, network, masks in zip(self.members, self._networks, self._masks, strict=True):
            logits, seen = network(image, masks)
            rows.append(logits[0, 0].float() + member.prior_shift_logit)
            classes.append(network.class_logits(image, masks)[0].float())
            features = seen[0] if features is None else features
        assert features is not None
        return torch.stack(rows), features, torch.stack(classes)


def reduced_precision(
    members: Sequence[Member], device: torch.device, tolerance_logit: float, smoothing_px: float = 0.0
) -> torch.dtype:
    """The fastest dtype that a committee keeps within a tolerance of float32 on a device.

    float16 on a GPU, bfloat16 on a CPU that multiplies it in hardware; tried out on an image of noise, as strong as it
    is in micrographs: float32 where any score is further off than the tolerance, or not finite.

    Parameters
    ----------
    members : sequence of Member
    device : torch.device
    tolerance_logit : float
        Largest difference of a score, logits.
    smoothing_px : float
        As score maps are smoothed by before they are used.
    """
    dtype = fast_dtype(device)
    if dtype is torch.float32:
        return dtype
    noise = np.random.default_rng(0).standard_normal((1, 1, _TRIAL_PX, _TRIAL_PX)).astype(np.float32)
    full, fast = (Committee(members, device, one)(torch.from_numpy(noise)) for one in (torch.float32, dtype))
    pairs = [(full[0], fast[0]), (full[2], fast[2])]
    off = [gaussian(one - other, smoothing_px).abs().max() for one, other in pairs if one.numel()]
    near = all(float(one) <= tolerance_logit for one in off)
    return dtype if near else torch.float32


def _on(masks: tuple[Tensor, Tensor] | None, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor] | None:
    """Masks where the network is."""
    return None if masks is None else (masks[0].to(device, dtype), masks[1].to(device, dtype))
