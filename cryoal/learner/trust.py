"""How far the committee that ships with cryoal is to be trusted on these particles, by what complete fields say."""

import math
from collections.abc import Generator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaln, expit, logit

from cryoal.config import Config
from cryoal.learner.held_out import HeldOut, judge_held_out
from cryoal.learner.progress import Progress
from cryoal.model.committee import Member
from cryoal.model.patches import TrainingImage
from cryoal.model.pretrained import pretrained_calibration

_SHARE_KNOWN = 0.9
"""Of all specimens those, before any label, whose particles the committee is thought to know."""
_DOUBT_PER_PARTICLE = 2.0
"""In nats: with hardly any particle accepted there is nothing to go by in its place."""
_TAKEN_FOR_PARTICLES = 0.5
_LEAST = 1e-3
_MOST_MICROGRAPHS = 10
_SUREST = 1e-6
_STAGE = "judging the shipped committee"


def judge_shipped(
    members: Sequence[Member], images: Sequence[TrainingImage], config: Config, device: torch.device, seed: int
) -> Generator[Progress, None, HeldOut]:
    """Judge the shipped members, which learnt from no label, where all is labelled, in ten micrographs at the most."""
    fielded = [image for image in images if members and image.maps.complete.any()]
    some = np.random.default_rng(seed).permutation(len(fielded))[:_MOST_MICROGRAPHS]
    judged = [
        replace(fielded[i], folds=np.where(fielded[i].maps.complete, 0, -1), classed=None, place=None)
        for i in sorted(some)
    ]
    return (yield from judge_held_out(judged, {0: members}, config, device, stage=_STAGE))


def trust_in(judged: HeldOut) -> float:
    """Probability that the shipped committee knows the particles; see `trust_of`."""
    probability = pretrained_calibration()(judged.logit, judged.surroundings, judged.edge_diameters)
    return trust_of(probability, judged.is_particle)


def trust_of(probability: ArrayLike, is_particle: ArrayLike) -> float:
    """Probability that a committee knows the particles, after its candidates were judged.

    By Bayes' rule from 0.9. Either each candidate is a particle with the committee's probability. Or, as likely as one
    another, those that it takes for particles (0.5 and more) are with one rate below what it says of them in the mean,
    for it does not know which of those that look like particles are wanted; or those that it does not with one rate
    above it, for it overlooks particles. Each accepted particle moves the log-odds down by no more than 2 nats.

    Parameters
    ----------
    probability : array, shape (N,)
    is_particle : array, shape (N,)
        0 or 1.
    """
    p, y = np.clip(probability, _SUREST, 1 - _SUREST), np.asarray(is_particle, dtype=bool)
    taken = p >= _TAKEN_FOR_PARTICLES
    evidence = math.log(2) - float(np.logaddexp(_doubt(p[taken], y[taken]), _doubt(1 - p[~taken], ~y[~taken])))
    return float(max(expit(logit(_SHARE_KNOWN) + max(evidence, -_DOUBT_PER_PARTICLE * y.sum())), _LEAST))


def _doubt(p: NDArray[np.float64], is_right: NDArray[np.bool_]) -> float:
    """Log of how much likelier what was found is with one rate below the probabilities' mean than with themselves."""
    if not p.size:
        return 0.0
    n_right, n_wrong, said = int(is_right.sum()), int((~is_right).sum()), float(p.mean())
    with np.errstate(divide="ignore"):  # nothing beside the other, where the rate is far above what is said
        one_rate = np.log(betainc(1 + n_right, 1 + n_wrong, said) / said) + betaln(1 + n_right, 1 + n_wrong)
    return float(one_rate - np.log(np.where(is_right, p, 1 - p)).sum())
