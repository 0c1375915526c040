"""The first candidates, before a committee has learnt enough to propose any: blobs of the particle's size."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cryoal.config import QueryConfig
from cryoal.data.candidates import CandidatePool
from cryoal.data.labels import MicrographLabels, Verdict
from cryoal.data.micrograph import MicrographEntry
from cryoal.errors import MicrographError
from cryoal.learner.project import Project
from cryoal.picking.blobs import find_blobs
from cryoal.picking.descriptors import DESCRIPTORS, radial_descriptors

_WEAKEST_SIGMAS = 1.0
_EVEN_ODDS_SIGMAS = 2.0  # the response at which a blob is a particle as often as not, roughly


def needs_cold_start(labels: Mapping[str, MicrographLabels], config: QueryConfig) -> bool:
    """Whether there are too few particles, or too few labels of background, for a committee to propose by.

    A rejection, a complete field and a complete micrograph are one label of background each; around imported
    positives most of the micrograph is background.
    """
    particles = sum(len(one.xy(Verdict.PARTICLE)) for one in labels.values())
    background = sum(
        len(one.xy(Verdict.REJECTED)) + len(one.fields) + one.complete + len(one.labels) * one.positives_only
        for one in labels.values()
    )
    return min(particles, background) < config.cold_start_labels


def cold_start_pool(project: Project) -> CandidatePool:
    """Candidates before anything is learnt, of one member: blobs on micrographs spread over the list.

    At most `QueryConfig.cold_start_micrographs` are read; those that cannot be are set aside. The probability rises
    with a blob's response; the embedding is `radial_descriptors` in units of their spread.
    """
    usable = project.usable()
    places = np.unique(np.linspace(0, len(usable) - 1, project.config.query.cold_start_micrographs).astype(np.int32))
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)), "reader") as readers:
        found = list(readers.map(lambda place: _blobs(project, usable[place]), places)) if usable else []
    parts = [np.concatenate(part) for part in zip(*found, strict=True)]
    xy, response, described = parts or [np.empty(shape) for shape in ((0, 2), 0, (0, 1))]
    particle = expit(response - _EVEN_ODDS_SIGMAS).astype(np.float32)
    spread = float(described.std()) if described.size else 0.0
    return CandidatePool(
        tuple(entry.key for entry in usable),
        np.repeat(places, [len(one[1]) for one in found]).astype(np.int32) if found else np.empty(0, np.int32),
        xy.astype(np.float32),
        np.stack([1 - particle, particle], axis=-1)[np.newaxis],
        (described / (spread or 1.0)).astype(np.float32),
    )


def _blobs(project: Project, entry: MicrographEntry) -> tuple[NDArray[np.floating], ...]:
    """Original positions, responses and descriptors of one micrograph's blobs; none where it cannot be used."""
    size = project.config.preprocess.pixels_per_diameter
    try:
        scaled = project.read_scaled(entry)
    except MicrographError as error:
        project.put_aside(entry, error)
        return np.empty((0, 2)), np.empty(0), np.empty((0, DESCRIPTORS))
    distance_px = project.config.picking.min_distance_diameters * size
    xy, response = find_blobs(scaled, size, distance_px, _WEAKEST_SIGMAS)
    return scaled.to_original(xy), response, radial_descriptors(scaled.pixels, xy, size)
