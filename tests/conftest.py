"""What every test may use: the real projects of ../shared, the sample data, one thread a worker."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch load: the pytest workers share the cores

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile(
    "cryoal", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)  # a busy machine is no failure
hypothesis.settings.load_profile("cryoal")

ROOT = Path(__file__).resolve().parents[1]

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # tests run in a shell's background: their children inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs RELION where its programs are missing."""
    if shutil.which("relion_preprocess"):
        return
    for item in items:
        if item.get_closest_marker("relion"):
            item.add_marker(pytest.mark.skip(reason="RELION is not installed: apt-get install relion"))


@pytest.fixture(scope="session")
def shared_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the three real projects, each with micrographs.star, truth/ and diameter_angstrom.txt."""
    script = ROOT.parent / "shared" / "data" / "make_project.py"
    if not script.exists():
        pytest.skip("../shared/data/make_project.py is not there: no real micrographs")
    out = tmp_path_factory.mktemp("shared_data")
    subprocess.run([sys.executable, str(script), str(out)], check=True, capture_output=True)
    return out


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """Folder of the simulated sample set, to be read only."""
    folder = ROOT / "sample_data"
    if not folder.is_dir():
        pytest.skip("sample_data is not there: run make demo")
    return folder
