"""The process that denoises: what it answers, and what becomes of errors, deaths and the end."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cryoal.errors import MicrographError
from cryoal.io.micrographs import read_micrograph
from napari_plugin.denoising import Denoiser, denoised

DIAMETER_PX = 41.0


@pytest.fixture
def denoiser() -> Iterator[Denoiser]:
    made = Denoiser()
    yield made
    made.close()


@pytest.fixture
def micrograph(sample_data: Path) -> Path:
    return sample_data / "Micrographs" / "sample_01.mrc"


def test_it_answers_one_after_the_other_and_errors_are_answers(
    denoiser: Denoiser, micrograph: Path, tmp_path: Path
) -> None:
    expected = denoised(read_micrograph(micrograph).pixels, DIAMETER_PX, particles_dark=True)
    broken = tmp_path / "broken.mrc"
    broken.write_bytes(micrograph.read_bytes()[:5000])
    for _ in range(2):
        assert np.allclose(denoiser(micrograph, DIAMETER_PX, particles_dark=True), expected, atol=1e-5)
        with pytest.raises(MicrographError, match=r"broken\.mrc"):
            denoiser(broken, DIAMETER_PX, particles_dark=True)


def test_a_process_that_was_killed_is_told_of_or_started_again(denoiser: Denoiser, micrograph: Path) -> None:
    denoiser(micrograph, DIAMETER_PX, particles_dark=True)
    process = denoiser._process
    assert process is not None
    process.kill()
    process.wait()
    assert denoiser(micrograph, DIAMETER_PX, particles_dark=True).ndim == 2


def test_nothing_runs_after_the_end(denoiser: Denoiser, micrograph: Path) -> None:
    denoiser(micrograph, DIAMETER_PX, particles_dark=True)
    process = denoiser._process
    denoiser.close()
    assert process is not None
    assert process.poll() is not None
    with pytest.raises(MicrographError, match="closed"):
        denoiser(micrograph, DIAMETER_PX, particles_dark=True)


def test_it_ends_when_nobody_can_ask_any_more() -> None:
    command = [sys.executable, "-m", "napari_plugin.denoising"]
    assert subprocess.run(command, input=b"", timeout=60, check=False).returncode == 0
