"""The losses against naive loops; the clamp of the non-negative risk; gradients."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cryoal.data.classes import Classes
from cryoal.model.losses import class_loss, held_loss, known_loss, non_negative_risk, picker_loss
from cryoal.model.patches import Batch

SEEDS = st.integers(0, 2**32 - 1)
WEIGHTS = st.floats(0.5, 8)


def make_batch(seed, unlabelled=True):
    """Two patches of 5 × 5: soft targets, some pixels known, some unlabelled, some neither."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, (2, 1, 5, 5))
    arrays = (rng.standard_normal(kind.shape), rng.random(kind.shape), kind == 1, (kind == 2) & unlabelled)
    batch = Batch(*(torch.from_numpy(a.astype(np.float32)) for a in arrays))
    return torch.from_numpy(rng.normal(0, 3, kind.shape).astype(np.float32)).requires_grad_(), batch


def pixels(logits, batch):
    flat = [t.detach().flatten().tolist() for t in (logits, batch.target, batch.known, batch.unlabelled)]
    return list(zip(*flat, strict=True))


def as_particle(z):
    return math.log1p(math.exp(-z))


def as_background(z):
    return math.log1p(math.exp(z))


def naive_known(logits, batch, weight):
    terms = [
        (1 + (weight - 1) * t) * (t * as_particle(z) + (1 - t) * as_background(z))
        for z, t, known, _ in pixels(logits, batch)
        if known
    ]
    return sum(terms) / max(len(terms), 1)


def naive_risk(logits, batch, weight, prior):
    marked = [(z, t) for z, t, known, _ in pixels(logits, batch) if known]
    rest = [as_background(z) for z, _, _, unlabelled in pixels(logits, batch) if unlabelled]
    mass = sum(t for _, t in marked)
    unlabelled_risk = sum(rest) / max(len(rest), 1)
    if mass == 0:
        return unlabelled_risk
    positive = sum(t * as_particle(z) for z, t in marked) / mass
    negative = sum(t * as_background(z) for z, t in marked) / mass
    return prior * weight * positive + max(0.0, unlabelled_risk - prior * negative)


@given(SEEDS, WEIGHTS)
def test_known_loss_is_the_naive_one(seed, weight):
    logits, batch = make_batch(seed)
    assert known_loss(logits, batch, weight).item() == pytest.approx(naive_known(logits, batch, weight), rel=1e-4)


@given(SEEDS, WEIGHTS, st.floats(0, 1))
def test_positive_unlabelled_risk_is_the_naive_one(seed, weight, prior):
    logits, batch = make_batch(seed)
    expected = naive_risk(logits, batch, weight, prior)
    assert non_negative_risk(logits, batch, weight, prior).item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


@given(SEEDS, WEIGHTS, st.floats(0, 1))
def test_picker_loss_weighs_the_two_by_their_pixels(seed, weight, prior):
    logits, batch = make_batch(seed)
    known, unlabelled = (int(mask.sum()) for mask in (batch.known, batch.unlabelled))
    parts = known * naive_known(logits, batch, weight) + unlabelled * naive_risk(logits, batch, weight, prior)
    expected = parts / max(known + unlabelled, 1)
    assert picker_loss(logits, batch, weight, prior).item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


@given(SEEDS, WEIGHTS)
def test_without_unlabelled_pixels_the_prior_does_not_matter(seed, weight):
    logits, batch = make_batch(seed, unlabelled=False)
    for prior in (0.0, 0.7):
        loss = picker_loss(logits, batch, weight, prior)
        assert loss.item() == pytest.approx(naive_known(logits, batch, weight), rel=1e-4)


def marked_and_unlabelled(marked_logit, unlabelled_logit):
    """One marked particle and one unlabelled pixel."""
    ones = torch.tensor([[[[1.0, 0.0]]]])
    logits = torch.tensor([[[[marked_logit, unlabelled_logit]]]], requires_grad=True)
    return logits, Batch(torch.zeros(1, 1, 1, 2), ones, ones, 1 - ones)


def test_the_clamp():
    # R_u⁻ = ln(1 + e⁻⁵) is far below π R_p⁻ = ½ ln(1 + e⁵): without the clamp the risk would be negative.
    logits, batch = marked_and_unlabelled(5.0, -5.0)
    risk = non_negative_risk(logits, batch, 1.0, 0.5)
    assert risk.item() == pytest.approx(0.5 * as_particle(5.0), rel=1e-4)
    risk.backward()
    assert logits.grad[..., 1].item() == 0  # overfitted: the unlabelled pixel is pushed no further
    assert logits.grad[..., 0].item() < 0


def test_above_the_clamp_unlabelled_pixels_are_pushed_down():
    logits, batch = marked_and_unlabelled(0.0, 2.0)
    risk = non_negative_risk(logits, batch, 1.0, 0.1)
    assert risk.item() == pytest.approx(0.1 * as_particle(0) + as_background(2.0) - 0.1 * as_background(0), rel=1e-5)
    risk.backward()
    assert logits.grad[..., 1].item() > 0
    assert logits.grad[..., 0].item() < 0


def test_the_risk_is_that_of_full_labels_when_the_prior_is_right():
    # Many draws: positives with logit law a, background with law b, unlabelled a mixture of both.
    rng = np.random.default_rng(0)
    a, b, prior = rng.normal(1, 1, 40_000), rng.normal(-1, 1, 60_000), 0.4
    logits = torch.from_numpy(np.concatenate([a[:20_000], a[20_000:], b[:30_000]])).float()[None, None, None]
    known = torch.zeros_like(logits)
    known[..., :20_000] = 1
    batch = Batch(logits, known, known, 1 - known)
    expected = prior * np.logaddexp(0, -a).mean() + (1 - prior) * np.logaddexp(0, b).mean()
    assert non_negative_risk(logits, batch, 1.0, prior).item() == pytest.approx(expected, abs=0.01)


@given(SEEDS)
def test_gradients_reach_what_is_learnt_and_nothing_else(seed):
    logits, batch = make_batch(seed)
    picker_loss(logits, batch, 4.0, 0.01).backward()
    assert torch.isfinite(logits.grad).all()
    known, neither = batch.known > 0, (batch.known + batch.unlabelled) == 0
    assert not logits.grad[neither].any()
    assert (logits.grad[known] != 0).all()


@pytest.mark.parametrize("logit", [-200.0, 200.0])
def test_extreme_logits(logit):
    logits, batch = marked_and_unlabelled(logit, logit)
    loss = picker_loss(logits, batch, 4.0, 0.05)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_nothing_known_or_unlabelled_is_no_loss():
    nothing = torch.zeros(1, 1, 4, 4)
    logits = torch.ones(1, 1, 4, 4, requires_grad=True)
    loss = picker_loss(logits, Batch(nothing, nothing, nothing, nothing), 4.0, 0.1)
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def naive_class_loss(logits, place, classes):
    """Pixel by pixel."""
    n, known = len(classes.particles), {"particle": [], "plain": [], "junk": []}
    for b, y, x in np.ndindex(place.shape):
        index = place[b, y, x] - 1
        if index < 0:
            continue
        group = slice(0, n) if index < n else slice(n, None)
        z = logits[b, group, y, x]
        entropy = math.log(sum(math.exp(one) for one in z)) - z[index if index < n else index - n]
        known["particle" if index < n else "plain" if index == n else "junk"].append(entropy)
    mean = {name: sum(some) / len(some) if some else 0.0 for name, some in known.items()}
    return mean["particle"] + (mean["plain"] + mean["junk"]) / 2


@given(SEEDS, st.sampled_from([Classes((1, 2)), Classes((1, 2, 3), (1, 2)), Classes((), (4,))]), st.integers(0, 9))
def test_the_loss_of_classes_against_a_loop(seed, classes, most):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (2, classes.n_logits, 3, 4))
    place = rng.integers(0, min(most, classes.n_logits) + 1, (2, 3, 4))
    found = class_loss(torch.from_numpy(logits).requires_grad_(), torch.from_numpy(place), classes)
    assert found.item() == pytest.approx(naive_class_loss(logits, place, classes), abs=1e-9)
    if (place > 0).any():
        found.backward()


@given(SEEDS, WEIGHTS)
def test_held_loss_is_the_mean_over_all_pixels_by_hand(seed, weight):
    logits, batch = make_batch(seed)
    before = torch.from_numpy(np.random.default_rng([seed, 1]).normal(0, 3, logits.shape).astype(np.float32))
    total, mass = 0.0, 0.0
    for (z, _, known, unlabelled), b in zip(pixels(logits, batch), before.flatten().tolist(), strict=True):
        if known or unlabelled:
            total, mass = total + 0.7 * weight, mass + weight
        else:
            p = 1 / (1 + math.exp(-b))
            total, mass = total + p * as_particle(z) + (1 - p) * as_background(z), mass + 1
    loss = held_loss(torch.tensor(0.7), logits, before, batch, weight)
    assert loss.item() == pytest.approx(total / mass, rel=1e-4)


def test_scores_where_nothing_is_known_are_held_to_what_they_were():
    logits, batch = make_batch(3)
    before = logits.detach().clone()
    learnt = (logits * batch.known).sum()
    held_loss(learnt, logits, before, batch, 10.0).backward()
    free = (batch.known + batch.unlabelled) == 0
    assert logits.grad[free].abs().max() < 1e-7
    assert logits.grad[batch.known > 0].abs().min() > 1e-3
