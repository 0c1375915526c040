"""What training minimises: cross-entropy where the truth is known, a positive-unlabelled risk where it is not."""

import torch
from torch import Tensor
from torch.nn import functional

from cryoal.data.classes import Classes
from cryoal.model.patches import Batch


def picker_loss(logits: Tensor, batch: Batch, particle_weight: float, unlabelled_prior: float) -> Tensor:
    """Mean loss over all pixels that are known or unlabelled.

    Parameters
    ----------
    logits : Tensor, shape (B, 1, side, side)
    batch : Batch
    particle_weight : float
        What a pixel of target 1 weighs against one of target 0.
    unlabelled_prior : float
        Mean target that the unlabelled pixels are thought to have.
    """
    n_known, n_unlabelled = batch.known.sum(), batch.unlabelled.sum()
    known = known_loss(logits, batch, particle_weight)
    if not n_unlabelled > 0:
        return known
    unlabelled = non_negative_risk(logits, batch, particle_weight, unlabelled_prior)
    return (n_known * known + n_unlabelled * unlabelled) / (n_known + n_unlabelled)


def known_loss(logits: Tensor, batch: Batch, particle_weight: float) -> Tensor:
    """Cross-entropy against the target, mean over known pixels; a target of 1 weighs `particle_weight` times 0."""
    entropy = functional.binary_cross_entropy_with_logits(logits, batch.target, reduction="none")
    weight = batch.known * (1 + (particle_weight - 1) * batch.target)
    return (entropy * weight).sum() / batch.known.sum().clamp(min=1)


def non_negative_risk(logits: Tensor, batch: Batch, particle_weight: float, prior: float) -> Tensor:
    """Non-negative positive-unlabelled risk π w R⁺ + max(0, R_u⁻ − π R_p⁻) of the unlabelled pixels.

    R⁺ and R_p⁻ are means over the marked particles, weighted by the target, of the logistic losses of calling them
    particle and background; R_u⁻ is the mean over unlabelled pixels of calling them background (Kiryo 2017,
    equation 6, with soft positives).
    """
    positive = batch.target * batch.known
    as_background = functional.softplus(logits)
    unlabelled = (as_background * batch.unlabelled).sum() / batch.unlabelled.sum().clamp(min=1)
    mass = positive.sum()
    if not mass > 0:
        return unlabelled
    called_particle = (functional.softplus(-logits) * positive).sum() / mass
    called_background = (as_background * positive).sum() / mass
    rest = torch.clamp(unlabelled - prior * called_background, min=0)
    return prior * particle_weight * called_particle + rest


def held_loss(learnt: Tensor, logits: Tensor, before: Tensor, batch: Batch, label_weight: float) -> Tensor:
    """Loss of what is learnt, and of changing the scores where the labels say nothing: a mean over all pixels.

    Without it a handful of labels, all rejected say, would change the scores everywhere.

    Parameters
    ----------
    learnt : Tensor, shape ()
        Mean loss over the pixels that are known or unlabelled.
    logits, before : Tensor, shape (B, 1, side, side)
        Scores now, and those of the network that training started from.
    batch : Batch
    label_weight : float
        What a known or unlabelled pixel weighs against any other.

    References
    ----------
    Li & Hoiem 2016, Learning without forgetting.
    """
    said = batch.known + batch.unlabelled
    held = functional.binary_cross_entropy_with_logits(logits, torch.sigmoid(before), reduction="none")
    weight_of_said = label_weight * said.sum()
    return (weight_of_said * learnt + (held * (1 - said)).sum()) / (weight_of_said + (1 - said).sum())


def class_loss(logits: Tensor, place: Tensor, classes: Classes) -> Tensor:
    """Cross-entropy of the particle classes plus that of the kinds of background, where they are known.

    The first is the mean over the pixels of labelled particles; in the second all junk together weighs as much as
    plain background does, of which there is far more. 0 where nothing is known.

    Parameters
    ----------
    logits : Tensor, shape (B, L, h, w)
    place : int64 Tensor, shape (B, h, w)
        1 + index of the right logit, 0 where it is not known.
    classes : Classes
    """
    plain = len(classes.particles)
    index = place - 1
    loss = logits.new_zeros(())
    if classes.particles:
        loss = loss + _entropy(logits[:, classes.particle_logits], index, (index >= 0) & (index < plain))
    if classes.junk:
        kinds = logits[:, classes.background_logits]
        of_plain = _entropy(kinds, index - plain, index == plain)
        loss = loss + (of_plain + _entropy(kinds, index - plain, index > plain)) / 2
    return loss


def _entropy(logits: Tensor, target: Tensor, where: Tensor) -> Tensor:
    """Mean cross-entropy over some pixels, 0 over none."""
    entropy = functional.cross_entropy(logits, torch.where(where, target, 0), reduction="none")
    return (entropy * where).sum() / where.sum().clamp(min=1)
