"""Whether another round is likely to change anything: how far successive rounds agree on the same positions."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from cryoal.acquisition.stopping import cohen_kappa, stabilised_round
from cryoal.learner.project import Project
from cryoal.model.thresholds import threshold_for_expected_f1
from cryoal.workspace.candidates import ScoredMicrograph, read_candidates, scored_keys
from cryoal.workspace.layout import RoundLayout
from cryoal.workspace.rounds import published_rounds

_SAMPLE = 40


def agreements(project: Project, newest: int | None = None) -> list[float | None]:
    """Cohen's kappa of each round with the one before, on micrographs spread over the list that both have scored.

    Each round calls a particle what it would pick by its largest expected F1. The positions are the candidates of the
    later round; where the earlier one proposes nothing within the match radius, it says background. None where there
    is nothing to compare. With `newest`, of so many pairs only.
    """
    rounds = published_rounds(project.layout)[-(newest + 1) if newest else 0 :]
    return [_agreement(project, earlier, later) for earlier, later in pairwise(rounds)]


def is_stable(kappas: Sequence[float | None]) -> bool:
    """Whether the last rounds agree so well that labelling on changes little (mean of three kappas at least 0.99)."""
    return stabilised_round(kappas) is not None


def _agreement(project: Project, earlier: RoundLayout, later: RoundLayout) -> float | None:
    """Kappa of two rounds."""
    both = scored_keys(earlier) & scored_keys(later)
    entries = [entry for entry in project.usable() if entry.key in both]
    if not entries:
        return None
    chosen = [entries[i] for i in np.unique(np.linspace(0, len(entries) - 1, _SAMPLE).astype(int))]
    old, new = ([read_candidates(layout, entry.key) for entry in chosen] for layout in (earlier, later))
    old_threshold, new_threshold = _threshold(old), _threshold(new)
    first, second = [], []
    for entry, before, after in zip(chosen, old, new, strict=True):
        radius_px = project.config.picking.match_radius_diameters * project.diameter_px(entry)
        second.append((after.probability >= new_threshold).astype(np.int64))
        first.append(_said(before, old_threshold, after.xy.astype(np.float64), radius_px))
    said = np.concatenate(first), np.concatenate(second)
    return cohen_kappa(*said) if said[0].size else None


def _threshold(scored: Sequence[ScoredMicrograph]) -> float:
    """Where a round would cut: not at one half, which means little while too few labels are there to calibrate."""
    probability = np.concatenate([one.probability for one in scored])
    return threshold_for_expected_f1(probability) if probability.size else 1.0


def _said(scored: ScoredMicrograph, threshold: float, xy: NDArray[np.float64], radius_px: float) -> NDArray[np.int64]:
    """What a round says of positions: 1 a particle, 0 not."""
    if not len(scored) or not len(xy):
        return np.zeros(len(xy), np.int64)
    distance, index = cKDTree(scored.xy.astype(np.float64)).query(xy)
    return ((distance <= radius_px) & (scored.probability[index] >= threshold)).astype(np.int64)
