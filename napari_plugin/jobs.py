"""Long work in processes of its own: our command line, one command after the other, its progress read as lines."""

import re
import sys
from collections.abc import Sequence

from qtpy.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

_PROGRESS = re.compile(r"(?P<stage>[^:{}]+): (?P<done>[\d,]+)/(?P<total>[\d,]+), \d+ s")
_LINES_EVERY_S = "0.5"
_KILL_AFTER_MS = 1000
_LINES_KEPT = 40
CANCELLED = "cancelled"
"""What a job that was cancelled finishes with."""


class Job(QObject):
    """Runs commands of cryoal one after the other; one job at a time.

    Signals
    -------
    progressed : str, int, int
        Stage, done, total.
    finished : str
        What went wrong, with what to do; empty where nothing did.
    """

    progressed = Signal(str, int, int)
    finished = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._todo: list[list[str]] = []
        self._lines: list[str] = []
        self._cancelled = False
        self._process: QProcess | None = None

    @property
    def is_running(self) -> bool:
        """Whether a command runs."""
        return self._process is not None

    def start(self, commands: Sequence[Sequence[str]]) -> None:
        """Run commands, given as arguments of `cryoal`; the first that fails ends the job."""
        self._todo = [list(one) for one in commands]
        self._cancelled = False
        self._next()

    def cancel(self) -> None:
        """End the process; the workspace stays whole, for rounds are published by one rename."""
        if self._process is None:
            return
        self._cancelled, self._todo = True, []
        process = self._process
        process.terminate()
        QTimer.singleShot(_KILL_AFTER_MS, lambda: process.kill() if self._process is process else None)

    def wait(self) -> None:
        """End the process and wait until it is gone: the window closes."""
        if self._process is not None:
            self._process.finished.disconnect()
            self._process.kill()
            self._process.waitForFinished()
            self._process = None

    def _next(self) -> None:
        """Start the next command."""
        process = QProcess(self)
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("CRYOAL_LOG_SECONDS", _LINES_EVERY_S)
        process.setProcessEnvironment(environment)
        process.setProcessChannelMode(QProcess.ProcessChannelMode.MergedChannels)
        process.readyReadStandardOutput.connect(self._read)
        process.finished.connect(self._end)
        self._lines = []
        self._process = process
        command = self._todo.pop(0)
        self.progressed.emit(command[0], 0, 0)
        process.start(sys.executable, ["-m", "cryoal", *command])

    def _read(self) -> None:
        """Take in what the command wrote."""
        if self._process is None:
            return
        while self._process.canReadLine():
            line = bytes(self._process.readLine().data()).decode(errors="replace").strip()
            match = _PROGRESS.fullmatch(line)
            if match:
                done, total = (int(match[name].replace(",", "")) for name in ("done", "total"))
                self.progressed.emit(match["stage"], done, total)
            elif line:
                self._lines = [*self._lines[-_LINES_KEPT:], line]

    def _end(self, code: int) -> None:
        """Go on, or tell how it ended."""
        self._read()
        if self._process is not None:
            self._process.deleteLater()
        self._process = None
        if code == 0 and self._todo:
            self._next()
            return
        self._todo = []
        self.finished.emit("" if code == 0 else CANCELLED if self._cancelled else self._reason(code))

    def _reason(self, code: int) -> str:
        """The command's own last words."""
        told = [line.removeprefix("cryoal: ") for line in self._lines if line.startswith("cryoal: ")]
        return told[-1] if told else self._lines[-1] if self._lines else f"cryoal ended with status {code}"
