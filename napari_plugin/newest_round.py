"""The newest round as the window sees it: its query, its candidates by micrograph, a sample of its scores."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cryoal.data.candidates import QueriedField
from cryoal.learner.asking import query_path
from cryoal.learner.project import Project
from cryoal.learner.queries import asks_fields, read_query
from cryoal.workspace.candidates import ScoredMicrograph, is_scored, read_candidates, scored_keys
from cryoal.workspace.rounds import published_rounds

_SAMPLE = 40
_KEPT = 8


class NewestRound:
    """The round that was newest when this was made; number 0 before there is one.

    Parameters
    ----------
    project : Project
    keys : sequence of str
        The micrographs that can be read.

    Attributes
    ----------
    number : int
    queue : list of QueriedField
        In the order they were chosen.
    scores : float64 array, shape (N,)
        Probabilities of candidates on micrographs spread over the list.

    Raises
    ------
    FileFormatError
        The query or a candidates file is broken.
    """

    def __init__(self, project: Project, keys: Sequence[str]) -> None:
        rounds = published_rounds(project.layout)
        self._layout = rounds[-1] if rounds else None
        self.number = self._layout.number if self._layout else 0
        path = query_path(project, self._layout)
        queue = read_query(path) if path.exists() and asks_fields(path) else []
        readable = set(keys)
        self.queue: list[QueriedField] = [one for one in queue if one.field.micrograph in readable]
        self.candidates = lru_cache(maxsize=_KEPT)(self._read)
        done = scored_keys(self._layout) if self._layout else set()
        known = [key for key in keys if key in done]
        spread = np.unique(np.linspace(0, len(known) - 1, _SAMPLE).astype(int))
        found = [self._read(known[i]) for i in spread] if known else []
        parts = [one.probability.astype(np.float64) for one in found if one is not None]
        self.scores: NDArray[np.float64] = np.concatenate([np.empty(0), *parts])

    def is_scored(self, key: str) -> bool:
        """Whether the round has scored a micrograph."""
        return self._layout is not None and is_scored(self._layout, key)

    def class_at(self, key: str, xy: tuple[float, float], radius_px: float) -> int:
        """The class that the committee sees at a position; 0 where it tells none."""
        scored = self.candidates(key)
        if scored is None or not len(scored):
            return 0
        distance = np.hypot(*(scored.xy - xy).T)
        best = int(distance.argmin())
        return int(scored.class_number[best]) if distance[best] <= radius_px else 0

    def _read(self, key: str) -> ScoredMicrograph | None:
        """Candidates of a micrograph; None where it is not scored."""
        if self._layout is None or not is_scored(self._layout, key):
            return None
        return read_candidates(self._layout, key)
