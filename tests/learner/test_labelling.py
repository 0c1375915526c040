"""Importing labels: what is new is added once, and what the expert said since stays."""

from dataclasses import replace
from pathlib import Path

import pytest

from cryoal.data.labels import Origin, Verdict
from cryoal.errors import LabelError, OptionError
from cryoal.io import star
from cryoal.io.relion import ClassNumberWarning
from cryoal.learner.asking import ask_fields
from cryoal.learner.labelling import LabelImport, import_labels
from cryoal.learner.project import Project
from cryoal.workspace.journal import read_journal
from tests.learner.workspaces import label, new_workspace, publish_round, say, teach

KEY = "Micrographs/a_01"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return new_workspace(tmp_path)


def truth(project: Project) -> Path:
    return project.root / "truth"


def picks(project: Project, *xy: tuple[float, float]) -> Path:
    """A coordinate file of micrograph a_01."""
    path = project.root / "mine" / "a_01.star"
    star.write(path, {"": {"rlnCoordinateX": [x for x, _ in xy], "rlnCoordinateY": [y for _, y in xy]}})
    return path


@pytest.mark.parametrize(
    "what",
    [{}, {"complete": True}, {"verdict": Verdict.PARTICLE}, {"verdict": Verdict.REJECTED}],
    ids=["plain", "complete", "accepted", "rejected"],
)
def test_a_second_import_adds_nothing(project: Project, what: dict[str, object]) -> None:
    order = LabelImport((truth(project),), **what)
    first = import_labels(project, order)
    journal = project.layout.labels.read_bytes()
    assert first.added
    assert first.micrographs == 6
    second = import_labels(project, order)
    assert (second.micrographs, dict(second.added)) == (6, {})
    assert project.layout.labels.read_bytes() == journal


@pytest.mark.parametrize(
    ("what", "origin", "verdict", "complete"),
    [
        ({}, Origin.IMPORT, Verdict.PARTICLE, False),
        ({"complete": True}, Origin.COMPLETE, Verdict.PARTICLE, True),
        ({"verdict": Verdict.PARTICLE}, Origin.ANSWER, Verdict.PARTICLE, False),
        ({"verdict": Verdict.REJECTED}, Origin.ANSWER, Verdict.REJECTED, False),
    ],
)
def test_how_labels_came_tells_their_kind(
    project: Project, what: dict[str, object], origin: Origin, verdict: Verdict, complete: bool
) -> None:
    import_labels(project, LabelImport((picks(project, (50, 60), (100, 200)),), **what))
    known = project.labels()[KEY]
    assert known.complete is complete
    assert known.positives_only is (origin == Origin.IMPORT)
    assert {(one.origin, one.verdict) for one in known.labels} == {(origin, verdict)}
    assert sorted((one.x, one.y) for one in known.labels) == [(50, 60), (100, 200)]


def particles(project: Project, *xy_class: tuple[float, float, int]) -> Path:
    """A coordinate file of micrograph a_01 with classes."""
    path = project.root / "classified" / "a_01.star"
    x, y, number = zip(*xy_class, strict=True)
    star.write(path, {"": {"rlnCoordinateX": x, "rlnCoordinateY": y, "rlnClassNumber": number}})
    return path


@pytest.mark.parametrize("complete", [False, True])
def test_classified_particles_complete_the_labels_and_double_none(project: Project, complete: bool) -> None:
    import_labels(project, LabelImport((picks(project, (50, 60), (100, 200), (112, 200)),), complete=complete))
    shifted = LabelImport((particles(project, (53, 56, 2), (101, 201, 1), (111, 199, 3), (200, 60, 1)),))
    assert import_labels(project, shifted).added == {"particle": 1, "class number": 3}
    found = {(one.x, one.y, one.class_number) for one in project.labels()[KEY].labels}
    assert found == {(50, 60, 2), (100, 200, 1), (112, 200, 3), (200, 60, 1)}
    assert import_labels(project, shifted).added == {}
    again = LabelImport((particles(project, (53, 56, 4)),))
    assert import_labels(project, again).added == {"class number": 1}
    assert [one.class_number for one in project.labels()[KEY].labels if one.x == 50] == [4]
    origins = {one.origin for one in project.labels()[KEY].labels if one.x != 200}
    assert origins == {Origin.COMPLETE if complete else Origin.IMPORT}


def test_plain_positions_of_classified_labels_add_nothing(project: Project) -> None:
    import_labels(project, LabelImport((particles(project, (50, 60, 2), (100, 200, 1)),)))
    assert import_labels(project, LabelImport((picks(project, (52, 60), (100, 200)),))).added == {}
    added = import_labels(project, LabelImport((picks(project, (50 + 0.31 * 165 / 4, 60)),))).added
    assert added == {"particle": 1}


def test_an_import_does_not_overrule_the_expert(project: Project) -> None:
    order = LabelImport((picks(project, (50, 60), (100, 200)),))
    import_labels(project, order)
    say(project, KEY, label(51, 60, "rejected"))
    import_labels(project, order)
    known = project.labels()[KEY]
    assert known.xy(Verdict.PARTICLE).tolist() == [[100, 200]]
    assert known.xy(Verdict.REJECTED).tolist() == [[51, 60]]


def test_a_complete_micrograph_without_particles(project: Project) -> None:
    added = import_labels(project, LabelImport((picks(project),), complete=True)).added
    assert added == {"complete micrograph": 1}
    assert project.labels()[KEY].complete
    with pytest.raises(LabelError, match="holds no positions; give --complete"):
        import_labels(project, LabelImport((picks(project),)))


def test_a_query_takes_what_lies_in_its_fields(project: Project) -> None:
    query, asked = ask_fields(project, "random", n=10)
    added = import_labels(project, LabelImport((truth(project),), query=query)).added
    labels = project.labels()
    assert added["complete field"] == 10
    assert {field for one in labels.values() for field in one.fields} == {one.field for one in asked}
    assert all(one.random_fields == frozenset(one.fields) for one in labels.values())
    for one in labels.values():
        assert not one.complete
        for xy in one.xy(Verdict.PARTICLE):
            assert any(field.contains(xy[None])[0] for field in one.fields)
    assert not import_labels(project, LabelImport((truth(project),), query=query)).added


def test_fields_that_bald_chose_are_no_random_sample(project: Project) -> None:
    publish_round(project, {one.key: [(100, 100, 0.5), (300, 200, 0.2)] for one in project.entries})
    teach(project)
    query, asked = ask_fields(project, "bald", n=8)
    import_labels(project, LabelImport((truth(project),), query=query))
    drawn = {field for one in project.labels().values() for field in one.random_fields}
    assert drawn == {one.field for one in asked if one.reason == "random"}
    assert len(drawn) < 8


def test_fields_of_micrographs_without_a_file_stay_open(project: Project) -> None:
    query, asked = ask_fields(project, n=12)
    import_labels(project, LabelImport((truth(project) / "a_01.star",), query=query))
    assert set(project.labels()) == {KEY}
    assert len(project.labels()[KEY].fields) == sum(one.field.micrograph == KEY for one in asked) > 0
    mine = project.root / "strange.star"
    query.write_text(query.read_text().replace(KEY, "Micrographs/a_05"))
    star.write(mine, {"": {"rlnMicrographName": [f"{KEY}.mrc"], "rlnCoordinateX": [5.0], "rlnCoordinateY": [5.0]}})
    with pytest.raises(LabelError, match="name none of the micrographs of this query"):
        import_labels(project, LabelImport((mine,), query=query))


def test_wishes_that_contradict_each_other(project: Project) -> None:
    for wish in (
        {"verdict": Verdict.REJECTED, "complete": True},
        {"verdict": Verdict.PARTICLE, "query": Path("query.star")},
    ):
        with pytest.raises(OptionError):
            import_labels(project, LabelImport((truth(project),), **wish))
    assert read_journal(project.layout.labels) == []


def classed(project: Project, *rows: tuple[float, float, int]) -> Path:
    """A coordinate file of micrograph a_01 with classes."""
    columns = zip(("rlnCoordinateX", "rlnCoordinateY", "rlnClassNumber"), zip(*rows, strict=True), strict=True)
    path = project.root / "mine" / "a_01.star"
    star.write(path, {"": {name: list(values) for name, values in columns}})
    return path


def numbers(project: Project) -> list[int]:
    return [p.class_number for p in project.labels()[KEY].labels]


def test_classes_come_from_the_file_or_from_the_order(project: Project) -> None:
    path = classed(project, (100, 100, 2), (200, 100, -999), (300, 100, 7))
    import_labels(project, LabelImport((path,)))
    assert numbers(project) == [2, 0, 7]  # below 0 is RELION's mark for none
    import_labels(project, LabelImport((path,), class_text="3"))
    assert numbers(project) == [3, 3, 3]
    assert not import_labels(project, LabelImport((picks(project, (100, 100)),))).added  # says nothing of a class
    assert numbers(project) == [3, 3, 3]


def test_a_class_is_called_by_its_name(tmp_path: Path) -> None:
    project = new_workspace(tmp_path)
    project = replace(project, settings=replace(project.settings, classes=("open", "closed"), junk=("ice", "closed")))
    import_labels(project, LabelImport((picks(project, (100, 100)),), class_text="closed"))
    import_labels(project, LabelImport((picks(project, (200, 100)),), Verdict.REJECTED, class_text="ice"))
    assert sorted((p.verdict, p.class_number) for p in project.labels()[KEY].labels) == [
        (Verdict.PARTICLE, 2),
        (Verdict.REJECTED, 1),
    ]
    with pytest.raises(OptionError, match="--class: 'ice' is not known; give a number from 1 up or one of open, clo"):
        import_labels(project, LabelImport((picks(project, (300, 100)),), class_text="ice"))


def autopicked(project: Project, *numbers: int) -> Path:
    """What RELION's autopick leaves: numbers of templates beside figures of merit."""
    path = project.root / "AutoPick" / "a_01_autopick.star"
    columns = {"rlnClassNumber": numbers, "rlnAutopickFigureOfMerit": [0.4] * len(numbers)}
    x = [100 * i for i, _ in enumerate(numbers, start=1)]
    star.write(path, {"": {"rlnCoordinateX": x, "rlnCoordinateY": [100] * len(x), **columns}})
    return path


def test_numbers_of_templates_are_classes_only_where_classes_are_wanted(project: Project) -> None:
    path = autopicked(project, 1, 2, 8)
    with pytest.warns(ClassNumberWarning, match="autopick's templates"):
        assert import_labels(project, LabelImport((path,))).added == {"particle": 3}
    assert numbers(project) == [0, 0, 0]
    import_labels(project, LabelImport((path,), class_text="3"))
    assert numbers(project) == [3, 3, 3]
    import_labels(project, LabelImport((path,), classes=True))
    assert numbers(project) == [1, 2, 8]


def test_in_a_workspace_with_named_classes_every_number_is_one(project: Project) -> None:
    path = autopicked(project, 1, 2)
    named = replace(project, settings=replace(project.settings, classes=("open", "closed")))
    with pytest.warns(ClassNumberWarning):  # kinds of junk have no names
        import_labels(named, LabelImport((path,), Verdict.REJECTED))
    assert numbers(named) == [0, 0]
    import_labels(named, LabelImport((path,)))
    assert numbers(named) == [1, 2]
