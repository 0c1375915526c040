"""From the committee's score maps to candidates."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cryoal.config import PickingConfig
from cryoal.picking.maxima import local_maxima
from cryoal.picking.peaks import strongest_apart

_NEIGHBOURS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]


@dataclass(frozen=True, slots=True)
class Proposals:
    """Candidates of one micrograph at the picker's scale.

    Attributes
    ----------
    xy : float64 array, shape (N, 2)
        Scaled pixels.
    member_logit : float32 array, shape (K, N)
        Each member's score, before calibration.
    """

    xy: NDArray[np.float64]
    member_logit: NDArray[np.float32]


def propose(
    logits: NDArray[np.float32], valid: NDArray[np.bool_], pixels_per_diameter: int, config: PickingConfig
) -> Proposals:
    """Peaks of the committee's mean score, and what each member says there.

    A member that sees the same particle a pixel further is not in disagreement: its score is the largest of the
    3×3 pixels around the peak.

    Parameters
    ----------
    logits : float32 array, shape (K, my, mx)
    valid : bool array, shape (my, mx)
    pixels_per_diameter : int
    config : PickingConfig
    """
    maps = torch.from_numpy(logits)
    xy, height = local_maxima(maps.mean(dim=0), torch.from_numpy(valid), config.min_logit)
    kept = strongest_apart(xy, height, config.min_distance_diameters * pixels_per_diameter)
    return Proposals(xy[kept], member_logits_at(maps, xy[kept]))


def member_logits_at(logits: Tensor, xy: NDArray[np.float64]) -> NDArray[np.float32]:
    """Largest of each map's 3×3 pixels around each position, shape (K, N); maps (K, my, mx) on any device."""
    x, y = torch.from_numpy(np.round(xy).astype(np.int64).T.reshape(2, -1)).to(logits.device)
    limit_y, limit_x = logits.shape[1] - 1, logits.shape[2] - 1
    around = [logits[:, (y + dy).clamp(0, limit_y), (x + dx).clamp(0, limit_x)] for dy, dx in _NEIGHBOURS]
    largest: NDArray[np.float32] = torch.stack(around).amax(dim=0).cpu().numpy()
    return largest
