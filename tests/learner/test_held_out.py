"""Judging on held-out labels, against a case worked out by hand."""

from collections.abc import Generator

import numpy as np
import pytest
import torch

from cryoal.config import Config
from cryoal.data.labels import Field
from cryoal.data.micrograph import ScaledMicrograph
from cryoal.learner import held_out
from cryoal.learner.centring import Centring
from cryoal.learner.held_out import HeldOut, judge_held_out
from cryoal.learner.progress import Progress, last_value
from cryoal.model.calibration import Calibration
from cryoal.model.label_maps import LabelMaps
from cryoal.model.patches import TrainingImage
from cryoal.model.scoring import ScoreMaps

SHAPE = (100, 200)
PEAKS = {  # scaled (x, y): height; a diameter is 20 pixels, so a particle is matched within 6
    (30, 30): 3.0,  # on a particle, inside
    (60, 33): 1.0,  # 5 from a particle
    (60, 70): 2.0,  # no particle
    (97, 50): 0.5,  # inside; its particle at (101, 50) lies just outside the judged region
    (150, 50): 4.0,  # outside
}
PARTICLES = [(30, 30), (60, 38), (20, 80), (101, 50), (150, 50)]
UNIT = Calibration("identity", 1.0, 0.0, "", 0, 0)


def image(fold_of_left: int) -> TrainingImage:
    """An image whose left half is judged and in a fold."""
    left = np.zeros(SHAPE, bool)
    left[:, :100] = True
    maps = LabelMaps(np.zeros(SHAPE, np.float32), left, ~left, left, left, np.array(PARTICLES, float))
    to_the_right = np.tile(np.arange(SHAPE[1], dtype=np.float32) / 100, (SHAPE[0], 1))
    whole = ScaledMicrograph(np.zeros(SHAPE, np.float32), np.ones(SHAPE, bool), (1.0, 1.0), SHAPE, to_the_right)
    return TrainingImage.build(whole, maps, np.where(left, fold_of_left, -1).astype(np.int16))


@pytest.fixture(autouse=True)
def _hand_made_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two members, that differ by one around the same mean."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    mean = np.full(SHAPE, -8.0)
    for (px, py), height in PEAKS.items():
        mean = np.maximum(mean, height - 0.1 * ((x - px) ** 2 + (y - py) ** 2))
    logits = np.stack([mean - 0.5, mean + 0.5]).astype(np.float32)
    monkeypatch.setattr(held_out, "Committee", lambda members, device: members)
    monkeypatch.setattr(held_out, "score", lambda *_: ScoreMaps(logits, np.zeros((1, 50, 100), np.float32)))


def judged(images: list[TrainingImage], folds: dict[int, list[object]]) -> HeldOut:
    """The judgement, without its progress."""
    return finished(judge_held_out(images, folds, Config(), torch.device("cpu")))  # type: ignore[arg-type]


def finished(work: Generator[Progress, None, HeldOut]) -> HeldOut:
    """Drive it to its end."""
    reports = []
    while True:
        try:
            reports.append(next(work))
        except StopIteration as stop:
            assert reports[-1].done == reports[-1].total
            return stop.value


def test_candidates_inside_are_judged_and_missed_particles_counted() -> None:
    found = judged([image(0)], {0: ["member"], 1: ["other"]})
    order = np.argsort(-found.logit)
    assert found.logit[order] == pytest.approx([3, 2, 1, 0.5], abs=1e-4)
    assert found.is_particle[order].tolist() == [1, 0, 1, 1]
    assert found.n_particles == 4  # three inside, one of them missed, and the one just outside that was found
    assert sorted(np.linalg.norm(found.offset_diameters, axis=1)) == pytest.approx([0, 0.2, 0.25], abs=0.01)
    assert found.unit.tolist() == [0] * 4


def test_the_figures_are_those_of_the_hand() -> None:
    metrics = judged([image(0)], {0: ["member"]}).metrics(UNIT, Centring())
    assert metrics["candidates"] == 4
    assert metrics["particles"] == 4
    # in order of score: precision 1, 1/2, 2/3, 3/4 at recall 1/4, 1/4, 2/4, 3/4
    assert metrics["average_precision"] == pytest.approx((1 + 2 / 3 + 3 / 4) / 4, abs=1e-3)
    assert metrics["best_f1"] == pytest.approx(0.75)
    assert metrics["best_f1_probability"] == pytest.approx(1 / (1 + np.exp(-0.5)), abs=1e-3)
    assert metrics["median_error_diameters"] == pytest.approx(0.2, abs=0.01)


def test_a_part_that_every_member_learnt_from_is_not_judged() -> None:
    found = judged([image(2)], {0: ["member"], 1: ["other"], 2: []})
    assert found.logit.size == 0
    assert found.metrics(UNIT, Centring()) == {}
    assert judged([image(-1)], {0: ["member"]}).logit.size == 0


def test_each_part_is_judged_by_its_own_fold_alone() -> None:
    whole = image(0)
    folds = whole.folds.copy()
    folds[50:] = np.where(folds[50:] == 0, 3, -1)
    parted = TrainingImage.build(whole.scaled, whole.maps, folds)
    upper = judged([parted], {0: ["member"]})
    assert sorted(upper.logit) == pytest.approx([1, 3], abs=1e-4)
    assert upper.n_particles == 2
    both = judged([parted], {0: ["member"], 3: ["other"]})
    assert sorted(both.logit) == pytest.approx([0.5, 1, 2, 3], abs=1e-4)
    assert both.n_particles == 4


def test_images_are_the_units_that_stay_together() -> None:
    found = judged([image(0), image(-1), image(1)], {0: ["member"], 1: ["other"]})
    assert found.unit.tolist() == [0] * 4 + [2] * 4


def test_last_value_returns_the_result() -> None:
    def work() -> object:
        yield Progress("a", 0, 1)
        yield "result"

    driven = last_value(work())  # type: ignore[arg-type]
    assert next(driven) == Progress("a", 0, 1)
    with pytest.raises(StopIteration) as stop:
        next(driven)
    assert stop.value.value == "result"


def test_random_fields_are_audited() -> None:
    left, right = Field("m", 0, 0, 100), Field("m", 100, 0, 100)
    folds = {0: ["member"], 1: ["other"]}
    work = judge_held_out([image(0)], folds, Config(), torch.device("cpu"), [{left, right}])  # type: ignore[arg-type, dict-item]
    (audited,) = finished(work).audited  # the right half was learnt from
    assert audited.field == left
    logit, around, edge = audited.candidates.T
    order = np.argsort(-logit)
    assert logit[order] == pytest.approx([3, 2, 1, 0.5], abs=1e-4)
    assert around[order] == pytest.approx([0.30, 0.60, 0.60, 0.97])
    assert edge[order] == pytest.approx([30.5 / 20, 29.5 / 20, 33.5 / 20, 49.5 / 20])
    assert audited.is_particle[order].tolist() == [True, False, True, True]
    assert np.sort(audited.particles[:, 0]) == pytest.approx([-np.inf, 1, 3], abs=1e-4)
    at_the_edge = Field("m", 29.5, 29.5, 100)  # that at (30, 30) lies at its rim
    work = judge_held_out([image(0)], folds, Config(), torch.device("cpu"), [{at_the_edge}])  # type: ignore[arg-type, dict-item]
    assert sorted(finished(work).audited[0].candidates[:, 0]) == pytest.approx([0.5, 1, 2], abs=1e-4)
    narrow = Field("m", 0, 0, 98.5)  # the candidate at 97 lies at its rim
    work = judge_held_out([image(0)], folds, Config(), torch.device("cpu"), [{narrow}])  # type: ignore[arg-type, dict-item]
    assert sorted(finished(work).audited[0].candidates[:, 0]) == pytest.approx([1, 2, 3], abs=1e-4)


def test_what_surroundings_say_becomes_part_of_the_calibration() -> None:
    found = judged([image(0)], {0: ["member"]})
    assert found.surroundings == pytest.approx(found.surroundings.round(2))
    moved = found.calibration(UNIT)
    assert moved.surroundings != 0
    assert (moved.slope, moved.intercept) == pytest.approx((1.0, 0.0), abs=0.3)
    from_nothing = found.calibration(None)  # too few labels to calibrate from nothing
    assert "not calibrated" in from_nothing.note
    metrics = found.metrics(Calibration(surroundings=-2.0), Centring())
    assert metrics["best_f1_probability"] == pytest.approx(1 / (1 + np.exp(2 * 0.97 - 0.5)), abs=1e-3)
