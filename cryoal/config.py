"""Every default of cryoal, once; the command line's flags and the workspace file take theirs from here.

Lengths that scale with the particle are given in particle diameters.
"""

from dataclasses import dataclass, field

from cryoal.errors import OptionError


@dataclass(frozen=True, slots=True)
class PreprocessConfig:
    """How a micrograph is brought to the particle's scale.

    Attributes
    ----------
    pixels_per_diameter : int
        Scale at which the network sees every particle.
    background_sigma_diameters : float
        Width of the Gaussian whose local mean is taken off.
    surroundings_sigma_diameters : float
        Width of the Gaussian over which the brightness around a place is averaged.
    clip_sigmas : float
        Pixels further than this from the median, in robust standard deviations, are clipped.
    dead_activity : float
        An area is dead when its smaller mean gradient is below this share of the micrograph's median.
    dead_window_diameters : float
        Side of the window over which gradients are averaged.
    """

    pixels_per_diameter: int = 20
    background_sigma_diameters: float = 1.0
    surroundings_sigma_diameters: float = 1.5
    clip_sigmas: float = 6.0
    dead_activity: float = 0.2
    dead_window_diameters: float = 0.25


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Size of one member.

    Attributes
    ----------
    channels, deep_channels : int
        Width at half and at a quarter of the picker's scale.
    dilations : tuple of int
        One residual block each, at a quarter of the picker's scale.
    dropout : float
        Share of channels dropped while training, and by MC dropout.
    """

    channels: int = 24
    deep_channels: int = 48
    dilations: tuple[int, ...] = (1, 2, 1)
    dropout: float = 0.1


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How a committee is trained.

    Attributes
    ----------
    members : int
        Size of the committee.
    committee : str
        ``ensemble``: members trained apart; ``dropout``: one network, seen through one dropout mask a member.
    start : str
        ``pretrained``: from the weights that ship with the package; ``scratch``: from random ones.
    start_diameters2 : float
        Known area, in square diameters, at which the weights that training started from make a quarter of the mean of
        them and the trained ones; with a field they make a half, with much more nothing.
    little_diameters2 : float
        Known area, in square diameters, of a few answers outside complete fields: with much less the weights stay
        nearly what they were.
    max_micrographs : int
        Of so many labelled micrographs the images are kept in memory and learnt from; judged ones before imported ones.
    min_steps, max_steps : int
        Bounds of the number of optimiser steps; between them it grows with the known area.
    diameters2_per_step : float
        Known area, in square diameters, that earns one step.
    min_fine_steps, fine_diameters2_per_step
        The same where training starts from the shipped weights.
    batch, crop_diameters
        Patches a step, twice as many where the shipped weights are not to be trusted or not started from; their side.
    learning_rate, weight_decay : float
    fine_learning_rate : float
        In place of the former where training starts from the shipped weights: with many labels, with few a part of it.
    label_weight : float
        Where training starts from the shipped weights, what a labelled pixel weighs against one about which nothing is
        known, whose score is held to what it was.
    target_sigma_diameters : float
        Width of the Gaussian drawn at each particle.
    particle_weight : float
        Weight of a particle's pixels against background's, before the prior shift is undone.
    particle_share : float
        Share of patches drawn near a particle rather than anywhere known.
    answer_radius_diameters : float
        How far around a single answer its label is known.
    max_scale_change, max_contrast_change, noise_sigma : float
        Augmentation, beside rotations and flips.
    extra_noise_sigma : float
        Most noise added beside that, drawn for each patch, where the shipped weights are not to be trusted or not
        started from.
    min_class_labels, max_classes : int
        A class with fewer labels is not told apart; more different numbers are those of a 2D classification.
    junk_clearance_diameters : float
        Background this near to labelled junk is not taken for plain.
    min_imported_particles : int
        With fewer, where training starts from the shipped weights, unlabelled pixels are held like all others of which
        nothing is known, and not taken for a mixture of particles and background.
    particles_per_diameter2 : float
        Particles expected in a square diameter where positives only were imported; more if more are marked.
    """

    members: int = 5
    committee: str = "ensemble"
    max_micrographs: int = 100
    min_steps: int = 200
    min_fine_steps: int = 200
    max_steps: int = 2000
    diameters2_per_step: float = 1.5
    fine_diameters2_per_step: float = 3.0
    batch: int = 4
    crop_diameters: float = 4.0
    learning_rate: float = 3e-3
    fine_learning_rate: float = 2e-3
    label_weight: float = 10.0
    weight_decay: float = 1e-2
    target_sigma_diameters: float = 0.1
    particle_weight: float = 2.0
    particle_share: float = 0.5
    answer_radius_diameters: float = 0.3
    max_scale_change: float = 0.08
    max_contrast_change: float = 0.2
    noise_sigma: float = 0.1
    extra_noise_sigma: float = 0.7
    min_class_labels: int = 3
    max_classes: int = 8
    junk_clearance_diameters: float = 1.0
    particles_per_diameter2: float = 0.4
    start: str = "pretrained"
    start_diameters2: float = 150.0
    little_diameters2: float = 3.0
    min_imported_particles: int = 50

    def __post_init__(self) -> None:
        if self.members < 1:
            raise OptionError(f"members: {self.members} is not allowed; a committee has 1 member or more")
        if self.committee not in ("ensemble", "dropout"):
            raise OptionError(f"committee: {self.committee!r} is not allowed; choose ensemble or dropout")
        if self.start not in ("pretrained", "scratch"):
            raise OptionError(f"start: {self.start!r} is not allowed; choose pretrained or scratch")


@dataclass(frozen=True, slots=True)
class PickingConfig:
    """How score maps become candidates and picks.

    Attributes
    ----------
    smoothing_diameters : float
        Width of the Gaussian that score maps are smoothed by before peaks are sought: half that of the target, so
        that one particle makes one peak.
    min_distance_diameters : float
        No two candidates are nearer than this.
    match_radius_diameters : float
        A candidate this near to a marked particle is that particle.
    min_logit : float
        Peaks of the committee's mean score below this are no candidates.
    max_tile_px : int
        A micrograph whose scaled sides multiply to more pixels than this squared is scored in tiles.
    tolerance_logit : float
        Scores are computed in half precision where the device is fast in it and they stay this near to those of
        single precision.
    """

    smoothing_diameters: float = 0.05
    min_distance_diameters: float = 0.5
    match_radius_diameters: float = 0.3
    min_logit: float = -5.0
    max_tile_px: int = 1280
    tolerance_logit: float = 0.1


@dataclass(frozen=True, slots=True)
class QueryConfig:
    """What a query asks for.

    Attributes
    ----------
    strategy : str
    fields : int
        Fields a query.
    field_diameters : float
        Side of a field.
    per_micrograph : int
        Largest number of fields of a query on one micrograph.
    cold_start : str
        Strategy while the committee has learnt too little.
    cold_start_labels : int
        So many particles, and so many labels of background, are enough.
    cold_start_micrographs : int
        At most so many micrographs, spread over the list, are looked at for blobs.
    """

    strategy: str = "entropy-stratified"
    fields: int = 16
    field_diameters: float = 3.2
    per_micrograph: int = 2
    cold_start: str = "typiclust"
    cold_start_labels: int = 3
    cold_start_micrographs: int = 24


@dataclass(frozen=True, slots=True)
class Config:
    """All of the above."""

    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    picking: PickingConfig = field(default_factory=PickingConfig)
    query: QueryConfig = field(default_factory=QueryConfig)
