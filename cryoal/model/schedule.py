"""How long, how fast and on what to train, by how much is labelled and how far the start is to be trusted."""

import math

import numpy as np

from cryoal.config import TrainingConfig


def number_of_steps(known_diameters2: float, config: TrainingConfig, trust: float = 0.0) -> int:
    """Steps that a known area, in square particle diameters, is worth; fewer where the start is to be trusted."""
    per_diameter2 = (1 - trust) / config.diameters2_per_step + trust / config.fine_diameters2_per_step
    least = (1 - trust) * config.min_steps + trust * config.min_fine_steps
    return int(np.clip(round(known_diameters2 * per_diameter2), min(round(least), config.max_steps), config.max_steps))


def share_of_start(known_diameters2: float, config: TrainingConfig, trust: float = 1.0) -> float:
    """Share of the starting weights in the final mean: all without labels, half with a field, none with a great many.

    A single answer, known in a disc, is learnt by heart whatever the learning rate, and would speak for all that looks
    like it, whatever the trust.
    """
    little = math.exp(-known_diameters2 / config.little_diameters2)
    return 0.5 * (little + _weight_of_start(known_diameters2, config, trust))


def fine_learning_rate(known_diameters2: float, config: TrainingConfig, trust: float = 1.0) -> float:
    """Learning rate where training has a start: a quarter of the whole without labels, the whole with a great many.

    Adam's steps are as long as the rate whatever the loss: where the labels say little, long ones go astray.
    """
    return config.fine_learning_rate * (1 - 0.75 * _weight_of_start(known_diameters2, config, trust))


def patches_a_step(config: TrainingConfig, trust: float) -> int:
    """`batch` where the start is to be trusted, twice as many where it is not."""
    return round(config.batch * (2 - trust))


def extra_noise_sigma(config: TrainingConfig, trust: float) -> float:
    """Most noise that patches get beside `noise_sigma`: none where the start, whose scores are held, is to be trusted.

    Without that few labels are learnt by heart, noise of the film and all.
    """
    return (1 - trust) * config.extra_noise_sigma


def _weight_of_start(known_diameters2: float, config: TrainingConfig, trust: float) -> float:
    """The trust without labels, half of it at `start_diameters2`."""
    return trust * config.start_diameters2 / (config.start_diameters2 + known_diameters2)
