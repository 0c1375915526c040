"""The round: what it scores, retraining in a process of its own, advice, and export."""

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
from cryoal.learner.stability import agreements, is_stable
from cryoal.learner.status import Status, status
from cryoal.workspace.rounds import published_rounds
from napari_plugin.jobs import Job
from napari_plugin.widgets.bar import Bar


class Rounds(QWidget):
    """Retrain and Export.

    Parameters
    ----------
    project : Project
    members : int
        Size of the committee.
    labels_per_round : int
        New decisions until retraining by itself.

    Signals
    -------
    published : bool
        There is a new round or query; true where the expert asked for it.
    failed : str
        A job failed; what to do.
    """

    published = Signal(bool)
    failed = Signal(str)

    def __init__(self, project: Project, members: int, labels_per_round: int) -> None:
        super().__init__()
        self._root = project.layout.root
        self._project = project
        self._job = Job(self)
        self._job.progressed.connect(self._progressed)
        self._job.finished.connect(self._ended)
        self._kind = ""
        self._asked_for = True
        self._decisions_then = 0
        self._members, self._labels_per_round = members, labels_per_round
        self.threshold = 0.5
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._round_box())
        layout.addWidget(self._export_box())

    @property
    def is_busy(self) -> bool:
        """Whether a job runs."""
        return self._job.is_running

    def begin(self) -> None:
        """Tell how things stand, and get a query where there is none."""
        self.show_status()
        rounds = published_rounds(self._project.layout)
        cold = self._project.layout.root / "query.star"
        if rounds and not rounds[-1].query.exists():
            self._start("query", [["score", str(self._root)], ["query", str(self._root)]])
        elif not rounds and not cold.exists():
            self._start("query", [["query", str(self._root)]])

    def end(self) -> None:
        """The window closes: end what runs."""
        self._job.wait()

    def retrain(self, *, asked_for: bool = True) -> None:
        """Train, score and query, one after the other; or cancel what runs."""
        if self.is_busy:
            self._job.cancel()
            return
        self._asked_for = asked_for
        root = str(self._root)
        train = ["train", root, "--members", str(self._members)]
        self._start("retrain", [train, ["score", root], ["query", root]])

    def consider(self, decisions: int) -> None:
        """Retrain by itself after enough new decisions."""
        if self.auto.isChecked() and not self.is_busy and decisions - self._decisions_then >= self._labels_per_round:
            self._decisions_then = decisions
            self.retrain(asked_for=False)

    def export(self) -> None:
        """Pick at the threshold that is shown, and write the picks."""
        if self.is_busy:
            return
        name, out = self.format.currentText(), self.out.text().strip() or str(self._root / "export")
        pick = ["pick", str(self._root), "--threshold", f"{self.threshold:.6f}"]
        self._start("export", [pick, ["export", str(self._root), "--format", name, "--out", out]])

    def show_status(self) -> None:
        """Show the newest round's measures and the advice."""
        now = status(self._project)
        told = []
        if now.rounds:
            newest = now.rounds[-1]
            told.append(f"<b>Round {newest.number}</b>, scored {newest.scored}/{now.micrographs} micrographs")
            words = {"best_f1": "best F1", "average_precision": "average precision", "ece_after": "calibration error"}
            kept_out = [f"{word} {newest.metrics[key]:.3f}" for key, word in words.items() if key in newest.metrics]
            kappas = agreements(self._project)
            told += ["on labels kept out of training: " + ", ".join(kept_out)] if kept_out else []
            if kappas and kappas[-1] is not None:
                told.append(f"agreement with the round before: κ = {kappas[-1]:.2f}")
            if is_stable(kappas):
                told.append("<b>The last rounds hardly differ: labelling on will change little. Export.</b>")
        else:
            told.append("<b>No round yet</b>: mark particles in the fields shown, then Retrain")
        if now.set_aside:
            told.append(f"{len(now.set_aside)} micrographs cannot be used; cryoal status says why")
        self._status.setText("<br>".join([*told, _advice(now)]))

    def _round_box(self) -> QGroupBox:
        """Measures, Retrain, progress."""
        box = QGroupBox("Round")
        self._status = QLabel(wordWrap=True)
        self.button = QPushButton("Retrain")
        self.button.clicked.connect(lambda _: self.retrain())
        self.auto = QCheckBox(f"by itself, every {self._labels_per_round} labels")
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
        self.out = QLineEdit(placeholderText=str(self._root / "export"))
        self.export_button = QPushButton("Export")
        self.export_button.clicked.connect(lambda _: self.export())
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
        self.button.setText("Retrain")
        self.export_button.setEnabled(True)
        self._bar.setVisible(False)
        if error == "cancelled":
            self._status.setText("cancelled; nothing is lost, Retrain begins again")
            return
        self.failed.emit(error)
        if error:
            return
        if self._kind == "export":
            self.exported.setText(f"written to {self.out.text().strip() or self._root / 'export'}")
            return
        self.show_status()
        self.published.emit(self._asked_for)


def _advice(now: Status) -> str:
    """The next step, in the window's words."""
    if not now.labels.get("particle"):
        return "Next: click the particles of each field, then press Enter"
    if not now.rounds or dict(now.rounds[-1].labels) != dict(now.labels):
        return "Next: Retrain, for there are labels that no committee has learnt from"
    if now.rounds[-1].picked:
        return "Next: Export, or go on with the query"
    return "Next: answer the query, or Export if you are content"
