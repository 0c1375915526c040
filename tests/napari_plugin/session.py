"""One session of labelling as a process: `python -m tests.napari_plugin.session WORKSPACE`; prints what came of it."""

import json
import sys
from dataclasses import replace
from pathlib import Path

JOB_SECONDS = 900.0


def main(workspace: Path) -> dict[str, object]:
    """Judge, undo, add, look through the gallery, retrain, export, close and open again."""
    import napari
    import qtpy
    from qtpy.QtCore import Qt

    from tests.napari_plugin.window import Window

    key, ctrl = Qt.Key, Qt.KeyboardModifier.ControlModifier
    viewer = napari.Viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("cryoal", "Label particles")
    viewer.window._qt_window.resize(1600, 960)
    viewer.window._qt_window.activateWindow()
    window = Window(viewer, dock, workspace)
    dock.open(str(workspace))
    window.settle(0.5)
    rounds = dock.review.rounds
    rounds._preferences = replace(rounds._preferences, members=2)
    for pressed in (key.Key_F, key.Key_D, key.Key_F, key.Key_S, key.Key_F, key.Key_G, key.Key_G, key.Key_H, key.Key_H):
        window.key(pressed)
    window.key(key.Key_Z, ctrl)
    window.click((30.5, 40.5), Qt.MouseButton.RightButton)
    (x0, x1), (y0, y1) = dock.controller.scene.visible_box()
    centre = window.at(((x0 + x1) / 2, (y0 + y1) / 2))
    window.drag(centre, centre + type(centre)(60, 60), Qt.KeyboardModifier.ShiftModifier)
    window.key(key.Key_Return)
    dock.review.slider._box.setValue(0.4)
    window.settle(0.3)
    rounds.button.click()
    window.until(lambda: not rounds.is_busy, JOB_SECONDS)
    said = dock.controller.message
    rounds.export_button.click()
    window.until(lambda: not rounds.is_busy, JOB_SECONDS)
    place, counts = window.document.place, window.document.ledger.counts()
    dock.leave()
    dock.open(str(workspace))
    window.settle(0.3)
    told = {
        "binding": qtpy.API_NAME,
        "torch": "torch" in sys.modules,
        "message": said + dock.controller.message,
        "round": window.document.round_number,
        "fields": len(window.document.questions.queue),
        "resumed": window.document.place == place and window.document.ledger.counts() == counts,
    }
    dock.close_down()
    viewer.close()
    return told


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
