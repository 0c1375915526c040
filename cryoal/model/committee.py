"""The committee: peers that score the same micrograph, and how far they agree."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cryoal.data.classes import Classes
from cryoal.model.network import PickerNetwork


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
    """

    def __init__(self, members: Sequence[Member], device: torch.device) -> None:
        self.members = tuple(members)
        self.device = device
        folded: dict[int, PickerNetwork] = {}
        for member in members:
            if id(member.network) not in folded:
                folded[id(member.network)] = member.network.for_scoring().to(device)
        self._networks = [folded[id(member.network)] for member in members]
        self._masks = [member.masks() for member in members]
        self.halo_px = members[0].network.halo_px
        self.classes: Classes = members[0].network.classes

    def __len__(self) -> int:
        return len(self.members)

    @torch.inference_mode()
    def __call__(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score one image.

        Parameters
        ----------
        image : Tensor, shape (1, 1, H, W)
            H and W multiples of the network's stride.

        Returns
        -------
        logits : Tensor, shape (K, H, W)
        features : Tensor, shape (D, H/2, W/2)
            The first member's.
        class_logits : Tensor, shape (K, L, H/4, W/4)
            L is 0 without classes.
        """
        image = image.to(self.device).contiguous(memory_format=torch.channels_last)
        rows, classes, features = [], [], None
        for member, network, masks in zip(self.members, self._networks, self._masks, strict=True):
            on_device = None if masks is None else (masks[0].to(self.device), masks[1].to(self.device))
            logits, seen = network(image, on_device)
            rows.append(logits[0, 0] + member.prior_shift_logit)
            classes.append(network.class_logits(image, on_device)[0])
            features = seen[0] if features is None else features
        assert features is not None
        return torch.stack(rows), features, torch.stack(classes)
