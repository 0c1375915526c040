"""An expert who answers as the truth says, by keys and clicks alone."""

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import Qt
from scipy.spatial import cKDTree

from cryoal.io.relion import read as read_star
from napari_plugin.marks import State
from tests.napari_plugin.window import Window

KEY = Qt.Key


class Expert:
    """Knows the truth of a folder of STAR files, and counts its gestures."""

    def __init__(self, window: Window, truth: Path) -> None:
        self.window, self.gestures = window, 0
        self._truth = {path.stem: cKDTree(next(iter(read_star(path).values())).xy) for path in truth.glob("*.star")}

    def answer_field(self) -> None:
        """Judge every proposal, click what was missed, then Enter."""
        document, field = self.window.document, self.window.document.place.field
        assert field is not None
        tree, diameter = self._truth[Path(field.micrograph).name], document.diameter_px()
        inside = tree.data[field.contains(tree.data)]
        for x, y in inside:  # first what was missed, for the last key leaves the field
            if document.marks().nearest((x, y), 0.5 * diameter, *State) is None:
                self._gesture(lambda x=x, y=y: self.window.click((x, y)))
        while document.place.field == field and document.place.target is not None:
            is_particle = tree.query(document.place.target)[0] <= 0.3 * diameter
            self._gesture(lambda yes=is_particle: self.window.key(KEY.Key_F if yes else KEY.Key_D))
        self._gesture(lambda: self.window.key(KEY.Key_Return))
        assert document.questions.is_finished(field)
        if document.place.field == field:
            document.next_field()

    def _gesture(self, gesture: Callable[[], None]) -> None:
        """Do and count."""
        self.gestures += 1
        gesture()
