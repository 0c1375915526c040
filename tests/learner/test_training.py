"""Training a round: what it learns from, the prior of unlabelled pixels, and labels of every kind."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cryoal.cli.train import command
from cryoal.config import Config, TrainingConfig
from cryoal.data.labels import Field, MicrographLabels
from cryoal.data.micrograph import ScaledMicrograph
from cryoal.errors import LabelError
from cryoal.learner import training
from cryoal.learner.labelling import LabelImport, import_labels
from cryoal.learner.project import Project
from cryoal.learner.training import RoundTrained, _unlabelled_or_held, _unlabelled_prior, train
from cryoal.model.checkpoint import load_members
from cryoal.model.committee import Committee
from cryoal.model.label_maps import label_maps
from cryoal.model.patches import TrainingImage
from cryoal.model.pretrained import pretrained_members
from cryoal.model.scoring import score
from cryoal.workspace.labelling import count_labels
from cryoal.workspace.rounds import newest_round, published_rounds
from tests.learner.workspaces import CONFIG, label, new_workspace, result_of, say

KEY = "Micrographs/a_01"
CPU = torch.device("cpu")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return new_workspace(tmp_path)


def trained(project: Project) -> RoundTrained:
    done = result_of(train(project, device="cpu"))
    assert isinstance(done, RoundTrained)
    return done


def test_a_round_tells_what_it_learnt_from(project: Project) -> None:
    import_labels(project, LabelImport((project.root / "truth",), complete=True))
    done = trained(project)
    assert (done.number, done.labels["particle"], done.labels["complete micrographs"]) == (1, 105, 6)
    layout = newest_round(project.layout)
    assert json.loads(layout.info.read_text())["labels"] == done.labels
    assert json.loads(layout.metrics.read_text()) == done.metrics
    assert done.metrics["particles"] >= 100
    assert len(list(layout.members.iterdir())) == CONFIG.training.members


@pytest.mark.parametrize(
    "said",
    [
        [label(100, 100)],
        [label(60, 60), label(80, 60, "rejected")],  # all in one quarter: no member may be left with nothing
        [label(60, 60), label(350, 300), label(60, 300), label(350, 60)],
        [label(100, 100, origin="import")],
        [label(100, 100, origin="import"), label(200, 200, "rejected"), label(300, 100, "unsure")],
        [label(100, 100, origin="complete"), Field(KEY, 50, 50, 132)],
        [label(100, 100), label(101, 100, "unsure"), label(300, 300)],
        [label(100, 100, origin="complete"), None],
    ],
)
def test_labels_of_every_kind_can_be_learnt(project: Project, said: list[object]) -> None:
    say(project, KEY, *said)
    done = trained(project)
    assert done.number == 1
    assert done.labels == count_labels(project.labels())


@pytest.mark.parametrize("said", [[], [label(9, 9, "rejected")], [label(9, 9, "unsure")], [None]])
def test_without_a_particle_nothing_can_be_learnt_from_nothing(project: Project, said: list[object]) -> None:
    say(project, KEY, *said)
    with pytest.raises(LabelError, match="no particle is labelled"):
        result_of(train(project))
    assert published_rounds(project.layout) == []


FROM_SHIPPED = Config(training=TrainingConfig(members=2, min_fine_steps=10, max_steps=10))


@pytest.mark.parametrize(
    "said",
    [
        [label(100, 100, "rejected")],
        [label(100, 100, "rejected"), label(300, 300, "rejected")],
        [Field(KEY, 50, 50, 132)],
        [label(100, 100)],
        [label(100, 100, origin="import")],
    ],
)
def test_the_shipped_committee_learns_from_the_first_answer_of_any_kind(tmp_path: Path, said: list[object]) -> None:
    project = new_workspace(tmp_path, FROM_SHIPPED)
    say(project, KEY, *said)
    trained(project)
    layout = newest_round(project.layout)
    trust = json.loads(layout.info.read_text())["details"]["trust"]
    assert trust == pytest.approx(0.9, abs=0.05)  # few labels say little
    shipped = pretrained_members(project.config.network)[:2]
    scaled = project.read_scaled(project.entries[1])
    before, after = (
        score(Committee(some, CPU), scaled, 4096).logits for some in (shipped, load_members(layout.members))
    )
    assert np.abs(after - before).mean() < 0.5  # a label elsewhere changes little here
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.95


@pytest.mark.parametrize(("number", "is_held"), [(2, True), (4, False)])
def test_what_is_unlabelled_is_held_with_few_imported_particles(tmp_path: Path, number: int, is_held: bool) -> None:
    config = replace(FROM_SHIPPED, training=replace(FROM_SHIPPED.training, min_imported_particles=3))
    project = new_workspace(tmp_path, config)
    marks = MicrographLabels(tuple(label(60.0 * (i + 1), 100, origin="import") for i in range(number)))
    maps = [label_maps(project.read_scaled(project.entries[0]), marks, 20, config.training)]
    assert maps[0].unlabelled.any()
    assert _unlabelled_or_held(project, maps)[0].unlabelled.any() != is_held


@pytest.mark.parametrize("said", [[], [label(9, 9, "unsure")]])
def test_nothing_can_be_learnt_from_no_verdict(tmp_path: Path, said: list[object]) -> None:
    project = new_workspace(tmp_path, FROM_SHIPPED)
    say(project, KEY, *said)
    with pytest.raises(LabelError, match="no particle is labelled"):
        result_of(train(project))


def test_a_training_that_is_closed_releases_its_lock(project: Project) -> None:
    say(project, KEY, label(100, 100))
    work = train(project, device="cpu")
    for report in work:
        if getattr(report, "stage", "") == "training":
            break
    assert project.layout.rounds_lock.exists()
    work.close()  # type: ignore[attr-defined]
    assert not project.layout.rounds_lock.exists()
    assert published_rounds(project.layout) == []
    trained(project)


def image(*said: object, complete: bool = False) -> TrainingImage:
    """A scaled image of 100 × 200 pixels, 50 square diameters, with labels in pixels of the same scale."""
    from cryoal.data.labels import MicrographLabels

    whole = ScaledMicrograph(np.zeros((100, 200), np.float32), np.ones((100, 200), bool), (1.0, 1.0), (100, 200))
    maps = label_maps(whole, MicrographLabels(tuple(said), complete), 20, TrainingConfig())
    return TrainingImage.build(whole, maps, np.full((100, 200), -1, np.int16))


def test_the_prior_of_unlabelled_pixels() -> None:
    config = TrainingConfig(particles_per_diameter2=0.4, target_sigma_diameters=0.1, answer_radius_diameters=0.3)
    few = image(label(50, 50, origin="import"), label(150, 50, origin="import"))
    area = few.maps.unlabelled.sum() / 400
    assert area == pytest.approx(50 - 2 * math.pi * 0.3**2, rel=0.01)
    gaussian = 2 * math.pi * 0.1**2
    assert _unlabelled_prior([few], 400, config) == pytest.approx((0.4 * area - 2) / area * gaussian)
    complete = image(label(50, 50, origin="complete"), complete=True)
    assert _unlabelled_prior([few, complete], 400, config) == pytest.approx(_unlabelled_prior([few], 400, config))
    assert _unlabelled_prior([complete], 400, config) == 0


def test_the_prior_of_a_crowded_import_stays_above_nothing() -> None:
    config = TrainingConfig(particles_per_diameter2=0.4)
    crowded = image(*(label(x, y, origin="import") for x in range(10, 200, 12) for y in range(10, 100, 12)))
    marked, area = len(crowded.maps.particles), crowded.maps.unlabelled.sum() / 400
    assert marked > 0.4 * area
    assert _unlabelled_prior([crowded], 400, config) == pytest.approx(0.05 * marked / area * 2 * math.pi * 0.01)


def test_dropout_members_share_one_network(tmp_path: Path) -> None:
    config = Config(network=CONFIG.network, training=TrainingConfig(3, "dropout", 20, 20, crop_diameters=3.0))
    project = new_workspace(tmp_path, config)
    import_labels(project, LabelImport((project.root / "truth",), complete=True))
    done = trained(project)
    assert done.metrics["particles"] > 0
    assert len(list(newest_round(project.layout).members.iterdir())) == 3


@pytest.mark.parametrize(("trust", "is_said"), [(0.05, True), (0.5, False), (0.0, False)])
def test_what_it_is_trusted_is_kept_and_told_where_it_is_little(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    trust: float,
    is_said: bool,
) -> None:
    project = new_workspace(tmp_path, FROM_SHIPPED if trust else CONFIG)
    say(project, KEY, label(100, 100, origin="complete"), Field(KEY, 50, 50, 132))
    monkeypatch.setattr(training, "trust_in", lambda judged: trust)
    done = trained(project)
    assert done.trust == trust == json.loads(newest_round(project.layout).info.read_text())["details"]["trust"]
    monkeypatch.setattr(training, "train", lambda *_: iter([done]))
    command(project.layout.root)
    assert ("your labels overrule it" in capsys.readouterr().out) == is_said
