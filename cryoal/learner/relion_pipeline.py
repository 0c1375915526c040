"""What RELION's pipeline asks of a job: exit markers, the abort file and the list of output nodes."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from cryoal.errors import FileError, Interrupted, OptionError
from cryoal.io import star
from cryoal.io.durable import make_folder
from cryoal.learner.progress import Progress

_Result = TypeVar("_Result")

SUCCESS, FAILURE, ABORTED = (f"RELION_JOB_EXIT_{outcome}" for outcome in ("SUCCESS", "FAILURE", "ABORTED"))
ABORT_NOW = "RELION_JOB_ABORT_NOW"
VERSIONS = ("3.1", "4", "5")
_NODES = "RELION_OUTPUT_NODES.star"
_NODE_NAME, _NODE_TYPE, _NODE_LABEL = (f"rlnPipeLineNode{what}" for what in ("Name", "Type", "TypeLabel"))
_PROCESS_TYPE = "rlnPipeLineProcessType"
_COORDINATES_3_1 = 2
_COORDINATES = {
    "4": "MicrographsCoords.star.relion.autopick",
    "5": "MicrographCoordsGroup.star.relion.autopick",
}
_LABEL_STARTS = {
    "MicrographMoviesData": "4",
    "MicrographsData": "4",
    "MicrographsCoords": "4",
    "MicrographMovieGroupMetadata": "5",
    "MicrographGroupMetadata": "5",
    "MicrographCoordsGroup": "5",
}


@contextmanager
def exit_marker(folder: Path) -> Iterator[None]:
    """Leave in a job's folder the marker of how it ended; without one RELION takes the job to run for ever.

    Raises
    ------
    FileError
        The folder cannot be made.
    """
    make_folder(folder)
    for name in (SUCCESS, FAILURE, ABORTED):
        (folder / name).unlink(missing_ok=True)
    outcome = FAILURE
    try:
        yield
        outcome = SUCCESS
    except (Interrupted, KeyboardInterrupt):
        outcome = ABORTED
        raise
    finally:
        (folder / outcome).touch()
        (folder / ABORT_NOW).unlink(missing_ok=True)  # else it would abort the job when it is continued


def until_aborted(work: Iterator[Progress | _Result], folder: Path) -> Iterator[Progress | _Result]:
    """Hand on a piece of work while RELION has not asked to abort it.

    Raises
    ------
    Interrupted
        RELION asked.
    """
    with ExitStack() as stack:
        if isinstance(work, Generator):
            stack.callback(work.close)
        for report in work:
            if (folder / ABORT_NOW).exists():
                raise Interrupted(f"{folder / ABORT_NOW}: RELION asked to stop")
            yield report


def relion_version(project: Path, told: str | None = None) -> str:
    """3.1, 4 or 5: what the user told, else what the project's ``default_pipeline.star`` looks like, else 5.

    RELION 3.1 numbers its types of jobs; 4 and 5 name them, and differ in the names of their nodes.

    Raises
    ------
    OptionError
        Another version is told.
    """
    if told is not None:
        if told not in VERSIONS:
            raise OptionError(f"--relion-version: {told!r} is not known; give one of {', '.join(VERSIONS)}")
        return told
    try:
        blocks = star.read(project / "default_pipeline.star")
    except FileError:
        return VERSIONS[-1]
    if any(_PROCESS_TYPE in table for table in blocks.values()):
        return "3.1"
    labels = [str(label) for table in blocks.values() if _NODE_LABEL in table for label in table[_NODE_LABEL]]
    versions = {version for start, version in _LABEL_STARTS.items() if any(x.startswith(start) for x in labels)}
    return max(versions, default=VERSIONS[-1])  # a project of 4 that 5 went on with has both


def write_output_nodes(folder: Path, job_name: str, version: str) -> str:
    """Tell RELION what the job made: a coordinate set.

    Parameters
    ----------
    folder : Path
        The job's folder.
    job_name : str
        The same as RELION names it, from its project folder: ``External/job003/``.
    version : str
        Of `VERSIONS`.

    Returns
    -------
    node : str
        What to give to RELION's extraction.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    job = job_name.rstrip("/")
    if version == "3.1":
        node, kind = f"{job}/coords_suffix_autopick.star", {_NODE_TYPE: [_COORDINATES_3_1]}
        columns: star.Columns = {_NODE_NAME: [node], **kind}
    else:
        node = f"{job}/autopick.star"
        columns = {_NODE_NAME: [node], _NODE_LABEL: [_COORDINATES[version]]}
    star.write(folder / _NODES, {"output_nodes": columns})
    return node
