"""From the names of ../shared/vectors to the project's functions: renaming and array conversion, nothing else."""

from collections.abc import Callable
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from cryoal.acquisition import bayesian, committee, micrographs, model_change, spatial, stopping, uncertainty
from cryoal.acquisition.batch_bald import batch_bald
from cryoal.acquisition.cold_start import probcover_select, typicality, typiclust_select
from cryoal.acquisition.diversity import badge_weights, k_center_greedy
from cryoal.acquisition.stochastic import stochastic_batch
from cryoal.evaluation import learning_curves, reliability, statistics
from cryoal.evaluation.drift import linear_cka
from cryoal.model import scaling


def floats(values: object) -> NDArray[np.float64]:
    """A float array; "NaN", "Infinity" and "-Infinity" are read as numbers."""
    return np.asarray(values, dtype=np.float64)


def given(**options: object) -> dict[str, object]:
    """The options that are not null."""
    return {name: value for name, value in options.items() if value is not None}


def plain(result: object) -> dict[str, object]:
    """A result's fields as JSON values."""
    return {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in asdict(result).items()}


def _temperature(fit: scaling.TemperatureFit) -> dict[str, float]:
    return {"T": fit.temperature, "nll": fit.nll, "nll_at_T1": fit.nll_at_one}


def _k_center_greedy(x, labelled, k, first=None):
    cover = k_center_greedy(floats(x), k, labelled, first)
    return {"indices": cover.indices.tolist(), "radius_after": cover.radius}


def _score_then_aggregate(p):
    p = floats(p)
    entropies = uncertainty.predictive_entropy(uncertainty.expand_binary(p.ravel()))
    of_mean = uncertainty.predictive_entropy(uncertainty.expand_binary([p.mean()]))
    return {"correct": micrographs.aggregate_scores(entropies, "mean"), "wrong_mean_first": float(of_mean[0])}


def _cost_to_target(cost, metric, target):
    return learning_curves.cost_to_target(floats(cost), floats(metric), float(target))


def _platt(z, y):
    a, b = scaling.fit_platt(floats(z), floats(y))
    return {"a": a, "b": b}


def _stratified_quota(b, f, n_fg, n_bg):
    foreground, background = spatial.stratified_quota(b, float(f), n_fg, n_bg)
    return {"fg": foreground, "bg": background}


ADAPTERS: dict[str, Callable[..., object]] = {
    "predictive_entropy": lambda p: uncertainty.predictive_entropy(floats(p)).tolist(),
    "least_confidence": lambda p: uncertainty.least_confidence(floats(p)).tolist(),
    "margin_uncertainty": lambda p: uncertainty.margin_uncertainty(floats(p)).tolist(),
    "vote_entropy_hard": lambda P: committee.vote_entropy(floats(P)).tolist(),
    "consensus_entropy": lambda P: committee.consensus_entropy(floats(P)).tolist(),
    "consensus_kl": lambda P: committee.consensus_kl(floats(P)).tolist(),
    "mutual_information": lambda P: bayesian.mutual_information(floats(P)).tolist(),
    "variation_ratio": lambda P: committee.variation_ratio(floats(P)).tolist(),
    "egl_softmax_last_layer": lambda p, h, bias: model_change.gradient_length_softmax(
        floats(p), floats(h), bias=bias
    ).tolist(),
    "egl_sigmoid_last_layer": lambda p, h, bias: model_change.gradient_length_sigmoid(
        floats(p), floats(h), bias=bias
    ).tolist(),
    "badge_embedding": lambda p, h: model_change.gradient_embedding(floats(p), floats(h)).tolist(),
    "badge_sampling_weights": lambda g, chosen: badge_weights(floats(g), chosen).tolist(),
    "k_center_greedy": _k_center_greedy,
    "batch_bald": lambda P, b: plain(batch_bald(floats(P), b)),
    "stochastic_batch": lambda s, gumbel, beta, b, mode: plain(
        stochastic_batch(floats(s), floats(gumbel), float(beta), b, mode)
    ),
    "epig": lambda P_pool, P_targ: bayesian.epig(floats(P_pool), floats(P_targ)).tolist(),
    "typicality": lambda x, k_nn: typicality(floats(x), k_nn).tolist(),
    "typiclust_select": lambda x, cluster, labelled, b, k_nn, min_size: typiclust_select(
        floats(x), cluster, b, labelled, k_nn, min_size
    ).tolist(),
    "probcover_select": lambda x, labelled, delta, b: plain(probcover_select(floats(x), b, float(delta), labelled)),
    "temperature_scaling_binary": lambda z, y: _temperature(scaling.fit_temperature_binary(floats(z), floats(y))),
    "temperature_scaling_multiclass": lambda z, y: _temperature(scaling.fit_temperature_multiclass(floats(z), y)),
    "ece_positive_class": lambda p, y, n_bins: reliability.expected_calibration_error(floats(p), floats(y), n_bins),
    "brier_binary": lambda p, y: reliability.brier_score(floats(p), floats(y)),
    "nll_binary": lambda p, y: reliability.negative_log_likelihood(floats(p), floats(y)),
    "platt_scaling": _platt,
    "prior_shift": lambda p, pi_train, pi_new: scaling.shift_prior(floats(p), float(pi_train), float(pi_new)).tolist(),
    "aggregate_scores": lambda u, mode, k=None, gamma=None: micrographs.aggregate_scores(
        floats(u), mode, **given(k=k, gamma=None if gamma is None else float(gamma))
    ),
    "score_then_aggregate": _score_then_aggregate,
    "annotation_cost": lambda t_open, t_verify, t_click, n_verify, n_click: micrographs.annotation_seconds(
        float(n_verify), float(n_click), open_s=float(t_open), verify_s=float(t_verify), add_s=float(t_click)
    ),
    "cost_aware_select": lambda utility, cost, budget: plain(
        micrographs.cost_aware_select(floats(utility), floats(cost), float(budget))
    ),
    "nms_points": lambda xy, score, micrograph, d_min, b=None: spatial.nms_points(
        floats(xy), floats(score), micrograph, float(d_min), b
    ).tolist(),
    "stratified_quota": _stratified_quota,
    "stabilising_predictions_stop": lambda kappas, w, tau: stopping.stabilised_round(
        [None if kappa is None else float(kappa) for kappa in kappas], w, float(tau)
    ),
    "aulc": lambda cost, metric: learning_curves.area_under_learning_curve(floats(cost), floats(metric)),
    "cost_to_target": _cost_to_target,
    "holm_adjust": lambda p: statistics.holm_adjust(floats(p)).tolist(),
    "wilson_interval": lambda k, n: list(statistics.wilson_interval(k, n)),
    "linear_cka": lambda x, y: linear_cka(floats(x), floats(y)),
}
