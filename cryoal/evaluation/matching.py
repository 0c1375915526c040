"""One-to-one matching of picks and true centres within a radius."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

from cryoal.errors import ArrayError


@dataclass(frozen=True, slots=True)
class Match:
    """Pairs of picks and true centres, each used at most once.

    Attributes
    ----------
    pick, truth : int64 array, shape (M,)
        Indices of the paired picks and true centres, by ascending pick.
    distance_px : float64 array, shape (M,)
        Centring error of each pair, pixels.
    n_picks, n_truth : int
        How many there were to match.
    """

    pick: NDArray[np.int64]
    truth: NDArray[np.int64]
    distance_px: NDArray[np.float64]
    n_picks: int
    n_truth: int

    @property
    def n_matched(self) -> int:
        """True positives."""
        return int(self.pick.size)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Which picks found a true centre, shape (n_picks,)."""
        flags = np.zeros(self.n_picks, dtype=bool)
        flags[self.pick] = True
        return flags

    @property
    def precision(self) -> float:
        """Share of the picks that are true; NaN without picks."""
        return self.n_matched / self.n_picks if self.n_picks else float("nan")

    @property
    def recall(self) -> float:
        """Share of the true centres that were found; NaN without true centres."""
        return self.n_matched / self.n_truth if self.n_truth else float("nan")

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 2 TP / (picks + truth); NaN where both are empty."""
        total = self.n_picks + self.n_truth
        return 2.0 * self.n_matched / total if total else float("nan")


def match(picks_xy: ArrayLike, truth_xy: ArrayLike, radius_px: float, scores: ArrayLike | None = None) -> Match:
    """Pair picks with true centres at most `radius_px` apart, each used once.

    Without `scores` the pairs are as many as can be and, among those, the closest in sum: for precision,
    recall and F1 of a given set of picks. With `scores` the picks choose in turn, best score first (ties:
    lowest index), each the nearest centre still free: a pick's fate then does not depend on worse picks, as
    average precision needs.

    Parameters
    ----------
    picks_xy, truth_xy : array, shapes (N, 2) and (M, 2)
        Positions of one micrograph in pixels; either may be empty.
    radius_px : float
        Largest distance of a pair, itself allowed.
    scores : array, shape (N,), optional
        Figure of merit of each pick, higher is better.

    Returns
    -------
    Match

    Raises
    ------
    ArrayError
        Positions or scores are not finite or do not fit together, or the radius is not above zero.
    """
    picks, truth = _positions(picks_xy, "picks_xy"), _positions(truth_xy, "truth_xy")
    if not (np.isfinite(radius_px) and radius_px > 0):
        raise ArrayError(f"radius_px: {radius_px}, expected a distance above 0 pixels")
    if not (len(picks) and len(truth)):
        nothing = np.empty(0, dtype=np.int64)
        return Match(nothing, nothing, np.empty(0), len(picks), len(truth))
    pairs = _pairs_within(picks, truth, radius_px)
    chosen = _largest(pairs, len(picks), len(truth), radius_px) if scores is None else _greedy(pairs, picks, scores)
    pick, true, distance = pairs
    chosen = chosen[np.argsort(pick[chosen])]
    return Match(pick[chosen], true[chosen], distance[chosen], len(picks), len(truth))


_Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


def _pairs_within(picks: NDArray[np.float64], truth: NDArray[np.float64], radius_px: float) -> _Pairs:
    """Pick, true centre and distance of every pair inside the radius."""
    # A tree's own distances may round a pair at exactly the radius away, so it searches a little further.
    near = cKDTree(picks).sparse_distance_matrix(cKDTree(truth), radius_px * (1 + 1e-9), output_type="ndarray")
    pick, true = near["i"].astype(np.int64), near["j"].astype(np.int64)
    offset = picks[pick] - truth[true]
    distance = np.hypot(offset[:, 0], offset[:, 1])
    inside = distance <= radius_px
    return pick[inside], true[inside], distance[inside]


def _largest(pairs: _Pairs, n_picks: int, n_truth: int, radius_px: float) -> NDArray[np.int64]:
    """The pairs of a maximum matching with the smallest sum of distances."""
    pick, true, distance = pairs
    # Every pick may also stay alone, at a price that no saving in distance outweighs.
    alone = 2.0 * radius_px * (n_picks + n_truth + 1)
    rows = np.concatenate([pick, np.arange(n_picks)])
    columns = np.concatenate([true, n_truth + np.arange(n_picks)])
    price = np.concatenate([distance + radius_px, np.full(n_picks, alone)])
    graph = csr_array((price, (rows, columns)), shape=(n_picks, n_truth + n_picks))
    matched_rows, matched_columns = min_weight_full_bipartite_matching(graph)
    partner = np.empty(n_picks, dtype=np.int64)
    partner[matched_rows] = matched_columns
    return np.flatnonzero(partner[pick] == true)


def _greedy(pairs: _Pairs, picks: NDArray[np.float64], scores: ArrayLike) -> NDArray[np.int64]:
    """The pairs made when picks choose in turn by descending score, each its nearest free centre."""
    score = np.asarray(scores, dtype=np.float64)
    if score.shape != (len(picks),) or not np.isfinite(score).all():
        raise ArrayError(f"scores: shape {score.shape}, expected {len(picks)} finite numbers, one for each pick")
    pick, true, distance = pairs
    turn = np.empty(len(picks), dtype=np.int64)
    turn[np.argsort(-score, kind="stable")] = np.arange(len(picks))
    served: set[int] = set()
    taken: set[int] = set()
    chosen = []
    for pair in np.lexsort((true, distance, turn[pick])):
        one, other = int(pick[pair]), int(true[pair])
        if one not in served and other not in taken:
            served.add(one)
            taken.add(other)
            chosen.append(int(pair))
    return np.array(chosen, dtype=np.int64)


def _positions(xy: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(xy, dtype=np.float64)
    if array.size == 0:
        return np.empty((0, 2))
    if array.ndim != 2 or array.shape[1] != 2:
        raise ArrayError(f"{name}: shape {array.shape}, expected (N, 2)")
    if not np.isfinite(array).all():
        raise ArrayError(f"{name}: positions must be finite numbers")
    return array
