"""A round's committee made ready: from a micrograph at the picker's scale to candidates with probabilities."""

import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from cryoal.config import Config
from cryoal.data.micrograph import ScaledMicrograph, edge_distance_px, to_original
from cryoal.errors import DeviceError
from cryoal.learner.centring import Centring, read_centring
from cryoal.learner.classes import read_class_calibration
from cryoal.model.calibration import Calibration, read_calibration
from cryoal.model.checkpoint import load_members
from cryoal.model.class_calibration import ClassCalibration
from cryoal.model.committee import Committee, Member, reduced_precision
from cryoal.model.label_maps import at
from cryoal.model.scoring import TileScores, score_tiles
from cryoal.picking.maxima import local_maxima
from cryoal.picking.peaks import strongest_apart
from cryoal.picking.proposals import member_logits_at
from cryoal.preprocess.on_device import PreparedMicrograph
from cryoal.workspace.candidates import ScoredMicrograph
from cryoal.workspace.layout import RoundLayout

_MIN_TILE_PX = 160


class SmallerTilesWarning(UserWarning):
    """A device has too little memory for tiles of the usual size."""


class Scorer:
    """A round's committee, calibration and centring, ready to propose candidates; threads may share one.

    Parameters
    ----------
    committee : Committee
    calibration : Calibration
    centring : Centring
    config : Config
    of_classes : ClassCalibration
    """

    def __init__(
        self,
        committee: Committee,
        calibration: Calibration,
        centring: Centring,
        config: Config,
        of_classes: ClassCalibration | None = None,
    ) -> None:
        self._of_classes = of_classes or ClassCalibration()
        self._committee = committee
        self._calibration = calibration
        self._centring = centring
        self._config = config
        self._max_tile_px = config.picking.max_tile_px

    @classmethod
    def load(cls, layout: RoundLayout, config: Config, device: torch.device) -> "Scorer":
        """Read a round; it computes in half precision where that is fast and near enough.

        Raises
        ------
        FileFormatError
            A file of the round is missing or broken.
        """
        return cls.load_all(layout, config, [device])[0]

    @classmethod
    def load_all(cls, layout: RoundLayout, config: Config, devices: Sequence[torch.device]) -> "tuple[Scorer, ...]":
        """The same on each of some devices."""
        members = load_members(layout.members)
        calibration, centring = read_calibration(layout.calibration), read_centring(layout.centring)
        of_classes = read_class_calibration(layout.classes)
        return tuple(
            cls(committee, calibration, centring, config, of_classes)
            for committee in _committees(members, config, devices)
        )

    @classmethod
    def of_members(
        cls, members: Sequence[Member], config: Config, devices: Sequence[torch.device]
    ) -> "tuple[Scorer, ...]":
        """The same of members that no labels have calibrated."""
        return tuple(cls(one, Calibration(), Centring(), config) for one in _committees(members, config, devices))

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._committee.device

    @property
    def dtype(self) -> torch.dtype:
        """What its networks compute in."""
        return self._committee.dtype

    def __call__(self, scaled: ScaledMicrograph | PreparedMicrograph) -> ScoredMicrograph:
        """Candidates of one micrograph, with calibrated probabilities and embeddings.

        Raises
        ------
        DeviceError
            The device has too little memory for the smallest tile.
        """
        if isinstance(scaled, ScaledMicrograph):
            scaled = PreparedMicrograph.of(scaled)
        size, classes = self._config.preprocess.pixels_per_diameter, self._committee.classes
        scaled_xy, member_logit, features, class_logits = self._found(scaled)
        logit = member_logit.astype(np.float64)
        around = at(scaled.surroundings.cpu().numpy(), scaled_xy.astype(np.float64))
        xy = to_original(scaled_xy + self._centring.offset_diameters * size, scaled.scale)
        edge = edge_distance_px(xy, scaled.shape_px) / (size * scaled.scale[0])
        return ScoredMicrograph(
            np.clip(xy, 0, np.array(scaled.shape_px[::-1]) - 1).astype(np.float32),
            self._calibration(logit, around, edge).astype(np.float32),
            self._calibration(logit.mean(axis=0), around, edge).astype(np.float32),
            features.astype(np.float16),
            classes,
            self._of_classes(class_logits, classes).astype(np.float32),
        )

    def _found(self, image: PreparedMicrograph) -> list[NDArray[np.floating]]:
        """Scaled positions, member logits, features and class logits; out of memory makes the tiles smaller.

        Smaller for this micrograph and all that follow, and it is said.
        """
        while True:
            side_px = self._max_tile_px
            try:
                return self._peaks(image, side_px)
            except torch.OutOfMemoryError as error:
                self._shrink(side_px, error)

    def _peaks(self, image: PreparedMicrograph, max_tile_px: int) -> list[NDArray[np.floating]]:
        """Peaks of the mean score, no two too near; of a tile nothing is kept but its peaks."""
        picking, size = self._config.picking, self._config.preprocess.pixels_per_diameter
        device = self._committee.device
        pixels, valid = image.pixels.to(device), image.valid.to(device)
        tiles = score_tiles(self._committee, pixels, max_tile_px, picking.smoothing_diameters * size)
        parts = [_peaks_of(tile, valid, picking.min_logit) for tile in tiles]
        # Of (height, xy, member logits, features, class logits) the members come first in two.
        axes = (0, 0, 1, 0, 1)
        height, xy, *rest = (
            np.concatenate(some, axis) for some, axis in zip(zip(*parts, strict=True), axes, strict=True)
        )
        kept = strongest_apart(xy, height, picking.min_distance_diameters * size)
        return [xy[kept], *(part.take(kept, axis) for part, axis in zip(rest, axes[2:], strict=True))]

    def _shrink(self, failed_px: int, error: torch.OutOfMemoryError) -> None:
        """Make tiles half as wide as those that were too large; another thread may have done so before."""
        device = self._committee.device
        smaller = failed_px // 2
        if smaller < _MIN_TILE_PX:
            raise DeviceError(
                f"{device}: too little memory even for tiles of {failed_px} pixels; free some, or give --device cpu"
            ) from error
        if device.type == "cuda":
            torch.cuda.empty_cache()
        if smaller < self._max_tile_px:
            self._max_tile_px = smaller
            warnings.warn(
                f"{device}: too little memory for tiles of {failed_px} pixels; going on with tiles of {smaller}",
                SmallerTilesWarning,
                stacklevel=2,
            )


def _committees(members: Sequence[Member], config: Config, devices: Sequence[torch.device]) -> Iterator[Committee]:
    """One a device, all of the precision that the first one is fast and near enough in."""
    picking, size = config.picking, config.preprocess.pixels_per_diameter
    smoothing_px = picking.smoothing_diameters * size
    dtype = reduced_precision(members, devices[0], picking.tolerance_logit, smoothing_px)
    for device in devices:
        yield Committee(members, device, dtype)


def _peaks_of(tile: TileScores, valid: torch.Tensor, min_logit: float) -> tuple[NDArray[np.floating], ...]:
    """Height, scaled position, member logits, features and class logits of the peaks that a tile owns."""
    ny, nx = tile.logits.shape[-2:]
    allowed = torch.zeros((ny, nx), dtype=torch.bool, device=valid.device)
    allowed[tile.own] = valid[tile.y0 : tile.y0 + ny, tile.x0 : tile.x0 + nx][tile.own]
    xy, height = local_maxima(tile.logits.mean(dim=0), allowed, min_logit)
    there = (member_logits_at(tile.logits, xy), tile.features_at(xy), tile.class_logits_at(xy))
    return height, xy + np.array([tile.x0, tile.y0]), *there
