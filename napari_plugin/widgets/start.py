"""The start page: open a workspace, or make one from micrographs, the diameter judged by eye."""

from collections.abc import Callable
from pathlib import Path

from napari.qt.threading import create_worker
from qtpy.QtCore import QSignalBlocker, QTimer, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from cryoal.config import Config
from cryoal.errors import UserError
from napari_plugin.jobs import Job
from napari_plugin.new_workspace import Look, look, source_of
from napari_plugin.sample import sample_folder
from napari_plugin.scene import ALARM

_LOOK_MS = 400
_POLARITY = {"auto": None, "dark": True, "light": False}
_DIAMETER_HELP = (
    "The longest side of the particle, in Å. When the micrographs are given, it is judged from them, and the first is "
    "shown with circles of this diameter: change it until a circle just encloses a particle."
)


class Start(QWidget):
    """Asks for a workspace.

    Signals
    -------
    opened : str
        The workspace's folder.
    looked : Look
        What a new workspace would be made of.
    """

    opened = Signal(str)
    looked = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._job = Job(self)
        self._job.progressed.connect(lambda stage, done, total: self.tell(f"{stage} {done}/{total}", is_error=False))
        self._job.finished.connect(self._made)
        self._message = QLabel(wordWrap=True)
        self._looking = False
        self._timer = QTimer(self, interval=_LOOK_MS, singleShot=True)
        self._timer.timeout.connect(self._look)
        layout = QVBoxLayout(self)
        layout.addWidget(self._open_box())
        layout.addWidget(self._new_box())
        layout.addWidget(self._message)
        layout.addStretch()

    def tell(self, message: str, *, is_error: bool = True) -> None:
        """Say what is wrong, or how far it is."""
        self._message.setStyleSheet(f"color: {ALARM}; font-weight: bold" if is_error else "")
        self._message.setText(message)

    def end(self) -> None:
        """The window closes: end what runs."""
        self._timer.stop()
        self._job.wait()

    def _open_box(self) -> QGroupBox:
        """An existing workspace."""
        box = QGroupBox("Open a workspace")
        self.workspace = QLineEdit(placeholderText="folder of the workspace")
        self.open_button = QPushButton("Open")
        self.open_button.clicked.connect(lambda: self.opened.emit(self.workspace.text().strip()))
        self.workspace.returnPressed.connect(self.open_button.click)
        layout = QVBoxLayout(box)
        layout.addLayout(_with_browse(self.workspace, _ask_folder))
        layout.addWidget(self.open_button)
        return box

    def _new_box(self) -> QGroupBox:
        """A new workspace."""
        box = QGroupBox("New workspace")
        self.micrographs = QLineEdit(placeholderText="folder, glob, or RELION's .star")
        self.micrographs.setToolTip("A folder, a glob such as Micrographs/*.mrc, or micrographs.star of a RELION job.")
        self.diameter = QDoubleSpinBox(suffix=" Å", decimals=0, minimum=0, maximum=5000, value=0, singleStep=5)
        self.diameter.setSpecialValueText("judged from the micrographs")
        self.pixel_size = QDoubleSpinBox(suffix=" Å/pixel", decimals=4, minimum=0, maximum=100, value=0)
        self.pixel_size.setSpecialValueText("from the files")
        self.polarity = QComboBox()
        self.polarity.addItems(list(_POLARITY))
        self.pixel_size.setToolTip("Only needed where neither list nor headers tell it, or tell it wrong.")
        self.polarity.setToolTip("Darker or lighter than the ice; auto finds out.")
        self.folder = QLineEdit(placeholderText="new folder")
        self.folder.setToolTip("Labels, rounds and picks are kept in it.")
        self.make_button = QPushButton("Make, and propose particles")
        self.make_button.clicked.connect(self._make)
        sample = QPushButton("Fill in the sample data")
        sample.clicked.connect(self._fill_in_sample)
        help_text = QLabel(_DIAMETER_HELP, wordWrap=True)
        self.diameter.setToolTip(_DIAMETER_HELP)
        for changed in (self.micrographs.textChanged, self.diameter.valueChanged, self.pixel_size.valueChanged):
            changed.connect(lambda _: self._timer.start())
        self.polarity.currentIndexChanged.connect(lambda _: self._timer.start())
        form = QFormLayout(box)
        form.addRow("Micrographs", _with_browse(self.micrographs, _ask_star_or_folder))
        form.addRow("Particle diameter", self.diameter)
        form.addRow(help_text)
        form.addRow("Pixel size", self.pixel_size)
        form.addRow("Particles are", self.polarity)
        form.addRow("Workspace", _with_browse(self.folder, _ask_folder))
        form.addRow(self.make_button)
        form.addRow(sample)
        return box

    def _look(self) -> None:
        """Look at the first micrograph, in a thread; what was typed meanwhile is looked at afterwards."""
        if self._looking:
            self._timer.start()
        elif self.micrographs.text().strip():
            self._looking = True
            sizes = self.diameter.value() or None, self.pixel_size.value() or None
            if sizes[0] is None:
                self.tell("judging the diameter from the micrographs …", is_error=False)
            polarity = _POLARITY[self.polarity.currentText()]
            worker = create_worker(_looked_or_error, self.micrographs.text(), *sizes, polarity, _start_thread=False)
            worker.returned.connect(self._seen)
            worker.start()

    def _seen(self, found: "Look | str") -> None:
        """Show what was seen."""
        self._looking = False
        if isinstance(found, Look):
            if not self.diameter.value():
                with QSignalBlocker(self.diameter):
                    self.diameter.setValue(found.diameter_angstrom)
            self.tell(found.told, is_error=False)
            self.looked.emit(found)
        else:
            self.tell(found)

    def _make(self) -> None:
        """Run `cryoal init`."""
        folder = self.folder.text().strip()
        try:
            source = source_of(self.micrographs.text())
        except UserError as error:
            self.tell(str(error))
            return
        if not folder:
            self.tell("Workspace: no folder is given; choose a new one, labels and picks are kept in it")
            return
        command = ["init", str(Path(folder).expanduser().absolute()), "--micrographs", source.micrographs]
        command += ["--polarity", self.polarity.currentText(), "--project", str(source.root)]
        if self.diameter.value():
            command += ["--diameter", f"{self.diameter.value():g}"]
        if self.pixel_size.value():
            command += ["--pixel-size", f"{self.pixel_size.value():g}"]
        self.make_button.setEnabled(False)
        self.tell("looking at the micrographs …", is_error=False)
        self._job.start([command])

    def _made(self, error: str) -> None:
        """Open what was made."""
        self.make_button.setEnabled(True)
        self.tell(error)
        if not error:
            self.opened.emit(self.folder.text().strip())

    def _fill_in_sample(self) -> None:
        """Enter the sample set's values."""
        folder = sample_folder()
        self.micrographs.setText(str(folder / "Micrographs" / "*.mrc"))
        self.diameter.setValue(float((folder / "diameter_angstrom.txt").read_text()))
        self.folder.setText(str(Path.home() / "cryoal_sample"))


def _looked_or_error(
    text: str, diameter_angstrom: float | None, pixel_size_angstrom: float | None, particles_dark: bool | None
) -> Look | str:
    """A look, or what is wrong."""
    try:
        return look(text, diameter_angstrom, pixel_size_angstrom, particles_dark, Config())
    except UserError as error:
        return str(error)


def _with_browse(line: QLineEdit, ask: Callable[[QWidget], str]) -> QHBoxLayout:
    """A text field with a button that fills it."""
    button = QToolButton(text="…")
    button.clicked.connect(lambda: line.setText(ask(line) or line.text()))
    row = QHBoxLayout()
    row.addWidget(line)
    row.addWidget(button)
    return row


def _ask_folder(parent: QWidget) -> str:
    folder: str = QFileDialog.getExistingDirectory(parent)
    return folder


def _ask_star_or_folder(parent: QWidget) -> str:
    """A STAR file, or one micrograph, which stands for all of its folder."""
    name: str = QFileDialog.getOpenFileName(parent, "A micrograph list, or one of the micrographs")[0]
    return name if not name or name.endswith(".star") else str(Path(name).parent)
