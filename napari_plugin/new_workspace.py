"""A new workspace before it is made: the micrographs that are meant, and a look at the first of them."""

import glob
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cryoal.config import Config, PreprocessConfig
from cryoal.data.micrograph import MicrographEntry, ScaledMicrograph
from cryoal.errors import OptionError
from cryoal.io.micrographs import list_micrographs, read_micrograph
from cryoal.picking.blobs import find_blobs
from cryoal.preprocess.pipeline import flatten_and_normalise, scaled_shape
from cryoal.preprocess.polarity import brightness_skew
from cryoal.preprocess.valid import valid_mask
from napari_plugin.images import DisplayImage, binned, display_image
from napari_plugin.judging import Micrographs, judge_diameter

_IMAGES = ("*.mrc", "*.tif", "*.tiff", "*.mrc.gz", "*.mrc.bz2")
_RELION_PROJECT = "default_pipeline.star"
_BLOBS = 40
_WEAKEST_SIGMAS = 2.0


@dataclass(frozen=True, slots=True)
class Source:
    """Micrographs as `cryoal init` wants to be told of them.

    Attributes
    ----------
    micrographs : str
        A glob or a STAR file.
    root : Path
        Folder that names start from: RELION's project, else the folder above that of the micrographs.
    """

    micrographs: str
    root: Path


@dataclass(frozen=True, slots=True)
class Look:
    """The first micrograph with circles of a diameter.

    Attributes
    ----------
    image : DisplayImage
    xy : float64 array, shape (N, 2)
        The strongest blobs of that size, original pixels.
    diameter_angstrom, diameter_px : float
    told : str
        One or two sentences.
    """

    image: DisplayImage
    xy: NDArray[np.float64]
    diameter_angstrom: float
    diameter_px: float
    told: str


def source_of(text: str) -> Source:
    """What a folder, a glob or a STAR file means.

    Raises
    ------
    OptionError
        Nothing was typed.
    FileError, FileFormatError
        A STAR file is broken, or none of its micrographs is there.
    """
    if not text.strip():
        raise OptionError("Micrographs: nothing is given; choose a folder, a glob or the STAR file of a RELION job")
    path = Path(text.strip()).expanduser().absolute()
    if path.is_dir():
        found = (pattern for pattern in _IMAGES if any(path.glob(pattern)))
        path /= next(found, _IMAGES[0])
    fixed = next(folder for folder in path.parents if not glob.has_magic(str(folder)))
    project = next((folder for folder in path.parents if (folder / _RELION_PROJECT).is_file()), None)
    if project is None and path.suffix == ".star":
        first = _listed(str(path), fixed, None)[0]
        is_below = first.path.as_posix().endswith("/" + first.name)
        project = Path(first.path.as_posix().removesuffix(first.name)) if is_below else fixed
    return Source(str(path), project or fixed.parent)


def look(
    text: str,
    diameter_angstrom: float | None,
    pixel_size_angstrom: float | None,
    particles_dark: bool | None,
    config: Config,
) -> Look:
    """Read the first micrograph and find what could be particles of that diameter, which is judged where it is None.

    Raises
    ------
    OptionError
        The pixel size is not known, or no diameter is given and none can be judged.
    UserError
        The micrographs cannot be listed, or the first cannot be read, or is too small for the diameter.
    """
    source = source_of(text)
    entries = _listed(source.micrographs, source.root, pixel_size_angstrom)
    first = entries[0]
    if not first.pixel_size_angstrom > 0:
        raise OptionError(f"{first.path.name}: neither list nor header tells the pixel size; give it, Å/pixel")
    judged = ""
    if diameter_angstrom is None:
        given = Micrographs(source.micrographs, str(source.root), pixel_size_angstrom, particles_dark)
        diameter_angstrom = judge_diameter(given)
        judged = "The micrographs look like particles of that size. "
    pixels, diameter_px = read_micrograph(first.path).pixels, diameter_angstrom / first.pixel_size_angstrom
    scaled, size = _scaled(pixels, diameter_px, config.preprocess)
    is_dark = brightness_skew(scaled, size) <= 0 if particles_dark is None else particles_dark
    if is_dark:
        scaled = replace(scaled, pixels=-scaled.pixels)
    blobs, _ = find_blobs(scaled, size, size, _WEAKEST_SIGMAS)
    xy, (ny, nx) = scaled.to_original(blobs), pixels.shape
    xy = xy[(np.minimum(xy, (nx, ny) - xy) > diameter_px / 2).all(axis=1)]
    told = (
        f"Micrographs: {len(entries):,}. The first, {first.path.name}, has {nx} × {ny} pixels of "
        f"{first.pixel_size_angstrom:.3g} Å, and {'dark' if is_dark else 'light'} particles. {diameter_angstrom:g} Å "
        f"are {diameter_px:.0f} pixels: the yellow circles, put on whatever looks like a particle of that size, "
        f"should just enclose one. {judged}"
    )
    return Look(display_image(pixels, diameter_px), xy[:_BLOBS], diameter_angstrom, diameter_px, told.strip())


def _scaled(pixels: NDArray[np.generic], diameter_px: float, config: PreprocessConfig) -> tuple[ScaledMicrograph, int]:
    """A micrograph binned to about the picker's scale, bright as stored, and the diameter in its pixels.

    For a look this does, and the window is spared torch, with which `prepare` resamples exactly.
    """
    scaled_shape((pixels.shape[0], pixels.shape[1]), diameter_px, config)  # refuses what is too small
    step = max(1, round(diameter_px / config.pixels_per_diameter))
    small, size = binned(pixels, step), round(diameter_px / step)
    at_size = replace(config, pixels_per_diameter=size)
    valid = valid_mask(small, at_size)
    normal = flatten_and_normalise(small, valid, at_size)
    return ScaledMicrograph(normal, valid, (step, step), (pixels.shape[0], pixels.shape[1])), size


@lru_cache(maxsize=1)
def _listed(source: str, root: Path, pixel_size_angstrom: float | None) -> list[MicrographEntry]:
    """The list, kept while the diameter is tried: twenty thousand headers take a while."""
    return list_micrographs(source, pixel_size_angstrom, root)
