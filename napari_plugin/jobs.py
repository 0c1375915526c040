"""Long work in a process of its own: our command line, one command after the other, its progress read as lines."""

import json
import re
import sys
from collections.abc import Sequence

from qtpy.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

_PROGRESS = re.compile(r"(?P<stage>[^:{}]+): (?P<done>[\d,]+)/(?P<total>[\d,]+), \d+ s")
_LINES_EVERY_S = "0.5"
_KILL_AFTER_MS = 1000
_LINES_KEPT = 40
_OURS, _WARNING = "cryoal: ", "cryoal: warning: "
_KILLED = (
    "training or scoring was killed (signal {}), as happens when the memory is full; nothing labelled is lost: close "
    "other programs, or choose fewer members in File > Preferences > cryoal, and try again"
)
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
        self._lines: list[str] = []
        self._cancelled = False
        self._process: QProcess | None = None

    @property
    def is_running(self) -> bool:
        """Whether commands run."""
        return self._process is not None

    def start(self, commands: Sequence[Sequence[str]]) -> None:
        """Run commands, given as arguments of `cryoal`; the first that fails ends the job."""
        process = QProcess(self)
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("CRYOAL_LOG_SECONDS", _LINES_EVERY_S)
        process.setProcessEnvironment(environment)
        process.setProcessChannelMode(QProcess.ProcessChannelMode.MergedChannels)
        process.readyReadStandardOutput.connect(self._read)
        process.finished.connect(self._end)
        process.errorOccurred.connect(self._not_started)
        self._lines, self._cancelled = [], False
        self._process = process
        self.progressed.emit(commands[0][0], 0, 0)
        process.start(sys.executable, ["-m", "napari_plugin.commands", *(json.dumps(list(one)) for one in commands)])

    def cancel(self) -> None:
        """End the process; the workspace stays whole, for rounds are published by one rename."""
        if self._process is None:
            return
        self._cancelled = True
        process = self._process
        process.terminate()
        QTimer.singleShot(_KILL_AFTER_MS, lambda: process.kill() if self._process is process else None)

    def wait(self) -> None:
        """End the process and wait until it is gone: the window closes."""
        if self._process is not None:
            self._process.finished.disconnect()
            self._process.errorOccurred.disconnect()
            self._process.kill()
            self._process.waitForFinished()
            self._process = None

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
        """Tell how it ended."""
        self._read()
        process, self._process = self._process, None
        was_killed = process is not None and process.exitStatus() == QProcess.ExitStatus.CrashExit
        if process is not None:
            process.deleteLater()
        reason = _KILLED.format(code) if was_killed else self._reason(code)
        self.finished.emit(CANCELLED if self._cancelled else reason if was_killed or code else "")

    def _not_started(self, error: QProcess.ProcessError) -> None:
        """Tell why nothing runs; what was started ends by `_end`."""
        if error == QProcess.ProcessError.FailedToStart and self._process is not None:
            reason = f"{sys.executable}: cannot be started ({self._process.errorString()}); close other programs"
            self._process.deleteLater()
            self._process = None
            self.finished.emit(reason)

    def _reason(self, code: int) -> str:
        """The command's own last words."""
        told = [line.removeprefix(_OURS) for line in self._lines if line.startswith(_OURS) and _WARNING not in line]
        return told[-1] if told else self._lines[-1] if self._lines else f"cryoal ended with status {code}"
