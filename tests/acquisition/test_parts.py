"""Candidates that come some micrographs at a time: the same choice as from all at once, and no part stays in memory."""

import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from cryoal.acquisition import units
from cryoal.acquisition.assigning import assign_candidates
from cryoal.acquisition.fields import buy_micrographs, grid_fields, query_fields, query_micrographs
from cryoal.acquisition.strategies import STRATEGIES, Strategy
from cryoal.data.candidates import CandidatePool, Candidates
from cryoal.data.classes import NO_CLASSES, Classes
from cryoal.data.fields import Fields
from cryoal.data.labels import Field

SIZE, MICROGRAPHS = 1000, 9
JUNKY = Classes((1, 2), (1, 2))
EMPTY = 4  # a micrograph without candidates


class InParts:
    """A pool that is handed out some micrographs at a time."""

    def __init__(self, pool: CandidatePool, at_a_time: int) -> None:
        self.pool, self.at_a_time = pool, at_a_time
        self.micrographs, self.classes = pool.micrographs, pool.classes
        self.most_alive = 0

    def on(self, micrographs: Sequence[int]) -> "InParts":
        return InParts(self.pool.on(micrographs), self.at_a_time)

    def parts(self) -> Iterator[CandidatePool]:
        handed_out = []
        for start in range(0, max(len(self.micrographs), 1), self.at_a_time):
            part = self.pool.on(range(len(self.micrographs))[start : start + self.at_a_time])
            handed_out.append(weakref.ref(part.xy))
            yield part
            del part
            self.most_alive = max(self.most_alive, sum(one() is not None for one in handed_out))


def make_pool(classes: Classes = NO_CLASSES, n: int = 600) -> CandidatePool:
    rng = np.random.default_rng(3)
    n_classes = classes.n_classes
    z = rng.normal(0, 2, (1, n, n_classes)) + rng.normal(0, 0.7, (4, n, n_classes))
    P = np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
    on = np.sort(rng.integers(0, MICROGRAPHS, n)).astype(np.int32)
    on[on == EMPTY] += 1
    keys = tuple(f"m{i}" for i in range(MICROGRAPHS))
    xy = rng.uniform(0, SIZE, (n, 2)).astype(np.float32)
    return CandidatePool(keys, on, xy, P.astype(np.float32), rng.normal(size=(n, 8)).astype(np.float32), classes)


def make_fields() -> list[Field]:
    """Grids of which some fields are labelled."""
    grids = [field for i in range(MICROGRAPHS) for field in grid_fields(f"m{i}", (SIZE, SIZE), 190.0 + i % 2)]
    return [field for i, field in enumerate(grids) if i % 7]


def asked(candidates: Candidates, strategy: Strategy) -> list[object]:
    fields = query_fields(candidates, make_fields(), strategy, 12, np.random.default_rng(5), per_micrograph=3)
    whole = query_micrographs(candidates, strategy, 5, np.random.default_rng(5))
    said: list[object] = [(one.field, one.utility, one.reason, one.candidates.tolist()) for one in fields]
    said += [None if one.class_number is None else one.class_number.tolist() for one in fields]
    return said + [(one.micrograph, one.utility, one.reason, one.seconds) for one in whole]


@pytest.mark.parametrize("classes", [NO_CLASSES, JUNKY], ids=["two classes", "junk"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_parts_make_the_choice_that_is_made_from_all_at_once(name: str, classes: Classes) -> None:
    pool = make_pool(classes)
    for at_a_time in (1, 4):
        assert asked(InParts(pool, at_a_time), STRATEGIES[name]) == asked(pool, STRATEGIES[name])


@pytest.mark.parametrize("name", ["entropy", "egl", "epig"])
def test_what_a_budget_buys_is_the_same_in_parts(name: str) -> None:
    pool = make_pool()
    whole, parts = (
        buy_micrographs(one, STRATEGIES[name], 400.0, np.random.default_rng(0)) for one in (pool, InParts(pool, 2))
    )
    assert whole == parts
    assert len(whole) > 1


def test_one_part_at_a_time_is_in_memory() -> None:
    parts = InParts(make_pool(), 1)
    query_fields(parts, make_fields(), STRATEGIES["power-entropy"], 5, np.random.default_rng(0))
    assert parts.most_alive <= 2  # the one at work, and the one that takes its place
    query_fields(parts, make_fields(), STRATEGIES["epig"], 5, np.random.default_rng(0))
    assert parts.most_alive == MICROGRAPHS - 1  # what is compared must be there together


def test_scores_that_need_other_candidates_see_only_so_many_micrographs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "MOST_AT_ONCE", 2)
    parts, seen = InParts(make_pool(), 1), set()
    for seed in range(20):
        found = query_fields(parts, make_fields(), STRATEGIES["epig"], 6, np.random.default_rng(seed), exploration=0)
        chosen = {one.field.micrograph for one in found if one.reason == "epig"}
        assert 1 <= len(chosen) <= 2
        seen |= chosen
    assert len(seen) == MICROGRAPHS - 1


def test_a_strategy_of_another_package_sees_all_candidates_at_once_unless_it_says_otherwise() -> None:
    sizes = []

    def rank(pool: CandidatePool, rng: np.random.Generator) -> np.ndarray:
        sizes.append(len(pool))
        return np.arange(len(pool)).astype(float)

    whole = replace(STRATEGIES["score"], acquisition=rank, pointwise=False)
    query_micrographs(InParts(make_pool(), 1), whole, 3, np.random.default_rng(0))
    assert sizes == [600]
    query_micrographs(InParts(make_pool(), 1), replace(whole, pointwise=True), 3, np.random.default_rng(0))
    assert len(sizes) == 1 + MICROGRAPHS - 1
    assert sum(sizes[1:]) == 600


@pytest.mark.parametrize("name", [name for name, one in STRATEGIES.items() if not one.uses_embedding])
def test_what_does_not_use_the_embedding_does_without(name: str) -> None:
    pool = make_pool(JUNKY)
    assert asked(replace(pool, embedding=pool.embedding[:, :0]), STRATEGIES[name]) == asked(pool, STRATEGIES[name])


def naive(pool: CandidatePool, fields: Sequence[Field]) -> list[int]:
    found = []
    for m, (x, y) in zip(pool.micrograph, pool.xy.astype(np.float64), strict=True):
        here = [
            0 <= x - field.x < field.size and 0 <= y - field.y < field.size and field.micrograph == pool.micrographs[m]
            for field in fields
        ]
        found.append(here.index(True) if any(here) else -1)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_the_field_of_a_candidate_is_the_first_that_contains_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    third = 100 / 3
    grid = [Field("m0", i * third, j * third, third) for i in range(9) for j in range(9) if rng.random() < 0.8]
    apart = [Field("m1", *rng.uniform(0, 250, 2), 60.0) for _ in range(12)]  # they overlap
    unlike = [Field("m2", 0.0, 0.0, 50.0), Field("m2", 100.0, 0.0, 80.0), Field("m3", -0.5, -0.5, 320.0)]
    fields = [*grid, *apart, *unlike]
    order = rng.permutation(len(fields))
    fields = [fields[i] for i in order]
    pool = make_pool(n=900)
    on_lines = np.round(rng.uniform(-1, 10, (900, 2))) * third  # many on the line between two fields
    xy = np.where(rng.random((900, 1)) < 0.5, on_lines, rng.uniform(-20, 320, (900, 2))).astype(np.float32)
    pool = replace(pool, xy=xy, micrograph=(pool.micrograph % 5).astype(np.int32))
    assert assign_candidates(pool, fields).tolist() == naive(pool, fields)


def test_fields_by_column_are_those_given_one_by_one() -> None:
    listed = make_fields()
    columns = Fields.of(listed)
    assert Fields.of(columns) is columns
    assert list(columns) == listed
    assert len(columns) == len(listed)
    assert columns[3] == listed[3]
    assert columns[-1] == listed[-1]
    assert list(columns[5:9]) == listed[5:9]
    assert list(columns.select(columns.size > 190.5)) == [field for field in listed if field.size > 190.5]
    assert len(Fields.of([])) == 0
    pool = make_pool()
    left = columns.select(columns.micrograph > 1)  # some micrographs have no field any more
    assert assign_candidates(pool, left).tolist() == assign_candidates(pool, list(left)).tolist()
    assert listed[10] in columns
