"""A RELION project of the sample data, RELION's programs run in it, and the boxes they extract."""

import shutil
import subprocess
import sys
from pathlib import Path

import mrcfile
import numpy as np

from cryoal.io import star

ROOT = Path(__file__).resolve().parents[2]
EXTERNAL = f"{sys.executable} -m cryoal relion-external"
STATUS = {"2": "finished", "3": "failed", "4": "aborted"}
_EMPTY_PIPELINE = "\n# version 30001\n\ndata_pipeline_general\n\n_rlnPipeLineJobCounter                       1\n\n"


def new_project(sample_data: Path, folder: Path, micrographs: int) -> Path:
    """A project with the first micrographs of the sample data; RELION's window would have made the pipeline file."""
    lines = (sample_data / "micrographs.star").read_text(encoding="utf-8").splitlines()
    names = [line for line in lines if line.startswith("Micrographs/")]
    (folder / "Micrographs").mkdir(parents=True)
    for line in names[:micrographs]:
        shutil.copy(sample_data / line.split()[0], folder / "Micrographs")
    kept = [line for line in lines if line not in names[micrographs:]]
    (folder / "micrographs.star").write_text("\n".join(kept) + "\n", encoding="utf-8")
    (folder / "default_pipeline.star").write_text(_EMPTY_PIPELINE, encoding="utf-8")
    return folder


def run(project: Path, *command: str) -> str:
    """Run a program in the project folder; its output."""
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def add_job(project: Path, kind: str, **options: object) -> None:
    """Add a job to the project's pipeline; the first is job001."""
    told = ";".join(f"{name} == {value}" for name, value in ({"do_queue": "No"} | options).items())
    run(project, "relion_pipeliner", "--addJob", kind, "--addJobOptions", told)


def run_job(project: Path, job: str) -> None:
    """Run a job as RELION's window does."""
    schedule = job.replace("/", "")
    run(project, "relion_pipeliner", "--RunJobs", f"{job}/", "--schedule", schedule, "--sec_wait_after", "0")


def import_micrographs(project: Path) -> None:
    """Job 1: the micrographs."""
    kind = "Micrographs STAR file (.star)"
    add_job(project, "Import", do_raw="No", do_other="Yes", fn_in_other="micrographs.star", node_type=kind)
    run_job(project, "Import/job001")


def job_status(project: Path, job: str) -> str:
    """What the pipeline says of a job."""
    table = star.read(project / "default_pipeline.star")["pipeline_processes"]
    row = table[table["rlnPipeLineProcessName"] == f"{job}/"].iloc[0]
    return STATUS[str(row["rlnPipeLineProcessStatus"])]


def extracted_boxes(project: Path, particles_star: str) -> dict[str, np.ndarray]:
    """The boxes of each micrograph, by its stem, in the order of the picks."""
    table = star.table_with(star.read(project / particles_star), ["rlnImageName"], project)
    stacks = {image.split("@")[1] for image in table["rlnImageName"]}
    boxes = {}
    for stack in stacks:
        with mrcfile.open(project / stack, permissive=True) as opened:
            boxes[Path(stack).stem] = np.atleast_3d(opened.data.copy()).reshape(-1, *opened.data.shape[-2:])
    return boxes
