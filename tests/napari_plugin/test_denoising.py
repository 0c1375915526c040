"""The process that denoises: what it answers, and what becomes of errors, deaths and the end."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cryoal.data.micrograph import MicrographEntry
from cryoal.errors import MicrographError
from cryoal.io.micrographs import read_micrograph
from napari_plugin.denoising import Denoiser, denoised

DIAMETER_PX = 41.0


@pytest.fixture
def denoiser() -> Iterator[Denoiser]:
    made = Denoiser(lambda _: DIAMETER_PX, particles_dark=True)
    yield made
    made.close()


@pytest.fixture
def micrograph(sample_data: Path) -> MicrographEntry:
    return entry_of(sample_data / "Micrographs" / "sample_01.mrc")


def entry_of(path: Path) -> MicrographEntry:
    return MicrographEntry(path.name, path, 4.0)


def test_it_answers_one_after_the_other_and_errors_are_answers(
    denoiser: Denoiser, micrograph: MicrographEntry, tmp_path: Path
) -> None:
    expected = denoised(read_micrograph(micrograph.path).pixels, DIAMETER_PX, particles_dark=True)
    broken = tmp_path / "broken.mrc"
    broken.write_bytes(micrograph.path.read_bytes()[:5000])
    for _ in range(2):
        assert np.allclose(denoiser(micrograph), expected, atol=1e-5)
        with pytest.raises(MicrographError, match=r"broken\.mrc"):
            denoiser(entry_of(broken))


def test_a_process_that_was_killed_is_told_of_or_started_again(denoiser: Denoiser, micrograph: MicrographEntry) -> None:
    denoiser(micrograph)
    process = denoiser._process
    assert process is not None
    process.kill()
    process.wait()
    assert denoiser(micrograph).ndim == 2


def test_a_process_that_ends_in_the_middle_of_an_answer_is_told_of(
    denoiser: Denoiser, micrograph: MicrographEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = r"import sys; sys.stdin.readline(); print('{\"shape\": [9, 9]}'); print('few')"
    started = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda _, **pipes: started([sys.executable, "-c", program], **pipes))
    with pytest.raises(MicrographError, match=r"sample_01\.mrc: cannot be denoised"):
        denoiser(micrograph)


def test_nothing_runs_after_the_end(denoiser: Denoiser, micrograph: MicrographEntry) -> None:
    denoiser(micrograph)
    process = denoiser._process
    denoiser.close()
    assert process is not None
    assert process.poll() is not None
    with pytest.raises(MicrographError, match="closed"):
        denoiser(micrograph)


def test_it_ends_when_nobody_can_ask_any_more() -> None:
    command = [sys.executable, "-m", "napari_plugin.denoising"]
    assert subprocess.run(command, input=b"", timeout=60, check=False).returncode == 0
