"""What a few micrographs tell of the particle's size and polarity."""

from pathlib import Path

import numpy as np
import pytest

from cryoal.config import Config
from cryoal.errors import OptionError
from cryoal.io import mrc
from cryoal.io.micrographs import list_micrographs
from cryoal.learner.first_look import FirstLook, SizeCurve, doubts, look
from cryoal.simulation.micrographs import MicrographSettings, simulate_micrograph
from cryoal.simulation.optics import Optics
from cryoal.simulation.specimen import Ice, Species
from cryoal.simulation.volumes import build_volume
from cryoal.workspace.settings import Settings
from tests.command_line import ROOT, command_line, new_project
from tests.learner.workspaces import CONFIG, result_of

SAMPLE = ROOT / "sample_data"
SHARED = ROOT.parent / "shared" / "data"
REAL = {"apoferritin_10146": (126, 1.5), "ribosome80S_10028": (300, 5.36)}
ASSUMED = 100 * 1.25 ** np.arange(6)


def seen(work: object) -> FirstLook:
    """What a look returns."""
    while True:
        try:
            next(work)  # type: ignore[call-overload]
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]


def parabola(peak_angstrom: float) -> SizeCurve:
    """A response that falls off from one diameter in the square of the logarithm, steeper than the prior."""
    return SizeCurve(ASSUMED, 2.5 - np.log(ASSUMED / peak_angstrom) ** 2)


@pytest.mark.parametrize("peak", [140.0, 180.0, 215.0])
def test_the_best_diameter_lies_between_the_assumed_ones(peak: float) -> None:
    best = parabola(peak).best_angstrom
    assert best == pytest.approx(peak ** (1 / 1.07) * 180 ** (0.07 / 1.07))  # response and prior are both parabolas
    assert best == pytest.approx(peak, rel=0.02)
    assert parabola(20.0).best_angstrom == ASSUMED[0]
    assert parabola(2000.0).best_angstrom == ASSUMED[-1]


def test_a_diameter_is_doubted_only_where_it_is_far_off_and_costs_response() -> None:
    curve = parabola(180.0)
    assert not doubts(curve, 180 * 1.15)
    assert not doubts(curve, 180 / 1.15)
    assert doubts(curve, 180 * 1.6)
    assert doubts(curve, 180 / 1.6)
    assert not doubts(SizeCurve(ASSUMED, 2.25 + curve.response / 10), 180 * 1.6)  # flat
    assert not doubts(SizeCurve(ASSUMED, curve.response - 1), 180 * 1.6)  # nothing looks like a particle


def test_the_doubt_is_a_sentence_that_ends_when_the_diameter_is_mended() -> None:
    assert "about 180 Å rather than 120 Å" in Settings(120, "", "", diameter_estimate_angstrom=180).diameter_doubt
    assert Settings(170, "", "", diameter_estimate_angstrom=180).diameter_doubt == ""
    assert Settings(120, "", "").diameter_doubt == ""


@pytest.mark.parametrize("sign", [1, -1])
def test_the_sample_data(tmp_path: Path, sign: int) -> None:
    for path in sorted((SAMPLE / "Micrographs").iterdir())[:2]:
        one = mrc.read(path)
        mrc.write(tmp_path / path.name, sign * one.pixels.astype("float32"), one.pixel_size_angstrom)
    entries = list_micrographs("*.mrc", None, tmp_path)
    found = seen(look(entries, None, None, Config()))
    truth = float((SAMPLE / "diameter_angstrom.txt").read_text())
    assert found.diameter_angstrom == pytest.approx(truth, rel=0.2)
    assert found.diameter_estimate_angstrom == found.diameter_angstrom
    assert found.particles_dark is (sign == 1)
    assert seen(look(entries, None, None, Config())) == found
    given = seen(look(entries, truth, None, Config()))
    assert given == FirstLook(truth, found.particles_dark, None)
    wrong = seen(look(entries, 0.6 * truth, True, Config()))
    assert wrong.diameter_angstrom == 0.6 * truth
    assert wrong.particles_dark
    if sign == 1:
        assert wrong.diameter_estimate_angstrom == found.diameter_angstrom


@pytest.mark.slow
def test_hollow_particles_far_from_focus_are_still_found_dark(tmp_path: Path) -> None:
    """Their Fresnel fringes are about as bright as they are dark, which misleads the brightness."""
    volume = build_volume("shell", 300.0, np.random.default_rng([9, 300, 1]))
    optics = Optics(defocus_angstrom=4e4)
    settings = MicrographSettings((640, 640), 7.5, (Species(volume, 0.2),), ice=Ice(360.0), optics=optics)
    for seed in range(2):
        pixels = simulate_micrograph(settings, np.random.default_rng([5, seed])).pixels
        mrc.write(tmp_path / f"{seed}.mrc", pixels, 7.5)
    entries = list_micrographs("*.mrc", None, tmp_path)
    assert seen(look(entries, 300.0, None, Config())) == FirstLook(300.0, True, None)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(REAL))
def test_real_sets(tmp_path: Path, name: str) -> None:
    images = sorted((SHARED / name / "images").glob("*.*"))[:3]
    if not images:
        pytest.skip("../shared/data is not there: no real micrographs")
    truth, pixel_size = REAL[name]
    for path in images:
        pixels = np.asarray(pytest.importorskip("PIL.Image").open(path).convert("F"), np.float32)
        mrc.write(tmp_path / f"{path.stem}.mrc", pixels, pixel_size)
    entries = list_micrographs("*.mrc", None, tmp_path)
    found = seen(look(entries, None, None, Config()))
    assert found.diameter_angstrom == pytest.approx(truth, rel=0.15)
    assert found.particles_dark
    assert seen(look(entries, 0.7 * truth, True, Config())).diameter_estimate_angstrom == found.diameter_angstrom


def test_without_the_shipped_committee_the_diameter_must_be_given(tmp_path: Path) -> None:
    entries = list_micrographs("micrographs.star", None, new_project(tmp_path))
    with pytest.raises(OptionError, match="--diameter: cannot be judged"):
        result_of(look(entries, None, None, CONFIG))
    assert seen(look(entries, 165.0, None, CONFIG)) == FirstLook(165.0, True, None)


def test_the_commands_say_it(tmp_path: Path) -> None:
    root = new_project(tmp_path)
    cryoal = command_line()
    out = cryoal.ok("init", "ws", "--micrographs", "micrographs.star", cwd=root)
    assert "judged from the micrographs" in out
    assert "judged from the micrographs" in cryoal.ok("status", "ws", cwd=root)
    assert "diameter_estimate_angstrom" in (root / "ws/workspace.toml").read_text()
    out = cryoal.ok("init", "other", "--micrographs", "micrographs.star", "--diameter", "80", cwd=root)
    for said in (out, cryoal.ok("status", "other", cwd=root), cryoal.ok("score", "other", cwd=root)):
        assert "rather than 80 Å" in said
