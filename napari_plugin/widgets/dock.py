"""The dock: opens a workspace, or makes one, and puts its review beside the canvas."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QDockWidget,
    QLineEdit,
    QMainWindow,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from cryoal.errors import UserError
from cryoal.learner.project import Project
from cryoal.workspace.lock import writer_lock
from napari_plugin.controller import Controller
from napari_plugin.document import Document
from napari_plugin.keys import KEYS
from napari_plugin.new_workspace import Look
from napari_plugin.scene import Scene
from napari_plugin.widgets.review import Review
from napari_plugin.widgets.start import Start

if TYPE_CHECKING:
    from napari.viewer import Viewer

WORKSPACE_VARIABLE = "CRYOAL_WORKSPACE"
_WIDTH_PX = 440
_FOCUS = "".join(
    f"{kind}:focus {{ border: 1px solid #8FB7FF }}"
    for kind in ("QPushButton", "QToolButton", "QLineEdit", "QComboBox", "QAbstractSpinBox", "QListWidget", "QCheckBox")
)
_PUT_AWAY = ("layer controls", "layer list")


class Dock(QWidget):
    """The plugin's widget.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer

    Attributes
    ----------
    controller : Controller or None
        None until a workspace is open.
    """

    def __init__(self, napari_viewer: "Viewer") -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._holding = ExitStack()
        self._shortcuts: list[QShortcut] = []
        self._put_away: list[QDockWidget] = []
        self._scene: Scene | None = None
        self.controller: Controller | None = None
        self.review: Review | None = None
        self.start = Start()
        self.start.opened.connect(self.open)
        self.start.looked.connect(self._show_look)
        self.setStyleSheet(_FOCUS)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.start)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self._pages)
        self.setMinimumWidth(_WIDTH_PX)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)  # else napari adds a stretch
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.close_down)
        workspace = os.environ.get(WORKSPACE_VARIABLE)
        if workspace:  # `cryoal gui` opened this napari for the review, so that it may have the whole screen
            self.open(workspace)
            QTimer.singleShot(0, lambda: _main_window(self).showMaximized())

    def open(self, workspace: str) -> None:
        """Open a workspace; what is wrong with it is told on the start page."""
        self.leave()
        folder = Path(workspace).expanduser()
        try:
            project = Project.open(folder)
            self._holding.enter_context(writer_lock(project.layout.labels_lock, "napari"))
            document = Document(project)
            self.controller = Controller(self._viewer, document, self._own_scene())
        except UserError as error:
            self._holding.close()
            self.start.tell(str(error))
            return
        self.review = Review(self.controller, self.leave)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self.review)
        self._pages.addWidget(scroll)
        self._pages.setCurrentWidget(scroll)
        self._bind()
        self._give_room()
        self.review.begin()

    def leave(self) -> None:
        """Go back to the start page; nothing is asked, for nothing is unsaved."""
        for shortcut in self._shortcuts:
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._shortcuts = []
        if self.review is not None:
            self.review.end()
            page = self._pages.currentWidget()
            self._pages.setCurrentWidget(self.start)
            self._pages.removeWidget(page)
            page.deleteLater()
        if self.controller is not None:
            self.controller.close()
        self.controller = self.review = None
        self._holding.close()
        for dock in self._put_away:
            dock.show()
        self._put_away = []

    def close_down(self) -> None:
        """The window closes."""
        self.leave()
        self.start.end()

    def _own_scene(self) -> Scene:
        """The layers, made once, or again where somebody deleted one."""
        if self._scene is None or not self._scene.is_whole:
            self._scene = Scene(self._viewer)
        return self._scene

    def _show_look(self, look: Look) -> None:
        """Show what a new workspace would be made of, unless a workspace is open."""
        if self.controller is None:
            self._own_scene().show_look(look.image, look.xy, look.diameter_px)
            self._viewer.reset_view()

    def _give_room(self) -> None:
        """Leave the screen to canvas and review; napari's Window menu brings back what is put away here."""
        docks = _main_window(self).findChildren(QDockWidget)
        self._put_away = [dock for dock in docks if dock.objectName() in _PUT_AWAY and not dock.isHidden()]
        for dock in self._put_away:
            dock.hide()

    def _bind(self) -> None:
        """Bind the keys to the window, so that they work wherever the focus is but in a text field."""
        window = _main_window(self)
        for key in KEYS:
            for sequence in key.keys:
                shortcut = QShortcut(QKeySequence(sequence), window)
                shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
                shortcut.activated.connect(lambda action=key.action: self._act(action))
                self._shortcuts.append(shortcut)

    def _act(self, action: str) -> None:
        """Do what a key says; in a text field, the one key that would not type, Return, ends the typing."""
        focused = QApplication.focusWidget()
        if isinstance(focused, QLineEdit | QAbstractSpinBox):
            focused.clearFocus()
        elif self.review is not None and action:
            self.review.act(action)


def _main_window(widget: QWidget) -> QWidget:
    """The main window, also while the dock floats or is not docked yet."""
    parent: QWidget | None = widget
    while parent is not None and not isinstance(parent, QMainWindow):
        parent = parent.parentWidget()
    if parent is not None:
        return parent
    windows = [one for one in QApplication.topLevelWidgets() if isinstance(one, QMainWindow)]
    return windows[-1] if windows else widget
