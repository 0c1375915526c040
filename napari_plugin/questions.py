"""What the committee asks: the queue of fields, which of them are finished, how much of it is judged."""

from collections.abc import Callable, Sequence

import numpy as np

from cryoal.data.candidates import QueriedField
from cryoal.data.labels import Field
from napari_plugin.ledger import Ledger
from napari_plugin.marks import ASK_FLOOR, unasked
from napari_plugin.places import same_field


class Questions:
    """The queue of a round, as the ledger stands now.

    Parameters
    ----------
    queue : sequence of QueriedField
        In the order they were chosen.
    ledger : Ledger
    diameter_px : callable
        Particle diameter, pixels, of a micrograph by key.
    """

    def __init__(self, queue: Sequence[QueriedField], ledger: Ledger, diameter_px: Callable[[str], float]) -> None:
        self.queue = list(queue)
        self._ledger, self._diameter_px = ledger, diameter_px
        self._progress: tuple[object, tuple[int, int]] | None = None

    @property
    def fields(self) -> list[Field]:
        """The fields of the queue."""
        return [one.field for one in self.queue]

    @property
    def finished(self) -> int:
        """How many fields are finished."""
        return sum(self.is_finished(field) for field in self.fields)

    def queried(self, field: Field | None) -> QueriedField | None:
        """Why a field was queued."""
        return next((one for one in self.queue if one.field == field), None)

    def is_finished(self, field: Field) -> bool:
        """Whether a field, or its whole micrograph, is complete."""
        known = self._ledger.labels(field.micrograph)
        return known.complete or any(same_field(field, other) for other in known.fields)

    def open_on(self, key: str) -> list[Field]:
        """The fields of a micrograph that are not finished."""
        return [field for field in self.fields if field.micrograph == key and not self.is_finished(field)]

    def following(self, field: Field | None) -> list[Field]:
        """The fields that are not finished, from the one after `field` on, round to itself."""
        fields = self.fields
        here = fields.index(field) if field in fields else -1
        return [one for one in [*fields[here + 1 :], *fields[: here + 1]] if not self.is_finished(one)]

    def progress(self, threshold: float) -> tuple[int, int]:
        """Judged and all candidates of the queue that are shown at a threshold."""
        now = threshold, self._ledger.made
        if self._progress is not None and self._progress[0] == now:
            return self._progress[1]
        judged, total = 0, 0
        for one in self.queue:
            key, candidates = one.field.micrograph, one.candidates
            xy = candidates[candidates[:, 2] >= min(threshold, ASK_FLOOR), :2]
            open_ones = unasked(xy, self._ledger.labels(key), self._diameter_px(key))
            judged, total = judged + int(np.count_nonzero(~open_ones)), total + len(xy)
        self._progress = now, (judged, total)
        return judged, total
