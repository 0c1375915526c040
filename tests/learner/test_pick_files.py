"""Files of picks: read as they were written, and where somebody changed them as RELION's."""

from pathlib import Path

import numpy as np
import pytest

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import FileFormatError
from cryoal.io.relion import read as read_relion
from cryoal.learner import pick_files
from cryoal.learner.pick_files import picked_keys, read_picks_files, write_picks_files

KEYS = ("Micrographs/a", "Micrographs/deep/b", "c")
ENTRIES = [MicrographEntry(f"{key}.mrc", Path(f"{key}.mrc")) for key in ("d", *KEYS)]


def picks_of(n: int) -> Picks:
    rng = np.random.default_rng(n)
    x, y = rng.uniform(0, 4096, (2, n)).astype(np.float32).astype(np.float64)
    return Picks(x, y, rng.random(n), rng.integers(0, 3, n))


def same(one: Picks, other: Picks) -> None:
    for name in ("x", "y", "score", "class_number"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_picks_files(tmp_path, KEYS, [picks_of(200), picks_of(0), picks_of(1)])
    return tmp_path


def test_what_is_written_is_read_in_the_lists_order(folder: Path) -> None:
    assert picked_keys(folder) == set(KEYS)
    read = read_picks_files(folder, ENTRIES)
    assert [entry.key for entry, _ in read] == list(KEYS)
    for (_, picks), n in zip(read, (200, 0, 1), strict=True):
        same(picks, picks_of(n))


def test_the_quick_way_reads_what_relions_reader_reads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = read_picks_files(folder, ENTRIES)
    slow = [next(iter(read_relion(folder / f"{key}.star").values())) for key in KEYS]
    for (_, one), other in zip(quick, slow, strict=True):
        same(one, other)
    monkeypatch.setattr(pick_files, "read_relion", None)  # it is not called for what is as it was written
    assert len(read_picks_files(folder, ENTRIES)) == 3


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("_rlnCoordinateX #1", "_rlnCoordinateX", None),
        ("data_\n", "data_picks\n", None),
        (" 0\n", " 0  # seen\n", None),
        (" 0\n", "\n", "3 values instead of 4"),
        (" 0\n", " x\n", "not a finite number"),
        (" 0\n", " nan\n", "not a finite number"),
    ],
)
def test_a_changed_file_is_read_as_relions(folder: Path, old: str, new: str, said: str | None) -> None:
    path = folder / "c.star"
    path.write_text(path.read_text().replace(" 1\n", " 0\n").replace(" 2\n", " 0\n"))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    if said is None:
        same(read_picks_files(folder, ENTRIES[-1:])[0][1], Picks(picks_of(1).x, picks_of(1).y, picks_of(1).score))
    else:
        with pytest.raises(FileFormatError, match=said):
            read_picks_files(folder, ENTRIES[-1:])
