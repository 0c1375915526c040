import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryoal.data.labels import Field, Label, MicrographLabels, Origin, Verdict
from cryoal.workspace.journal import RANDOM, CompleteField, CompleteMicrograph, Decision, Retraction
from cryoal.workspace.labelling import SAME_POSITION_PX, labels_by_micrograph, new_decisions

P, R, U = Verdict.PARTICLE, Verdict.REJECTED, Verdict.UNSURE
FIELD = Field("a", 0.0, 0.0, 512.0)


def said(x: float, y: float, verdict: Verdict, origin: Origin = Origin.ANSWER, micrograph: str = "a") -> Decision:
    return Decision(Label(x, y, verdict, origin), micrograph)


def held(decisions: list[Decision], radius: float = 5.0) -> MicrographLabels:
    return labels_by_micrograph(decisions, radius).get("a", MicrographLabels())


def test_a_later_answer_takes_the_place_of_earlier_labels_near_it() -> None:
    labels = held([said(10, 10, P), said(30, 10, P, Origin.IMPORT), said(11, 13, R), said(33, 10, R), said(40, 10, U)])
    assert [(label.x, label.verdict) for label in labels.labels] == [(11, R), (33, R), (40, U)]


def test_marks_of_a_file_only_take_the_place_of_the_same_position() -> None:
    one, two = said(10, 10, P, Origin.COMPLETE), said(12, 10, P, Origin.COMPLETE)
    again = said(10.009, 10, R, Origin.COMPLETE)
    assert [label.x for label in held([one, two, again]).labels] == [12, 10.009]


def test_micrographs_are_apart() -> None:
    both = labels_by_micrograph([said(10, 10, P), said(10, 10, R, micrograph="b")], 5.0)
    assert {key: labels.labels[0].verdict for key, labels in both.items()} == {"a": P, "b": R}


def test_a_retraction_brings_back_what_was_replaced_and_can_be_retracted() -> None:
    first, second = said(10, 10, P), said(10, 10, R)
    undo = Decision(Retraction(second.id))
    redo = Decision(Retraction(undo.id))
    assert [label.verdict for label in held([first, second]).labels] == [R]
    assert [label.verdict for label in held([first, second, undo]).labels] == [P]
    assert [label.verdict for label in held([first, second, undo, redo]).labels] == [R]
    assert held([first, Decision(Retraction(first.id))]).labels == ()
    assert labels_by_micrograph([first, Decision(Retraction("no such decision"))], 5.0)["a"].labels == (first.what,)


def test_completeness_is_kept_and_retracted() -> None:
    whole, drawn = Decision(CompleteMicrograph(), "a"), Decision(CompleteField(FIELD, RANDOM), "a")
    asked = Decision(CompleteField(FIELD, "bald"), "a")
    other = Decision(CompleteField(Field("a", 512, 0, 512), "bald"), "a")
    labels = held([whole, asked, other, drawn])
    assert labels.complete
    assert labels.fields == (FIELD, Field("a", 512, 0, 512))
    assert labels.random_fields == {FIELD}
    labels = held([whole, asked, Decision(Retraction(whole.id))])
    assert (labels.complete, labels.random_fields) == (False, frozenset())


decisions = st.builds(
    said,
    st.integers(0, 40).map(float),
    st.integers(0, 40).map(float),
    st.sampled_from(Verdict),
    st.sampled_from(Origin),
)


def naive(made: list[Decision], radius: float) -> list[Label]:
    kept: list[Label] = []
    for new in (d.what for d in made if isinstance(d.what, Label)):

        def replaced(old: Label, new: Label = new) -> bool:
            reach = radius if Origin.ANSWER in (old.origin, new.origin) else SAME_POSITION_PX
            return math.hypot(old.x - new.x, old.y - new.y) <= reach

        kept = [old for old in kept if not replaced(old)] + [new]
    return kept


@given(st.lists(decisions, max_size=40), st.sampled_from([0.0, 1.0, 3.5, 10.0]))
def test_the_labels_that_hold_are_those_of_a_naive_replay(made: list[Decision], radius: float) -> None:
    assert list(held(made, radius).labels) == naive(made, radius)


@given(st.lists(decisions, max_size=20), st.lists(decisions, max_size=20))
def test_importing_twice_adds_nothing(journal: list[Decision], file: list[Decision]) -> None:
    imported = [Decision(d.what, "a") for d in file] + [Decision(CompleteMicrograph(), "a")]
    once = journal + new_decisions(journal, imported)
    distinct = {(d.what.x, d.what.y, d.what.origin) for d in file if isinstance(d.what, Label)}
    if len(distinct) == len(file):
        assert new_decisions(once, imported) == []
    assert new_decisions(once, [Decision(CompleteMicrograph(), "a")]) == []


@pytest.mark.parametrize(
    ("file", "is_new"),
    [
        (said(10.005, 10, P, Origin.IMPORT), False),
        (said(10.02, 10, P, Origin.IMPORT), True),
        (said(10, 10, R, Origin.IMPORT), True),
        (said(10, 10, P, Origin.COMPLETE), True),
        (said(10, 10, P, Origin.IMPORT, "b"), True),
        (Decision(CompleteField(FIELD, "bald"), "a"), False),
        (Decision(CompleteField(Field("a", 1.0, 0.0, 512.0), "bald"), "a"), True),
        (Decision(CompleteMicrograph(), "b"), True),
    ],
)
def test_what_counts_as_there_already(file: Decision, is_new: bool) -> None:
    journal = [said(10, 10, P, Origin.IMPORT), Decision(CompleteField(FIELD, RANDOM), "a")]
    assert new_decisions(journal, [file, file]) == ([file] if is_new else [])


def test_importing_again_never_overrules_an_answer_but_a_retracted_import_comes_back() -> None:
    imported, answer = said(10, 10, P, Origin.IMPORT), said(10, 10, R)
    again = said(10, 10, P, Origin.IMPORT)
    assert new_decisions([imported, answer], [again]) == []
    assert new_decisions([imported, Decision(Retraction(imported.id))], [again]) == [again]
