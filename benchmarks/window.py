"""Times the window: `python benchmarks/window.py [--screenshots DIR]`; starts a display of its own where there is none.

Twelve real micrographs of apoferritin (1240 × 1200 pixels) from ../shared, labelled by a scripted expert, then twelve
of β-galactosidase (4096 × 4096); where they are not there, the simulated ones. Mesa's software OpenGL.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the expert is that of the tests
KEYS, SWITCHES, FIELDS, ROUNDS = 50, 20, 5, 2
SECONDS = 600.0


def start_display() -> Callable[[], None]:
    """Xvfb with a window manager, if there is no display; gives what ends them."""
    if os.environ.get("DISPLAY"):
        return lambda: None
    if not shutil.which("Xvfb"):
        print("no display and no Xvfb (apt-get install xvfb): nothing is measured")
        raise SystemExit(0)
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1600x1000x24"]
    display = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.environ["DISPLAY"] = ":" + os.read(read, 20).decode().strip()
    started = [display]
    if shutil.which("openbox"):
        started.append(subprocess.Popen(["openbox"], stderr=subprocess.DEVNULL))
    time.sleep(1)
    return lambda: [one.terminate() for one in reversed(started)] and None


def make_project(folder: Path, name: str) -> Path:
    """Micrographs and truth to label: real ones where they are to be had."""
    script = ROOT.parent / "shared" / "data" / "make_project.py"
    project = folder / name
    if script.exists():
        subprocess.run([sys.executable, str(script), str(folder), "--sets", name], check=True, capture_output=True)
    else:
        shutil.copytree(ROOT / "sample_data", project)
    return project


@dataclass
class Bench:
    """The window under measurement."""

    window: Any
    screenshots: Path | None
    rows: list[tuple[str, str]] = field(default_factory=list)

    def tell(self, what: str, value: str) -> None:
        self.rows.append((what, value))
        print(f"{what}: {value}", flush=True)

    def seconds_to_screen(self, gesture: Callable[[], None]) -> float:
        """From a gesture to the end of the first drawing of the canvas after it."""
        from qtpy.QtWidgets import QApplication

        canvas = self.window.viewer.window._qt_viewer.canvas._scene_canvas
        drawn: list[float] = []

        def note(_: object) -> None:
            drawn.append(time.monotonic())

        canvas.events.draw.connect(note, position="last")
        begun = time.monotonic()
        gesture()
        while not drawn and time.monotonic() < begun + 5:
            QApplication.processEvents()
        canvas.events.draw.disconnect(note)
        self.window.settle(0.05)
        return (drawn[-1] if drawn else time.monotonic()) - begun

    def shoot(self, name: str) -> None:
        """A picture of the whole window."""
        if self.screenshots is None:
            return
        self.window.settle(1.0)
        self.screenshots.mkdir(parents=True, exist_ok=True)
        picture = self.window.viewer.window._qt_window.grab()
        canvas, window = self.window.canvas, self.window.viewer.window._qt_window
        from qtpy.QtCore import QPoint
        from qtpy.QtGui import QImage, QPainter

        pixels = self.window.viewer.window.screenshot(canvas_only=True, flash=False)  # a grab leaves OpenGL black
        image = QImage(pixels.tobytes(), pixels.shape[1], pixels.shape[0], QImage.Format.Format_RGBA8888)
        painter = QPainter(picture)
        painter.drawImage(canvas.mapTo(window, QPoint(0, 0)), image)
        painter.end()
        picture.save(str(self.screenshots / f"{name}.png"))


def figures(seconds: list[float]) -> str:
    """Median and largest."""
    return f"median {1000 * statistics.median(seconds):.0f} ms, largest {1000 * max(seconds):.0f} ms of {len(seconds)}"


def load() -> str:
    """What else the machine is doing."""
    return f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} processors"


def resident_mib() -> float:
    """Memory of the window's process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def begin(bench: Bench, project: Path) -> float:
    """Make a workspace on the start page, up to the first proposals; gives the seconds."""
    window, dock = bench.window, bench.window.dock
    os.chdir(project)
    dock.start.micrographs.setText("Micrographs")
    dock.start.diameter.setValue(float((project / "diameter_angstrom.txt").read_text()))
    window.until(lambda: "Micrographs: " in dock.start._message.text(), SECONDS)
    dock.start.folder.setText("work")
    bench.shoot("napari_start")
    begun = time.monotonic()
    dock.start.make_button.click()
    window.until(lambda: dock.controller is not None, SECONDS)
    window.until(lambda: not dock.review.rounds.is_busy, SECONDS)
    return time.monotonic() - begun


def label(bench: Bench, project: Path) -> None:
    """Two rounds by the scripted expert."""
    from qtpy.QtCore import Qt

    from tests.napari_plugin.expert import Expert
    from tests.napari_plugin.window import Gaps

    window, rounds = bench.window, bench.window.dock.review.rounds
    expert = Expert(window, project / "truth")
    for number in range(1, ROUNDS + 1):
        begun, labels, gestures = time.monotonic(), window.document.ledger.made, expert.gestures
        for _ in range(FIELDS):
            expert.answer_field()
        made = window.document.ledger.made - labels
        bench.tell(f"round {number}: gestures a label", f"{(expert.gestures - gestures) / made:.2f} ({made} labels)")
        bench.tell(f"round {number}: the window's seconds a label", f"{(time.monotonic() - begun) / made:.2f}")
        begun, gaps = time.monotonic(), Gaps()
        rounds.retrain()
        window.until(lambda: not rounds.is_busy, SECONDS)
        bench.tell(f"round {number}: retrain to new proposals, s", f"{time.monotonic() - begun:.1f}")
        bench.tell(f"round {number}: longest pause of the window meanwhile, ms", f"{1000 * gaps.longest:.0f}")
        if number == 1:
            for key in (Qt.Key.Key_F, Qt.Key.Key_F, Qt.Key.Key_D, Qt.Key.Key_S, Qt.Key.Key_G):
                window.key(key)
            bench.shoot("napari")
            window.key(Qt.Key.Key_G)
    rounds.retrain()
    window.settle(3.0)
    begun = time.monotonic()
    rounds.retrain()
    window.until(lambda: not rounds.is_busy, SECONDS)
    bench.tell("cancel, s", f"{time.monotonic() - begun:.2f}")


def time_keys(bench: Bench, where: str) -> None:
    """Keys that judge, and keys that change the micrograph."""
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    window = bench.window
    judging, switching = [Qt.Key.Key_F, Qt.Key.Key_D] * (KEYS // 2), [Qt.Key.Key_R] * SWITCHES
    for what, keys in (("key to screen", judging), ("another micrograph", switching)):
        spent = [bench.seconds_to_screen(lambda key=key: QTest.keyClick(window.canvas, key)) for key in keys]
        bench.tell(f"{where}: {what}", figures(spent))
    bench.tell(f"{where}: memory, MiB", f"{resident_mib():.0f}")


def measure(bench: Bench, folder: Path) -> None:
    """From an empty start page to two rounds, and then the larger micrographs."""
    dock = bench.window.dock
    bench.tell("the machine at the start", load())
    project = make_project(folder, "apoferritin_10146")
    bench.tell("new workspace to the first proposals, s", f"{begin(bench, project):.1f}")
    label(bench, project)
    time_keys(bench, "1240 × 1200")
    place = dock.controller.document.project.layout.root
    dock.leave()
    bench.tell("open the workspace again, s", f"{bench.seconds_to_screen(lambda: dock.open(str(place))):.2f}")
    dock.leave()
    larger = make_project(folder, "bgal_10017")
    bench.screenshots = None
    bench.tell("4096 × 4096: new workspace to the first proposals, s", f"{begin(bench, larger):.1f}")
    time_keys(bench, "4096 × 4096")
    bench.tell("the machine at the end", load())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--screenshots", type=Path)
    chosen = parser.parse_args().screenshots
    screenshots = chosen.absolute() if chosen else None
    end_display = start_display()
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["NAPARI_CONFIG"] = f"{folder}/settings.yaml"
            run(Path(folder), screenshots)
    finally:
        end_display()


def run(folder: Path, screenshots: Path | None) -> None:
    """Open napari with the dock, and measure."""
    os.environ.pop("CRYOAL_WORKSPACE", None)
    os.environ.setdefault("QT_QPA_PLATFORM", "xcb")
    begun = time.monotonic()
    import napari

    viewer = napari.Viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("cryoal", "Label particles")
    viewer.window._qt_window.showMaximized()
    from tests.napari_plugin.window import Window

    bench = Bench(Window(viewer, dock, folder), screenshots)
    bench.window.settle(0.5)
    bench.tell("napari with the dock, s", f"{time.monotonic() - begun - 0.5:.1f}")
    try:
        measure(bench, folder)
    finally:
        dock.close_down()
        viewer.close()


if __name__ == "__main__":
    main()
