"""How far the committee that ships with cryoal is to be trusted on these particles, by what complete fields say."""

from collections.abc import Generator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.special import betaln, expit, logit

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

    By Bayes' rule from 0.9: either each candidate is a particle with the committee's probability, or all with the same
    one, of which nothing is known. Each accepted particle moves the log-odds down by no more than 2 nats.

    Parameters
    ----------
    probability : array, shape (N,)
    is_particle : array, shape (N,)
        0 or 1.
    """
    p, y = np.clip(probability, _SUREST, 1 - _SUREST), np.asarray(is_particle, dtype=bool)
    n_particles = int(y.sum())
    known = np.log(np.where(y, p, 1 - p)).sum()
    evidence = known - betaln(1 + n_particles, 1 + y.size - n_particles)
    return float(max(expit(logit(_SHARE_KNOWN) + max(evidence, -_DOUBT_PER_PARTICLE * n_particles)), _LEAST))
