"""The table of strategies, and queries of candidates, fields and micrographs."""

from collections import Counter
from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pytest

from cryoal.acquisition import strategies
from cryoal.acquisition.assigning import assign_candidates
from cryoal.acquisition.choosing import choose_candidates
from cryoal.acquisition.fields import buy_micrographs, grid_fields, query_fields, query_micrographs
from cryoal.acquisition.selectors import class_selector, foreground_probability, select_top
from cryoal.acquisition.strategies import STRATEGIES, Strategy, get_strategy, strategy_names
from cryoal.data.candidates import CandidatePool
from cryoal.data.classes import Classes
from cryoal.data.labels import Field
from cryoal.errors import ArrayError, OptionError

SIZE = 1000


def make_pool(n=400, n_micrographs=6, n_classes=2, n_members=5, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 2, (1, n, n_classes)) + rng.normal(0, 0.7, (n_members, n, n_classes))
    P = np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
    return CandidatePool(
        tuple(f"m{i}" for i in range(n_micrographs)),
        rng.integers(0, n_micrographs, n).astype(np.int32),
        rng.uniform(0, SIZE, (n, 2)).astype(np.float32),
        P.astype(np.float32),
        rng.normal(size=(n, 8)).astype(np.float32),
    )


def make_fields(pool, size_px=200.0):
    return [field for key in pool.micrographs for field in grid_fields(key, (SIZE, SIZE), size_px)]


def frozen(pool):
    for array in (pool.micrograph, pool.xy, pool.probability, pool.embedding):
        array.setflags(write=False)
    return pool


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_chooses_candidates(name, n_classes):
    pool = frozen(make_pool(n_classes=n_classes))
    chosen = choose_candidates(pool, get_strategy(name), 20, np.random.default_rng(1))
    again = choose_candidates(pool, get_strategy(name), 20, np.random.default_rng(1))
    assert np.unique(chosen).size == 20
    np.testing.assert_array_equal(chosen, again)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_chooses_fields(name, n_classes):
    pool = frozen(make_pool(n_classes=n_classes))
    fields = make_fields(pool)
    query = query_fields(pool, fields, get_strategy(name), 10, np.random.default_rng(1), per_micrograph=2)
    assert len({queried.field for queried in query}) == 10
    assert max(Counter(queried.field.micrograph for queried in query).values()) <= 2
    assert {queried.reason for queried in query} <= {name, "random"}
    for queried in query:
        assert queried.field.contains(queried.candidates[:, :2]).all()
        assert np.isfinite(queried.utility)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_chooses_micrographs(name):
    query = query_micrographs(make_pool(), get_strategy(name), 4, np.random.default_rng(1))
    assert len({queried.micrograph for queried in query}) == 4


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_can_take_the_whole_pool(name):
    pool = make_pool(n=7, n_micrographs=2)
    chosen = choose_candidates(pool, get_strategy(name), 7, np.random.default_rng(0))
    assert sorted(chosen.tolist()) == list(range(7))


def test_distance_and_quota_of_candidates():
    pool = make_pool()
    chosen = choose_candidates(
        pool, get_strategy("bald-top"), 12, np.random.default_rng(0), min_distance_px=150, per_micrograph=2
    )
    assert max(Counter(pool.micrograph[chosen].tolist()).values()) <= 2
    for i in chosen:
        for j in chosen:
            if i != j and pool.micrograph[i] == pool.micrograph[j]:
                assert np.hypot(*(pool.xy[i] - pool.xy[j])) >= 150


def test_field_utility_is_the_mean_of_the_best_five():
    pool = make_pool()
    query = query_fields(pool, make_fields(pool), get_strategy("score"), 3, np.random.default_rng(0), exploration=0)
    for queried in query:
        best = np.sort(queried.candidates[:, 2])[::-1][:5]
        assert queried.utility == pytest.approx(best.mean(), rel=1e-6)


def test_top_fields_are_asked_first():
    pool = make_pool()
    fields = make_fields(pool)
    rng = np.random.default_rng(0)
    query = query_fields(pool, fields, get_strategy("score"), len(fields), rng, exploration=0)
    utility = np.array([queried.utility for queried in query if queried.reason == "score"])
    first = query_fields(pool, fields, get_strategy("score"), 1, rng, exploration=0)[0]
    assert first.utility == utility.max()
    assert len({queried.field for queried in query}) == len(fields)


def test_exploration_share_and_random():
    pool = make_pool()
    fields = make_fields(pool)
    rng = np.random.default_rng(0)
    n_random = [
        sum(queried.reason == "random" for queried in query_fields(pool, fields, get_strategy("bald"), 10, rng))
        for _ in range(5)
    ]
    assert n_random == [1] * 5
    all_random = query_fields(pool, fields, get_strategy("random"), 10, rng)
    assert {queried.reason for queried in all_random} == {"random"}


def test_random_is_uniform_over_fields_with_and_without_candidates():
    pool = make_pool(n=30, n_micrographs=2)
    pool = pool.select(pool.xy[:, 0] < 400)
    fields = make_fields(pool, 500.0)
    rng = np.random.default_rng(0)
    counts = Counter(query_fields(pool, fields, get_strategy("random"), 1, rng)[0].field for _ in range(1600))
    expected = 1600 / len(fields)
    assert len(counts) == len(fields) == 8
    assert max(abs(count - expected) for count in counts.values()) < 5 * np.sqrt(expected)


def test_foreground_random_takes_half_from_foreground_fields():
    n = 60
    micrograph = np.zeros(n, dtype=np.int32)
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, SIZE, (n, 2)).astype(np.float32)
    p = np.where(xy[:, 0] < 200, 0.9, 0.1)
    P = np.stack([1 - p, p], axis=-1)[np.newaxis].astype(np.float32)
    pool = CandidatePool(("m0",), micrograph, xy, P, np.ones((n, 2), dtype=np.float32))
    query = query_fields(pool, make_fields(pool), get_strategy("foreground-random"), 4, rng, exploration=0)
    assert sum(queried.field.x < 190 for queried in query) == 2


def test_neighbouring_fields_are_avoided_where_there_is_room():
    pool = make_pool(n=2000, n_micrographs=1)
    fields = make_fields(pool, 200.0)
    query = query_fields(pool, fields, get_strategy("entropy"), 4, np.random.default_rng(0), exploration=0)
    corners = [(queried.field.x, queried.field.y) for queried in query]
    assert min(np.hypot(*np.subtract(a, b)) for a in corners for b in corners if a != b) >= 300


def test_bald_prefers_the_fields_where_members_disagree():
    pool = make_pool(n=300, n_micrographs=3)
    agreed = pool.probability.copy()
    agreed[:, pool.micrograph != 1] = agreed[:1, pool.micrograph != 1]
    pool = CandidatePool(pool.micrographs, pool.micrograph, pool.xy, agreed, pool.embedding)
    strategy = get_strategy("bald-top")
    query = query_fields(
        pool, make_fields(pool), strategy, 3, np.random.default_rng(0), per_micrograph=3, exploration=0
    )
    assert [queried.field.micrograph for queried in query] == ["m1"] * 3
    assert query_micrographs(pool, strategy, 1, np.random.default_rng(0), exploration=0)[0].micrograph == "m1"


def test_class_quota_gives_rare_classes_their_share():
    n = 300
    winner = np.array([1] * 270 + [2] * 30)
    P = np.full((2, n, 3), 0.1)
    P[:, np.arange(n), winner] = 0.8
    rng = np.random.default_rng(0)
    pool = make_pool(n=n, n_classes=3, n_members=2)
    pool = CandidatePool(pool.micrographs, pool.micrograph, pool.xy, P.astype(np.float32), pool.embedding)
    chosen = choose_candidates(pool, get_strategy("bald-stratified"), 20, rng)
    assert Counter(winner[chosen].tolist()) == {1: 10, 2: 10}


def test_a_strategy_from_another_package(monkeypatch):
    mine = Strategy("mine", STRATEGIES["score"].acquisition, STRATEGIES["score"].selector, "Mine", "me")
    monkeypatch.setattr(strategies, "MINE", mine, raising=False)
    points = EntryPoints(
        [
            EntryPoint("mine", "cryoal.acquisition.strategies:MINE", "cryoal.strategies"),
            EntryPoint("wrong", "cryoal.acquisition.strategies:ENTRY_POINT_GROUP", "cryoal.strategies"),
        ]
    )
    monkeypatch.setattr(strategies, "entry_points", points.select)
    assert get_strategy("mine") is mine
    assert strategy_names()[-2:] == ["mine", "wrong"]
    with pytest.raises(OptionError, match="expected a Strategy"):
        get_strategy("wrong")


WITHOUT_PROBABILITY = ("random", "k-center", "typiclust", "probcover")
WITHOUT_EMBEDDING = {
    *("random", "foreground-random", "score", "entropy-top", "bald-top", "batchbald", "power-entropy"),
    *("power-bald", "softmax-bald", "softrank-bald"),
}


@pytest.mark.parametrize("name", sorted(set(STRATEGIES) - set(WITHOUT_PROBABILITY)))
@pytest.mark.parametrize("value", [np.nan, np.inf, -0.5])
def test_probabilities_that_are_none_are_never_asked_by(name, value):
    pool = make_pool()
    pool.probability[1, 17, 1] = value
    with pytest.raises(ArrayError):
        choose_candidates(frozen(pool), get_strategy(name), 5, np.random.default_rng(0))


@pytest.mark.parametrize("name", sorted(set(STRATEGIES) - WITHOUT_EMBEDDING))
def test_embeddings_that_are_not_finite_are_never_asked_by(name):
    pool = make_pool()
    pool.embedding[:] = np.nan
    with pytest.raises(ArrayError, match=r"row \d+ is not finite"):
        choose_candidates(frozen(pool), get_strategy(name), 5, np.random.default_rng(0))


@pytest.mark.parametrize("name", sorted(set(STRATEGIES) - set(WITHOUT_PROBABILITY)))
def test_a_single_class_is_refused(name):
    pool = make_pool()
    one = CandidatePool(pool.micrographs, pool.micrograph, pool.xy, pool.probability[:, :, 1:], pool.embedding)
    with pytest.raises(ArrayError):
        choose_candidates(one, get_strategy(name), 5, np.random.default_rng(0))


@pytest.mark.parametrize("name", STRATEGIES)
def test_an_empty_pool_and_a_budget_beyond_it_are_refused(name):
    pool = make_pool(n=6)
    with pytest.raises(OptionError, match="the pool has 6"):
        choose_candidates(pool, get_strategy(name), 7, np.random.default_rng(0))
    with pytest.raises(ArrayError, match="no candidates"):
        choose_candidates(pool.select(np.zeros(6, dtype=bool)), get_strategy(name), 1, np.random.default_rng(0))


@pytest.mark.parametrize("name", [name for name, strategy in STRATEGIES.items() if strategy.min_members == 1])
def test_one_member_is_enough_for_what_does_not_measure_disagreement(name):
    assert choose_candidates(make_pool(n_members=1), get_strategy(name), 5, np.random.default_rng(0)).size == 5


def test_a_budget_of_seconds_is_kept_and_spent_on_the_best():
    pool = make_pool(n=600, n_micrographs=30)
    strategy = get_strategy("entropy")
    bought = buy_micrographs(pool, strategy, 300.0, np.random.default_rng(0))
    assert sum(one.seconds for one in bought) <= 300
    assert len({one.micrograph for one in bought}) == len(bought)
    assert {one.reason for one in bought} == {"entropy", "random"} or {one.reason for one in bought} == {"entropy"}
    ratios = [one.utility / one.seconds for one in bought if one.reason == "entropy"]
    assert ratios == sorted(ratios, reverse=True)
    everything = buy_micrographs(pool, strategy, 1e6, np.random.default_rng(0))
    assert len(everything) == 30
    assert sum(one.reason == "random" for one in everything) == 30  # a tenth of so much buys them all


def test_unknown_strategy_lists_the_known():
    with pytest.raises(OptionError, match=r"'blad' is not known, choose one of random, .*bald"):
        get_strategy("blad")


def test_table_is_complete():
    for name, strategy in STRATEGIES.items():
        assert strategy.name == name
        assert strategy.description
        assert strategy.reference


def test_one_member_cannot_disagree():
    pool = make_pool(n_members=1)
    with pytest.raises(OptionError, match="needs 2 members, the committee has 1"):
        choose_candidates(pool, get_strategy("bald"), 5, np.random.default_rng(0))


@pytest.mark.parametrize("n", [0, 401])
def test_batch_larger_than_the_pool(n):
    with pytest.raises(OptionError, match="the pool has 400"):
        choose_candidates(make_pool(), get_strategy("entropy"), n, np.random.default_rng(0))


def test_more_fields_than_there_are():
    pool = make_pool()
    with pytest.raises(OptionError, match="ask for 1 to 150"):
        query_fields(pool, make_fields(pool), get_strategy("entropy"), 151, np.random.default_rng(0))
    with pytest.raises(OptionError, match="allows 12 fields"):
        query_fields(pool, make_fields(pool), get_strategy("entropy"), 13, np.random.default_rng(0), per_micrograph=2)
    with pytest.raises(OptionError, match="6 are in the pool"):
        query_micrographs(pool, get_strategy("entropy"), 7, np.random.default_rng(0))


def test_empty_pool():
    empty = make_pool().select(np.zeros(400, dtype=bool))
    fields = make_fields(empty)
    with pytest.raises(ArrayError, match="no candidates"):
        query_fields(empty, fields, get_strategy("entropy"), 3, np.random.default_rng(0))
    assert len(query_fields(empty, fields, get_strategy("random"), 3, np.random.default_rng(0))) == 3


def test_positions_that_are_not_finite():
    pool = make_pool()
    pool.xy[3] = np.nan
    with pytest.raises(ArrayError, match="xy"):
        assign_candidates(pool, make_fields(pool))


def test_candidates_are_assigned_to_the_field_that_contains_them():
    pool = make_pool()
    fields = make_fields(pool, 300.0)
    for i, g in enumerate(assign_candidates(pool, fields)):
        inside = [
            j
            for j, field in enumerate(fields)
            if field.micrograph == pool.micrographs[pool.micrograph[i]] and field.contains(pool.xy[[i]])[0]
        ]
        assert inside == ([] if g < 0 else [g])


def test_grid_is_whole_and_without_overlap():
    grid = grid_fields("m", (1000, 1240), 268.0)
    assert len(grid) == 3 * 4
    for starts in (sorted({field.x for field in grid}), sorted({field.y for field in grid})):
        np.testing.assert_allclose(np.diff(starts), 268.0)
    assert grid_fields("m", (200, 1000), 268.0) == []


def test_every_rim_is_in_the_grids_of_some_micrographs():
    grids = [grid_fields(f"m{i}", (1000, 1240), 268.0) for i in range(40)]
    for grid in grids:
        assert grid == grid_fields(grid[0].micrograph, (1000, 1240), 268.0)
    left, upper = ([min(getattr(field, axis) for field in grid) for grid in grids] for axis in "xy")
    right, lower = ([max(getattr(field, axis) for field in grid) + 268 for grid in grids] for axis in "xy")
    for reached, ends in ((left, -0.5), (upper, -0.5), (right, 1239.5), (lower, 999.5)):
        assert 5 < np.isclose(reached, ends).sum() < 35


def test_grid_keeps_valid_fields():
    mask = np.zeros((50, 50), dtype=bool)
    mask[:, 25:] = True
    half = grid_fields("m", (500, 500), 250.0, mask)
    assert [field.x for field in half] == [249.5, 249.5]
    assert grid_fields("m", (500, 500), 250.0, lambda field: field.y > 0) == [
        Field("m", -0.5, 249.5, 250.0),
        Field("m", 249.5, 249.5, 250.0),
    ]
    with pytest.raises(ArrayError, match="size_px"):
        grid_fields("m", (500, 500), 0.0)


JUNKY = Classes((1, 2), (1, 2))  # background, two particle classes, two kinds of junk


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_chooses_fields_where_there_is_junk(name):
    pool = frozen(replace(make_pool(n_classes=5), classes=JUNKY))
    asked = query_fields(pool, make_fields(pool), get_strategy(name), 8, np.random.default_rng(1))
    assert len(asked) == 8
    for one in asked:
        assert set(one.class_number) <= {1, 2}
        assert one.class_number.shape == one.candidates.shape[:1]


def test_junk_is_no_foreground():
    pool = replace(make_pool(n_classes=5), classes=JUNKY)
    wanted = pool.probability[:, :, 1:3].sum(axis=2).mean(axis=0)
    assert foreground_probability(pool) == pytest.approx(wanted, abs=1e-6)
    score = STRATEGIES["score"].acquisition(pool, np.random.default_rng(0))
    assert score == pytest.approx(wanted, abs=1e-6)
    half = choose_candidates(pool, STRATEGIES["foreground-random"], 40, np.random.default_rng(0))
    assert (wanted[half] >= 0.5).sum() == 20


@pytest.mark.parametrize("name", ["bald-stratified", "power-entropy"])
def test_strata_are_the_particle_classes_alone(name):
    pool = replace(make_pool(2000, n_classes=5), classes=JUNKY)
    chosen = choose_candidates(pool, STRATEGIES[name], 40, np.random.default_rng(0))
    mean = pool.probability.mean(axis=0)[chosen]
    foreground = mean[:, 1:3].sum(axis=1) >= 0.5
    assert Counter(mean[foreground, 1:3].argmax(axis=1)) == {0: 10, 1: 10}


def test_a_selector_can_be_made_even_over_the_classes():
    P = make_pool(300, n_classes=5).probability
    P[:, 20:, 2] = 0  # class 2 is rare
    pool = replace(make_pool(300), probability=P / P.sum(axis=2, keepdims=True), classes=JUNKY)
    scores = np.arange(300.0)
    chosen = class_selector(select_top)(scores, pool, 10, np.random.default_rng(0))
    winner = pool.probability[:, :, 1:3].mean(axis=0).argmax(axis=1)
    assert Counter(winner[chosen]) == {0: 5, 1: 5}
    assert sorted(chosen[winner[chosen] == 0]) == sorted(np.flatnonzero(winner == 0)[-5:])
