"""Markers, abort, version and output nodes, as RELION's pipeline reads them; no RELION needed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cryoal.errors import Interrupted, OptionError
from cryoal.io import star
from cryoal.learner.progress import Progress
from cryoal.learner.relion_pipeline import (
    ABORT_NOW,
    ABORTED,
    FAILURE,
    SUCCESS,
    exit_marker,
    relion_version,
    until_aborted,
    write_output_nodes,
)

PIPELINES = {
    "3.1": ({"rlnPipeLineProcessType": [0]}, {"rlnPipeLineNodeType": [1]}),
    "4": ({"rlnPipeLineProcessTypeLabel": ["relion.import"]}, {"rlnPipeLineNodeTypeLabel": ["MicrographsData.star"]}),
    "5": (
        {"rlnPipeLineProcessTypeLabel": ["relion.import.movies", "relion.motioncorr.own"]},
        {"rlnPipeLineNodeTypeLabel": ["MicrographsData.star.relion", "MicrographGroupMetadata.star.relion.ctf"]},
    ),
}


def markers(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("error", "marker"),
    [
        (None, SUCCESS),
        (OptionError("--x: wrong"), FAILURE),
        (ZeroDivisionError(), FAILURE),
        (SystemExit(3), FAILURE),
        (Interrupted("asked"), ABORTED),
        (KeyboardInterrupt(), ABORTED),
    ],
)
def test_a_job_leaves_one_marker_whatever_happens(error: BaseException | None, marker: str, tmp_path: Path) -> None:
    job = tmp_path / "External" / "job002"
    job.mkdir(parents=True)
    for old in (SUCCESS, FAILURE, ABORTED, ABORT_NOW):
        (job / old).touch()

    def work() -> None:
        with exit_marker(job):
            assert markers(job) == {ABORT_NOW}
            if error is not None:
                raise error

    if error is None:
        work()
    else:
        with pytest.raises(type(error)):
            work()
    assert markers(job) == {marker}


def test_work_is_stopped_and_closed_when_relion_asks(tmp_path: Path) -> None:
    seen = []

    def work() -> Iterator[Progress | str]:
        try:
            for done in range(5):
                yield Progress("counting", done, 5)
            yield "result"
        finally:
            seen.append("closed")

    assert [*until_aborted(work(), tmp_path)][-1] == "result"
    watched = until_aborted(work(), tmp_path)
    seen.clear()
    seen.append(next(watched))
    (tmp_path / ABORT_NOW).touch()
    with pytest.raises(Interrupted, match=ABORT_NOW):
        next(watched)
    assert seen == [Progress("counting", 0, 5), "closed"]


@pytest.mark.parametrize("version", PIPELINES)
def test_the_version_is_seen_in_the_pipeline(version: str, tmp_path: Path) -> None:
    processes, nodes = PIPELINES[version]
    blocks = {"pipeline_general": {"rlnPipeLineJobCounter": "2"}, "pipeline_processes": processes}
    star.write(tmp_path / "default_pipeline.star", blocks | {"pipeline_nodes": nodes})
    assert relion_version(tmp_path) == version


def test_the_version_that_is_told_wins_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    assert relion_version(tmp_path) == "5"
    assert relion_version(tmp_path, "3.1") == "3.1"
    with pytest.raises(OptionError, match=r"--relion-version: '2' is not known; give one of 3\.1, 4, 5"):
        relion_version(tmp_path, "2")


@pytest.mark.parametrize(
    ("version", "node", "label", "kind"),
    [
        ("3.1", "External/job003/coords_suffix_autopick.star", "rlnPipeLineNodeType", "2"),
        (
            "4",
            "External/job003/autopick.star",
            "rlnPipeLineNodeTypeLabel",
            "MicrographsCoords.star.relion.autopick",
        ),
        (
            "5",
            "External/job003/autopick.star",
            "rlnPipeLineNodeTypeLabel",
            "MicrographCoordsGroup.star.relion.autopick",
        ),
    ],
)
def test_output_nodes(version: str, node: str, label: str, kind: str, tmp_path: Path) -> None:
    assert write_output_nodes(tmp_path, "External/job003/", version) == node
    table = star.read(tmp_path / "RELION_OUTPUT_NODES.star")["output_nodes"]
    assert list(table.columns) == ["rlnPipeLineNodeName", label]
    assert table.astype(str).to_numpy().tolist() == [[node, kind]]
