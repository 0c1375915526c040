"""What only a real GPU can show: streams, pinned memory, float16, too little memory, training; against the CPU."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from cryoal.config import Config, TrainingConfig
from cryoal.data.labels import MicrographLabels
from cryoal.learner.pipeline import Pipeline
from cryoal.learner.pretrained import publish_pretrained
from cryoal.learner.project import Project
from cryoal.learner.scorer import Scorer, SmallerTilesWarning
from cryoal.learner.scoring import ScoreOptions, score
from cryoal.learner.training import train
from cryoal.model.training import MemberTask, TrainingProgress, train_members
from cryoal.preprocess.on_device import as_tensor, prepare_on_device
from cryoal.workspace.candidates import ScoredMicrograph, read_candidates
from cryoal.workspace.layout import RoundLayout
from cryoal.workspace.rounds import newest_round
from tests.learner.workspaces import label as answer
from tests.learner.workspaces import new_workspace, result_of, say
from tests.model.simulated import SIZE, SMALL, blobs, particles, training_image

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
TRAINING = TrainingConfig(batch=4, crop_diameters=3.0)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A workspace with the shipped committee."""
    made = new_workspace(tmp_path_factory.mktemp("cuda"), Config())
    publish_pretrained(made)
    return made


def by_cpu(project: Project) -> list[ScoredMicrograph]:
    scorer = Scorer.load(newest_round(project.layout), project.config, CPU)
    return [scorer(project.read_scaled(entry)) for entry in project.entries]


def assert_alike(expected: ScoredMicrograph, found: ScoredMicrograph) -> None:
    """Nearly all candidates are there, where they were, and as probable."""
    distance, index = cKDTree(found.xy).query(expected.xy)
    near = distance < 1.0
    assert near.mean() > 0.97
    assert abs(len(found) - len(expected)) <= 0.03 * len(expected)
    off = np.abs(found.member_probability[:, index[near]] - expected.member_probability[:, near])
    assert np.quantile(off, 0.999) < 0.03
    assert off.max() < 0.1


def test_scaling_is_that_of_the_cpu(project: Project) -> None:
    pixels = as_tensor(np.random.default_rng(0).normal(60, 15, (2048, 1900)).astype(np.int16))
    config = project.config.preprocess
    here, there = (prepare_on_device(pixels.to(device), 108.0, config) for device in (CPU, CUDA))
    assert torch.equal(there.valid.cpu(), here.valid)
    assert torch.allclose(there.pixels.cpu(), here.pixels, atol=2e-3)
    assert torch.allclose(there.surroundings.cpu(), here.surroundings, atol=2e-3)


def test_streams_and_pinned_memory_give_the_cpu_s_candidates(project: Project, tmp_path: Path) -> None:
    expected = by_cpu(project)
    scorers = Scorer.load_all(newest_round(project.layout), project.config, [CUDA])
    assert scorers[0].dtype is torch.float16
    layout = RoundLayout(tmp_path / "round", 1)
    entries = list(project.entries) * 5
    with Pipeline(project, layout, scorers, entries, readers=3) as pipeline:
        counts = [found.result() for _, found in pipeline]
    assert counts == counts[: len(project.entries)] * 5  # one stream does not disturb another
    for entry, one in zip(project.entries, expected, strict=True):
        assert_alike(one, read_candidates(layout, entry.key))


def test_too_little_memory_makes_smaller_tiles(project: Project) -> None:
    size, config = 20 * 64, project.config
    scaled = prepare_on_device(
        as_tensor(np.random.default_rng(1).normal(60, 15, (size, size)).astype(np.int16)), 20.0, config.preprocess
    )
    layout = newest_round(project.layout)
    expected = Scorer.load(layout, config, CPU)(scaled)
    scorer = Scorer.load(layout, config, CUDA)
    torch.cuda.empty_cache()
    taken = torch.cuda.memory_reserved() + 96 * 2**20
    torch.cuda.set_per_process_memory_fraction(taken / torch.cuda.get_device_properties(0).total_memory)
    try:
        with pytest.warns(SmallerTilesWarning, match="too little memory"):
            found = scorer(scaled)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert_alike(expected, found)


def test_training_learns_what_it_learns_on_a_cpu() -> None:
    scaled, xy = blobs((240, 240), 20, seed=0)
    image = training_image(scaled, MicrographLabels(particles(xy), complete=True))
    losses = {}
    for device in (CPU, CUDA):
        *reports, members = train_members([MemberTask([image], None, 60, 1)], SIZE, SMALL, TRAINING, device)
        losses[device] = [one.loss for one in reports if isinstance(one, TrainingProgress) and np.isfinite(one.loss)]
        assert isinstance(members, list)
        assert all(value.device == CPU and value.isfinite().all() for value in members[0].network.state_dict().values())
    assert losses[CUDA][-1] < losses[CUDA][0]
    assert losses[CUDA] == pytest.approx(losses[CPU], rel=0.05)


def test_a_round_on_a_gpu(project: Project) -> None:
    key = project.entries[0].key
    candidates = by_cpu(project)[0]
    order = np.argsort(-candidates.probability)
    said = [answer(*map(float, candidates.xy[i]), "particle") for i in order[:12]]
    said += [answer(*map(float, candidates.xy[i]), "rejected") for i in order[-12:]]
    say(project, key, *said)
    result_of(train(project, 0, "cuda"))
    done = result_of(score(project, ScoreOptions("cuda")))
    assert done.scored == len(project.entries)  # type: ignore[attr-defined]
    found = read_candidates(newest_round(project.layout), key)
    assert np.isfinite(found.probability).all()
    at = cKDTree(found.xy).query(candidates.xy[order])[1]
    assert found.probability[at[:12]].mean() > found.probability[at[-12:]].mean() + 0.3
