"""A real window driven as a person would: Qt's own key and mouse events, and what is on the disk afterwards."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qtpy.QtCore import QPoint, QPointF, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from napari_plugin.widgets.dock import Dock


@dataclass
class Window:
    """napari with the dock open on a workspace."""

    viewer: Any
    dock: Dock
    workspace: Path

    @property
    def document(self) -> Any:
        """The truth."""
        assert self.dock.controller is not None
        return self.dock.controller.document

    @property
    def canvas(self) -> QWidget:
        """What napari draws on."""
        return self.viewer.window._qt_viewer.canvas.native

    def settle(self, seconds: float = 0.05) -> None:
        """Let the window do what it has to."""
        end = time.monotonic() + seconds
        while True:
            QApplication.processEvents()
            if time.monotonic() > end:
                return
            time.sleep(0.002)

    def key(self, key: Any, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
        """Press a key where the focus is."""
        target = QApplication.focusWidget() or self.canvas
        QTest.keyClick(target, key, modifier)
        self.settle()

    def at(self, xy: tuple[float, float]) -> QPoint:
        """Where on the canvas a position of the micrograph is drawn."""
        camera, canvas = self.viewer.scene.camera, self.canvas
        dx, dy = xy[0] - camera.center[-1], xy[1] - camera.center[-2]
        where = QPointF(canvas.width() / 2 + dx * camera.zoom, canvas.height() / 2 + dy * camera.zoom)
        return QPoint(round(where.x()), round(where.y()))

    def click(self, xy: tuple[float, float], button: Any = Qt.MouseButton.LeftButton) -> None:
        """Click on a position of the micrograph."""
        QTest.mouseMove(self.canvas, self.at(xy))
        QTest.mouseClick(self.canvas, button, Qt.KeyboardModifier.NoModifier, self.at(xy))
        self.settle()

    def drag(self, start: QPoint, end: QPoint, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
        """Drag with the left button."""
        left = Qt.MouseButton.LeftButton
        QTest.mousePress(self.canvas, left, modifier, start)
        steps = 8
        for i in range(1, steps + 1):
            move_to(self.canvas, start + (end - start) * i / steps, modifier)
            self.settle(0.01)
        QTest.mouseRelease(self.canvas, left, modifier, end)
        self.settle()

    def until(self, condition: Any, seconds: float) -> bool:
        """Let the window run until a condition holds; whether it came to hold."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            self.settle(0.02)
        return True


class Gaps:
    """How long the window's event loop stood still at most."""

    def __init__(self) -> None:
        self.longest, self._last = 0.0, time.monotonic()
        self._timer = QTimer(interval=10)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now = time.monotonic()
        self.longest, self._last = max(self.longest, now - self._last), now


def move_to(widget: QWidget, where: QPoint, modifier: Any) -> None:
    """Move the mouse with the left button held: QTest's own move holds none."""
    from qtpy.QtCore import QEvent
    from qtpy.QtGui import QMouseEvent

    left = Qt.MouseButton.LeftButton
    at = QPointF(where)
    event = QMouseEvent(QEvent.Type.MouseMove, at, widget.mapToGlobal(at), Qt.MouseButton.NoButton, left, modifier)
    QApplication.sendEvent(widget, event)
