"""Simulated micrographs on disk, as a RELION-style project with truth."""

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cryoal.data.picks import Picks
from cryoal.errors import OptionError
from cryoal.io import mrc, star
from cryoal.io.durable import write_atomic
from cryoal.simulation.micrographs import SimulatedMicrograph
from cryoal.simulation.optics import Optics

_INT8_LEVELS_PER_SIGMA = 20.0
_STAMP_OFFSET, _STAMP_BYTES = 224, 80  # first text label of an MRC header


def write_project(
    out: Path,
    micrographs: Iterable[tuple[str, SimulatedMicrograph]],
    optics: Optics,
    diameter_angstrom: float,
    dtype: DTypeLike = np.float32,
    wanted: Collection[int] = (1,),
    *,
    junk: bool = False,
) -> None:
    """Write micrographs and their truth; one micrograph is held in memory at a time.

    ::

        out/Micrographs/NAME.mrc          the image
        out/micrographs.star              data_optics and data_micrographs, as RELION 3.1 and later write them
        out/truth/NAME.star               centres of the wanted particles; of more than one class with rlnClassNumber
        out/truth_all_species/NAME.star   centres of every class, with rlnClassNumber
        out/junk/NAME.star                centres of junk, rlnClassNumber being the kind; only where it is wanted
        out/diameter_angstrom.txt         the wanted particle's diameter

    Parameters
    ----------
    out : Path
    micrographs : iterable of (str, SimulatedMicrograph)
        Names without folder and extension, all different.
    optics : Optics
        Voltage, spherical aberration and amplitude contrast of the optics group.
    diameter_angstrom : float
    dtype : dtype
        float32 or float16 store electrons a pixel, int8 stores normalised pixels (20 levels a standard deviation).
    wanted : collection of int
        Class numbers of the particles that are to be picked; the others are contaminants.
    junk : bool
        Write the centres of junk as well.

    Raises
    ------
    OptionError
        There is no micrograph, or their pixel sizes differ.
    FileError
        A file cannot be written.
    """
    names: list[str] = []
    pixel_sizes: set[float] = set()
    for name, micrograph in micrographs:
        _write_image(out, name, micrograph, np.dtype(dtype))
        _write_truth(out, name, micrograph.picks, wanted)
        if junk:
            star.write(out / "junk" / f"{name}.star", {"": _classed(micrograph.junk_picks)})
        names.append(f"Micrographs/{name}.mrc")
        pixel_sizes.add(micrograph.pixel_size_angstrom)
    if len(pixel_sizes) != 1:
        raise OptionError(f"pixel_size_angstrom: found {sorted(pixel_sizes)}, give micrographs of one pixel size")
    rows: dict[str, list[object]] = {"rlnMicrographName": [*names], "rlnOpticsGroup": [1] * len(names)}
    optics_group = _optics_group(optics, pixel_sizes.pop())
    star.write(out / "micrographs.star", {"optics": optics_group, "micrographs": rows})
    write_atomic(out / "diameter_angstrom.txt", f"{diameter_angstrom:.0f}\n")


def _write_image(out: Path, name: str, micrograph: SimulatedMicrograph, dtype: np.dtype[np.generic]) -> None:
    """One micrograph."""
    path = out / "Micrographs" / f"{name}.mrc"
    mrc.write(path, _stored(micrograph.pixels, dtype), micrograph.pixel_size_angstrom)
    _remove_date(path)


def _write_truth(out: Path, name: str, picks: Picks, wanted: Collection[int]) -> None:
    """The particles of one micrograph."""
    chosen = picks.select(np.isin(picks.class_number, list(wanted)))
    columns = _classed(chosen) if len(wanted) > 1 else _coordinates(chosen)
    star.write(out / "truth" / f"{name}.star", {"": columns})
    star.write(out / "truth_all_species" / f"{name}.star", {"": _classed(picks)})


def _optics_group(optics: Optics, pixel_size_angstrom: float) -> dict[str, list[object]]:
    """The block data_optics."""
    return {
        "rlnOpticsGroupName": ["opticsGroup1"],
        "rlnOpticsGroup": [1],
        "rlnMicrographPixelSize": [pixel_size_angstrom],
        "rlnMicrographOriginalPixelSize": [pixel_size_angstrom],
        "rlnVoltage": [optics.voltage_kilovolt],
        "rlnSphericalAberration": [optics.spherical_aberration_millimetre],
        "rlnAmplitudeContrast": [optics.amplitude_contrast],
    }


def _stored(pixels: NDArray[np.float32], dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    if dtype != np.int8:
        return pixels.astype(dtype)
    values = pixels.astype(np.float64)
    middle = np.median(values)
    sigma = 1.4826 * np.median(np.abs(values - middle))  # junk is dark and must not crowd out the particles
    levels: NDArray[np.int8] = (
        np.rint((values - middle) / sigma * _INT8_LEVELS_PER_SIGMA).clip(-128, 127).astype(np.int8)
    )
    return levels


def _remove_date(path: Path) -> None:
    """Overwrite mrcfile's label, which holds the time: the same seed is to give the same bytes."""
    with path.open("r+b") as file:
        file.seek(_STAMP_OFFSET)
        file.write(b"Simulated by cryoal".ljust(_STAMP_BYTES))


def _coordinates(picks: Picks) -> dict[str, NDArray[np.generic]]:
    return {"rlnCoordinateX": picks.x.round(2), "rlnCoordinateY": picks.y.round(2)}


def _classed(picks: Picks) -> dict[str, NDArray[np.generic]]:
    return _coordinates(picks) | {"rlnClassNumber": picks.class_number}
