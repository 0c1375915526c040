"""The gallery: crops of the low-pass image around what is on the micrograph, most uncertain or best first."""

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QImage, QPainter, QPen, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QComboBox, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from napari_plugin.images import DisplayImage
from napari_plugin.marks import Marks, State
from napari_plugin.scene import CYAN, VERMILLION, WHITE, YELLOW

_CROP_DIAMETERS = 1.5
_ICON_PX = 60
_GAP_PX = 6
_HEIGHT_PX = 280
_OUTSIDE_GREY = 64
_MOST = 300
_COLORS = {
    State.PROPOSED: YELLOW,
    State.ASKED: YELLOW,
    State.ACCEPTED: CYAN,
    State.ADDED: CYAN,
    State.REJECTED: VERMILLION,
    State.UNSURE: WHITE,
}
_ORDERS = ("most uncertain first", "best first", "worst first")


class Gallery(QWidget):
    """Crops to look through; several can be selected and judged at once.

    Signals
    -------
    went : float, float
        A crop was clicked; x and y.
    """

    went = Signal(float, float)

    def __init__(self) -> None:
        super().__init__()
        self._order = QComboBox()
        self._order.addItems(_ORDERS)
        self._order.currentIndexChanged.connect(self._sort)
        self._list = QListWidget()
        self._list.setViewMode(QListWidget.ViewMode.IconMode)
        self._list.setIconSize(QSize(_ICON_PX, _ICON_PX))
        self._list.setResizeMode(QListWidget.ResizeMode.Adjust)
        self._list.setMovement(QListWidget.Movement.Static)
        self._list.setGridSize(QSize(_ICON_PX + _GAP_PX, _ICON_PX + _GAP_PX))
        self._list.setMinimumHeight(_HEIGHT_PX)
        self._list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self._list.itemClicked.connect(self._go)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._order)
        layout.addWidget(self._list)
        self._shown: tuple[Marks, DisplayImage, float] | None = None

    def selection(self) -> list[tuple[float, float]]:
        """Positions of the selected crops; none while the gallery is hidden."""
        return [item.data(Qt.ItemDataRole.UserRole) for item in self._list.selectedItems()] if self.isVisible() else []

    def show_marks(self, marks: Marks, image: DisplayImage, diameter_px: float) -> None:
        """Show crops of a micrograph; keeps what is selected only where nothing changed."""
        if self._shown is not None:
            old, of, _ = self._shown
            if of is image and np.array_equal(old.xy, marks.xy) and np.array_equal(old.state, marks.state):
                return
        self._shown = (marks, image, diameter_px)
        self._sort()

    def _sort(self) -> None:
        """Fill the list in the chosen order."""
        self._list.clear()
        if self._shown is None:
            return
        marks, image, diameter_px = self._shown
        score = np.nan_to_num(marks.score, nan=1.0)
        rank = (np.abs(score - 0.5), -score, score)[self._order.currentIndex()]
        rank = rank + 2 * ~marks.of(State.PROPOSED, State.ASKED)  # what is judged comes last
        low, high = image.low_pass.contrast_limits
        pixels = np.clip((image.low_pass.pixels - low) / (high - low) * 255, 0, 255).astype(np.uint8)
        side = max(4, round(_CROP_DIAMETERS * diameter_px / image.bin))
        padded = np.pad(pixels, side // 2 + 1, constant_values=_OUTSIDE_GREY)
        for i in np.argsort(rank, kind="stable")[:_MOST]:
            x, y = (round((at - image.translate) / image.bin) + 1 for at in marks.xy[i])
            crop = padded[max(y, 0) : max(y, 0) + side, max(x, 0) : max(x, 0) + side]
            item = QListWidgetItem(QIcon(_pixmap(crop, _COLORS[State(str(marks.state[i]))])), "")
            item.setData(Qt.ItemDataRole.UserRole, (float(marks.xy[i, 0]), float(marks.xy[i, 1])))
            item.setToolTip(f"{marks.state[i]}, p = {marks.score[i]:.2f}")
            self._list.addItem(item)

    def _go(self, item: QListWidgetItem) -> None:
        """Tell where the crop lies."""
        self.went.emit(*item.data(Qt.ItemDataRole.UserRole))


def _pixmap(crop: NDArray[np.uint8], color: str) -> QPixmap:
    """A crop with a frame in the colour of its state."""
    crop = np.ascontiguousarray(crop)
    image = QImage(crop.tobytes(), crop.shape[1], crop.shape[0], crop.shape[1], QImage.Format.Format_Grayscale8)
    mode = Qt.TransformationMode.SmoothTransformation
    pixmap = QPixmap.fromImage(image).scaled(_ICON_PX, _ICON_PX, Qt.AspectRatioMode.IgnoreAspectRatio, mode)
    painter = QPainter(pixmap)
    painter.setPen(QPen(QColor(color), 3))
    painter.drawRect(1, 1, _ICON_PX - 3, _ICON_PX - 3)
    painter.end()
    return pixmap
