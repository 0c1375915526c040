"""Whether another round pays: told by stabilised predictions and by fields drawn at random."""

from pathlib import Path

import numpy as np
import pytest

from cryoal.data.labels import Field
from cryoal.errors import FileFormatError
from cryoal.learner import outlook as outlook_module
from cryoal.learner.audit import AuditedField, audit_counts, audit_json, audit_threshold, read_audit
from cryoal.learner.outlook import outlook
from cryoal.learner.project import Project
from cryoal.learner.status import status
from cryoal.model.calibration import Calibration
from cryoal.workspace.rounds import RoundInfo, next_round
from tests.learner.workspaces import new_workspace


def fields(n: int, found: float, seed: int = 0) -> list[AuditedField]:
    """Fields of eight particles and four false candidates; a share of the particles was found."""
    rng, out = np.random.default_rng(seed), []
    for i in range(n):
        is_found = rng.random(8) < found
        candidates = np.concatenate([np.full(is_found.sum(), 0.9), np.full(4, 0.05)])
        particles = np.where(is_found, 0.9, 0.0)
        out.append(AuditedField(Field("m", 100.0 * i, 0, 100), candidates, candidates > 0.5, particles))
    return out


def publish(project: Project, audited: list[AuditedField]) -> None:
    with next_round(project.layout, RoundInfo(2, 0, {})) as making:
        making.metrics.write_text("{}")
        making.audit.write_text(audit_json(audited))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return new_workspace(tmp_path)


def test_an_audit_reads_as_it_was_written(project: Project) -> None:
    candidates, particles = np.array([[0.0, 0.0], [2.0, 0.0]]), np.array([[-np.inf, 0.0], [2.0, 0.0]])
    one = AuditedField(Field("m", 1.0, 2, 3), candidates, np.array([True, False]), particles)
    publish(project, [one.calibrated(Calibration())])
    (read,) = read_audit(project.layout.round(1))
    assert read.field == one.field
    assert read.candidates == pytest.approx([0.5, 0.8808])
    assert read.is_particle.tolist() == [True, False]
    assert read.particles == pytest.approx([0.0, 0.8808])
    project.layout.round(1).audit.write_text("[{}]")
    with pytest.raises(FileFormatError, match=r"audit.json: broken .* train again"):
        read_audit(project.layout.round(1))
    project.layout.round(1).audit.unlink()
    assert read_audit(project.layout.round(1)) == []


def test_counts_are_those_of_the_threshold() -> None:
    one = AuditedField(
        Field("m", 0, 0, 9), np.array([0.9, 0.6, 0.2]), np.array([True, False, True]), np.array([0.9, 0.2, 0])
    )
    assert audit_threshold([one]) == 0.6
    counts = audit_counts([one], 0.6)
    assert (counts.picks[0], counts.correct[0], counts.particles[0], counts.found[0]) == (2, 1, 3, 1)


def test_the_first_round_says_how_good_it_is(project: Project) -> None:
    assert outlook(project) is None
    publish(project, fields(6, 0.8))
    found = outlook(project)
    assert found is not None
    assert found.pays
    assert "another round is likely to pay because only one round is there to judge by" in str(found)
    assert found.quality is not None
    assert found.quality.fields == 6
    share = np.mean([one.particles > 0.5 for one in fields(6, 0.8)])
    assert found.quality.recall.value == pytest.approx(share)
    assert f"recall {share:.2f} ({found.quality.recall.low:.2f} to" in str(found)
    assert "from 6 random fields" in str(found)
    assert status(project).outlook == found


def test_without_random_fields_nothing_is_estimated(project: Project) -> None:
    publish(project, [])
    assert "no field was drawn at random: cryoal query --strategy random" in str(outlook(project))


@pytest.mark.parametrize(
    ("kappas", "before", "now", "pays", "because"),
    [
        ([0.99, 1.0, 0.99], 0.5, 0.8, False, "the last 4 rounds predict the same (mean κ 0.99)"),
        ([0.8, 0.85, 0.9], 0.5, 0.8, True, "predictions still change from round to round (κ 0.85"),
        ([0.8, 0.85, 0.9], 0.8, 0.8, False, "the last one gained +0.000 of F1"),
        ([None], 0.5, 0.8, True, "predictions still change from round to round (κ not known"),
    ],
)
def test_verdicts(
    project: Project, monkeypatch: pytest.MonkeyPatch, kappas: list, before: float, now: float, pays: bool, because: str
) -> None:
    monkeypatch.setattr(outlook_module, "agreements", lambda *_, **__: kappas)
    publish(project, fields(12, before))
    publish(project, fields(12, now))
    found = outlook(project)
    assert found is not None
    assert found.pays is pays
    assert because in found.because


def test_few_fields_end_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlook_module, "agreements", lambda *_, **__: [0.5])
    for _ in range(2):
        publish(project, fields(9, 0.8))
    found = outlook(project)
    assert found is not None
    assert found.gain is None
    assert found.pays


def test_fields_that_only_one_round_knows_are_not_compared(project: Project) -> None:
    publish(project, fields(10, 0.5))
    publish(project, fields(30, 0.8))
    found = outlook(project)
    assert found is not None
    assert found.quality is not None
    assert found.quality.fields == 30
    assert found.gain is not None
    expected = np.mean([one.particles[:] > 0.5 for one in fields(30, 0.8)[:10]])
    old = np.mean([one.particles > 0.5 for one in fields(10, 0.5)])
    f1 = [2 * share / (1 + share) for share in (old, expected)]
    assert found.gain.value == pytest.approx(f1[1] - f1[0], abs=1e-6)
