"""What complete fields say of the shipped committee."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from cryoal.config import Config, TrainingConfig
from cryoal.data.labels import Field, Label, MicrographLabels
from cryoal.data.micrograph import ScaledMicrograph
from cryoal.learner import held_out
from cryoal.learner.trust import judge_shipped, trust_in, trust_of
from cryoal.model.label_maps import label_maps
from cryoal.model.patches import TrainingImage
from cryoal.model.pretrained import pretrained_calibration
from cryoal.model.scoring import ScoreMaps
from tests.learner.workspaces import label

SHAPE = (100, 200)
PEAKS = [(30, 30), (60, 70), (150, 30), (170, 80)]
CPU = torch.device("cpu")


def test_it_is_bayes_rule_worked_out_by_hand() -> None:
    # As it says 0.9 · 0.9; with one rate r below 0.9 ∫ r² dr / 0.9 = 0.9² / 3. Nothing speaks of overlooked ones.
    odds = 9 / ((0.27 / 0.81 + 1) / 2)  # beforehand nine to one
    assert trust_of([0.9, 0.9], [1, 1]) == pytest.approx(odds / (1 + odds))
    which = 0.8**2 / 3 / (0.9 * 0.7)  # the first and the last with one rate below the 0.8 of their mean
    overlooked = 0.8**2 / 2 / 0.8 / 0.8  # the other with a rate r above 0.2: ∫ (1 - r) dr / 0.8, as it says 0.8
    odds = 9 / ((which + overlooked) / 2)
    assert trust_of([0.9, 0.2, 0.7], [1, 0, 1]) == pytest.approx(odds / (1 + odds))
    assert trust_of([], []) == pytest.approx(0.9)


def test_rejections_of_what_it_is_sure_of_take_it_and_only_beside_particles() -> None:
    assert trust_of([0.9] * 40, [1] * 10 + [0] * 30) < 0.01
    assert trust_of([0.9] * 40, [0] * 40) == pytest.approx(0.9)  # nothing would be left to go by
    one = trust_of([0.9] * 40, [1] + [0] * 39)
    assert one == pytest.approx(1 / (1 + math.exp(2) / 9))  # two nats for one particle
    assert trust_of([0.9] * 10 + [0.1] * 30, [1] * 10 + [0] * 30) > 0.99


def test_knowing_background_is_not_knowing_the_particles() -> None:
    # It finds particles and a decoy for each, and is right about plain background.
    assert trust_of([0.9] * 20 + [0.1] * 60, [1, 0] * 10 + [0] * 60) < 0.01


def test_particles_that_it_misses_take_its_trust_and_truer_ones_than_it_says_do_not() -> None:
    assert trust_of([0.1] * 40, [1] * 20 + [0] * 20) < 0.01
    assert trust_of([0.8] * 60, [1] * 60) > 0.9
    assert trust_of([0.5] * 3000, [1] * 3000) == pytest.approx(18 / 19)  # the other doubt stays as it was


def image(*said: Label | Field, complete: bool = False) -> TrainingImage:
    """An image of 5 × 10 diameters."""
    fields = tuple(one for one in said if isinstance(one, Field))
    loose = tuple(one for one in said if isinstance(one, Label))
    whole = ScaledMicrograph(np.zeros(SHAPE, np.float32), np.ones(SHAPE, bool), (1.0, 1.0), SHAPE)
    maps = label_maps(whole, MicrographLabels(loose, complete, fields), 20, TrainingConfig())
    return TrainingImage.build(whole, maps, np.full(SHAPE, -1, np.int16))


@pytest.fixture
def _four_sure_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    height = np.full(SHAPE, -8.0)
    for px, py in PEAKS:
        height = np.maximum(height, 3.0 - 0.1 * ((x - px) ** 2 + (y - py) ** 2))
    scores = ScoreMaps(np.stack([height] * 2).astype(np.float32), np.zeros((1, 25, 50), np.float32))
    monkeypatch.setattr(held_out, "Committee", lambda members, device: members)
    monkeypatch.setattr(held_out, "score", lambda *_: scores)


def trust(*images: TrainingImage, members: Sequence[object] = ("member",)) -> float:
    work = judge_shipped(members, images, Config(), CPU, 0)  # type: ignore[arg-type]
    while True:
        try:
            next(work)
        except StopIteration as done:
            return trust_in(done.value)


@pytest.mark.usefixtures("_four_sure_candidates")
def test_only_what_is_complete_speaks() -> None:
    sure = pretrained_calibration()([3.0] * 4, 0.0, [min(x, y, 200 - x, 100 - y) / 20 for x, y in PEAKS])
    loose = image(label(30, 30), label(60, 70, "rejected"), label(150, 30, "rejected"))
    assert trust(loose) == pytest.approx(0.9)
    whole = image(label(30, 30, origin="complete"), label(60, 70, "rejected"), complete=True)
    assert trust(loose, whole) == pytest.approx(trust_of(sure, [1, 0, 0, 0]))
    field = image(label(30, 30, origin="complete"), label(170, 80, "rejected"), Field("a", 0, 0, 95))
    assert trust(field) == pytest.approx(trust_of(sure[:2], [1, 0]))
