"""How far a round's embedding moved from that of the round before."""

from collections.abc import Sequence

import numpy as np
import torch

from cryoal.config import Config
from cryoal.errors import ArrayError
from cryoal.evaluation.drift import linear_cka
from cryoal.model.checkpoint import load_members
from cryoal.model.committee import Committee, Member
from cryoal.model.patches import TrainingImage
from cryoal.model.scoring import score
from cryoal.workspace.layout import RoundLayout

_IMAGES = 5


def embedding_alignment(
    earlier: RoundLayout, members: Sequence[Member], images: Sequence[TrainingImage], config: Config, on: torch.device
) -> float | None:
    """Linear CKA of two rounds' embeddings at the same positions: 1 the same up to rotation and scale, 0 unrelated.

    The positions are a grid one diameter apart and the labelled particles, on at most five of the images spread over
    the list. The embedding is the first member's, as scoring keeps it. None where it is not defined.

    Raises
    ------
    FileFormatError
        The earlier round is broken.
    """
    first_members = load_members(earlier.members)[0], members[0]
    chosen = [images[i] for i in np.unique(np.linspace(0, len(images) - 1, _IMAGES).astype(int))]
    before, now = (
        np.concatenate([_features(Committee([member], on), image, config) for image in chosen])
        for member in first_members
    )
    try:
        return linear_cka(before, now)
    except ArrayError:  # no position, or an embedding that is the same everywhere
        return None


def _features(
    committee: Committee, image: TrainingImage, config: Config
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The embedding of one image's positions."""
    step = config.preprocess.pixels_per_diameter
    y, x = np.nonzero(image.scaled.valid[::step, ::step])
    xy = np.concatenate([np.column_stack([x, y]) * float(step), image.maps.particles])
    return score(committee, image.scaled, config.picking.max_tile_px).features_at(xy)
