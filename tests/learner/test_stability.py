"""Agreement of successive rounds."""

import json
from pathlib import Path

import numpy as np
import pytest

from cryoal.learner.project import NewWorkspace, Project, create
from cryoal.learner.stability import agreements, is_stable
from cryoal.workspace.candidates import ScoredMicrograph, write_candidates
from cryoal.workspace.rounds import RoundInfo, next_round


def make_round(project: Project, xy: np.ndarray, probability: np.ndarray) -> None:
    p = probability.astype(np.float32)
    with next_round(project.layout, RoundInfo(1, 0, {})) as making:
        making.metrics.write_text(json.dumps({}))
        scored = ScoredMicrograph(xy.astype(np.float32), p[None], p, np.zeros((len(p), 1), np.float16))
        write_candidates(making, project.entries[0].key, scored)


@pytest.fixture
def project(sample_data: Path, tmp_path: Path) -> Project:
    source = str(sample_data / "Micrographs" / "sample_01.mrc")
    *_, made = create(NewWorkspace(tmp_path / "ws", source, 165.0, particles_dark=True, root=tmp_path))
    assert isinstance(made, Project)
    return made


def test_agreement_is_kappa_at_the_later_rounds_candidates(project: Project) -> None:
    rng = np.random.default_rng(0)
    xy = np.stack(np.meshgrid(np.arange(50, 800, 60), np.arange(50, 650, 60)), axis=-1).reshape(-1, 2)
    probability = np.where(rng.random(len(xy)) < 0.5, 0.02, 0.98)
    make_round(project, xy, probability)
    assert agreements(project) == []
    make_round(project, xy + rng.uniform(-4, 4, xy.shape), probability)
    make_round(project, xy, 1 - probability)
    make_round(project, xy[:0], probability[:0])
    same, opposite, nothing = agreements(project)
    assert same == pytest.approx(1)
    assert opposite is not None
    assert opposite < -0.5
    assert nothing is None
    assert not is_stable([same, opposite, nothing])
    assert is_stable([0.4, 1.0, 0.995, 0.99])


def test_rounds_are_compared_by_what_they_would_pick(project: Project) -> None:
    """The first round of few labels is not calibrated: its particles may all have less than one half."""
    xy = np.stack(np.meshgrid(np.arange(50, 800, 60), np.arange(50, 650, 60)), axis=-1).reshape(-1, 2)
    is_particle = np.arange(len(xy)) % 3 == 0
    make_round(project, xy, np.where(is_particle, 0.4, 0.001))
    make_round(project, xy, np.where(is_particle, 0.95, 0.03))
    assert agreements(project) == [pytest.approx(1)]
