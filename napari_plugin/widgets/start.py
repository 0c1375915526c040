"""The start page: open a workspace, or make one from micrographs."""

from pathlib import Path

from qtpy.QtCore import Signal
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

from napari_plugin.jobs import Job
from napari_plugin.sample import sample_folder

_IMAGES = ("*.mrc", "*.tif", "*.tiff", "*.mrc.gz", "*.mrc.bz2")


class Start(QWidget):
    """Asks for a workspace.

    Signals
    -------
    opened : str
        The workspace's folder.
    """

    opened = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._job = Job(self)
        self._job.finished.connect(self._made)
        self._message = QLabel()
        self._message.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.addWidget(self._open_box())
        layout.addWidget(self._new_box())
        layout.addWidget(self._message)
        layout.addStretch()

    def tell(self, message: str) -> None:
        """Say what is wrong."""
        self._message.setText(message)

    def _open_box(self) -> QGroupBox:
        """An existing workspace."""
        box = QGroupBox("Open a workspace")
        self.workspace = QLineEdit(placeholderText="folder of the workspace")
        self.open_button = QPushButton("Open")
        self.open_button.clicked.connect(lambda: self.opened.emit(self.workspace.text()))
        self.workspace.returnPressed.connect(self.open_button.click)
        layout = QVBoxLayout(box)
        layout.addLayout(_with_browse(self.workspace, _ask_folder))
        layout.addWidget(self.open_button)
        return box

    def _new_box(self) -> QGroupBox:
        """A new workspace."""
        box = QGroupBox("New workspace")
        self.micrographs = QLineEdit(placeholderText="folder, glob, or micrographs.star of a RELION job")
        self.diameter = QDoubleSpinBox(suffix=" Å", decimals=0, minimum=0, maximum=5000, value=150)
        self.pixel_size = QDoubleSpinBox(suffix=" Å/pixel", decimals=4, minimum=0, maximum=100, value=0)
        self.pixel_size.setSpecialValueText("from the files")
        self.polarity = QComboBox()
        self.polarity.addItems(["auto", "dark", "light"])
        self.folder = QLineEdit(placeholderText="new folder")
        self.make_button = QPushButton("Make and open")
        self.make_button.clicked.connect(self._make)
        sample = QPushButton("Fill in the sample data")
        sample.clicked.connect(self._fill_in_sample)
        form = QFormLayout(box)
        form.addRow("Micrographs", _with_browse(self.micrographs, _ask_star_or_folder))
        form.addRow("Particle diameter", self.diameter)
        form.addRow("Pixel size", self.pixel_size)
        form.addRow("Particles are", self.polarity)
        form.addRow("Workspace", _with_browse(self.folder, _ask_folder))
        form.addRow(self.make_button)
        form.addRow(sample)
        return box

    def _make(self) -> None:
        """Run `cryoal init`."""
        source, folder = self.micrographs.text().strip(), self.folder.text().strip()
        if not source or not folder:
            self.tell("Give the micrographs and a new folder for the workspace.")
            return
        command = ["init", folder, "--micrographs", _glob_of(source), "--diameter", f"{self.diameter.value():g}"]
        command += ["--polarity", self.polarity.currentText(), "--project", str(Path(_project_of(source)))]
        if self.pixel_size.value():
            command += ["--pixel-size", f"{self.pixel_size.value():g}"]
        self.make_button.setEnabled(False)
        self.tell("looking at the micrographs …")
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


def _glob_of(source: str) -> str:
    """The glob of a folder's images; anything else as it is."""
    folder = Path(source)
    if not folder.is_dir():
        return source
    found = (pattern for pattern in _IMAGES if any(folder.glob(pattern)))
    return str(folder.absolute() / next(found, _IMAGES[0]))


def _project_of(source: str) -> str:
    """RELION's project folder: above the job's folder and its type's, for ``Type/jobNNN/micrographs.star``."""
    path = Path(source).absolute()
    is_job = path.suffix == ".star" and path.parent.name.startswith("job")
    return str(path.parents[2] if is_job else Path.cwd())


def _with_browse(line: QLineEdit, ask: object) -> QHBoxLayout:
    """A text field with a button that fills it."""
    button = QToolButton(text="…")
    button.clicked.connect(lambda: line.setText(ask(line) or line.text()))  # type: ignore[operator]
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
