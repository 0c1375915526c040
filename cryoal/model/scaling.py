"""Temperature, Platt scaling and prior shift; no torch."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, minimize
from scipy.special import expit, log_softmax, softmax

from cryoal.errors import ArrayError

FloatArray = NDArray[np.float64]

TEMPERATURE_RANGE = (0.05, 20.0)


@dataclass(frozen=True, slots=True)
class TemperatureFit:
    """A temperature with the mean negative log likelihood it reaches, and that of T = 1, in nats."""

    temperature: float
    nll: float
    nll_at_one: float


def fit_temperature_binary(logits: ArrayLike, y: ArrayLike) -> TemperatureFit:
    """Temperature of a sigmoid: minimise mean[softplus(z/T) − y z/T] for T in [0.05, 20].

    Convex in β = 1/T; the root of mean[z (σ(βz) − y)] is bracketed, and clipped to the range. T = 1 where all
    logits are 0.

    Parameters
    ----------
    logits : array, shape (N,)
    y : array, shape (N,)
        1 for positive, 0 for negative; labels kept out of training.

    Raises
    ------
    ArrayError
        Empty, lengths differ, a logit is not finite, or a label other than 0 and 1.

    References
    ----------
    Guo et al. 2017 (ICML).
    """
    z, label = checked_labels(logits, y)

    def slope(beta: float) -> float:
        return float(np.mean(z * (expit(beta * z) - label)))

    def nll(beta: float) -> float:
        return float(np.mean(np.logaddexp(0.0, beta * z) - label * beta * z))

    beta = _root(slope) if z.any() else 1.0
    return TemperatureFit(1.0 / beta, nll(beta), nll(1.0))


def fit_temperature_multiclass(logits: ArrayLike, y: ArrayLike) -> TemperatureFit:
    """Temperature of a softmax: minimise mean[logsumexp(z/T) − z_y/T] for T in [0.05, 20].

    Parameters
    ----------
    logits : array, shape (N, C)
    y : int array, shape (N,)
        Classes from 0 to C − 1.

    Raises, bracketing and source as for `fit_temperature_binary`.
    """
    z, label = np.asarray(logits, dtype=np.float64), np.asarray(y)
    if z.ndim != 2 or not z.size or z.shape[1] < 2 or label.shape != z.shape[:1] or not np.isfinite(z).all():
        raise ArrayError(f"logits: shape {z.shape} with labels {label.shape}, expected finite (N, C) and (N,), C > 1")
    if not np.isin(label, np.arange(z.shape[1])).all():
        raise ArrayError(f"y: expected classes from 0 to {z.shape[1] - 1}")
    centred = z - z.mean(axis=1, keepdims=True)
    own = (np.arange(len(z)), label.astype(np.int64))

    def slope(beta: float) -> float:
        return float(np.mean((softmax(beta * centred, axis=1) * centred).sum(axis=1) - centred[own]))

    def nll(beta: float) -> float:
        return float(-np.mean(log_softmax(beta * centred, axis=1)[own]))

    beta = _root(slope) if centred.any() else 1.0
    return TemperatureFit(1.0 / beta, nll(beta), nll(1.0))


def fit_platt(logits: ArrayLike, y: ArrayLike) -> tuple[float, float]:
    """Platt scaling σ(a z + b), the cross-entropy to smoothed targets minimised by Newton steps.

    Targets are (N₊ + 1)/(N₊ + 2) and 1/(N₋ + 2). Unlike a temperature, b follows a change of prevalence.

    Parameters and errors as for `fit_temperature_binary`.

    Returns
    -------
    a, b : float

    References
    ----------
    Platt 1999; Lin, Lin & Weng 2007.
    """
    z, label = checked_labels(logits, y)
    n_positive = label.sum()
    target = np.where(label == 1, (n_positive + 1) / (n_positive + 2), 1 / (z.size - n_positive + 2))
    centre, scale = z.mean(), z.std() or 1.0
    design = np.column_stack([(z - centre) / scale, np.ones(z.size)])

    def loss(parameters: FloatArray) -> float:
        linear = design @ parameters
        return float(np.mean(np.logaddexp(0.0, linear) - target * linear))

    def gradient(parameters: FloatArray) -> FloatArray:
        step: FloatArray = design.T @ (expit(design @ parameters) - target) / z.size
        return step

    def hessian(parameters: FloatArray) -> FloatArray:
        p = expit(design @ parameters)
        curvature: FloatArray = design.T @ (design * (p * (1 - p))[:, np.newaxis]) / z.size
        return curvature

    fit = minimize(loss, np.zeros(2), jac=gradient, hess=hessian, method="trust-exact", options={"gtol": 1e-10})
    a = float(fit.x[0] / scale)
    return a, float(fit.x[1] - a * centre)


def shift_prior(probability: ArrayLike, prior_train: float, prior_new: float) -> FloatArray:
    """Probabilities under another prevalence; undoes class-balanced batches before anything else is computed.

    p' = p r / (p r + (1 − p) s) with r = π_new/π_train and s = (1 − π_new)/(1 − π_train).

    Parameters
    ----------
    probability : array, shape (N,)
    prior_train, prior_new : float
        Share of positives in the batches and where the probabilities are used, in (0, 1).

    Raises
    ------
    ArrayError
        A probability outside [0, 1] or not finite, or a prior outside (0, 1).

    References
    ----------
    Elkan 2001; Saerens, Latinne & Decaestecker 2002.
    """
    p = checked_probabilities(probability)
    if not (0.0 < prior_train < 1.0 and 0.0 < prior_new < 1.0):
        raise ArrayError(f"prior: {prior_train} and {prior_new}, expected shares above 0 and below 1")
    positive = p * (prior_new / prior_train)
    shifted: FloatArray = positive / (positive + (1.0 - p) * ((1.0 - prior_new) / (1.0 - prior_train)))
    return shifted


def _root(slope: Callable[[float], float]) -> float:
    """Zero of an increasing function of 1/T, clipped to the allowed range."""
    low, high = 1.0 / TEMPERATURE_RANGE[1], 1.0 / TEMPERATURE_RANGE[0]
    if slope(low) >= 0.0:
        return low
    if slope(high) <= 0.0:
        return high
    return float(brentq(slope, low, high, xtol=1e-14, rtol=1e-14))


def checked_probabilities(probability: ArrayLike) -> FloatArray:
    """Numbers from 0 to 1 on one axis."""
    p = np.asarray(probability, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0.0) & (p <= 1.0)).all():
        raise ArrayError(f"probability: shape {p.shape}, expected one axis of numbers from 0 to 1")
    return p


def checked_labels(logits: ArrayLike, y: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Finite logits and labels of 0 and 1, as many of each, at least one."""
    z, label = np.asarray(logits, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if z.ndim != 1 or z.shape != label.shape or not z.size or not np.isfinite(z).all():
        raise ArrayError(f"logits: shape {z.shape} with labels {label.shape}, expected finite (N,) and (N,), N > 0")
    if not np.isin(label, (0.0, 1.0)).all():
        raise ArrayError("y: found labels other than 0 and 1, expected 1 for positive and 0 for negative")
    return z, label
