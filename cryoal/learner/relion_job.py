"""RELION's External job: a trained committee, one that learns from imported labels, or the shipped one picks."""

import os
import shutil
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryoal.config import Config
from cryoal.errors import LabelError, OptionError
from cryoal.io.durable import make_folder, publish_directory, temporary_sibling
from cryoal.io.micrographs import list_micrographs
from cryoal.learner.labelling import LabelImport, import_labels
from cryoal.learner.picks import export, export_options, newest_picks, pick
from cryoal.learner.progress import Progress, last_value
from cryoal.learner.project import NewWorkspace, Project, create
from cryoal.learner.relion_pipeline import relion_version, write_output_nodes
from cryoal.learner.scoring import ScoreOptions, score
from cryoal.learner.status import is_learnt
from cryoal.learner.training import train
from cryoal.workspace.labelling import count_labels
from cryoal.workspace.layout import Layout
from cryoal.workspace.micrographs import write_micrographs
from cryoal.workspace.rounds import newest_round, published_rounds
from cryoal.workspace.settings import Settings, read_settings

_DERIVED = ("candidates", "picks*", "query.star")


@dataclass(frozen=True, slots=True)
class ExternalJob:
    """What RELION tells an External job.

    Attributes
    ----------
    folder : Path
        The job's folder, as RELION names it from the project folder.
    micrographs : str
        The list of micrographs, from the project folder.
    labels : tuple of Path
        Coordinates and particles to learn from.
    complete : bool
        What is not marked in the labelled micrographs is background.
    workspace : Path, optional
        Whose newest committee, labels and diameter are used; it is not changed.
    diameter_angstrom : float, optional
        None to take the workspace's or, without one, to judge it from the micrographs.
    pixel_size_angstrom : float, optional
    threshold, precision : float, optional
        As `cryoal.learner.picks.pick`.
    rim_diameters : float
        As `cryoal.io.options.ExportOptions.rim_diameters`.
    device : str
    workers : int
        Threads that read.
    relion_version : str, optional
    project : Path
        RELION's project folder.
    """

    folder: Path
    micrographs: str
    labels: tuple[Path, ...] = ()
    complete: bool = False
    workspace: Path | None = None
    diameter_angstrom: float | None = None
    pixel_size_angstrom: float | None = None
    threshold: float | None = None
    precision: float | None = None
    rim_diameters: float = 0.0
    device: str = "auto"
    workers: int = 1
    relion_version: str | None = None
    project: Path = field(default_factory=Path.cwd)


@dataclass(frozen=True, slots=True)
class ExternalDone:
    """What the job did.

    Attributes
    ----------
    source : str
        Where the picks come from, in words.
    picks, micrographs, set_aside : int
    node : str
        What to give to RELION's extraction.
    version : str
        RELION's.
    settings : Settings
        Those of the job's own workspace.
    """

    source: str
    picks: int
    micrographs: int
    set_aside: int
    node: str
    version: str
    settings: Settings


def run_external(job: ExternalJob, config: Config) -> Iterator[Progress | ExternalDone]:
    """Do the job in a workspace of its own inside the job's folder; the last value sums it up.

    The workspace is kept, so that a job which RELION continues does only what is new.

    Raises
    ------
    OptionError
        Options that are missing or contradict each other.
    UserError
        As `create`, `import_labels`, `train`, `score`, `pick` and `export`.
    """
    version = relion_version(job.project, job.relion_version)
    project = yield from _open(job, config)
    added = _learn_from(project, job)
    counts, options = count_labels(project.labels()), export_options(project, rim_diameters=job.rim_diameters)
    trained = bool(published_rounds(project.layout))
    if counts["particle"] and (not trained or (job.labels and not is_learnt(project, counts))):
        yield from last_value(train(project, device=job.device))
    yield from last_value(score(project, ScoreOptions(device=job.device, workers=job.workers)))
    picked = yield from last_value(pick(project, job.threshold, job.precision))
    export(project, "relion", job.folder, options)
    n_picks = options.count(newest_picks(project)[1])
    source = f"committee of round {picked.round_number}{added}"
    if not trained and not counts["particle"]:
        source = "the committee that ships with cryoal, for nothing is labelled yet"
    usable = len(project.usable())
    node = write_output_nodes(job.folder, os.path.relpath(job.folder, job.project), version)
    aside = len(project.entries) - usable
    yield ExternalDone(source, n_picks, usable, aside, node, version, project.settings)


def _open(job: ExternalJob, config: Config) -> Generator[Progress, None, Project]:
    """The job's own workspace, with the micrographs as they are listed now."""
    new = _wanted(job)
    layout = Layout(new.folder)
    if layout.settings.exists() and not _is_same(layout, new):
        shutil.rmtree(layout.root)
    if layout.settings.exists():
        write_micrographs(layout, list_micrographs(new.micrographs, new.pixel_size_angstrom, new.root), new.root)
    else:
        yield from last_value(create(new, config))
    if job.workspace is not None:
        _take_over(Layout(job.workspace), layout)
    return Project.open(new.folder, config)


def _wanted(job: ExternalJob) -> NewWorkspace:
    """The workspace that the job needs."""
    dark, diameter, size = None, job.diameter_angstrom, job.pixel_size_angstrom
    if job.workspace is not None:
        told = read_settings(Layout(job.workspace))
        if diameter not in (None, told.diameter_angstrom):
            raise OptionError(
                f"--diameter: {diameter:g} Å, but {job.workspace} was trained for {told.diameter_angstrom:g} Å; "
                "give one of --diameter and --workspace"
            )
        dark, diameter, size = told.particles_dark, told.diameter_angstrom, size or told.pixel_size_angstrom
    folder, trusted = job.folder / "workspace", job.workspace is not None
    return NewWorkspace(folder, job.micrographs, diameter, size, dark, root=job.project, is_trusted=trusted)


def _is_same(layout: Layout, new: NewWorkspace) -> bool:
    """Whether a continued job may go on with its workspace."""
    told = read_settings(layout)
    dark = told.particles_dark if new.particles_dark is None else new.particles_dark
    diameter = told.diameter_angstrom if new.diameter_angstrom is None else new.diameter_angstrom
    before = (told.source, told.diameter_angstrom, told.pixel_size_angstrom, told.particles_dark)
    return before == (new.micrographs, diameter, new.pixel_size_angstrom, dark)


def _take_over(source: Layout, own: Layout) -> None:
    """Copy a workspace's labels and newest committee, without what it found on its own micrographs."""
    if source.labels.exists():
        shutil.copyfile(source.labels, own.labels)
    if not published_rounds(source):
        return
    newest = newest_round(source)
    copy = own.round(newest.number)
    if copy.info.exists() and copy.info.read_bytes() != newest.info.read_bytes():
        shutil.rmtree(own.rounds)
    if not copy.info.exists():
        make_folder(own.rounds)
        making = temporary_sibling(copy.folder)
        shutil.copytree(newest.folder, making, ignore=shutil.ignore_patterns(*_DERIVED, ".*"))
        publish_directory(making, copy.folder)


def _learn_from(project: Project, job: ExternalJob) -> str:
    """Import labels; says what came of it."""
    if not job.labels:
        return ""
    before = count_labels(project.labels())["particle"]
    import_labels(project, LabelImport(job.labels, complete=job.complete))
    particles = count_labels(project.labels())["particle"]
    if not particles:
        raise LabelError(f"{job.labels[0]}: holds no particles to learn from; pick some, or leave --in_coords empty")
    return f", trained on {particles:,} particles ({particles - before:,} of them new)"
