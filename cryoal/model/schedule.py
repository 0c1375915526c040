"""How long and how fast to train, by how much is labelled."""

import numpy as np

from cryoal.config import TrainingConfig


def number_of_steps(known_diameters2: float, config: TrainingConfig, *, fine: bool = False) -> int:
    """Steps that a known area, in square particle diameters, is worth; `fine` where all weights have a start."""
    area, least = config.diameters2_per_step, config.min_steps
    if fine:
        area, least = config.fine_diameters2_per_step, config.min_fine_steps
    return int(np.clip(round(known_diameters2 / area), min(least, config.max_steps), config.max_steps))


def share_of_start(known_diameters2: float, config: TrainingConfig) -> float:
    """Share of the starting weights in the final mean: one half without labels, none with a great many."""
    return 0.5 * config.start_diameters2 / (config.start_diameters2 + known_diameters2)


def fine_learning_rate(share: float, config: TrainingConfig) -> float:
    """Learning rate where the start's share in the final mean is so large: a quarter of the whole without labels.

    Adam's steps are as long as the rate whatever the loss: where the labels say little, long ones go astray.
    """
    return config.fine_learning_rate * (1 - 1.5 * share)
