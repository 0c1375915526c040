"""Small simulated images, labels and committees that the tests of the model share."""

import numpy as np
import torch

from cryoal.config import NetworkConfig, TrainingConfig
from cryoal.data.classes import NO_CLASSES
from cryoal.data.labels import Label, MicrographLabels, Origin, Verdict
from cryoal.data.micrograph import ScaledMicrograph
from cryoal.model.class_labels import class_labels
from cryoal.model.committee import Member
from cryoal.model.label_maps import label_maps
from cryoal.model.network import PickerNetwork
from cryoal.model.patches import TrainingImage

SIZE = 20  # pixels per diameter
SMALL = NetworkConfig(channels=8, deep_channels=8, dilations=(1,))


def make_scaled(pixels, valid=None, scale=(1.0, 1.0)):
    valid = np.ones(pixels.shape, bool) if valid is None else valid
    shape_px = (round(pixels.shape[0] * scale[1]), round(pixels.shape[1] * scale[0]))
    return ScaledMicrograph(np.where(valid, pixels, 0).astype(np.float32), valid, scale, shape_px)


def noise(shape, seed=0):
    return make_scaled(np.random.default_rng(seed).standard_normal(shape))


def blobs(shape, count, seed):
    """Bright discs and as many rings, which are junk, in noise and a diameter apart; the centres of the discs."""
    scaled, discs, _ = blobs_and_rings(shape, count, seed)
    return scaled, discs


def blobs_and_rings(shape, count, seed):
    """The same with the centres of the rings, too."""
    rng = np.random.default_rng(seed)
    xy = np.empty((0, 2))
    while len(xy) < 2 * count:
        at = rng.uniform(8, np.array(shape[::-1]) - 8)
        if not len(xy) or np.linalg.norm(xy - at, axis=1).min() > SIZE:
            xy = np.vstack([xy, at])
    yy, xx = np.indices(shape)
    r = np.stack([np.hypot(xx - x, yy - y) for x, y in xy])
    signal = 3 * np.exp(-(r[:count] ** 2) / 50).sum(0) + 3 * np.exp(-((r[count:] - 7) ** 2) / 8).sum(0)
    return make_scaled(signal + rng.standard_normal(shape)), xy[:count], xy[count:]


def particles(xy, origin=Origin.COMPLETE, verdict=Verdict.PARTICLE, number=0):
    return tuple(Label(float(x), float(y), verdict, origin, number) for x, y in xy)


def training_image(scaled, labels, folds=None, config=None, classes=NO_CLASSES):
    config = config or TrainingConfig()
    maps = label_maps(scaled, labels, SIZE, config)
    classed = class_labels(scaled, labels, maps, classes, SIZE, config) if classes else None
    folds = np.full(scaled.pixels.shape, -1, np.int16) if folds is None else folds
    return TrainingImage.build(scaled, maps, folds, classed)


def complete_image(shape=(160, 170), count=10, seed=0, folds=None):
    scaled, xy = blobs(shape, count, seed)
    return training_image(scaled, MicrographLabels(particles(xy), complete=True), folds)


def make_network(seed=0, config=SMALL, classes=NO_CLASSES):
    """Random weights, and normalisation with statistics that are not the trivial ones; scores vary by about 1."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PickerNetwork(config, classes)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2.0)
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
                torch.nn.init.normal_(module.bias, 0, 0.3)
        network.head.weight.data *= 10
    return network.eval()


def make_members(count=3, config=SMALL, classes=NO_CLASSES):
    return [Member(make_network(seed, config, classes), 0.1 * seed) for seed in range(count)]


def disc(x, y, radius, shape):
    yy, xx = np.indices(shape)
    return (xx - x) ** 2 + (yy - y) ** 2 <= radius**2


def gaussians(xy, shape):
    """Targets as training draws them."""
    yy, xx = np.indices(shape)
    sigma = TrainingConfig().target_sigma_diameters * SIZE
    each = [np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / (2 * sigma**2)) for x, y in xy]
    return np.max([np.zeros(shape), *each], axis=0)
