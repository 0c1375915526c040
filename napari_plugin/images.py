"""Micrographs as they are shown: binned, plain, low-passed or denoised, the next one read ahead."""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cryoal.data.micrograph import MicrographEntry
from cryoal.io.micrographs import read_micrograph

_PIXELS_PER_DIAMETER = 40
_MAX_SIDE_PX = 2048
_SMOOTHING_DIAMETERS = 0.06
_BACKGROUND_DIAMETERS = 1.0
_SAMPLE_STEP = 7
_KEPT = 4
_BLANK_BIN = 64


_View = TypeVar("_View")


@dataclass(frozen=True, slots=True)
class Shown:
    """One view of a micrograph.

    Attributes
    ----------
    pixels : float32 array, shape (my, mx)
    contrast_limits : (float, float)
    """

    pixels: NDArray[np.float32]
    contrast_limits: tuple[float, float]


@dataclass(frozen=True, slots=True)
class DisplayImage:
    """A micrograph ready to be shown.

    Attributes
    ----------
    plain, low_pass : Shown
    bin : int
        Original pixels a shown pixel, along each side.
    """

    plain: Shown
    low_pass: Shown
    bin: int

    @property
    def translate(self) -> float:
        """Position of the centre of the first shown pixel, original pixels."""
        return (self.bin - 1) / 2


def display_image(pixels: NDArray[np.generic], diameter_px: float) -> DisplayImage:
    """Bin a micrograph so that its particles are about 40 pixels wide, and smooth a copy for the eye."""
    step = bin_of(pixels.shape, diameter_px)
    small = binned(pixels, step)
    diameter = diameter_px / step
    flat = ndimage.gaussian_filter(small, _SMOOTHING_DIAMETERS * diameter, truncate=3)
    coarse = max(1, min(int(diameter / 8), *small.shape))
    background = ndimage.gaussian_filter(binned(small, coarse), _BACKGROUND_DIAMETERS * diameter / coarse, truncate=3)
    rows, columns = (
        np.minimum(np.arange(n) // coarse, m - 1) for n, m in zip(small.shape, background.shape, strict=True)
    )
    flat -= background[rows[:, None], columns]
    return DisplayImage(_shown(small, 0.5), _shown(flat, 0.2), step)


def blank_image(shape_px: tuple[int, int]) -> DisplayImage:
    """What is shown of a micrograph of shape (ny, nx) that cannot be read."""
    ny, nx = (-(-side // _BLANK_BIN) for side in shape_px)
    nothing = Shown(np.zeros((ny, nx), np.float32), (0.0, 1.0))
    return DisplayImage(nothing, nothing, _BLANK_BIN)


def bin_of(shape_px: tuple[int, ...], diameter_px: float) -> int:
    """Original pixels a shown pixel, along each side, of a micrograph of shape (ny, nx)."""
    fit = -(-max(shape_px) // _MAX_SIDE_PX)
    return max(1, round(diameter_px / _PIXELS_PER_DIAMETER), fit)


def binned(pixels: NDArray[np.generic], step: int) -> NDArray[np.float32]:
    """Means of blocks; the rest at the far edges is left out."""
    ny, nx = (n // step * step for n in pixels.shape)
    if step == 1:
        return pixels.astype(np.float32)
    rows = pixels[:ny:step].astype(np.float32)
    for i in range(1, step):
        rows += pixels[i:ny:step].astype(np.float32, copy=False)
    sums = rows[:, :nx:step].copy()
    for i in range(1, step):
        sums += rows[:, i:nx:step]
    return sums / np.float32(step**2)


def contrast_limits(pixels: NDArray[np.generic], percent: float = 0.5) -> tuple[float, float]:
    """Limits that leave out so many per cent of the pixels at either end, by a sample of them."""
    sample = pixels[::_SAMPLE_STEP, ::_SAMPLE_STEP].astype(np.float64)
    low, high = np.percentile(sample, [percent, 100 - percent])
    return float(low), float(high) if high > low else float(low) + 1


def _shown(pixels: NDArray[np.float32], percent: float) -> Shown:
    return Shown(pixels, contrast_limits(pixels, percent))


class ImageStore:
    """Reads micrographs for show, keeps the last few, and reads the next one ahead in a thread.

    Parameters
    ----------
    diameter_px : callable
        Particle diameter, pixels, of a micrograph.
    denoise : callable
        From a micrograph to its pixels without noise, as many as are shown.

    Attributes
    ----------
    on_denoised : callable
        Called in another thread when a micrograph is denoised, or cannot be.
    """

    def __init__(
        self,
        diameter_px: Callable[[MicrographEntry], float],
        denoise: Callable[[MicrographEntry], NDArray[np.float32]],
    ) -> None:
        self.on_denoised: Callable[[], None] = lambda: None
        self._diameter_px, self._denoise = diameter_px, denoise
        self._reading = ThreadPoolExecutor(1, "display")
        self._denoising = ThreadPoolExecutor(1, "denoising")
        self._kept: OrderedDict[str, Future[DisplayImage]] = OrderedDict()
        self._denoised: OrderedDict[str, Future[Shown]] = OrderedDict()

    def ahead(self, entry: MicrographEntry, *, denoised: bool = False) -> None:
        """Begin to read a micrograph, and to take its noise off."""
        _submit(self._reading, self._kept, entry, self._load)
        if denoised and _submit(self._denoising, self._denoised, entry, lambda one: _shown(self._denoise(one), 0.2)):
            self._denoised[entry.key].add_done_callback(lambda _: self.on_denoised())

    def get(self, entry: MicrographEntry) -> DisplayImage:
        """A micrograph, at once where it was read ahead.

        Raises
        ------
        FileError, MicrographError
            It cannot be read; the text names the file.
        """
        self.ahead(entry)
        return _result(self._kept, entry)

    def denoised(self, entry: MicrographEntry) -> Shown | None:
        """A micrograph without its noise; None while that is being worked out, which is begun where it was not.

        Raises
        ------
        FileError, MicrographError
            It cannot be read or denoised.
        """
        self.ahead(entry, denoised=True)
        return _result(self._denoised, entry) if self._denoised[entry.key].done() else None

    def close(self) -> None:
        """Stop reading."""
        self.on_denoised = lambda: None
        for pool in (self._reading, self._denoising):
            pool.shutdown(wait=False, cancel_futures=True)

    def _load(self, entry: MicrographEntry) -> DisplayImage:
        return display_image(read_micrograph(entry.path).pixels, self._diameter_px(entry))


def _submit(
    pool: ThreadPoolExecutor,
    kept: OrderedDict[str, Future[_View]],
    entry: MicrographEntry,
    work: Callable[[MicrographEntry], _View],
) -> bool:
    """Begin work on a micrograph, true, unless it is begun; what was wanted longest ago is given up."""
    new = entry.key not in kept
    if new:
        kept[entry.key] = pool.submit(work, entry)
    kept.move_to_end(entry.key)
    while len(kept) > _KEPT:
        kept.popitem(last=False)[1].cancel()
    return new


def _result(kept: OrderedDict[str, Future[_View]], entry: MicrographEntry) -> _View:
    """What became of the work; forgotten where it failed, so that a file put right is read again."""
    try:
        return kept[entry.key].result()
    except Exception:
        del kept[entry.key]
        raise
