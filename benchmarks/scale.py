"""What a large workspace costs: `python benchmarks/scale.py [--micrographs 2000] [--candidates 500] [--keep DIR]`.

Builds a workspace of two rounds with random candidates on every micrograph (files of their own, copies of a hundred
different ones; the micrographs are links to one noise image of 4096²), then runs each command as a user would and
prints wall and CPU seconds and the largest memory of its process, start-up and imports included. With `--keep` the
workspace stays, and is used again. Says the load of the machine first: wall times of a busy one are upper bounds.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

SIDE_PX, DIAMETER_ANGSTROM, MEMBERS, FEATURES = 4096, 150.0, 5, 24
TEMPLATES, LABELLED = 100, 50
QUERIES = {
    "query --level micrograph": ["--level", "micrograph"],
    "query (the default)": [],
    "query --strategy entropy": ["--strategy", "entropy"],
    "query --strategy entropy-top": ["--strategy", "entropy-top"],
    "query --strategy bald": ["--strategy", "bald"],
    "query --strategy badge": ["--strategy", "badge"],
    "query --strategy k-center": ["--strategy", "k-center"],
    "query --strategy epig": ["--strategy", "epig"],
}


def build(root: Path, micrographs: int, candidates: int) -> None:
    """Make the project and its workspace."""
    import numpy as np

    from cryoal.io.mrc import write
    from cryoal.learner.pretrained import publish_pretrained
    from cryoal.learner.project import NewWorkspace, Project, create
    from cryoal.workspace.candidates import write_candidates
    from cryoal.workspace.layout import RoundLayout
    from cryoal.workspace.rounds import newest_round, next_round, read_info

    rng = np.random.default_rng(0)
    (root / "Micrographs").mkdir(parents=True)
    noise = root / "noise.mrc"
    write(noise, rng.normal(0, 30, (SIDE_PX, SIDE_PX)).astype(np.int8), 1.0)
    for i in range(micrographs):
        os.link(noise, root / f"Micrographs/m{i:05d}.mrc")
    new = NewWorkspace(root / "ws", "Micrographs/*.mrc", DIAMETER_ANGSTROM, particles_dark=True, root=root)
    *_, project = create(new)
    assert isinstance(project, Project)
    publish_pretrained(project)
    newest = newest_round(project.layout)
    templates = RoundLayout(root / "templates", 0)
    for i in range(TEMPLATES):
        write_candidates(templates, str(i), proposals(candidates, rng))
    copy_candidates(templates, newest, [entry.key for entry in project.entries])
    with next_round(project.layout, read_info(newest)) as making:
        shutil.copytree(newest.members, making.members)
        for name in ("calibration", "centring", "metrics"):
            shutil.copyfile(getattr(newest, name), getattr(making, name))
    copy_candidates(templates, newest_round(project.layout), [entry.key for entry in project.entries])
    write_labels(root / "labels", rng)


def proposals(n: int, rng):
    """Candidates of which four in ten may be particles."""
    import numpy as np

    from cryoal.workspace.candidates import ScoredMicrograph

    logit = np.where(rng.random(n) < 0.4, rng.normal(2, 1.5, n), rng.normal(-3, 1.5, n))
    member = (1 / (1 + np.exp(-logit - rng.normal(0, 0.7, (MEMBERS, n))))).astype(np.float32)
    features = rng.normal(size=(n, FEATURES)).astype(np.float16)
    xy = rng.uniform(0, SIDE_PX - 1, (n, 2)).astype(np.float32)
    return ScoredMicrograph(xy, member, member.mean(axis=0), features)


def copy_candidates(templates, layout, keys: Sequence[str]) -> None:
    """A file a micrograph."""
    layout.candidates(keys[0]).parent.mkdir(parents=True)
    for i, key in enumerate(keys):
        shutil.copyfile(templates.candidates(str(i % TEMPLATES)), layout.candidates(key))


def write_labels(folder: Path, rng) -> None:
    """Complete labels of some micrographs, in files of coordinates."""
    from cryoal.io import star

    for i in range(LABELLED):
        x, y = rng.uniform(0, SIDE_PX - 1, (2, 200))
        star.write(folder / f"m{i:05d}.star", {"": {"rlnCoordinateX": x, "rlnCoordinateY": y}})


def open_plugin(workspace: Path) -> None:
    """Open the workspace in napari's model of a viewer, without its window."""
    from napari.components import ViewerModel

    from cryoal.learner.project import Project
    from napari_plugin.controller import Controller
    from napari_plugin.document import Document
    from napari_plugin.scene import Scene

    viewer = ViewerModel()
    begun = time.perf_counter()
    document = Document(Project.open(workspace))
    opened = time.perf_counter()
    controller = Controller(viewer, document, Scene(viewer))
    shown = time.perf_counter()
    document.step_micrograph(1)
    controller.refresh()
    switched = time.perf_counter()
    controller.close()
    print(f"{opened - begun:.2f} s for the document, {shown - opened:.2f} s to show it, ", end="")
    print(f"{switched - shown:.2f} s to the next micrograph")


def measure(command: Sequence[str | Path], cwd: Path) -> tuple[float, float, float, str]:
    """Run a process; wall seconds, CPU seconds, MiB, and what it said."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(map(str, command))}: {said}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, said


def tell(what: str, command: Sequence[str | Path], cwd: Path) -> None:
    wall, cpu, mebibytes, said = measure(command, cwd)
    print(f"| {what} | {wall:.1f} | {cpu:.1f} | {mebibytes:.0f} |", flush=True)
    if "to show it" in said:
        print(f"| … of it: {said.strip().splitlines()[-1]} | | | |", flush=True)


def steps(root: Path) -> dict[str, Callable[[], list[str | Path]]]:
    """Every command by what it is called in the table."""
    cryoal = [sys.executable, "-m", "cryoal"]
    me = [sys.executable, __file__, "--keep", root]
    return {
        "start-up alone: cryoal --help": lambda: [*cryoal, "--help"],
        "status": lambda: [*cryoal, "status", "ws"],
        "label --complete, 50 files": lambda: [*cryoal, "label", "ws", "labels", "--complete"],
        **{what: lambda words=words: [*cryoal, "query", "ws", *words] for what, words in QUERIES.items()},
        "pick": lambda: [*cryoal, "pick", "ws"],
        "export --format relion": lambda: [*cryoal, "export", "ws", "--format", "relion", "--out", "relion"],
        "export --format cryosparc": lambda: [*cryoal, "export", "ws", "--format", "cryosparc", "--out", "cs"],
        "evaluate": lambda: [*cryoal, "evaluate", "--picks", "relion", "--truth", "labels", "--diameter", "150"],
        "status, once more": lambda: [*cryoal, "status", "ws"],
        "score, nothing to do": lambda: [*cryoal, "score", "ws"],
        "report": lambda: [*cryoal, "report", "ws"],
        "napari: open, show, next micrograph": lambda: [*me, "--only", "plugin"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--micrographs", type=int, default=2000)
    parser.add_argument("--candidates", type=int, default=500)
    parser.add_argument("--keep", type=Path, help="make the workspace here, or use the one that is here")
    parser.add_argument("--steps", nargs="+", default=[""], help="only rows that begin so")
    parser.add_argument("--only", choices=["build", "plugin"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only == "build":
        build(options.keep, options.micrographs, options.candidates)
    elif options.only == "plugin":
        open_plugin(options.keep / "ws")
    else:
        run(options)


def run(options: argparse.Namespace) -> None:
    print(f"load {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores at the start\n", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        root = (options.keep or Path(temporary) / "project").absolute()
        print("| command | wall s | CPU s | MiB |\n| --- | ---: | ---: | ---: |", flush=True)
        if not root.exists():
            size = ["--micrographs", str(options.micrographs), "--candidates", str(options.candidates)]
            build_it = [sys.executable, __file__, "--keep", root, *size, "--only", "build"]
            tell("making the workspace", build_it, Path.cwd())
        for what, command in steps(root).items():
            if what.startswith(tuple(options.steps)):
                tell(what, command(), root)


if __name__ == "__main__":
    main()
