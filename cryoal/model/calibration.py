"""From logits to probabilities that mean what they say; no torch."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit

from cryoal.errors import ArrayError, FileFormatError, OptionError
from cryoal.model.margin import margin_diameters, marked_probability, moved_margin, unmarked_at, unmarked_within
from cryoal.model.scaling import checked_labels, fit_platt, fit_temperature_binary

FloatArray = NDArray[np.float64]

MIN_LABELS_PER_CLASS = 10
_FOLDS = 5
_SPREADS = np.array([0.6, 0.5, 1.0])
"""Standard deviations beforehand of the slope's logarithm, the intercept, and the surroundings' weight."""
_Fit = Callable[[FloatArray, FloatArray], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibrated probability of a logit z in surroundings s, sigmoid(slope·z + intercept + surroundings·s).

    Near the micrograph's edge it is as much less as it is likely that the expert marks nothing there.

    Attributes
    ----------
    method : {"identity", "temperature", "platt"}
    slope, intercept : float
    surroundings : float
        What a standard deviation of brighter surroundings (`ScaledMicrograph.surroundings`) adds: negative where the
        expert rejects what lies on carbon.
    note : str
        Why this method.
    n_positive, n_negative : int
        Labels it was chosen with.
    unmarked : tuple of float
        Probability that the expert marks nothing at a distance from the edge; see `cryoal.model.margin`.
    """

    method: str = "identity"
    slope: float = 1.0
    intercept: float = 0.0
    note: str = ""
    n_positive: int = 0
    n_negative: int = 0
    surroundings: float = 0.0
    unmarked: tuple[float, ...] = ()

    def __call__(
        self, logits: ArrayLike, surroundings: ArrayLike = 0.0, edge_diameters: ArrayLike = np.inf
    ) -> FloatArray:
        """Probabilities of logits of any shape; surroundings and distances from the edge broadcast to it."""
        z, around = np.asarray(logits, dtype=np.float64), np.asarray(surroundings, dtype=np.float64)
        linear = np.asarray(self.slope * z + self.intercept + self.surroundings * around, dtype=np.float64)
        return marked_probability(linear, edge_diameters, self.unmarked)

    @property
    def margin_diameters(self) -> float:
        """How far from the edge it is likelier than not that the expert marks nothing."""
        return margin_diameters(self.unmarked)

    def to_dict(self) -> dict[str, str | float | int | tuple[float, ...]]:
        """Plain values, fit for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "Calibration":
        """Read what `to_dict` wrote.

        Raises
        ------
        OptionError
            A value is missing or of the wrong kind.
        """
        try:
            return cls(
                str(values["method"]),
                float(values["slope"]),  # type: ignore[arg-type]
                float(values["intercept"]),  # type: ignore[arg-type]
                str(values["note"]),
                int(values["n_positive"]),  # type: ignore[call-overload]
                int(values["n_negative"]),  # type: ignore[call-overload]
                float(values.get("surroundings", 0.0)),  # type: ignore[arg-type]
                _unmarked_of(values),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise OptionError(f"calibration: {error!r} in {dict(values)}; train again to write it anew") from error


def read_calibration(path: Path) -> Calibration:
    """Read calibration.json.

    Raises
    ------
    FileFormatError
        It is missing or broken.
    """
    try:
        return Calibration.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path}: not a calibration of cryoal ({error}); train again") from error


def _unmarked_of(values: Mapping[str, object]) -> tuple[float, ...]:
    """What was kept of the margin; earlier versions kept its width."""
    if "unmarked" in values:
        return tuple(float(one) for one in values["unmarked"])  # type: ignore[attr-defined]
    return unmarked_within(float(values.get("margin_diameters", 0.0)))  # type: ignore[arg-type]


def choose_calibration(logits: ArrayLike, y: ArrayLike, groups: ArrayLike) -> Calibration:
    """Choose no calibration, a temperature or Platt scaling by the likelihood of left-out groups.

    Parameters
    ----------
    logits : array, shape (N,)
        Of labels kept out of training.
    y : array, shape (N,)
        1 for particle, 0 for background.
    groups : array, shape (N,)
        Micrograph of each label: labels of one micrograph are never on both sides of a fold.

    Returns
    -------
    Calibration
        The identity, with the reason in `note`, with fewer than ten positives or negatives or one group.

    Raises
    ------
    ArrayError
        Lengths differ, a logit is not finite, or a label other than 0 and 1.
    """
    z, label = np.asarray(logits, dtype=np.float64), np.asarray(y)
    group = np.asarray(groups)
    counts = (int((label == 1).sum()), int((label == 0).sum()))
    if group.shape != z.shape:
        raise ArrayError(f"groups: shape {group.shape} for logits of shape {z.shape}, expected one for each")
    if min(counts) < MIN_LABELS_PER_CLASS:
        note = f"not calibrated: {counts[0]} positives and {counts[1]} negatives, {MIN_LABELS_PER_CLASS} of each needed"
        return Calibration("identity", 1.0, 0.0, note, *counts)
    if np.unique(group).size < 2:
        return Calibration("identity", 1.0, 0.0, "not calibrated: labels of one micrograph only", *counts)
    z, label = checked_labels(z, label)
    losses = {method: _left_out_nll(fit, z, label, group) for method, fit in _METHODS.items()}
    method = min(losses, key=losses.__getitem__)
    slope, intercept = _METHODS[method](z, label)
    note = "left-out negative log likelihood: " + ", ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
    return Calibration(method, slope, intercept, note, *counts)


def moved_calibration(
    given: Calibration, logits: ArrayLike, surroundings: ArrayLike, y: ArrayLike, edge_diameters: ArrayLike = np.inf
) -> Calibration:
    """Move a calibration to what labels say of it, of the surroundings and of the edge, the less the fewer they are.

    The network sees neither how dark a film is, for the background is taken off, nor further than two diameters. The
    likeliest slope, intercept and weight of the surroundings, which beforehand are normal: the logarithm of the slope
    about that given, the intercept about that given, the weight about 0. Then what is thought of the margin, and the
    others once more, by labels as far as they lie outside it: particles whose box is cut are often not marked.

    Parameters
    ----------
    given : Calibration
    logits, surroundings, y : array, shape (N,)
        Of labels kept out of training, chosen in whatever way by logits, surroundings and edge alone.
    edge_diameters : array, shape (N,), optional
        Distance from the micrograph's edge.

    Raises
    ------
    ArrayError
        Lengths differ, a number is not finite, or a label other than 0 and 1.
    """
    if not np.size(logits):
        return given
    z, label = checked_labels(logits, y)
    around = np.asarray(surroundings, dtype=np.float64)
    if around.shape != z.shape or not np.isfinite(around).all():
        raise ArrayError(f"surroundings: shape {around.shape} for logits of shape {z.shape}, expected one finite each")
    edge = np.asarray(edge_diameters, dtype=np.float64)
    if edge.shape not in ((), z.shape) or np.isnan(edge).any():
        raise ArrayError(
            f"edge: distances of shape {edge.shape} for logits of shape {z.shape}, expected one number each"
        )
    edge = np.broadcast_to(edge, z.shape)
    before = _moved(given, z, around, label, np.ones(z.size))
    linear = before.slope * z + before.intercept + before.surroundings * around
    unmarked = moved_margin(given.unmarked, linear, label, edge)
    moved = _moved(given, z, around, label, 1 - unmarked_at(edge, unmarked))
    margin = margin_diameters(unmarked)
    note = f"{moved.note}; no particles within {margin:.2f} diameters from the edge" if margin else moved.note
    return replace(moved, unmarked=unmarked, note=note)


def _moved(given: Calibration, z: FloatArray, around: FloatArray, label: FloatArray, weight: FloatArray) -> Calibration:
    """The likeliest slope, intercept and weight of the surroundings; labels weigh between 0 and 1."""

    def loss(moves: FloatArray) -> tuple[float, FloatArray]:
        """Negative log posterior, and its gradient."""
        stretched = given.slope * np.exp(_SPREADS[0] * moves[0]) * z
        linear = stretched + given.intercept + _SPREADS[1] * moves[1] + _SPREADS[2] * moves[2] * around
        wrong = weight * (expit(linear) - label)
        gradient = moves + _SPREADS * np.array([wrong @ stretched, wrong.sum(), wrong @ around])
        return float(weight @ (np.logaddexp(0.0, linear) - label * linear) + moves @ moves / 2), gradient

    moves = _SPREADS * minimize(loss, np.zeros(3), jac=True, method="BFGS").x
    before, after = (loss(at)[0] / z.size for at in (np.zeros(3), moves / _SPREADS))
    return Calibration(
        "platt",
        float(given.slope * np.exp(moves[0])),
        float(given.intercept + moves[1]),
        f"moved by labels, negative log posterior {before:.4f} → {after:.4f} a label; before: {given.note}",
        int(label.sum()),
        int(z.size - label.sum()),
        float(moves[2]),
    )


def _identity(z: FloatArray, label: FloatArray) -> tuple[float, float]:  # noqa: ARG001  the fits' signature
    return 1.0, 0.0


def _temperature(z: FloatArray, label: FloatArray) -> tuple[float, float]:
    return 1.0 / fit_temperature_binary(z, label).temperature, 0.0


_METHODS: dict[str, _Fit] = {
    "identity": _identity,
    "temperature": _temperature,
    "platt": fit_platt,
}


def _left_out_nll(
    fit: _Fit,
    z: FloatArray,
    label: FloatArray,
    group: NDArray[np.generic],
) -> float:
    """Mean negative log likelihood over grouped folds; infinite where a fit turns the ranking round."""
    total = 0.0
    for left_out in _folds(group):
        slope, intercept = fit(z[~left_out], label[~left_out])
        if slope <= 0.0:
            return float("inf")
        linear = slope * z[left_out] + intercept
        total += float(np.sum(np.logaddexp(0.0, linear) - label[left_out] * linear))
    return total / z.size


def _folds(group: NDArray[np.generic]) -> Iterator[NDArray[np.bool_]]:
    """Masks of the left-out items: whole groups, the largest first, each to the smallest fold so far."""
    _, inverse, sizes = np.unique(group, return_inverse=True, return_counts=True)
    load = np.zeros(min(_FOLDS, sizes.size))
    fold = np.empty(sizes.size, dtype=np.int64)
    for index in np.argsort(-sizes, kind="stable"):
        fold[index] = load.argmin()
        load[fold[index]] += sizes[index]
    for number in range(load.size):
        yield fold[inverse] == number
