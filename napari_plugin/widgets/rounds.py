"""The round: what it scores, retraining in a process of its own, advice, and export."""

from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from cryoal.io.formats import FORMATS
from cryoal.learner.project import Project
from cryoal.learner.status import Status, status
from cryoal.workspace.rounds import published_rounds
from napari_plugin.jobs import CANCELLED, Job
from napari_plugin.widgets.bar import Bar

_RETRAIN, _PROPOSE = "Retrain", "Propose"
_AUTOMATIC = "automatic"
_IN_A_SHELL, _IN_THE_WINDOW = "cryoal query --strategy random", "choose random in File > Preferences > cryoal"
_WORDS = {"best_f1": "best F1", "average_precision": "average precision", "ece_after": "calibration error"}


@dataclass(frozen=True, slots=True)
class Preferences:
    """What napari's Preferences keep for us (`configurations` of the manifest).

    Attributes
    ----------
    members : int
        Size of the committee.
    labels_per_round : int
        New decisions until retraining by itself.
    micrographs_per_query : int
        So many micrographs, spread over the list, are scored for a query; all of them are for an export.
    strategy : str
        Of the query; ``automatic`` for the workspace's own.
    """

    members: int
    labels_per_round: int
    micrographs_per_query: int
    strategy: str


class Rounds(QWidget):
    """Retrain and Export.

    Parameters
    ----------
    project : Project
    preferences : Preferences

    Signals
    -------
    published : bool
        There is a new round or query; true where the expert asked for it.
    failed : str
        A job failed; what to do.
    """

    published = Signal(bool)
    failed = Signal(str)

    def __init__(self, project: Project, preferences: Preferences) -> None:
        super().__init__()
        self._root = str(project.layout.root)
        self._project = project
        self._job = Job(self)
        self._job.progressed.connect(self._progressed)
        self._job.finished.connect(self._ended)
        self._kind = ""
        self._asked_for = True
        self._decisions, self._decisions_then = 0, 0
        self._preferences = preferences
        self.threshold = 0.5
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._round_box())
        layout.addWidget(self._export_box())

    @property
    def is_busy(self) -> bool:
        """Whether a job runs."""
        return self._job.is_running

    @property
    def lacks_query(self) -> bool:
        """Whether the newest round, or the committee that ships with cryoal, has yet to propose."""
        rounds = published_rounds(self._project.layout)
        return not rounds or not rounds[-1].query.exists()

    def begin(self) -> None:
        """Tell how things stand, and get proposals where there are none."""
        self.show_status()
        if self.lacks_query:
            self._start("propose", self._proposing())

    def end(self) -> None:
        """The window closes: end what runs."""
        self._job.wait()

    def retrain(self, *, asked_for: bool = True) -> None:
        """Train, score and query, one after the other; or cancel what runs."""
        if self.is_busy:
            self._job.cancel()
            return
        self._asked_for = asked_for
        self._decisions_then = self._decisions
        train = ["train", self._root, "--members", str(self._preferences.members)]
        self._start("retrain", self._proposing() if self.lacks_query else [train, *self._proposing()])

    def consider(self, decisions: int) -> None:
        """Retrain by itself after enough new decisions."""
        self._decisions = decisions
        is_due = decisions - self._decisions_then >= self._preferences.labels_per_round
        if self.auto.isChecked() and not self.is_busy and is_due:
            self.retrain(asked_for=False)

    def export(self) -> None:
        """Score what is not scored yet, pick at the threshold that is shown, and write the picks."""
        if self.is_busy:
            return
        if self.lacks_query:
            self.failed.emit(f"the newest round has not proposed yet; press {_PROPOSE} first, then Export")
            return
        name, out = self.format.currentText(), self._folder()
        pick = ["pick", self._root, "--threshold", repr(self.threshold)]  # to the last digit: a pick may lie on it
        write = ["export", self._root, "--format", name, "--out", out]
        self._start("export", [["score", self._root], pick, write])

    def show_status(self) -> None:
        """Show the newest round's measures and the advice."""
        now = status(self._project)
        self._status.setText("<br>".join(told(now)))
        self.button.setText(_PROPOSE if self.lacks_query else _RETRAIN)

    def _proposing(self) -> list[list[str]]:
        """Score some micrographs, and query."""
        parts = -(-len(self._project.entries) // self._preferences.micrographs_per_query)
        chosen = self._preferences.strategy
        strategy = [] if chosen == _AUTOMATIC else ["--strategy", chosen]
        return [["score", self._root, "--shard", f"1/{parts}"], ["query", self._root, *strategy]]

    def _folder(self) -> str:
        """Where an export goes."""
        return self.out.text().strip() or str(Path(self._root) / "export")

    def _round_box(self) -> QGroupBox:
        """Measures, Retrain, progress."""
        box = QGroupBox("Round")
        self._status = QLabel(wordWrap=True)
        self.button = QPushButton(_RETRAIN)
        self.button.setToolTip("Train on all labels, score, and choose what to ask next; label on meanwhile.")
        self.button.clicked.connect(lambda _: self.retrain())
        self.auto = QCheckBox(f"by itself, every {self._preferences.labels_per_round} labels")
        self.auto.setToolTip("The new query comes when you leave the field; how many: File > Preferences > cryoal.")
        self._bar = Bar()
        self._bar.hide()
        row = QHBoxLayout()
        row.addWidget(self.button)
        row.addWidget(self.auto)
        layout = QVBoxLayout(box)
        layout.addWidget(self._status)
        layout.addLayout(row)
        layout.addWidget(self._bar)
        return box

    def _export_box(self) -> QGroupBox:
        """Format, folder, Export."""
        box = QGroupBox("Export")
        self.format = QComboBox()
        self.format.addItems(list(FORMATS))
        self.format.setToolTip("For which program.")
        self.out = QLineEdit(placeholderText="export/ of the workspace")
        self.out.setToolTip("Folder to write to; by default export/ in the workspace.")
        self.export_button = QPushButton("Export", toolTip="Score what is not scored yet, and write what is shown.")
        self.exported = QLabel(wordWrap=True)
        row = QHBoxLayout()
        row.addWidget(self.format)
        row.addWidget(self.out)
        row.addWidget(self.export_button)
        layout = QVBoxLayout(box)
        layout.addLayout(row)
        layout.addWidget(self.exported)
        return box

    def _start(self, kind: str, commands: list[list[str]]) -> None:
        """Run commands; the button cancels meanwhile."""
        self._kind = kind
        self.button.setText("Cancel")
        self.export_button.setEnabled(False)
        self._bar.setVisible(True)
        self._job.start(commands)

    def _progressed(self, stage: str, done: int, total: int) -> None:
        """Move the bar."""
        self._bar.show_progress(done, total, f"{stage} {done}/{total}" if total else stage)

    def _ended(self, error: str) -> None:
        """Tell what came of it."""
        self.export_button.setEnabled(True)
        self._bar.setVisible(False)
        self.show_status()
        if error == CANCELLED:
            self._status.setText(f"cancelled; nothing is lost, {self.button.text()} begins again")
            return
        self.failed.emit(error)
        if error:
            return
        if self._kind == "export":
            self.exported.setText(f"written to {self._folder()}")
            return
        self.published.emit(self._asked_for)


def told(now: Status) -> list[str]:
    """How things stand and what to do next, in the window's words."""
    lines = []
    for newest in now.rounds[-1:]:
        is_taught = any(newest.labels.values())
        made_of = "" if is_taught else ": the committee that comes with cryoal, before it has learnt from you"
        lines.append(f"<b>Round {newest.number}</b>{made_of}; scored {newest.scored}/{now.micrographs} micrographs")
        kept_out = [f"{word} {newest.metrics[key]:.3f}" for key, word in _WORDS.items() if key in newest.metrics]
        lines += ["On labels kept out of training: " + ", ".join(kept_out)] if kept_out else []
    if now.outlook is not None and len(now.rounds) > 1:
        sentence = str(now.outlook).replace(_IN_A_SHELL, _IN_THE_WINDOW)
        sentence = sentence[0].upper() + sentence[1:]
        lines.append(sentence if now.outlook.pays else f"<b>{sentence}</b>")
    if now.set_aside:
        lines.append(f"{len(now.set_aside)} micrographs cannot be used; cryoal status says why")
    return [*lines, f"<b>Next:</b> {_advice(now)}"]


def _advice(now: Status) -> str:
    """The next step."""
    if not now.rounds:
        return "wait for the first proposals"
    if not now.rounds[-1].queried:
        return f"{_PROPOSE}, for the newest round has not proposed yet"
    if not now.labels.get("particle"):
        return "judge the proposals by F and D, click what was missed, Enter when a field is finished; then Retrain"
    if dict(now.rounds[-1].labels) != dict(now.labels):
        return "Retrain, for there are labels that no committee has learnt from"
    if now.outlook is not None and not now.outlook.pays:
        return "Export"
    return "answer the query, then Retrain; or Export if you are content"
