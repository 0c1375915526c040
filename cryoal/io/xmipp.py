"""Xmipp's ``.pos`` files: manual picks in ``data_particles``, automatic ones in ``data_particles_auto``."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cryoal.data.micrograph import MicrographEntry
from cryoal.data.picks import Picks
from cryoal.errors import FileFormatError
from cryoal.io import star
from cryoal.io.names import own_name
from cryoal.io.options import ExportOptions, ImportOptions, rounded
from cryoal.io.per_micrograph import write_each

_MANUAL, _AUTOMATIC, _HEADER = "particles", "particles_auto", "header"
_X, _Y, _COST, _ENABLED = "xcoor", "ycoor", "cost", "enabled"
_MANUAL_COST = -1
_HEADING = "# XMIPP_STAR_1 *\n#\n"


def read(path: Path, _options: ImportOptions | None = None) -> dict[str, Picks]:
    """Read a ``.pos`` file; disabled particles are left out, the cost of automatic picks is their score.

    Raises
    ------
    FileError
        The file cannot be read.
    FileFormatError
        It has no particles block, or a value is not a number.
    """
    blocks = star.read(path)
    tables = [(name, blocks[name]) for name in (_MANUAL, _AUTOMATIC) if name in blocks]
    if not tables and blocks and _HEADER not in blocks:
        raise FileFormatError(f"{path}: no block data_{_MANUAL} or data_{_AUTOMATIC}; give an Xmipp .pos file")
    xy, scores = [np.empty((0, 2))], [np.empty(0)]
    for name, table in tables:
        star.table_with({name: table}, [_X, _Y], path)
        enabled = star.numbers(table, _ENABLED, path) > 0 if _ENABLED in table else np.ones(len(table), bool)
        cost = star.numbers(table, _COST, path) if _COST in table else np.full(len(table), np.nan)
        score = np.where(cost == _MANUAL_COST, np.nan, cost) if name == _MANUAL else cost
        xy.append(np.column_stack([star.numbers(table, label, path) for label in (_X, _Y)])[enabled])
        scores.append(score[enabled])
    positions = np.concatenate(xy)
    return {own_name(path): Picks(positions[:, 0], positions[:, 1], np.concatenate(scores))}


def write(picks: Sequence[tuple[MicrographEntry, Picks]], out: Path, options: ExportOptions) -> list[Path]:
    """Write a ``.pos`` file for each micrograph, integer centres; picks with a score come as automatic ones.

    Raises
    ------
    FileError
        A file cannot be written.
    """

    def content(path: Path, _entry: MicrographEntry, kept: Picks) -> str:
        whole, scored = rounded(kept), np.isfinite(kept.score)
        parts = {_MANUAL: whole.select(~scored), _AUTOMATIC: whole.select(scored)}
        return star.text(path, {name: _columns(part) for name, part in parts.items()}, heading=_HEADING)

    return write_each(picks, out, ".pos", options, content)


def _columns(picks: Picks) -> star.Columns:
    """Columns of one block."""
    cost = np.where(np.isnan(picks.score), _MANUAL_COST, picks.score)
    return {_ENABLED: np.ones(len(picks), int), _COST: cost, _X: picks.x.astype(int), _Y: picks.y.astype(int)}
