"""A progress bar that waits for the next redraw: Qt's own repaints the whole window at once, the canvas too."""

from qtpy.QtCore import QRect, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import QWidget

_DONE, _REST, _TEXT = "#4F6EA8", "#3A3F4B", "#FFFFFF"
_HEIGHT_PX = 20


class Bar(QWidget):
    """Shows how far something has come."""

    def __init__(self) -> None:
        super().__init__()
        self._share, self._text = 0.0, ""
        self.setFixedHeight(_HEIGHT_PX)

    def show_progress(self, done: int, total: int, text: str) -> None:
        """Show a share and a text on it."""
        self._share, self._text = done / max(total, 1), text
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: ARG002, N802  Qt's
        """Draw."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(_REST))
        painter.fillRect(QRect(0, 0, round(self.width() * self._share), self.height()), QColor(_DONE))
        painter.setPen(QColor(_TEXT))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._text)
        painter.end()
