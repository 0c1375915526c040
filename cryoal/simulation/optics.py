"""The microscope and the camera: contrast transfer, dose, shot noise and the detector's transfer function."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import fft

from cryoal.errors import OptionError

Floats = NDArray[np.float64]

_ELECTRON_REST_KILOVOLT = 510.99895


@dataclass(frozen=True, slots=True)
class Optics:
    """Imaging conditions of one micrograph; defocus is positive underfocus.

    Attributes
    ----------
    defocus_angstrom : float
        Mean of the greatest and the least defocus.
    astigmatism_angstrom : float
        Greatest less least defocus.
    astigmatism_angle_degrees : float
        Direction of the greatest defocus, from x towards y.
    voltage_kilovolt, spherical_aberration_millimetre, amplitude_contrast : float
    phase_shift_degrees : float
        Of a phase plate.
    b_factor_square_angstrom : float
        Envelope exp(−B k² / 4): coherence, motion and radiation damage together.
    """

    defocus_angstrom: float = 20000.0
    astigmatism_angstrom: float = 300.0
    astigmatism_angle_degrees: float = 30.0
    voltage_kilovolt: float = 300.0
    spherical_aberration_millimetre: float = 2.7
    amplitude_contrast: float = 0.1
    phase_shift_degrees: float = 0.0
    b_factor_square_angstrom: float = 120.0


@dataclass(frozen=True, slots=True)
class Detector:
    """An electron-counting camera.

    Attributes
    ----------
    dose_per_square_angstrom : float
        Electrons counted for each Å² of an empty field, over the whole exposure.
    mtf_at_nyquist : float
        Modulation transfer at the Nyquist frequency, in (0, 1].
    """

    dose_per_square_angstrom: float = 40.0
    mtf_at_nyquist: float = 0.6

    def __post_init__(self) -> None:
        if not self.dose_per_square_angstrom > 0:
            raise OptionError(f"dose_per_square_angstrom: found {self.dose_per_square_angstrom}, give a positive dose")
        if not 0 < self.mtf_at_nyquist <= 1:
            raise OptionError(f"mtf_at_nyquist: found {self.mtf_at_nyquist}, give a value in (0, 1]")


def wavelength_angstrom(voltage_kilovolt: float) -> float:
    """Relativistic electron wavelength, λ = h c / √(E (E + 2 m c²)), in Å."""
    return 12398.4198 / 1e3 / float(np.sqrt(voltage_kilovolt * (voltage_kilovolt + 2 * _ELECTRON_REST_KILOVOLT)))


def interaction_constant(voltage_kilovolt: float) -> float:
    """Phase shift for each V·Å of projected potential: σ = 2π (m c² + E) / (λ E (2 m c² + E)), in rad / (V·Å)."""
    energy, rest = voltage_kilovolt, _ELECTRON_REST_KILOVOLT
    return float(2 * np.pi * (rest + energy) / (wavelength_angstrom(energy) * energy * 1e3 * (2 * rest + energy)))


def contrast_transfer(optics: Optics, shape: tuple[int, int], pixel_size_angstrom: float) -> Floats:
    """Contrast transfer function with its envelope, at the frequencies of a real FFT.

    ``CTF(k) = exp(−B k²/4) · sin(π λ Δf(φ) k² − π/2 Cs λ³ k⁴ + phase shift + arcsin(amplitude contrast))``,
    ``Δf(φ) = Δf + astigmatism/2 · cos 2(φ − φ₀)``: the convention of CTFFIND4 (Rohou and Grigorieff 2015, eq. 2, 3),
    with the sign that makes an underfocused phase object dark after ``1 − 2 · contrast``.

    Parameters
    ----------
    optics : Optics
    shape : (int, int)
        Of the image (ny, nx).
    pixel_size_angstrom : float

    Returns
    -------
    float64 array, shape (ny, nx // 2 + 1)
    """
    ky = fft.fftfreq(shape[0], pixel_size_angstrom)[:, None]
    kx = fft.rfftfreq(shape[1], pixel_size_angstrom)[None, :]
    square = ky**2 + kx**2
    wavelength = wavelength_angstrom(optics.voltage_kilovolt)
    axis = np.deg2rad(optics.astigmatism_angle_degrees)
    # k² cos 2(φ − φ₀), without an arctangent
    twofold = (kx**2 - ky**2) * np.cos(2 * axis) + 2 * kx * ky * np.sin(2 * axis)
    defocus_term = optics.defocus_angstrom * square + optics.astigmatism_angstrom / 2 * twofold
    aberration = optics.spherical_aberration_millimetre * 1e7
    phase = np.pi * wavelength * defocus_term - np.pi / 2 * aberration * wavelength**3 * square**2
    phase += np.deg2rad(optics.phase_shift_degrees) + np.arcsin(optics.amplitude_contrast)
    transfer: Floats = np.sin(phase) * np.exp(-optics.b_factor_square_angstrom / 4 * square)
    return transfer


def image_intensity(phase: Floats, absorption: Floats, optics: Optics, pixel_size_angstrom: float) -> Floats:
    """Electrons that reach each point of the image, for one that enters.

    ``I = exp(−absorption − 2 · FT⁻¹[FT[phase] · CTF])``: the weak-phase image to first order, positive for any object.
    The image is periodic; crop a margin.

    Parameters
    ----------
    phase : float64 array, shape (ny, nx)
        Phase shift of the exit wave, rad.
    absorption : float64 array, shape (ny, nx)
        Thickness over mean free path.
    optics : Optics
    pixel_size_angstrom : float

    Returns
    -------
    float64 array, shape (ny, nx)
    """
    transfer = contrast_transfer(optics, (phase.shape[0], phase.shape[1]), pixel_size_angstrom)
    contrast = fft.irfft2(fft.rfft2(phase) * transfer, s=phase.shape)
    intensity: Floats = np.exp(-absorption - 2 * contrast)
    return intensity


def record(intensity: Floats, detector: Detector, pixel_size_angstrom: float, rng: Generator) -> Floats:
    """Count electrons: Poisson shot noise for the dose, then the camera's modulation transfer.

    ``MTF(q) = m^(q²)``, q in units of the Nyquist frequency; signal and noise are damped alike.

    Parameters
    ----------
    intensity : float64 array, shape (ny, nx)
        Share of the incident electrons.
    detector : Detector
    pixel_size_angstrom : float
    rng : Generator

    Returns
    -------
    float64 array, shape (ny, nx)
        Electrons for each pixel.
    """
    counts = rng.poisson(intensity * (detector.dose_per_square_angstrom * pixel_size_angstrom**2))
    qy = 2 * fft.fftfreq(counts.shape[0])[:, None]
    qx = 2 * fft.rfftfreq(counts.shape[1])[None, :]
    transfer = np.exp(np.log(detector.mtf_at_nyquist) * (qy**2 + qx**2))
    recorded: Floats = fft.irfft2(fft.rfft2(counts.astype(np.float64)) * transfer, s=counts.shape)
    return recorded
