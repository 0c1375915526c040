"""The real Topaz reads what we write, trains on it, and we read what it writes."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.io import mrc, topaz
from cryoal.io.formats import read_files, read_picks
from cryoal.io.options import ExportOptions, ImportOptions

TOPAZ = os.environ.get("CRYOAL_TOPAZ") or shutil.which("topaz")
pytestmark = [
    pytest.mark.topaz,
    pytest.mark.skipif(not TOPAZ, reason="no Topaz: scripts/topaz_env makes one, CRYOAL_TOPAZ names it"),
]
SHAPE = (180, 240)
STEMS = ("00123", "a.b", "with space")


def run(folder: Path, *command: object) -> str:
    """Run Topaz in a folder; all that it said."""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    told = [str(TOPAZ), *map(str, command)]
    done = subprocess.run(told, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> list[MicrographEntry]:
    folder, rng = tmp_path_factory.mktemp("topaz") / "Micrographs", np.random.default_rng(0)
    made = [MicrographEntry(f"Micrographs/{stem}.mrc", folder / f"{stem}.mrc", 2.0) for stem in STEMS]
    for entry in made:
        mrc.write(entry.path, rng.normal(size=SHAPE).astype(np.float32), 2.0)
    return made


@pytest.fixture(scope="module")
def picks() -> list[Picks]:
    rng = np.random.default_rng(1)
    return [Picks(rng.integers(0, SHAPE[1], n), rng.integers(0, SHAPE[0], n), rng.normal(size=n)) for n in (9, 1, 12)]


@pytest.fixture(scope="module")
def table(entries: list[MicrographEntry], picks: list[Picks]) -> Path:
    """Our table for Topaz, in the folder of the micrographs' folder."""
    out = entries[0].path.parents[1]
    (path,) = topaz.write(list(zip(entries, picks, strict=True)), out, ExportOptions())
    return path


def assert_read(path: Path, entries: list[MicrographEntry], picks: list[Picks], *, scored: bool = True) -> None:
    found = read_picks([path], ImportOptions(entries))
    for entry, expected in zip(entries, picks, strict=True):
        np.testing.assert_array_equal(found[entry.key].xy, expected.xy)
        if scored:
            np.testing.assert_allclose(found[entry.key].score, expected.score, rtol=1e-6)


@pytest.mark.parametrize("target", ["star", "box", "json"])
def test_topaz_converts_our_table_and_we_read_the_result(target, table, entries, picks, tmp_path):
    out = tmp_path / "picks.star" if target == "star" else tmp_path
    run(table.parent, "convert", table, "-o", out, "--to", target, "--boxsize", 20, "--imagedir", "Micrographs")
    assert_read(out, entries, picks, scored=target == "star")


def test_topaz_splits_our_table_and_we_read_the_parts(table, entries, picks, tmp_path):
    run(table.parent, "split", table, "-o", tmp_path)
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(STEMS)
    assert_read(tmp_path, entries, picks)


def test_topaz_thresholds_and_scales_by_our_columns(table, entries, picks, tmp_path):
    out = tmp_path / "thinned.txt"
    run(table.parent, "convert", table, "-o", out, "-t", 0.25, "-x", 2)
    found = read_picks([out], ImportOptions(entries))
    for entry, all_of_it in zip(entries, picks, strict=True):
        kept = all_of_it.select(all_of_it.score >= 0.25)
        np.testing.assert_array_equal(found.get(entry.key, Picks.empty()).xy, 2 * kept.xy)


def test_topaz_trains_on_our_targets_and_we_read_what_it_extracts(table, entries, picks, tmp_path):
    targets = [(entry, Picks(one.x, one.y)) for entry, one in zip(entries, picks, strict=True)]
    (unscored,) = topaz.write(targets, tmp_path, ExportOptions())
    small = ("--model", "conv31", "--units", 8, "--no-pretrained", "--radius", 2, "--minibatch-size", 8)
    log = run(
        table.parent, "train", "-d", -1, "--train-images", "Micrographs", "--train-targets", unscored, *small,
        "--num-particles", 10, "--num-epochs", 1, "--epoch-size", 2, "--save-prefix", tmp_path / "model",
    )  # fmt: skip
    assert "Loaded 3 training micrographs with ~22 labeled particles" in log
    (model,) = tmp_path.glob("model*.sav")
    images = [entry.path for entry in entries]
    run(table.parent, "extract", "-d", -1, "-m", model, "-r", 8, "-t", -100, "-o", tmp_path / "found.txt", *images)
    found = {one.name: one.picks for one in read_files([tmp_path / "found.txt"])}
    assert set(found) == set(STEMS)
    for one in found.values():
        assert len(one) > 20
        assert np.isfinite(one.score).all()
        assert ((one.xy >= 0) & (one.xy < SHAPE[::-1])).all()
