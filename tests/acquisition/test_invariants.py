"""Invariants of the pointwise functions, by hypothesis, and their bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cryoal.acquisition import bayesian, committee, model_change, uncertainty
from cryoal.acquisition.batch_bald import batch_bald
from cryoal.errors import ArrayError

COMMITTEE = (
    committee.vote_entropy,
    committee.consensus_entropy,
    committee.consensus_kl,
    committee.variation_ratio,
    bayesian.mutual_information,
)
POINTWISE = (uncertainty.predictive_entropy, uncertainty.least_confidence, uncertainty.margin_uncertainty)


@st.composite
def committees(draw, max_classes=4):
    """Member probabilities (K, N, C), zeros and ones among them."""
    shape = (draw(st.integers(1, 6)), draw(st.integers(1, 8)), draw(st.integers(2, max_classes)))
    values = st.one_of(st.floats(1e-9, 1.0), st.just(0.0))
    weights = draw(arrays(np.float64, shape, elements=values))
    weights[..., 0] += weights.sum(axis=-1) == 0
    return weights / weights.sum(axis=-1, keepdims=True)


@given(committees())
def test_bald_is_consensus_kl_and_jensen_shannon(P):
    bald = bayesian.mutual_information(P)
    np.testing.assert_allclose(bald, committee.consensus_kl(P), atol=1e-12)
    members = np.array([uncertainty.predictive_entropy(p) for p in P]).mean(axis=0)
    np.testing.assert_allclose(committee.consensus_entropy(P), members + bald, atol=1e-12)


@given(committees())
def test_bald_is_bounded(P):
    bald = bayesian.mutual_information(P)
    assert (bald >= 0).all()
    assert (bald <= min(np.log(P.shape[0]), np.log(P.shape[2])) + 1e-12).all()


@given(committees())
def test_members_that_agree_hold_no_information(P):
    same = np.repeat(P[:1], 4, axis=0)
    for P_agreed in (P[:1], same):
        assert bayesian.mutual_information(P_agreed) == pytest.approx(0.0, abs=1e-12)
        assert committee.consensus_kl(P_agreed) == pytest.approx(0.0, abs=1e-12)


@given(committees(), st.randoms(use_true_random=False))
def test_permutations(P, random):
    K, N, C = (random.sample(range(n), n) for n in P.shape)
    for score in COMMITTEE:
        np.testing.assert_allclose(score(P[K]), score(P), atol=1e-12)
        np.testing.assert_allclose(score(P[:, N]), score(P)[N], atol=1e-12)
    for score in (committee.consensus_entropy, bayesian.mutual_information):
        np.testing.assert_allclose(score(P[:, :, C]), score(P), atol=1e-12)


@given(arrays(np.float64, st.integers(2, 20), elements=st.integers(0, 40).map(lambda i: i / 80)))
def test_two_classes_have_one_ranking(p):
    columns = np.column_stack([1 - p, p])
    rankings = [np.argsort(-np.round(score(columns), 12), kind="stable") for score in POINTWISE]
    for ranking in rankings[1:]:
        np.testing.assert_array_equal(ranking, rankings[0])


@given(committees(max_classes=3), st.integers(1, 4))
@settings(deadline=None)
def test_joint_information_is_monotone_submodular_and_bounded(P, n):
    batch = batch_bald(P, n)
    bald = bayesian.mutual_information(P)
    gains = np.diff(batch.scores, prepend=0.0)
    assert (gains >= -1e-12).all()
    assert (np.diff(gains) <= 1e-9).all()
    assert (batch.scores <= np.cumsum(bald[batch.indices]) + 1e-9).all()
    assert batch.scores[-1] <= np.log(P.shape[0]) + 1e-9
    assert bald[batch_bald(P, 1).indices[0]] >= bald.max() - 1e-12


@given(st.floats(0, 1), arrays(np.float64, (1, 3), elements=st.floats(-10, 10)))
def test_expected_gradient_length_in_closed_form(p, h):
    length = np.linalg.norm(h)
    softmax = model_change.gradient_length_softmax([[1 - p, p]], h, bias=False)[0]
    sigmoid = model_change.gradient_length_sigmoid([p], h, bias=False)[0]
    assert softmax == pytest.approx(2 * np.sqrt(2) * p * (1 - p) * length, abs=1e-9)
    assert sigmoid == pytest.approx(2 * p * (1 - p) * length, abs=1e-9)


def test_gradient_embedding_is_the_gradient_of_the_cross_entropy():
    rng = np.random.default_rng(0)
    h, W = rng.normal(size=4), rng.normal(size=(3, 4))

    def loss(weights, label):
        z = weights @ h
        return np.log(np.exp(z).sum()) - z[label]

    p = np.exp(W @ h) / np.exp(W @ h).sum()
    numeric = np.zeros_like(W)
    for index in np.ndindex(W.shape):
        step = np.zeros_like(W)
        step[index] = 1e-6
        numeric[index] = (loss(W + step, p.argmax()) - loss(W - step, p.argmax())) / 2e-6
    found = model_change.gradient_embedding(p[np.newaxis], h[np.newaxis])[0]
    np.testing.assert_allclose(found, numeric.ravel(), atol=1e-8)


def test_epig_of_a_candidate_towards_itself_is_at_most_bald():
    rng = np.random.default_rng(1)
    P = rng.dirichlet((1, 1, 1), size=(5, 30))
    for i in range(30):
        assert bayesian.epig(P[:, [i]], P[:, [i]])[0] <= bayesian.mutual_information(P)[i] + 1e-12
    naive = np.zeros(30)
    for i, t in np.ndindex(30, 7):
        joint = np.einsum("ka,kb->ab", P[:, i], P[:, t]) / 5
        apart = np.outer(joint.sum(axis=1), joint.sum(axis=0))
        naive[i] += (joint * np.log(joint / apart)).sum() / 7
    np.testing.assert_allclose(bayesian.epig(P, P[:, :7]), naive, atol=1e-12)


def test_blocks_do_not_show():
    P = np.random.default_rng(2).dirichlet((1, 1), size=(3, 50_000))
    for score in COMMITTEE:
        whole = score(P)
        np.testing.assert_array_equal(whole[40_000:40_010], score(P[:, 40_000:40_010]))


def test_single_precision_pools_are_taken_as_they_are():
    rng = np.random.default_rng(3)
    z = rng.normal(0, 5, (5, 2000)).astype(np.float32)
    p = 1 / (1 + np.exp(-z))
    P = np.stack([1 - p, p], axis=-1)
    assert P.dtype == np.float32
    assert (bayesian.mutual_information(P) >= 0).all()


BAD = {
    "NaN": np.full((2, 3, 2), np.nan),
    "infinite": np.full((2, 3, 2), np.inf),
    "negative": np.tile([-0.1, 1.1], (2, 3, 1)),
    "not normalised": np.full((2, 3, 2), 0.4),
    "one class": np.ones((2, 3, 1)),
    "no member": np.ones((0, 3, 2)),
    "no candidate": np.ones((2, 0, 2)),
    "text": [[["a", "b"]]],
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("score", COMMITTEE)
def test_bad_probabilities_are_refused(kind, score):
    with pytest.raises(ArrayError, match="probability"):
        score(BAD[kind])


def test_error_names_member_and_candidate():
    P = np.full((2, 50_000, 2), 0.5)
    P[1, 41_234] = (0.5, np.nan)
    with pytest.raises(ArrayError, match=r"member 1, candidate 41234 has \[0\.5, nan\]"):
        committee.consensus_entropy(P)


@pytest.mark.parametrize("p", [-0.1, 1.1, np.nan])
def test_expand_binary_refuses_what_is_no_probability(p):
    with pytest.raises(ArrayError):
        uncertainty.expand_binary([0.5, p])
