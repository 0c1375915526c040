"""The score slider with the histogram of all scores above it."""

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, Qt, QTimer, Signal
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from napari_plugin.scene import YELLOW

_STEPS = 1000
_BINS = 50
_DEBOUNCE_MS = 80
_GREY = "#777777"
_HEIGHT_PX = 54


class ScoreSlider(QWidget):
    """Chooses the probability from which proposals are shown and exported.

    Signals
    -------
    chosen : float
        A moment after the slider came to rest.
    """

    chosen = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self._bars = _Bars()
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(0, _STEPS)
        self._box = QDoubleSpinBox()
        self._box.setRange(0, 1)
        self._box.setDecimals(3)
        self._box.setSingleStep(0.01)
        self._box.setAccessibleName("lowest probability")
        self.note = QLabel()
        self._timer = QTimer(self, interval=_DEBOUNCE_MS, singleShot=True)
        self._timer.timeout.connect(lambda: self.chosen.emit(self.value))
        self._slider.valueChanged.connect(lambda step: self._box.setValue(step / _STEPS))
        self._box.valueChanged.connect(self._changed)
        row = QHBoxLayout()
        row.addWidget(self._slider)
        row.addWidget(self._box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self._bars)
        layout.addLayout(row)
        layout.addWidget(self.note)

    @property
    def value(self) -> float:
        """The probability chosen."""
        return float(self._box.value())

    def show_scores(self, scores: NDArray[np.float64], value: float) -> None:
        """Show a round's scores and a threshold, without telling anybody."""
        self._bars.counts = np.histogram(scores, bins=_BINS, range=(0, 1))[0]
        for widget in (self._slider, self._box):
            widget.blockSignals(True)
        self._slider.setValue(round(value * _STEPS))
        self._box.setValue(value)
        for widget in (self._slider, self._box):
            widget.blockSignals(False)
        self._bars.threshold = value
        self._bars.update()

    def _changed(self, value: float) -> None:
        """Follow the number, and tell in a moment."""
        self._slider.blockSignals(True)
        self._slider.setValue(round(value * _STEPS))
        self._slider.blockSignals(False)
        self._bars.threshold = value
        self._bars.update()
        self._timer.start()


class _Bars(QWidget):
    """The histogram; what is shown in yellow, on a square-root scale so that rare scores can be seen."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = np.zeros(_BINS, dtype=np.int64)
        self.threshold = 0.5
        self.setFixedHeight(_HEIGHT_PX)
        self.setToolTip("scores of the newest round's candidates; yellow: shown and exported")

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: ARG002, N802  Qt's
        """Draw."""
        painter = QPainter(self)
        height = np.sqrt(self.counts / max(int(self.counts.max()), 1)) * (self.height() - 2)
        width = self.width() / _BINS
        for i, bar in enumerate(height):
            shown = (i + 0.5) / _BINS >= self.threshold
            painter.fillRect(
                QRectF(i * width, self.height() - bar, max(width - 1, 1), bar), QColor(YELLOW if shown else _GREY)
            )
        painter.end()
