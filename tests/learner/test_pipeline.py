"""Reading, scoring and writing side by side: the same candidates whichever way, and few micrographs in memory."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from cryoal.config import Config
from cryoal.data.micrograph import MicrographEntry
from cryoal.errors import MicrographError
from cryoal.learner import pipeline as pipelines
from cryoal.learner.pipeline import Pipeline
from cryoal.learner.pretrained import publish_pretrained
from cryoal.learner.project import Project
from cryoal.learner.scorer import Scorer
from cryoal.workspace.candidates import ScoredMicrograph, read_candidates
from cryoal.workspace.layout import RoundLayout
from cryoal.workspace.rounds import newest_round
from tests.learner.workspaces import new_workspace

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A workspace with the shipped committee."""
    made = new_workspace(tmp_path_factory.mktemp("pipeline"), Config())
    publish_pretrained(made)
    return made


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines, "processors", lambda: 2)


def scored(project: Project, folder: Path, devices: int, **options: bool) -> list[ScoredMicrograph]:
    """Candidates of all micrographs, scored by so many scorers and written to a folder."""
    layout = RoundLayout(folder, 1)
    scorers = Scorer.load_all(newest_round(project.layout), project.config, [CPU] * devices)
    with Pipeline(project, layout, scorers, project.entries, **options) as pipeline:
        done = [(entry, found.result()) for entry, found in pipeline]
    assert [entry for entry, _ in done] == list(project.entries)
    read = [read_candidates(layout, entry.key) for entry in project.entries]
    assert [len(one) for one in read] == [count for _, count in done]
    return read


def test_every_way_gives_the_same_candidates(project: Project, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    scorer = Scorer.load(newest_round(project.layout), project.config, CPU)
    expected = [scorer(project.read_scaled(entry)) for entry in project.entries]
    assert min(map(len, expected)) > 5
    for name, devices, there in (("one", 1, False), ("two", 2, False), ("there", 1, True), ("both", 2, True)):
        found = scored(project, tmp_path / name, devices, scale_there=there)
        for one, other in zip(expected, found, strict=True):
            assert np.array_equal(one.xy, other.xy)
            assert one.member_probability == pytest.approx(other.member_probability, abs=1e-5)
    assert torch.get_num_threads() == threads


def test_few_micrographs_are_in_memory(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers run ahead of a scorer that is held up by no more than the depth."""
    reads: list[str] = []
    go, lock = threading.Event(), threading.Lock()
    read_scaled, call = Project.read_scaled, Scorer.__call__

    def counted(self: Project, entry: MicrographEntry) -> object:
        with lock:
            reads.append(entry.key)
        return read_scaled(self, entry)

    def held(self: Scorer, scaled: object) -> object:
        assert go.wait(30)
        return call(self, scaled)  # type: ignore[arg-type]

    monkeypatch.setattr(Project, "read_scaled", counted)
    monkeypatch.setattr(Scorer, "__call__", held)
    entries = [*project.entries, *project.entries, *project.entries]
    scorers = Scorer.load_all(newest_round(project.layout), project.config, [CPU])
    with Pipeline(project, RoundLayout(tmp_path, 1), scorers, entries, 1) as pipeline:
        assert (pipeline.readers, pipeline.lanes, pipeline.threads, pipeline.depth) == (1, 2, 1, 4)
        work = iter(pipeline)
        _, first = next(work)
        assert len(reads) <= pipeline.depth
        assert not first.done()
        go.set()
        first.result()
        assert len([found.result() for _, found in work]) == len(entries) - 1
    assert len(reads) == len(entries)


def test_one_micrograph_has_all_processors(project: Project, tmp_path: Path) -> None:
    scorers = Scorer.load_all(newest_round(project.layout), project.config, [CPU])
    with Pipeline(project, RoundLayout(tmp_path, 1), scorers, project.entries[:1]) as pipeline:
        assert (pipeline.lanes, pipeline.threads) == (1, 2)


@pytest.mark.parametrize("there", [False, True])
def test_one_that_cannot_be_used_does_not_stop_the_others(tmp_path: Path, there: bool) -> None:
    project = new_workspace(tmp_path, Config())
    publish_pretrained(project)
    layout = newest_round(project.layout)
    project.entries[1].path.unlink()  # it is a link to what all tests share
    project.entries[1].path.write_bytes(b"broken")
    with Pipeline(
        project, layout, Scorer.load_all(layout, project.config, [CPU]), project.entries, scale_there=there
    ) as p:
        results = [found.exception() for _, found in p]
    assert [type(error) for error in results] == [type(None), MicrographError, *[type(None)] * 4]
    assert str(project.entries[1].path) in str(results[1])


def test_stopped_it_begins_nothing_more(project: Project, tmp_path: Path) -> None:
    layout = RoundLayout(tmp_path, 1)
    scorers = Scorer.load_all(newest_round(project.layout), project.config, [CPU])
    many = [*project.entries] * 20
    with pytest.raises(KeyboardInterrupt), Pipeline(project, layout, scorers, many) as pipeline:
        for _, found in pipeline:
            found.result()
            raise KeyboardInterrupt
    assert threading.active_count() < 20
    assert not [one for one in threading.enumerate() if one.name.startswith(("reader", "scorer", "writer"))]
