"""A workspace made on demand, and taken up again only for the same job."""

from collections.abc import Iterator

from cryoal.config import Config
from cryoal.errors import WorkspaceError
from cryoal.learner.progress import Progress
from cryoal.learner.project import NewWorkspace, Project, create
from cryoal.workspace.layout import Layout


def open_or_create(new: NewWorkspace, config: Config | None = None) -> Iterator[Progress | Project]:
    """Go on with the workspace that was made so, or make it; the last value is the open project.

    Raises
    ------
    WorkspaceError
        The folder holds a workspace that was made for something else.
    UserError
        As `create`.
    """
    if Layout(new.folder).settings.exists():
        project = Project.open(new.folder, config)
        _check_same_job(project, new)
        yield project
    else:
        yield from create(new, config)


def _check_same_job(project: Project, asked: NewWorkspace) -> None:
    """Refuse to go on with a workspace that was made for something else."""
    made = project.settings
    for name, before, now in (
        ("--micrographs", made.source, asked.micrographs),
        ("--diameter", made.diameter_angstrom, asked.diameter_angstrom),
        ("--pixel-size", made.pixel_size_angstrom, asked.pixel_size_angstrom),
    ):
        if before != now and not (name == "--diameter" and now is None):
            raise WorkspaceError(
                f"{asked.folder}: was made with {name} {before}, now it is {now}; give another --out, or delete it"
            )
