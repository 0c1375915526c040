"""`make demo`: everything it promises is there, and what is held out is never labelled."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from cryoal.config import Config, TrainingConfig
from cryoal.io import relion
from cryoal.workspace.journal import read_journal
from cryoal.workspace.layout import Layout

QUICK = Config(training=TrainingConfig(2, min_steps=20, max_steps=20, crop_diameters=3.0))


@pytest.fixture
def demo(sample_data: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo", sample_data / "demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "demo", module)
    spec.loader.exec_module(module)
    return module


def test_the_demo_leaves_what_it_says(demo: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo"
    out.mkdir()
    (out / "old").touch()
    demo.main(out, QUICK, rounds=2)
    said = capfd.readouterr()
    assert not (out / "old").exists()
    for name in ("picks.png", "learning_curve.png", "relion/autopick.star", "workspace"):
        assert (out / name).exists()
        assert str(out / name) in said.out
    assert "training: 40/40" in said.err
    assert "on micrographs never labelled, after" in said.out
    assert len(relion.read(out / "relion" / "autopick.star")) == 10
    labelled = {decision.micrograph for decision in read_journal(Layout(out / "workspace").labels)}
    assert labelled
    assert not {Path(key).name for key in labelled} & set(demo.HELD_OUT)
