"""The real command line for tests, run in forked children of one process that has imported everything already.

Networks are small and steps few, so that a training takes a second; nothing else differs from `cryoal`. Beside it, a
small project made from the sample data, and the same with a workspace that is labelled, trained and scored.
"""

import atexit
import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STEPS = 20
NAMES = ("a_05", "a_01", "a_03", "b_06", "b_07", "b_10")  # in this order in micrographs.star; digits: of sample_data
DIAMETER = "165"


@dataclass(frozen=True)
class Result:
    """How a command ended; `status` is that of the shell, minus the signal that killed it."""

    status: int
    out: str
    err: str
    seconds: float

    @property
    def error_line(self) -> str:
        """The one line that a user's error is told in."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


class CommandLine:
    """Runs `cryoal` commands; close it at the end.

    Parameters
    ----------
    scratch : Path
        Folder for what the commands print.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def __call__(
        self,
        *arguments: object,
        cwd: Path | None = None,
        killed_after: float | None = None,
        by: signal.Signals = signal.SIGKILL,
        steps: int = STEPS,
    ) -> Result:
        """Run one command to its end, or send it a signal after some seconds."""
        out, err = self._scratch / "out", self._scratch / "err"
        request = {
            "argv": ["cryoal", *map(str, arguments)],
            "cwd": str(cwd or self._scratch),
            "out": str(out),
            "err": str(err),
            "after": killed_after,
            "signal": int(by),
            "steps": steps,
        }
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        answer = json.loads(self._server.stdout.readline())
        return Result(answer["status"], out.read_text(), err.read_text(), answer["seconds"])

    def ok(self, *arguments: object, cwd: Path | None = None, steps: int = STEPS) -> str:
        """Run a command that must succeed; what it printed."""
        result = self(*arguments, cwd=cwd, steps=steps)
        assert result.status == 0, f"{arguments}: {result.err}"
        return result.out

    def refused(self, *arguments: object, cwd: Path | None = None) -> str:
        """Run a command that must be refused; its one line."""
        result = self(*arguments, cwd=cwd)
        assert result.status == 2, f"{arguments}: status {result.status}\n{result.out}\n{result.err}"
        assert result.error_line.startswith("cryoal: ")
        return result.error_line

    def close(self) -> None:
        """End the process."""
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait()


@functools.cache
def command_line() -> CommandLine:
    """The one command line of this test process."""
    scratch = Path(tempfile.mkdtemp(prefix="cryoal-test-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    made = CommandLine(scratch)
    atexit.register(made.close)
    return made


def new_project(folder: Path) -> Path:
    """A folder with Micrographs/, micrographs.star and truth/, as a RELION project has them; its files are links."""
    return _linked(_project(), folder)


def scored_project(folder: Path) -> Path:
    """A new project with a workspace `ws` of which some fields are labelled, trained on and scored."""
    return _linked(_scored(), folder)


def _linked(source: Path, folder: Path) -> Path:
    """A copy whose micrographs are hard links: remove them before writing others."""

    def link(path: str, to: str) -> None:
        (os.link if path.endswith(".mrc") else shutil.copy)(path, to)

    shutil.copytree(source, folder / "project", copy_function=link)
    return folder / "project"


@functools.cache
def _project() -> Path:
    """Quarters of six micrographs of the sample data."""
    from cryoal.data.picks import Picks
    from cryoal.io import mrc, relion, star

    folder = Path(tempfile.mkdtemp(prefix="cryoal-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in NAMES:
        sample = f"sample_{name[-2:]}"
        image = mrc.read(ROOT / "sample_data" / "Micrographs" / f"{sample}.mrc")
        (folder / "Micrographs").mkdir(exist_ok=True)
        mrc.write(folder / "Micrographs" / f"{name}.mrc", image.pixels[:370, :416], image.pixel_size_angstrom)
        truth: Picks = next(iter(relion.read(ROOT / "sample_data" / "truth" / f"{sample}.star").values()))
        truth = truth.select((truth.x < 415) & (truth.y < 369))
        columns = {"rlnCoordinateX": truth.x, "rlnCoordinateY": truth.y}
        star.write(folder / "truth" / f"{name}.star", {"": columns})
    names = [f"Micrographs/{name}.mrc" for name in NAMES]
    star.write(folder / "micrographs.star", {"micrographs": {"rlnMicrographName": names}})
    return folder


@functools.cache
def _scored() -> Path:
    """The project with a workspace."""
    folder = Path(tempfile.mkdtemp(prefix="cryoal-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    project, cryoal = new_project(folder), command_line()
    for command in (
        f"init ws --micrographs micrographs.star --diameter {DIAMETER}",
        "query ws --fields 10 --strategy random",
        "label ws truth --query ws/query.star",
        "train ws --members 2",
        "score ws",
    ):
        cryoal.ok(*command.split(), "--quiet", cwd=project)
    return project


def _serve() -> None:
    """Fork a child for every request on standard input; answer when it has ended."""
    import torch._dynamo  # noqa: F401  what the first optimiser would import

    from cryoal.cli import console, run, train  # noqa: F401
    from cryoal.cli.main import app
    from cryoal.learner import asking, evaluating, status, whole_job  # noqa: F401

    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):  # first use imports
        console.table("", ["a", "b", "c"], [["1", "2", "3"]])
        app(["status", "--help"], standalone_mode=False)
    for line in sys.stdin:
        request = json.loads(line)
        ready, tell_ready = os.pipe()
        pid = os.fork()
        if pid == 0:
            _be_cryoal(request, tell_ready)
        os.close(tell_ready)
        os.read(ready, 1)
        os.close(ready)
        start = time.monotonic()
        if request["after"] is not None:
            time.sleep(request["after"])
            os.kill(pid, request["signal"])  # it is not reaped before, so the number is its own
        status_code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        sys.stdout.write(json.dumps({"status": status_code, "seconds": time.monotonic() - start}) + "\n")
        sys.stdout.flush()


def _make_small(steps: int) -> None:
    """Let the commands train small networks for so many steps."""
    from cryoal.cli import run, train
    from cryoal.config import Config, NetworkConfig, TrainingConfig

    def small(members: int, committee: str) -> Config:
        training = TrainingConfig(members, committee, min_steps=steps, max_steps=steps, crop_diameters=3.0)
        return Config(network=NetworkConfig(8, 16, (1,)), training=training)

    train.configured = run.configured = small


def _be_cryoal(request: dict[str, object], tell_ready: int) -> None:
    """Become the command; never returns. Status 99: it left threads behind."""
    from cryoal.cli.main import main

    _make_small(int(str(request["steps"])))
    os.chdir(str(request["cwd"]))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(str(request[name]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = request["argv"]  # type: ignore[assignment]
    code = 1
    os.write(tell_ready, b"!")
    try:
        main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:  # noqa: BLE001  as the interpreter would
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if _threads_end() else 99)


def _threads_end() -> bool:
    """Whether the threads that the interpreter would wait for end within seconds."""
    others = [
        thread
        for thread in threading.enumerate()
        if thread is not threading.main_thread() and thread.ident is not None  # an interrupt may keep one from starting
    ]
    for thread in others:
        thread.join(20)
    return not any(thread.is_alive() for thread in others)


if __name__ == "__main__":
    _serve()
