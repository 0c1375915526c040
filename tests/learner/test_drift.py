"""Drift of the embedding from round to round."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cryoal.config import Config, NetworkConfig
from cryoal.data.micrograph import ScaledMicrograph
from cryoal.learner.drift import embedding_alignment
from cryoal.model.checkpoint import save_members
from cryoal.model.committee import Member
from cryoal.model.label_maps import LabelMaps
from cryoal.model.network import PickerNetwork
from cryoal.model.patches import TrainingImage
from cryoal.workspace.layout import RoundLayout

CPU = torch.device("cpu")


def member(seed: int) -> Member:
    torch.manual_seed(seed)
    return Member(PickerNetwork(NetworkConfig(8, 16, (1,))))


def image(seed: int) -> TrainingImage:
    pixels = np.random.default_rng(seed).normal(size=(120, 160)).astype(np.float32)
    known = np.ones(pixels.shape, bool)
    maps = LabelMaps(np.zeros_like(pixels), known, ~known, known, known, np.array([[30.0, 40.0]]))
    scaled = ScaledMicrograph(pixels, known, (1.0, 1.0), pixels.shape)
    return TrainingImage.build(scaled, maps, np.zeros(pixels.shape, np.int16))


def test_drift_is_none_for_the_same_network_and_large_for_another(tmp_path: Path) -> None:
    earlier = RoundLayout(tmp_path, 1)
    save_members([member(0)], earlier.members)
    images = [image(seed) for seed in range(7)]
    same = embedding_alignment(earlier, [member(0), member(5)], images, Config(), CPU)
    other = embedding_alignment(earlier, [member(1)], images, Config(), CPU)
    assert same == pytest.approx(1)
    assert other is not None
    assert 0 < other < 0.98


def test_an_embedding_that_is_the_same_everywhere_has_no_alignment(tmp_path: Path) -> None:
    earlier = RoundLayout(tmp_path, 1)
    save_members([member(0)], earlier.members)
    flat = image(0)
    flat.scaled.pixels[:] = 0
    dead = member(1)
    torch.nn.init.zeros_(dead.network.up.conv.weight)
    assert embedding_alignment(earlier, [dead], [flat], Config(), CPU) is None
