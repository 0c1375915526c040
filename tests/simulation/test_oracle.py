import numpy as np
import pytest

from cryoal.data.candidates import QueriedField
from cryoal.data.labels import Field, Label, Verdict
from cryoal.errors import OptionError
from cryoal.simulation.oracle import Expert, answer
from cryoal.workspace.journal import CompleteField

FIELD = Field("a", 0.0, 0.0, 100.0)
TRUTH = np.array([[20.0, 20.0], [60.0, 60.0], [80.0, 20.0], [150.0, 20.0]])
PROPOSED = np.array([[22.0, 20.0, 0.9], [60.0, 61.0, 0.4], [20.0, 80.0, 0.8], [80.0, 20.0, 0.1]])


def ask(expert=None, threshold=0.3, seed=0, truth=TRUTH, proposed=PROPOSED):
    asked = QueriedField(FIELD, 1.0, "bald", proposed)
    return answer(asked, truth, 20.0, threshold, expert or Expert(), np.random.default_rng(seed))


def marks(given, verdict):
    labels = [one.what for one in given.decisions if isinstance(one.what, Label)]
    return sorted((label.x, label.y) for label in labels if label.verdict == verdict)


def test_proposals_are_judged_where_they_are_and_the_rest_is_added():
    given = ask()
    assert marks(given, Verdict.PARTICLE) == [(22.0, 20.0), (60.0, 61.0), (80.0, 20.0)]
    assert marks(given, Verdict.REJECTED) == [(20.0, 80.0)]
    assert given.labels == 4
    assert given.seconds == 2.0 + 3 * 1.5 + 2.5
    assert given.decisions[-1].what == CompleteField(FIELD, "bald")


def test_an_empty_field_costs_a_look():
    given = ask(truth=np.empty((0, 2)), proposed=np.empty((0, 3)))
    assert (given.labels, given.seconds, len(given.decisions)) == (0, 2.0, 1)


def test_a_proposal_too_far_off_is_rejected_and_the_particle_added():
    given = ask(truth=np.array([[20.0, 20.0]]), proposed=np.array([[27.0, 20.0, 0.9]]))
    assert marks(given, Verdict.PARTICLE) == [(20.0, 20.0)]
    assert marks(given, Verdict.REJECTED) == [(27.0, 20.0)]


def test_an_expert_who_misses_all_rejects_all_and_adds_none():
    given = ask(Expert(misses=1.0))
    assert marks(given, Verdict.PARTICLE) == []
    assert len(marks(given, Verdict.REJECTED)) == 3
    assert given.seconds == 2.0 + 3 * 1.5


def test_an_expert_who_is_fooled_accepts_wrong_proposals():
    assert (20.0, 80.0) in marks(ask(Expert(false_accepts=1.0)), Verdict.PARTICLE)


def test_error_rates_are_what_was_asked_for():
    truth = np.random.default_rng(1).uniform(5, 95, (4000, 2))
    given = ask(Expert(misses=0.3), truth=truth, proposed=np.empty((0, 3)))
    assert len(marks(given, Verdict.PARTICLE)) == pytest.approx(2800, abs=120)


def test_jitter_moves_added_marks_and_keeps_them_in_the_field():
    truth = np.random.default_rng(1).uniform(0, 100, (2000, 2))
    given = ask(Expert(jitter_diameters=0.1), truth=truth, proposed=np.empty((0, 3)))
    xy = np.array(marks(given, Verdict.PARTICLE))
    assert FIELD.contains(xy).all()
    middle = np.array([[50.0, 50.0]])
    moved = [
        np.array(marks(ask(Expert(jitter_diameters=0.1), truth=middle, proposed=np.empty((0, 3)), seed=s), "particle"))
        for s in range(300)
    ]
    assert np.std(np.concatenate(moved), axis=0) == pytest.approx([2.0, 2.0], rel=0.2)


@pytest.mark.parametrize(
    "wrong", [{"misses": 1.1}, {"false_accepts": -0.1}, {"jitter_diameters": -1.0}, {"add_seconds": float("nan")}]
)
def test_impossible_experts_are_refused(wrong):
    with pytest.raises(OptionError, match=next(iter(wrong))):
        Expert(**wrong)
