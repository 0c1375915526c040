from dataclasses import replace

import numpy as np
import pytest

from cryoal.errors import OptionError
from cryoal.simulation.optics import (
    Detector,
    Optics,
    contrast_transfer,
    image_intensity,
    interaction_constant,
    record,
    wavelength_angstrom,
)


def test_wavelength_and_interaction_constant_of_the_tables():
    """Kirkland, Advanced Computing in Electron Microscopy, table 2.1 and section 5."""
    assert wavelength_angstrom(200) == pytest.approx(0.02508, abs=1e-5)
    assert wavelength_angstrom(300) == pytest.approx(0.01969, abs=1e-5)
    assert interaction_constant(300) == pytest.approx(6.526e-4, rel=1e-3)


def test_zeros_of_the_transfer_are_where_the_formula_puts_them():
    """Without aberration and amplitude contrast the zeros are at k² = n / (λ Δf)."""
    optics = Optics(
        defocus_angstrom=15000,
        astigmatism_angstrom=0,
        spherical_aberration_millimetre=0,
        amplitude_contrast=0,
        b_factor_square_angstrom=0,
    )
    size, pixel_size = 2048, 1.5
    row = contrast_transfer(optics, (size, size), pixel_size)[0]
    k = np.fft.rfftfreq(size, pixel_size)
    crossings = k[1:-1][np.sign(row[1:-1]) != np.sign(row[2:])]
    expected = np.sqrt(np.arange(1, len(crossings) + 1) / (wavelength_angstrom(300) * 15000))
    assert len(crossings) > 20
    assert np.abs(crossings - expected).max() <= 1 / (size * pixel_size)


def test_transfer_at_the_origin_is_the_amplitude_contrast_and_a_phase_plate_makes_it_one():
    assert contrast_transfer(Optics(amplitude_contrast=0.07), (8, 8), 2.0)[0, 0] == pytest.approx(0.07)
    plate = Optics(amplitude_contrast=0.0, phase_shift_degrees=90)
    assert contrast_transfer(plate, (8, 8), 2.0)[0, 0] == pytest.approx(1.0)


def test_astigmatism_and_spherical_aberration_follow_the_written_formula():
    optics = replace(Optics(), astigmatism_angstrom=3000, astigmatism_angle_degrees=25, phase_shift_degrees=12)
    transfer = contrast_transfer(optics, (96, 128), 1.3)
    for row, column in ((5, 9), (60, 33), (95, 64)):
        ky, kx = np.fft.fftfreq(96, 1.3)[row], np.fft.rfftfreq(128, 1.3)[column]
        k, angle = np.hypot(kx, ky), np.arctan2(ky, kx)
        wavelength = wavelength_angstrom(300)
        defocus = 20000 + 1500 * np.cos(2 * (angle - np.deg2rad(25)))
        phase = np.pi * wavelength * defocus * k**2 - np.pi / 2 * 2.7e7 * wavelength**3 * k**4
        expected = np.sin(phase + np.deg2rad(12) + np.arcsin(0.1)) * np.exp(-120 / 4 * k**2)
        assert transfer[row, column] == pytest.approx(expected, abs=1e-9)


def test_a_phase_object_is_dark_under_focus():
    y, x = np.indices((128, 128)) - 64
    phase = 0.2 * np.exp(-(x**2 + y**2) / (2 * 6.0**2))
    intensity = image_intensity(phase, np.zeros_like(phase), Optics(), 4.0)
    assert intensity[64, 64] < intensity[0].mean() - 0.02


@pytest.mark.parametrize("dose", [4.0, 64.0])
def test_shot_noise_goes_with_the_root_of_the_dose(dose):
    """For dose d a pixel of area a counts d·a electrons, their variance as large as their mean."""
    counts = record(np.ones((256, 256)), Detector(dose, 1.0), 2.0, np.random.default_rng(1))
    assert counts.mean() == pytest.approx(4 * dose, rel=0.02)
    assert counts.std() == pytest.approx(np.sqrt(4 * dose), rel=0.02)


def test_detector_damps_the_highest_frequencies_to_its_mtf():
    blurred = record(np.ones((512, 512)), Detector(100.0, 0.5), 1.0, np.random.default_rng(2))
    power = np.abs(np.fft.rfft2(blurred - blurred.mean())) ** 2 / blurred.size
    assert power[:40, -10:].mean() == pytest.approx(100 * 0.5**2, rel=0.2)
    assert power[1:40, 1:40].mean() == pytest.approx(100, rel=0.1)


@pytest.mark.parametrize(("dose", "mtf", "named"), [(0.0, 0.5, "dose"), (10.0, 0.0, "mtf"), (10.0, 1.5, "mtf")])
def test_bad_detectors_are_refused(dose, mtf, named):
    with pytest.raises(OptionError, match=named):
        Detector(dose, mtf)
