"""Pretraining on simulated micrographs: what it writes is what the package loads."""

import json
from pathlib import Path

import pytest
import torch

from cryoal.config import Config, NetworkConfig
from cryoal.errors import DeviceError
from cryoal.model.calibration import Calibration
from cryoal.model.checkpoint import load_members
from cryoal.model.committee import Member
from cryoal.simulation.pretraining import Course, pretrain

CONFIG = Config(network=NetworkConfig(8, 8, (1,)))


def pretrained(folder: Path, seed: int) -> list[Member]:
    """A committee of two small networks, one of them trained for longer and on more."""
    folder.mkdir()
    *reports, members = pretrain(folder, [Course(2, 10, 1), Course(4, 20, 2)], seed, CONFIG, workers=1)
    assert {report.stage for report in reports} >= {"simulating", "training"}  # type: ignore[union-attr]
    return members  # type: ignore[return-value]


def test_what_is_written_is_what_was_trained_and_a_seed_gives_the_same(tmp_path: Path) -> None:
    trained = [pretrained(tmp_path / name, seed) for name, seed in (("one", 1), ("again", 1), ("other", 2))]
    weights = [[one.network.state_dict()["head.weight"] for one in members] for members in trained]
    for one, again, other in zip(*weights, strict=True):
        assert torch.equal(one, again)
        assert not torch.equal(one, other)
    assert not torch.equal(*weights[0])
    loaded = load_members(tmp_path / "one")
    assert [one.prior_shift_logit for one in loaded] == pytest.approx([one.prior_shift_logit for one in trained[0]])
    assert torch.equal(loaded[1].network.state_dict()["head.weight"], weights[0][1])
    Calibration.from_dict(json.loads((tmp_path / "one" / "calibration.json").read_text()))


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="cuda:99"):
        next(pretrain(tmp_path, [Course(1, 1, 1)], 1, CONFIG, device="cuda:99"))
