"""`cryoal relion-external` as RELION calls it, without RELION: what each input leads to, continued and refused jobs."""

import signal
from pathlib import Path

import pytest

from cryoal.io import relion
from cryoal.learner.relion_pipeline import ABORTED, FAILURE, SUCCESS
from tests.command_line import command_line, new_project, scored_project

JOB = "External/job002/"
CALL = ("relion-external", "--o", JOB, "--in_mics", "micrographs.star")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return new_project(tmp_path)


def n_picks(project: Path) -> int:
    return sum(len(found) for found in relion.read(project / JOB / "autopick.star").values())


def test_the_shipped_committee_picks_where_nothing_is_labelled(project: Path) -> None:
    out = command_line().ok(*CALL, "--diameter", "165", "--j", "2", cwd=project)
    assert (project / JOB / SUCCESS).exists()
    assert "for nothing is labelled yet" in out
    assert f"{n_picks(project):,} picks on 6 micrographs (0 set aside)" in out
    assert n_picks(project) > 50


@pytest.mark.parametrize("told", ["--in_coords", "--in_parts"])
def test_it_learns_from_coordinates_or_particles(told: str, project: Path) -> None:
    labels = project / "some.star"
    rows = [
        f"{row.split()[0]} {row.split()[1]} Micrographs/{path.stem}.mrc"
        for path in sorted((project / "truth").glob("a_*.star"))
        for row in path.read_text().splitlines()
        if row[:1].isdigit()
    ]
    header = "data_particles\nloop_\n_rlnCoordinateX\n_rlnCoordinateY\n_rlnMicrographName\n"
    labels.write_text(header + "\n".join(rows) + "\n")
    call = (*CALL, "--diameter", "165", told, labels.name, "--complete", "yes", "--threshold", "0.1", "--rim", "0.5")
    out = command_line().ok(*call, cwd=project)
    assert "labels: some.star (complete micrographs)" in out
    assert f"committee of round 1, trained on {len(rows)} particles ({len(rows)} of them new)" in out
    assert "scoring: 6/6" in out
    assert f"{n_picks(project):,} picks on 6 micrographs" in out
    assert "next: an Extract job (RELION 5) with the coordinates External/job002/autopick.star" in out
    picks = relion.read(project / JOB / "autopick.star").values()
    assert min(min(one.x.min(), one.y.min()) for one in picks if len(one)) >= 0.5 * 165 / 4 - 0.5
    again = command_line().ok(*call, cwd=project)
    assert "training" not in again
    assert f"trained on {len(rows)} particles (0 of them new)" in again


def test_a_workspace_and_more_micrographs_in_a_continued_job(tmp_path: Path) -> None:
    project = scored_project(tmp_path)
    lines = (project / "micrographs.star").read_text().splitlines()
    few = [line for line in lines if "b_" not in line]
    (project / "some.star").write_text("\n".join(few) + "\n")
    call = ("relion-external", "--o", JOB, "--in_mics", "some.star", "--workspace", "ws", "--threshold", "0.2")
    log = command_line().ok(*call, cwd=project)
    assert "scoring: 3/3" in log
    assert "judging the diameter" not in log
    first = n_picks(project)
    (project / "some.star").write_text("\n".join(lines) + "\n")
    again = command_line().ok(*call, "--pipeline_control", JOB, cwd=project)
    assert "scoring: 3/3" in again
    assert "on 6 micrographs" in again
    assert n_picks(project) > first


def test_a_broken_micrograph_is_set_aside(project: Path) -> None:
    broken = project / "Micrographs" / "a_01.mrc"
    broken.unlink()
    broken.write_bytes(b"no image")
    out = command_line().ok(*CALL, "--diameter", "165", cwd=project)
    assert "(1 set aside)" in out
    assert (project / JOB / SUCCESS).exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("--diameter nan", "--diameter: 'nan' is not allowed; give a number"),
        ("--diameter 165 --j 0", "--j: '0' is not allowed"),
        ("--diameter 165 --colour red", "--colour: is not known; the job's labels are workspace, diameter"),
        ("--diameter 165 --complete --j 1", "--complete: '--j' is not known; give yes or no"),
        ("--diameter 165 --relion-version 2", "--relion-version: '2' is not known"),
        ("--workspace nowhere", "nowhere: not a workspace"),
        ("--diameter 165 --in_coords nowhere.star", "nowhere.star"),
        ("--diameter 165 --in_movs movies.star", "--in_movs: is not known"),
    ],
)
def test_what_is_wrong_is_told_and_marked(arguments: str, complaint: str, project: Path) -> None:
    assert complaint in command_line().refused(*CALL, *arguments.split(), cwd=project)
    assert (project / JOB / FAILURE).exists()


def test_micrographs_must_be_given(project: Path) -> None:
    line = command_line().refused("relion-external", "--o", JOB, "--diameter", "165", cwd=project)
    assert "--in_mics: is missing" in line
    assert (project / JOB / FAILURE).exists()


def test_the_end_of_a_queue_aborts_the_job(project: Path) -> None:
    call = (*CALL, "--diameter", "165", "--in_coords", "truth")
    result = command_line()(*call, cwd=project, killed_after=1.0, by=signal.SIGTERM)
    assert result.status == 130
    assert (project / JOB / ABORTED).exists()
    assert not (project / JOB / "autopick.star").exists()
