"""The real RELION runs our External job, knows how it ended, and extracts what it picked."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cryoal.config import Config, TrainingConfig
from cryoal.io import mrc, relion
from cryoal.learner.labelling import LabelImport, import_labels
from cryoal.learner.progress import Progress
from cryoal.learner.project import NewWorkspace, Project, create
from cryoal.learner.relion_pipeline import ABORT_NOW, ABORTED, FAILURE, SUCCESS
from cryoal.learner.training import train
from tests.relion.programs import (
    EXTERNAL,
    add_job,
    extracted_boxes,
    import_micrographs,
    job_status,
    new_project,
    run,
    run_job,
)

pytestmark = pytest.mark.relion

MICROGRAPHS = "Import/job001/micrographs.star"
BOX = 32
TINY = Config(training=TrainingConfig(members=2, min_steps=8, max_steps=8))


def finished(work):
    """Run a piece of work to its end; its last value."""
    return [report for report in work if not isinstance(report, Progress)][-1]


def trained_workspace(project: Path, sample_data: Path) -> Path:
    """A workspace with a hardly trained committee."""
    folder = project / "workspace"
    opened = finished(create(NewWorkspace(folder, "micrographs.star", 165.0, root=project), TINY))
    truth = tuple(sorted((sample_data / "truth").glob("sample_0[12].star")))
    import_labels(opened, LabelImport(truth, complete=True))
    finished(train(opened, device="cpu"))
    return folder


@pytest.fixture
def project(sample_data: Path, tmp_path: Path) -> Path:
    return new_project(sample_data, tmp_path / "project", micrographs=2)


def test_export_is_extracted_pixel_by_pixel(project: Path, sample_data: Path) -> None:
    workspace = trained_workspace(project, sample_data)
    cryoal = (sys.executable, "-m", "cryoal")
    for command in (["score"], ["pick", "--threshold", "0.01"], ["export", "--format", "relion", "--out", "picks"]):
        run(project, *cryoal, command[0], "workspace", *command[1:])
    source = ["--i", "micrographs.star", "--coord_dir", "picks/", "--coord_suffix", "_autopick.star"]
    target = ["--part_star", "particles.star", "--part_dir", "Particles/", "--extract", "--extract_size", str(BOX)]
    run(project, "relion_preprocess", *source, *target)
    boxes = extracted_boxes(project, "particles.star")
    picks = {name: found for name, found in relion.read(project / "picks" / "autopick.star").items() if len(found)}
    assert picks
    compared = 0
    for name, found in picks.items():
        pixels = np.pad(mrc.read(project / name).pixels.astype(np.float32), BOX, mode="edge")
        inside = mrc.read(project / name).pixels.shape
        assert len(boxes[Path(name).stem]) == len(found)
        for (x, y), box in zip(found.xy.astype(int), boxes[Path(name).stem], strict=True):
            if not (BOX <= x < inside[1] - BOX and BOX <= y < inside[0] - BOX):
                continue  # beyond the rim RELION makes pixels up
            top, left = y + BOX // 2, x + BOX // 2
            np.testing.assert_array_equal(box, pixels[top : top + BOX, left : left + BOX])
            compared += 1
    assert compared > 10
    assert workspace.is_dir()


def test_unlabelled_micrographs_are_picked_and_extracted_in_a_pipeline(project: Path) -> None:
    import_micrographs(project)
    told = {"param1_label": "diameter", "param1_value": 165, "nr_threads": 1}
    add_job(project, "External", fn_exe=EXTERNAL, in_mic=MICROGRAPHS, **told)
    run_job(project, "External/job002")
    assert (project / "External/job002" / SUCCESS).exists()
    assert job_status(project, "External/job002") == "finished"
    coordinates = "External/job002/coords_suffix_autopick.star"
    pipeline = (project / "default_pipeline.star").read_text(encoding="utf-8")
    assert f"External/job002/ {coordinates}" in pipeline
    log = (project / "External/job002/run.out").read_text(encoding="utf-8")
    assert "the committee that ships with cryoal, for nothing is labelled yet" in log
    assert (project / "External/job002/run.err").read_text(encoding="utf-8") == ""
    extract = {"star_mics": MICROGRAPHS, "coords_suffix": coordinates, "extract_size": BOX, "nr_mpi": 1}
    add_job(project, "Extract", **extract, do_norm="No", do_invert="No")
    run_job(project, "Extract/job003")
    assert job_status(project, "Extract/job003") == "finished"
    picked = relion.read(project / "External/job002/autopick.star")
    boxes = extracted_boxes(project, "Extract/job003/particles.star")
    assert {stem: len(stack) for stem, stack in boxes.items()} == {Path(n).stem: len(p) for n, p in picked.items()}


def test_a_trained_workspace_picks_and_is_left_as_it_was(project: Path, sample_data: Path) -> None:
    workspace = trained_workspace(project, sample_data)
    before = sorted((path, path.stat().st_mtime_ns) for path in workspace.rglob("*"))
    import_micrographs(project)
    told = {"param1_label": "workspace", "param1_value": "workspace", "param2_label": "threshold", "param2_value": 0.1}
    add_job(project, "External", fn_exe=EXTERNAL, in_mic=MICROGRAPHS, nr_threads=1, **told)
    run_job(project, "External/job002")
    log = (project / "External/job002/run.out").read_text(encoding="utf-8")
    assert job_status(project, "External/job002") == "finished", log
    assert "scoring: 2/2" in log
    assert sorted((path, path.stat().st_mtime_ns) for path in workspace.rglob("*")) == before
    own = Project.open(project / "External/job002/workspace")
    assert [path.name for path in (own.layout.rounds).iterdir()] == ["0001"]


def test_a_wrong_label_fails_the_job_and_says_why(project: Path) -> None:
    import_micrographs(project)
    told = {"param1_label": "diameter", "param1_value": "wide", "nr_threads": 1}
    add_job(project, "External", fn_exe=EXTERNAL, in_mic=MICROGRAPHS, **told)
    run_job(project, "External/job002")
    assert (project / "External/job002" / FAILURE).exists()
    assert job_status(project, "External/job002") == "failed"
    errors = (project / "External/job002/run.err").read_text(encoding="utf-8")
    assert errors == "cryoal: --diameter: 'wide' is not allowed; give a number\n"


def test_abort_stops_a_training_and_leaves_the_marker(project: Path, sample_data: Path) -> None:
    coordinates = project / "ManualPick" / "job002"
    (coordinates / "Micrographs").mkdir(parents=True)
    for truth in (sample_data / "truth").glob("sample_0[12].star"):
        text = truth.read_text(encoding="utf-8")
        (coordinates / "Micrographs" / f"{truth.stem}_manualpick.star").write_text(text, encoding="utf-8")
    (coordinates / "coords_suffix_manualpick.star").write_text("micrographs.star\n", encoding="utf-8")
    import_micrographs(project)
    told = {"param1_label": "diameter", "param1_value": 165, "nr_threads": 1}
    labels = "ManualPick/job002/coords_suffix_manualpick.star"
    add_job(project, "External", fn_exe=EXTERNAL, in_mic=MICROGRAPHS, in_coords=labels, **told)
    job = project / "External" / "job002"
    command = ["relion_pipeliner", "--RunJobs", "External/job002/", "--schedule", "abort", "--sec_wait_after", "0"]
    running = subprocess.Popen(command, cwd=project, env={"PYTHONPATH": str(Path(__file__).parents[2])} | _path())
    try:
        _wait_for(lambda: "reading labelled" in _text(job / "run.out"), running)
        (job / ABORT_NOW).touch()
        running.wait(60)
    finally:
        running.kill()
    assert (job / ABORTED).exists()
    assert not (job / ABORT_NOW).exists()
    assert job_status(project, "External/job002") == "aborted"
    assert not (job / "autopick.star").exists()


def _path() -> dict[str, str]:
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "OMP_NUM_THREADS": "1"}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _wait_for(condition, running: subprocess.Popen) -> None:
    """Until something is so, or the program has ended."""
    while not condition() and running.poll() is None:
        time.sleep(0.1)
    assert condition()
