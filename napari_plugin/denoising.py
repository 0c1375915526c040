"""Micrographs without their noise, worked out in a process of its own, for the network needs torch."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cryoal.data.micrograph import MicrographEntry
from cryoal.errors import MicrographError, UserError
from cryoal.io.micrographs import read_micrograph
from napari_plugin.images import bin_of

_ENDED = "cannot be denoised: that process ended, as happens when the memory is full or the window is closed"


class Denoiser:
    """A process that denoises one micrograph after the other; it starts with the first, and ends with ours.

    Parameters
    ----------
    diameter_px : callable
        Particle diameter, pixels, of a micrograph.
    particles_dark : bool
    """

    def __init__(self, diameter_px: Callable[[MicrographEntry], float], *, particles_dark: bool) -> None:
        self._diameter_px, self._particles_dark = diameter_px, particles_dark
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._closed = False

    def __call__(self, entry: MicrographEntry) -> NDArray[np.float32]:
        """A micrograph without its noise, pixel for pixel as the views of `display_image`; takes seconds.

        Raises
        ------
        MicrographError
            It cannot be read, is too small for the particle, or the process ended.
        """
        path = entry.path
        wanted = json.dumps([str(path), self._diameter_px(entry), self._particles_dark])
        try:
            told, pixels = self._asked(wanted)
        except (OSError, ValueError) as error:
            raise MicrographError(f"{path}: {_ENDED}") from error
        if "error" in told:
            raise MicrographError(told["error"])
        return pixels

    def _asked(self, wanted: str) -> tuple[dict[str, Any], NDArray[np.float32]]:
        """What the process answers, and the pixels, none with an error; OSError or ValueError where it ended."""
        with self._lock:
            if self._closed:
                raise OSError("the window is closed")
            if self._process is None or self._process.poll() is not None:
                command = [sys.executable, "-m", "napari_plugin.denoising"]
                self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{wanted}\n".encode())
        process.stdin.flush()
        told = json.loads(process.stdout.readline())
        my, mx = told.get("shape", (0, 0))
        return told, np.frombuffer(process.stdout.read(4 * my * mx), np.float32).reshape(my, mx)

    def close(self) -> None:
        """End the process, whatever it does."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()
                self._process.wait()


def denoised(pixels: NDArray[np.generic], diameter_px: float, *, particles_dark: bool) -> NDArray[np.float32]:
    """A micrograph without its noise, pixel for pixel as the views of `display_image`; dark stays dark.

    Raises
    ------
    MicrographError
        It is too small for the particle, or carries no image.
    """
    from cryoal.learner.denoised_view import denoised_view  # noqa: PLC0415  loads torch, in that process alone

    view = denoised_view(pixels, diameter_px, particles_dark=particles_dark)
    bin_px = bin_of(pixels.shape, diameter_px)
    step = bin_px / np.array(view.scale[::-1])
    shape = tuple(side // bin_px for side in pixels.shape)
    signed = -view.pixels if particles_dark else view.pixels
    shown: NDArray[np.float32] = ndimage.affine_transform(signed, step, (step - 1) / 2, shape, order=2, mode="nearest")
    return shown


def main() -> None:
    """Denoise what is asked for, line by line, until nobody asks any more."""
    out = sys.stdout.buffer
    for line in sys.stdin:
        path, diameter_px, particles_dark = json.loads(line)
        try:
            shown = denoised(read_micrograph(Path(path)).pixels, diameter_px, particles_dark=particles_dark)
        except UserError as error:
            out.write(json.dumps({"error": str(error)}).encode() + b"\n")
        else:
            out.write(json.dumps({"shape": shown.shape}).encode() + b"\n" + shown.tobytes())
        out.flush()


if __name__ == "__main__":
    main()
