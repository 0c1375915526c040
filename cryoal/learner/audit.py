"""Fields drawn at random and completely labelled, judged by members that did not learn from them: an unbiased sample.

Queried labels are the hard ones; what is measured on them says nothing of the collection.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cryoal.data.labels import Field
from cryoal.errors import FileFormatError
from cryoal.evaluation.field_estimates import FieldCounts
from cryoal.evaluation.matching import Match
from cryoal.model.calibration import Calibration
from cryoal.model.thresholds import threshold_for_expected_f1
from cryoal.workspace.layout import RoundLayout

_RIM_DIAMETERS = 0.1  # a candidate so near to the rim may be a particle whose centre, just outside, is not marked
_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class AuditedField:
    """What is said of one field.

    Attributes
    ----------
    field : Field
    candidates : float64 array, shape (N, 3), once calibrated (N,)
        Of the candidates inside, but for those at the field's rim, logit, surroundings and distance from the
        micrograph's edge in diameters; probabilities once calibrated.
    is_particle : bool array, shape (N,)
    particles : float64 array, shape (M, 3), once calibrated (M,)
        For each particle inside, the same of the candidate that found it; a logit of −inf, a probability of 0, where
        none did.
    """

    field: Field
    candidates: NDArray[np.float64]
    is_particle: NDArray[np.bool_]
    particles: NDArray[np.float64]

    @classmethod
    def judge(
        cls,
        field: Field,
        diameter_px: float,
        found_xy: NDArray[np.float64],
        truth_xy: NDArray[np.float64],
        score: NDArray[np.float64],
        pairs: Match,
        shape_px: tuple[int, int],
    ) -> "AuditedField":
        """Count what lies in a field, all in pixels of the original micrograph."""
        low, high = field.interior(_RIM_DIAMETERS * diameter_px, shape_px)
        inside = ((found_xy >= low) & (found_xy < high)).all(axis=1)
        found_by = np.tile([-np.inf, 0.0, np.inf], (len(truth_xy), 1))
        found_by[pairs.truth] = score[pairs.pick]
        return cls(field, score[inside], pairs.correct[inside], found_by[field.contains(truth_xy)])

    def calibrated(self, calibration: Calibration) -> "AuditedField":
        """With probabilities in their place."""
        return AuditedField(
            self.field, calibration(*self.candidates.T), self.is_particle, calibration(*self.particles.T)
        )


def audit_threshold(audited: Sequence[AuditedField]) -> float:
    """The threshold of the largest expected F1, as `cryoal pick` chooses it, from the candidates of these fields."""
    probability = np.concatenate([np.empty(0), *(one.candidates for one in audited)])
    return threshold_for_expected_f1(probability) if probability.size else 1.0


def audit_counts(audited: Sequence[AuditedField], threshold: float) -> FieldCounts:
    """What is picked and found at a threshold, field by field."""
    rows = [
        (
            (one.candidates >= threshold).sum(),
            one.is_particle[one.candidates >= threshold].sum(),
            one.particles.size,
            (one.particles >= threshold).sum(),
        )
        for one in audited
    ]
    return FieldCounts(*np.array(rows, dtype=np.int64).reshape(-1, 4).T)


def audit_json(audited: Iterable[AuditedField]) -> str:
    """The content of audit.json: calibrated probabilities, field by field."""
    rows = [
        {
            "micrograph": one.field.micrograph,
            "x": one.field.x,
            "y": one.field.y,
            "size": one.field.size,
            "candidates": one.candidates.round(_DECIMALS).tolist(),
            "is_particle": one.is_particle.tolist(),
            "particles": one.particles.round(_DECIMALS).tolist(),
        }
        for one in audited
    ]
    return json.dumps(rows) + "\n"


def read_audit(layout: RoundLayout) -> list[AuditedField]:
    """Read a round's audit.json; none where the round has none.

    Raises
    ------
    FileFormatError
        It is broken.
    """
    if not layout.audit.exists():
        return []
    try:
        return [
            AuditedField(
                Field(row["micrograph"], row["x"], row["y"], row["size"]),
                np.array(row["candidates"], np.float64),
                np.array(row["is_particle"], np.bool_),
                np.array(row["particles"], np.float64),
            )
            for row in json.loads(layout.audit.read_text(encoding="utf-8"))
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"{layout.audit}: broken ({error}); delete {layout.folder} and train again") from error
