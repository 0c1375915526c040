"""From the committee's score maps to candidates."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryoal.config import PickingConfig
from cryoal.picking.peaks import find_peaks

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
    distance = config.min_distance_diameters * pixels_per_diameter
    xy, _ = find_peaks(logits.mean(axis=0), valid, distance, config.min_logit)
    x, y = np.round(xy).astype(int).T.reshape(2, -1)
    limit_y, limit_x = logits.shape[1] - 1, logits.shape[2] - 1
    around = [logits[:, np.clip(y + dy, 0, limit_y), np.clip(x + dx, 0, limit_x)] for dy, dx in _NEIGHBOURS]
    return Proposals(xy, np.max(around, axis=0))
