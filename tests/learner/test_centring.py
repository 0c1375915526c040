"""The constant offset between labels and picks."""

from pathlib import Path

import numpy as np
import pytest

from cryoal.errors import FileFormatError
from cryoal.learner.centring import Centring, estimate_centring, read_centring


def offsets(mean: tuple[float, float], n: int, sigma: float = 0.05, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, sigma, (n, 2))


def test_a_shared_offset_is_found() -> None:
    found = estimate_centring(offsets((0.03, -0.04), 500))
    assert found.offset_diameters == pytest.approx([0.03, -0.04], abs=0.01)
    assert f"({found.x_diameters:+.3f}, {found.y_diameters:+.3f})" in found.note


def test_an_offset_along_one_axis_leaves_the_other_alone() -> None:
    found = estimate_centring(offsets((0.05, 0.0), 400, seed=1))
    assert found.x_diameters == pytest.approx(0.05, abs=0.01)
    assert found.y_diameters == 0.0


def test_noise_gives_none_but_for_one_time_in_a_hundred() -> None:
    found = [estimate_centring(offsets((0, 0), 200, seed=seed)) for seed in range(300)]
    assert sum(bool(one.note) for one in found) <= 6


def test_few_pairs_give_none() -> None:
    assert not estimate_centring(offsets((0.2, 0.2), 29)).note
    assert not estimate_centring(np.empty((0, 2))).note


def test_the_file_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "centring.json"
    one = Centring(0.03, -0.0125, 77)
    path.write_text(one.to_json(), encoding="utf-8")
    assert read_centring(path) == one
    for text in ("", "{}", '{"x_diameters": "a"}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(FileFormatError, match=r"centring\.json"):
            read_centring(path)
