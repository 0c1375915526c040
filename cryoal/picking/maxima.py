"""Local maxima of a score map on whatever device it is."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cryoal.filters import box_max
from cryoal.picking.peaks import NEIGHBOURHOOD_PX, around, refined


def local_maxima(score: Tensor, allowed: Tensor, threshold: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """All local maxima of a map, in no order, as `cryoal.picking.peaks.find_peaks` before it looks at distances.

    Parameters
    ----------
    score : float32 Tensor, shape (my, mx)
    allowed : bool Tensor, shape (my, mx)
        Maxima elsewhere are not taken.
    threshold : float
        Maxima must be above it.

    Returns
    -------
    xy : float64 array, shape (N, 2)
    height : float64 array, shape (N,)
    """
    highest = box_max(score, NEIGHBOURHOOD_PX)
    y, x = torch.nonzero((score == highest) & allowed & (score > threshold), as_tuple=True)
    shape = (int(score.shape[0]), int(score.shape[1]))
    values = torch.stack([score[at] for at in around(y, x, shape)])
    return refined(y.cpu().numpy(), x.cpu().numpy(), values.cpu().numpy(), shape)
