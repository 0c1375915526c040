"""A workspace with a round made by hand, so that no committee need be trained; and a display, or a reason to skip."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cryoal.config import Config, QueryConfig
from cryoal.io.relion import read as read_star
from cryoal.learner.asking import ask_fields
from cryoal.learner.centring import Centring
from cryoal.learner.project import NewWorkspace, Project, create
from cryoal.model.calibration import Calibration
from cryoal.model.checkpoint import save_members
from cryoal.model.pretrained import pretrained_members
from cryoal.workspace.candidates import ScoredMicrograph, write_candidates
from cryoal.workspace.rounds import RoundInfo, next_round

ROOT = Path(__file__).resolve().parents[2]
DIAMETER_ANGSTROM = 165.0
FIELDS = 45


def needs_display() -> None:
    """Skip where no window can be opened: Qt would abort the whole process."""
    pytest.importorskip("napari", reason="napari is not installed: pip install 'cryoal[napari]'")
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        pytest.skip("no display: apt-get install xvfb, pip install pytest-xvfb")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of a window, and let one pytest worker have them."""
    for item in items:
        if {"window", "napari_dock"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.gui)


def proposals(truth: np.ndarray, shape: tuple[int, int], rng: np.random.Generator) -> ScoredMicrograph:
    """What a middling committee would propose: most of the truth, and some of nothing."""
    found = truth[rng.random(len(truth)) < 0.9]
    found = found + rng.normal(0, 1.5, found.shape)
    junk = rng.uniform(20, np.array(shape[::-1]) - 20, (30, 2))
    xy = np.concatenate([found, junk])
    member = np.concatenate([rng.uniform(0.3, 0.99, (2, len(found))), rng.uniform(0.02, 0.6, (2, 30))], axis=1)
    member = member.astype(np.float32)
    features = rng.normal(size=(len(xy), 4)).astype(np.float16)
    return ScoredMicrograph(xy.astype(np.float32), member, member.mean(axis=0), features)


@pytest.fixture(scope="session")
def template(sample_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three micrographs, one round, a query of twenty fields; to be copied."""
    root = tmp_path_factory.mktemp("reviewed")
    (root / "Micrographs").mkdir()
    for number in (1, 2, 4):
        shutil.copy(sample_data / "Micrographs" / f"sample_{number:02d}.mrc", root / "Micrographs")
    new = NewWorkspace(root / "ws", "Micrographs/*.mrc", DIAMETER_ANGSTROM, particles_dark=True, root=root)
    *_, project = create(new)
    assert isinstance(project, Project)
    rng = np.random.default_rng(7)
    with next_round(project.layout, RoundInfo(2, 0, {"particle": 0})) as making:
        save_members(pretrained_members(project.config.network), making.members)
        for entry in project.entries:
            truth = next(iter(read_star(sample_data / "truth" / f"{Path(entry.key).name}.star").values()))
            write_candidates(making, entry.key, proposals(truth.xy, project.shapes[entry.key], rng))
        making.calibration.write_text(json.dumps(Calibration().to_dict()))
        making.centring.write_text(Centring().to_json())
        making.metrics.write_text(json.dumps({"best_f1": 0.8, "average_precision": 0.85, "ece_after": 0.04}))
    no_cold_start = Config(query=QueryConfig(strategy="bald", cold_start_labels=0))
    ask_fields(replace(project, config=no_cold_start), n=FIELDS)
    return root


@pytest.fixture
def workspace(template: Path, tmp_path: Path) -> Path:
    """A fresh copy."""
    shutil.copytree(template, tmp_path / "project")
    return tmp_path / "project" / "ws"


@pytest.fixture
def project(workspace: Path) -> Project:
    """It, opened."""
    return Project.open(workspace)


def lines(workspace: Path) -> list[dict[str, object]]:
    """The journal."""
    path = workspace / "labels.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(scope="module")
def napari_dock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[object, object]]:
    """A napari of 1600×1000 with the dock, opened as a user opens it."""
    needs_display()
    os.environ["NAPARI_CONFIG"] = str(tmp_path_factory.mktemp("napari") / "settings.yaml")
    os.environ.pop("CRYOAL_WORKSPACE", None)
    import napari
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("cryoal", "Label particles")
    viewer.window._qt_window.resize(1600, 960)
    viewer.window._qt_window.activateWindow()
    yield viewer, dock
    dock.leave()
    viewer.close()
    QApplication.processEvents()


@pytest.fixture
def window(workspace: Path, napari_dock: tuple[object, object]) -> Iterator[object]:
    """It, open on the workspace."""
    from tests.napari_plugin.window import Window

    viewer, dock = napari_dock
    dock.open(str(workspace))
    made = Window(viewer, dock, workspace)
    made.settle(0.5)
    yield made
    dock.leave()
    made.settle(0.1)
