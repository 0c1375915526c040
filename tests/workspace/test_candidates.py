from pathlib import Path

import numpy as np
import pytest

from cryoal.data.candidates import CandidatePool
from cryoal.data.classes import NO_CLASSES, Classes
from cryoal.errors import ArrayError, FileError, FileFormatError
from cryoal.io.durable import temporary_sibling
from cryoal.model.class_calibration import ClassCalibration
from cryoal.workspace import candidates
from cryoal.workspace.candidates import (
    RoundPool,
    ScoredMicrograph,
    is_scored,
    read_candidates,
    read_pool,
    scored_keys,
    write_candidates,
)
from cryoal.workspace.layout import RoundLayout

KEY = "Micrographs/a.b"


def scored(n: int, k: int = 5, d: int = 16, seed: int = 0, classes: Classes = NO_CLASSES) -> ScoredMicrograph:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (k, n, classes.n_logits)).astype(np.float32)
    return ScoredMicrograph(
        rng.uniform(0, 4096, (n, 2)).astype(np.float32),
        rng.random((k, n), np.float32),
        rng.random(n, np.float32),
        rng.normal(size=(n, d)).astype(np.float16),
        classes,
        ClassCalibration()(logits, classes).astype(np.float32),
    )


@pytest.mark.parametrize(("n", "k", "d"), [(300, 5, 64), (0, 5, 64), (3, 1, 0), (2, 12, 1), (0, 0, 0)])
def test_what_is_written_is_read(tmp_path: Path, n: int, k: int, d: int) -> None:
    layout, written = RoundLayout(tmp_path, 1), scored(n, k, d)
    assert not is_scored(layout, KEY)
    write_candidates(layout, KEY, written)
    assert is_scored(layout, KEY)
    assert layout.candidates(KEY) == tmp_path / "candidates" / "Micrographs" / "a.b.parquet"
    read = read_candidates(layout, KEY)
    for name in ("xy", "member_probability", "probability", "embedding"):
        one, other = getattr(written, name), getattr(read, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_the_pool_joins_micrographs_in_order(tmp_path: Path) -> None:
    layout = RoundLayout(tmp_path, 1)
    parts = {"a": scored(3, seed=1), "b": scored(0), "c": scored(2, seed=2)}
    for key, part in parts.items():
        write_candidates(layout, key, part)
    pool = read_pool(layout, ["c", "b", "a"])
    assert pool.micrographs == ("c", "b", "a")
    assert pool.micrograph.tolist() == [0, 0, 2, 2, 2]
    np.testing.assert_array_equal(pool.xy, np.concatenate([parts["c"].xy, parts["a"].xy]))
    np.testing.assert_array_equal(pool.probability[:, 2:, 1], parts["a"].member_probability)
    np.testing.assert_allclose(pool.probability.sum(axis=2), 1, rtol=1e-6)
    assert (pool.embedding.shape, pool.embedding.dtype) == ((5, 16), np.float32)
    assert len(read_pool(layout, [])) == 0


def test_a_round_is_read_some_micrographs_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "_MICROGRAPHS_AT_A_TIME", 2)
    layout = RoundLayout(tmp_path, 1)
    keys = ["a", "folder/b", "c", "d", "e", "f", "g"]
    for seed, key in enumerate(keys):
        write_candidates(layout, key, scored(seed, 3, 4, seed=seed, classes=Classes((1, 2))))
    whole, pool = read_pool(layout, keys), RoundPool(layout, keys)
    assert (pool.micrographs, pool.classes, pool.is_empty) == (whole.micrographs, whole.classes, False)
    parts = list(pool.parts())
    assert [part.micrographs for part in parts] == [("a", "folder/b"), ("c", "d"), ("e", "f"), ("g",)]
    joined = CandidatePool.joined(parts)
    for name in ("micrographs", "micrograph", "xy", "probability", "embedding"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))
    some, same = CandidatePool.joined(pool.on([5, 2]).parts()), whole.on([5, 2])
    assert some.micrographs == same.micrographs == ("f", "c")
    assert np.bincount(some.micrograph).tolist() == np.bincount(same.micrograph).tolist() == [5, 2]
    assert pool.on([0]).is_empty
    assert [len(part) for part in pool.on([]).parts()] == [0]


def test_a_missing_file_ends_the_reading_of_a_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "_MICROGRAPHS_AT_A_TIME", 1)
    layout = RoundLayout(tmp_path, 1)
    for key in "ab":
        write_candidates(layout, key, scored(3))
    with pytest.raises(FileError, match="gone is not scored"):
        list(RoundPool(layout, ["a", "gone", "b"]).parts())


def test_a_file_of_another_committee_is_named(tmp_path: Path) -> None:
    layout = RoundLayout(tmp_path, 1)
    write_candidates(layout, "a", scored(3, 5))
    write_candidates(layout, "b", scored(3, 4))
    with pytest.raises(FileFormatError, match=r"b.parquet: broken \(its columns are not those of a\)"):
        read_pool(layout, ["a", "b"])


def test_what_is_scored_is_listed(tmp_path: Path) -> None:
    layout = RoundLayout(tmp_path, 1)
    assert scored_keys(layout) == set()
    keys = {"a", "Micrographs/a.b", "deep/er/c", ".hidden"}
    for key in keys:
        write_candidates(layout, key, scored(1))
    temporary_sibling(layout.candidates("Micrographs/d")).write_text("half")
    (layout.candidates_folder / "note.txt").write_text("")
    assert scored_keys(layout) == keys


def test_the_embedding_may_be_left_out(tmp_path: Path) -> None:
    layout, written = RoundLayout(tmp_path, 1), scored(5, classes=Classes((1, 2)))
    write_candidates(layout, "a", written)
    read = read_candidates(layout, "a", embedding=False)
    assert read.embedding.shape == (5, 0)
    np.testing.assert_array_equal(read.xy, written.xy)
    np.testing.assert_array_equal(read.class_number, written.class_number)
    (part,) = RoundPool(layout, ["a"], embedding=False).on([0]).parts()
    assert part.embedding.shape == (5, 0)
    np.testing.assert_array_equal(part.probability, read_pool(layout, ["a"]).probability)


@pytest.mark.parametrize("damage", [b"", b"junk", b"PAR1" * 20])
def test_a_broken_file_is_named(tmp_path: Path, damage: bytes) -> None:
    layout = RoundLayout(tmp_path, 1)
    layout.candidates("a").parent.mkdir()
    layout.candidates("a").write_bytes(damage)
    with pytest.raises(FileFormatError, match="delete it and run cryoal score") as raised:
        read_candidates(layout, "a")
    assert str(layout.candidates("a")) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    layout = RoundLayout(tmp_path, 1)
    write_candidates(layout, "a", scored(10))
    whole = layout.candidates("a").read_bytes()
    for size in range(0, len(whole), 97):
        layout.candidates("a").write_bytes(whole[:size])
        with pytest.raises(FileFormatError):
            read_candidates(layout, "a")


def test_a_table_of_another_kind_and_a_missing_one_are_named(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    layout = RoundLayout(tmp_path, 3)
    layout.candidates("a").parent.mkdir()
    pq.write_table(pa.table({"x": [1.0]}), layout.candidates("a"))
    with pytest.raises(FileFormatError, match="broken"):
        read_candidates(layout, "a")
    with pytest.raises(FileError, match="b is not scored in round 3; run cryoal score"):
        read_candidates(layout, "b")


def test_shapes_that_do_not_fit_are_refused() -> None:
    good = scored(3)
    with pytest.raises(ArrayError, match=r"must be \(N, 2\)"):
        ScoredMicrograph(good.xy[:2], good.member_probability, good.probability, good.embedding)


@pytest.mark.parametrize("classes", [Classes((2, 11)), Classes((), (3,)), Classes((1, 2, 3), (1, 2))])
@pytest.mark.parametrize("n", [0, 7])
def test_class_probabilities_come_back_and_fill_the_pool(tmp_path: Path, classes: Classes, n: int) -> None:
    layout, written = RoundLayout(tmp_path, 1), scored(n, 12, 4, classes=classes)
    write_candidates(layout, "a", written)
    write_candidates(layout, "b", scored(3, 12, 4, seed=1, classes=classes))
    read = read_candidates(layout, "a")
    assert read.classes == classes
    np.testing.assert_array_equal(read.member_conditional, written.member_conditional)
    np.testing.assert_array_equal(read.member_probability, written.member_probability)
    pool = read_pool(layout, ["a", "b"])
    assert (pool.classes, pool.n_particle_classes) == (classes, classes.n_particles)
    assert pool.probability.shape == (12, n + 3, classes.n_classes)
    particles = pool.probability[:, :n, 1 : 1 + classes.n_particles].sum(axis=2)
    np.testing.assert_allclose(particles, written.member_probability, atol=1e-6)
    assert pool.select(np.array([0, 2])).classes == classes


def test_the_class_number_is_that_of_the_largest_mean() -> None:
    one = scored(50, classes=Classes((4, 9), (1,)))
    wanted = np.where(one.member_conditional[..., 0].sum(0) >= one.member_conditional[..., 1].sum(0), 4, 9)
    assert one.class_number.tolist() == wanted.tolist()
    assert set(one.class_number) == {4, 9}
    assert scored(3, classes=Classes((), (1,))).class_number.tolist() == [0, 0, 0]


def test_class_probabilities_that_do_not_fit_are_refused() -> None:
    good = scored(3, classes=Classes((1, 2)))
    parts = (good.xy, good.member_probability, good.probability, good.embedding)
    with pytest.raises(ArrayError, match="L = 3"):
        ScoredMicrograph(*parts, Classes((1, 2, 3)), good.member_conditional)
