"""Whether another round is likely to change anything: how far successive rounds agree on the same positions."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from cryoal.acquisition.stopping import cohen_kappa, stabilised_round
from cryoal.learner.project import Project
from cryoal.workspace.candidates import ScoredMicrograph, is_scored, read_candidates
from cryoal.workspace.layout import RoundLayout
from cryoal.workspace.rounds import published_rounds

_SAMPLE = 40
_PARTICLE = 0.5


def agreements(project: Project, newest: int | None = None) -> list[float | None]:
    """Cohen's kappa of each round with the one before, on micrographs spread over the list that both have scored.

    The positions are the candidates of the later round; where the earlier one proposes nothing within the match
    radius, it says background. None where there is nothing to compare. With `newest`, of so many pairs only.
    """
    rounds = published_rounds(project.layout)[-(newest + 1) if newest else 0 :]
    return [_agreement(project, earlier, later) for earlier, later in pairwise(rounds)]


def is_stable(kappas: Sequence[float | None]) -> bool:
    """Whether the last rounds agree so well that labelling on changes little (mean of three kappas at least 0.99)."""
    return stabilised_round(kappas) is not None


def _agreement(project: Project, earlier: RoundLayout, later: RoundLayout) -> float | None:
    """Kappa of two rounds."""
    entries = [entry for entry in project.usable() if is_scored(earlier, entry.key) and is_scored(later, entry.key)]
    if not entries:
        return None
    chosen = [entries[i] for i in np.unique(np.linspace(0, len(entries) - 1, _SAMPLE).astype(int))]
    before, after = [], []
    for entry in chosen:
        new, old = read_candidates(later, entry.key), read_candidates(earlier, entry.key)
        radius_px = project.config.picking.match_radius_diameters * project.diameter_px(entry)
        after.append((new.probability >= _PARTICLE).astype(np.int64))
        before.append(_said(old, new.xy.astype(np.float64), radius_px))
    first, second = np.concatenate(before), np.concatenate(after)
    return cohen_kappa(first, second) if first.size else None


def _said(scored: ScoredMicrograph, xy: NDArray[np.float64], radius_px: float) -> NDArray[np.int64]:
    """What a round says of positions: 1 a particle, 0 not."""
    if not len(scored) or not len(xy):
        return np.zeros(len(xy), np.int64)
    distance, index = cKDTree(scored.xy.astype(np.float64)).query(xy)
    return ((distance <= radius_px) & (scored.probability[index] >= _PARTICLE)).astype(np.int64)
