"""LURE is unbiased, by enumeration of all draws."""

from itertools import permutations

import numpy as np
import pytest

from cryoal.errors import ArrayError
from cryoal.evaluation.active_testing import draw_unequal, lure_weights


@pytest.mark.parametrize("n_draws", [1, 2, 3, 4])
def test_the_estimate_is_unbiased(n_draws: int) -> None:
    loss, weight = np.array([3.0, 0.0, 1.0, 8.0]), np.array([0.4, 0.1, 0.3, 0.2])
    expected = total = 0.0
    for order in permutations(range(4), n_draws):
        left, q = weight.copy(), []
        for unit in order:
            q.append(left[unit] / left.sum())
            left[unit] = 0
        expected += np.prod(q) * (lure_weights(q, 4) * loss[list(order)]).mean()
        total += np.prod(q)
    assert total == pytest.approx(1)
    assert expected == pytest.approx(loss.mean())


def test_uniform_draws_weigh_the_same() -> None:
    assert lure_weights([1 / 9, 1 / 8, 1 / 7], 9) == pytest.approx([1, 1, 1])


def test_draws_are_in_proportion_to_the_weights_and_tell_their_probability() -> None:
    rng = np.random.default_rng(0)
    weight = np.array([1.0, 2.0, 5.0])
    firsts = []
    for _ in range(2000):
        drawn, probability = draw_unequal(weight, 2, rng)
        assert drawn[0] != drawn[1]
        assert probability[0] == pytest.approx(weight[drawn[0]] / 8)
        assert probability[1] == pytest.approx(weight[drawn[1]] / (8 - weight[drawn[0]]))
        firsts.append(drawn[0])
    assert np.bincount(firsts) / 2000 == pytest.approx(weight / 8, abs=0.04)
    assert weight.tolist() == [1, 2, 5]


@pytest.mark.parametrize(("q", "n"), [([], 3), ([0.5, 0.5], 1), ([0.0], 3), ([np.nan], 3), ([1.5], 3)])
def test_bad_probabilities_are_refused(q: list[float], n: int) -> None:
    with pytest.raises(ArrayError, match="probability"):
        lure_weights(q, n)
    with pytest.raises(ArrayError, match="weight"):
        draw_unequal([1.0, 0.0], 2, np.random.default_rng(0))
