"""The whole job in one go: workspace, labels, training, scoring, picks and export."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryoal.config import Config
from cryoal.io.formats import format_named
from cryoal.learner.labelling import LabelImport, import_labels
from cryoal.learner.opening import open_or_create
from cryoal.learner.picks import Picked, check_wish, export, export_options, pick
from cryoal.learner.progress import Progress, last_value
from cryoal.learner.project import NewWorkspace
from cryoal.learner.scoring import ScoreOptions, score
from cryoal.learner.status import can_learn, is_learnt
from cryoal.learner.training import train
from cryoal.workspace.labelling import count_labels
from cryoal.workspace.settings import Settings


@dataclass(frozen=True, slots=True)
class Job:
    """What `run` is told.

    Attributes
    ----------
    workspace : NewWorkspace
    labels : LabelImport, optional
        None to pick with the committee that ships with the package.
    out : Path
    format_name : str
    device : str
    precision, threshold : float, optional
        As `pick`.
    """

    workspace: NewWorkspace
    labels: LabelImport | None
    out: Path
    format_name: str = "relion"
    device: str = "auto"
    precision: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class JobDone:
    """What `run` did.

    Attributes
    ----------
    picked : Picked
    written : tuple of Path
        The first is what the other program is told.
    set_aside : int
        Micrographs that could not be used.
    settings : Settings
        The workspace's.
    """

    picked: Picked
    written: tuple[Path, ...]
    set_aside: int
    settings: Settings


def run_job(job: Job, config: Config) -> Iterator[Progress | JobDone]:
    """Do the whole job; the last value sums it up. An interrupted job goes on where it stopped.

    Raises
    ------
    UserError
        As `create`, `import_labels`, `train`, `score`, `pick` and `export`.
    """
    format_named(job.format_name)
    check_wish(job.threshold, job.precision)
    project = yield from last_value(open_or_create(job.workspace, config))
    if job.labels is not None:
        import_labels(project, job.labels)
    counts = count_labels(project.labels())
    if can_learn(project, counts) and not is_learnt(project, counts):
        yield from last_value(train(project, job.workspace.seed, job.device))
    yield from last_value(score(project, ScoreOptions(device=job.device)))
    picked = yield from last_value(pick(project, job.threshold, job.precision))
    written = export(project, job.format_name, job.out, export_options(project))
    aside = len(project.entries) - len(project.usable())
    yield JobDone(picked, tuple(written), aside, project.settings)
