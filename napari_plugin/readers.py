"""Readers for napari: MRC micrographs, and coordinates in STAR files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cryoal.io.formats import detect, format_named
from cryoal.io.micrographs import read_micrograph
from cryoal.io.options import ImportOptions
from napari_plugin.images import contrast_limits
from napari_plugin.scene import YELLOW, to_world

LayerData = tuple[Any, dict[str, Any], str]
Reader = Callable[[str | Sequence[str]], list[LayerData]]
_SIZE_PX = 100.0


def micrograph_reader(path: str | Sequence[str]) -> Reader | None:
    """The hook of napari for `.mrc`."""
    return _read_micrographs if _first(path).is_file() else None


def coordinates_reader(path: str | Sequence[str]) -> Reader | None:
    """The hook of napari for `.star`."""
    return _read_coordinates if _first(path).is_file() else None


def _read_micrographs(path: str | Sequence[str]) -> list[LayerData]:
    """An image layer for each file, pixels as in the file."""
    layers: list[LayerData] = []
    for file in _all(path):
        micrograph = read_micrograph(file)
        metadata = {"micrograph": str(file), "pixel_size_angstrom": micrograph.pixel_size_angstrom}
        more = {
            "name": file.stem,
            "contrast_limits": contrast_limits(micrograph.pixels),
            "colormap": "gray",
            "metadata": metadata,
        }
        layers.append((micrograph.pixels, more, "image"))
    return layers


def _read_coordinates(path: str | Sequence[str]) -> list[LayerData]:
    """A points layer for each micrograph that a file names."""
    layers: list[LayerData] = []
    for file in _all(path):
        found = format_named(detect(file)).read(file, ImportOptions())
        for name, picks in found.items():
            more = {
                "name": Path(name).stem,
                "size": _SIZE_PX,
                "symbol": "disc",
                "face_color": "transparent",
                "border_color": YELLOW,
                "border_width": 0.04,
                "features": {"score": picks.score, "class": picks.class_number},
                "feature_defaults": {"score": float("nan"), "class": 0},
                "metadata": {"micrograph": name},
            }
            layers.append((to_world(picks.xy), more, "points"))
    return layers


def _first(path: str | Sequence[str]) -> Path:
    return _all(path)[0]


def _all(path: str | Sequence[str]) -> list[Path]:
    return [Path(path)] if isinstance(path, str) else [Path(one) for one in path]
