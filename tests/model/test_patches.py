"""Patches: labels stay on the image, what is held out is not learnt, and a seed is a seed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from cryoal.config import TrainingConfig
from cryoal.data.classes import Classes
from cryoal.data.labels import Field, MicrographLabels, Origin
from cryoal.errors import LabelError
from cryoal.model.label_maps import label_maps
from cryoal.model.patches import PatchSampler
from tests.model.simulated import SIZE, complete_image, disc, gaussians, make_scaled, noise, particles, training_image

CONFIG = TrainingConfig()
PLAIN = replace(CONFIG, max_scale_change=0.0, max_contrast_change=0.0, noise_sigma=0.0)
SHAPE = (90, 110)


def spots_image(shape=(150, 170), folds=None):
    """An image that is its own target, so that any mismatch of the two shows."""
    xy = np.array([(40.0, 45.0), (100.3, 60.7), (70.5, 110.2), (130.0, 120.0)])
    scaled = make_scaled(gaussians(xy, shape))
    return training_image(scaled, MicrographLabels(particles(xy), complete=True), folds)


def test_a_target_stays_on_its_particle():
    sampler = PatchSampler([spots_image()], None, SIZE, replace(PLAIN, max_scale_change=0.3, batch=30))
    batch = sampler.draw(np.random.default_rng(0))
    assert batch.image.shape == (30, 1, 80, 80)
    # Cut off at four standard deviations, the target is 3·10⁻⁴ below the image at most.
    assert (batch.image - batch.target).abs().max() < 1e-3
    assert batch.target.max() > 0.9


def test_every_rotation_and_both_mirrorings_are_drawn():
    shape, centre = (200, 200), (100, 100)
    scaled = make_scaled(disc(112, 100, 2.5, shape) * 1.0 - disc(100, 92, 2.5, shape))
    image = training_image(scaled, MicrographLabels(particles([centre]), complete=True))
    sampler = PatchSampler([image], None, SIZE, replace(PLAIN, particle_share=1.0, batch=64, crop_diameters=6.0))
    batch, angles, handed = sampler.draw(np.random.default_rng(1)), [], []
    for patch, target in zip(batch.image[:, 0].numpy(), batch.target[:, 0].numpy(), strict=True):
        spots = [np.array(ndimage.center_of_mass(spot)) for spot in (target, patch.clip(0), (-patch).clip(0))]
        to_right, to_above = spots[1] - spots[0], spots[2] - spots[0]
        assert np.linalg.norm(to_right) == pytest.approx(12, abs=0.1)
        assert np.linalg.norm(to_above) == pytest.approx(8, abs=0.1)
        angles.append(np.arctan2(*to_right))
        handed.append(np.sign(to_right[1] * to_above[0] - to_right[0] * to_above[1]))
    assert 15 < handed.count(1.0) < 49
    assert np.histogram(angles, 4, (-np.pi, np.pi))[0].min() >= 6


def test_patches_beyond_the_rim_are_not_known_there():
    sampler = PatchSampler([spots_image((60, 64))], None, SIZE, PLAIN)
    batch = sampler.draw(np.random.default_rng(0))
    assert 0.2 < batch.known.mean() < 0.8
    ones = training_image(make_scaled(np.ones((60, 64))), MicrographLabels(complete=True))
    batch = PatchSampler([ones], None, SIZE, PLAIN).draw(np.random.default_rng(0))
    assert (batch.image[batch.known > 0] > 0.99).all()


def test_known_is_where_the_labels_say_and_nowhere_else():
    field = MicrographLabels(particles([(60, 60)], Origin.ANSWER), fields=(Field("m", 70, 70, 40),))
    shape = (150, 170)
    known = label_maps(noise(shape), field, SIZE, CONFIG).known
    image = training_image(make_scaled(known.astype(float)), field)
    sampler = PatchSampler([image], None, SIZE, replace(PLAIN, batch=32))
    batch = sampler.draw(np.random.default_rng(0))
    assert (batch.image[batch.known > 0] > 0.99).all()
    assert batch.known[batch.image > 0.999].mean() > 0.99
    assert not batch.unlabelled.any()


def quarters(shape):
    folds = np.full(shape, -1, np.int16)
    folds[: shape[0] // 2, : shape[1] // 2] = 0
    folds[: shape[0] // 2, shape[1] // 2 :] = 1
    folds[shape[0] // 2 :, : shape[1] // 2] = 4
    folds[shape[0] // 2 + 20 :, shape[1] // 2 :] = 2
    return folds


@pytest.mark.parametrize("held_out", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("origin", [Origin.COMPLETE, Origin.IMPORT])
def test_what_is_held_out_is_never_learnt(held_out, origin):
    shape = (150, 170)
    folds = quarters(shape)
    left_out = folds == held_out
    labels = MicrographLabels(
        particles([(40, 40), (120, 50), (50, 120), (120, 130)], origin), origin == Origin.COMPLETE
    )
    image = training_image(make_scaled(left_out.astype(float)), labels, folds)
    sampler = PatchSampler([image], held_out, SIZE, replace(PLAIN, batch=60))
    batch = sampler.draw(np.random.default_rng(2))
    learnt = (batch.known + batch.unlabelled) > 0
    assert learnt.any()
    assert batch.image[learnt].max() < 0.011  # a hundredth of a pixel may come from its neighbour
    if held_out != 3:
        assert (batch.image > 0.5).any()
    assert image.used(held_out).sum() == (~left_out).sum()
    everything = PatchSampler([image], None, SIZE, replace(PLAIN, batch=60)).draw(np.random.default_rng(2))
    assert everything.known.sum() + everything.unlabelled.sum() > learnt.sum() or held_out == 3


def test_particles_that_are_held_out_draw_no_patches():
    folds = np.full(SHAPE, -1, np.int16)
    folds[:, 55:] = 0
    scaled = make_scaled(np.zeros(SHAPE))
    labels = MicrographLabels(particles([(20, 40), (90, 40)]), complete=True)
    sampler = PatchSampler([training_image(scaled, labels, folds)], 0, SIZE, CONFIG)
    assert [xy.tolist() for xy in sampler._particles] == [[[20.0, 40.0]]]


def test_patches_are_drawn_by_the_share():
    labels = MicrographLabels(particles([(300, 300)]), complete=True)
    image = training_image(make_scaled(np.zeros((600, 600))), labels)
    for share in (0.0, 0.5, 1.0):
        sampler = PatchSampler([image], None, SIZE, replace(PLAIN, particle_share=share, batch=100))
        near = (sampler.draw(np.random.default_rng(0)).target.amax(dim=(1, 2, 3)) > 0.3).float().mean()
        assert near == pytest.approx(share, abs=0.12)


def test_images_count_by_what_is_labelled():
    bright, dark = (
        training_image(make_scaled(np.full(s, v)), MicrographLabels(complete=True))
        for s, v in (((100, 300), 1.0), ((100, 100), -1.0))
    )
    sampler = PatchSampler([bright, dark], None, SIZE, replace(PLAIN, batch=200))
    image = sampler.draw(np.random.default_rng(0)).image
    assert (image.amax(dim=(1, 2, 3)) > 0).float().mean() == pytest.approx(0.75, abs=0.1)


def test_contrast_and_noise_change_the_image_only():
    image = spots_image()
    plain = PatchSampler([image], None, SIZE, PLAIN).draw(np.random.default_rng(3))
    loud = PatchSampler([image], None, SIZE, replace(PLAIN, noise_sigma=0.5, max_contrast_change=0.2)).draw(
        np.random.default_rng(3)
    )
    assert torch.equal(loud.target, plain.target)
    assert torch.equal(loud.known, plain.known)
    difference = (loud.image - plain.image).flatten(1)
    assert difference.std(dim=1).mean() == pytest.approx(0.5, abs=0.05)
    assert difference.mean(dim=1).abs().max() < 0.25


def test_extra_noise_differs_from_patch_to_patch():
    image = spots_image()
    config = replace(PLAIN, batch=40)
    plain = PatchSampler([image], None, SIZE, config).draw(np.random.default_rng(3))
    loud = PatchSampler([image], None, SIZE, replace(config, noise_sigma=0.2), 0.6).draw(np.random.default_rng(3))
    sigma = (loud.image - plain.image).flatten(1).std(dim=1)
    assert sigma.min() == pytest.approx(0.2, abs=0.08)
    assert sigma.max() == pytest.approx(0.8, abs=0.08)
    assert sigma.mean() == pytest.approx(0.5, abs=0.1)
    assert torch.equal(loud.target, plain.target)


def test_deterministic_for_a_seed():
    image = complete_image()
    one, again, other = (
        PatchSampler([image], None, SIZE, CONFIG).draw(np.random.default_rng(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(one.image, again.image)
    assert torch.equal(one.known, again.known)
    assert not torch.equal(one.image, other.image)


def test_drawing_does_not_change_the_images():
    image = complete_image()
    before = image.stack.clone()
    PatchSampler([image], None, SIZE, CONFIG).draw(np.random.default_rng(0))
    assert torch.equal(image.stack, before)


def test_target_density_is_that_of_what_is_learnt():
    image = complete_image()
    sampler = PatchSampler([image], None, SIZE, CONFIG)
    assert sampler.target_density == pytest.approx(image.maps.target.mean(), rel=1e-4)
    drawn = PatchSampler([image], None, SIZE, replace(CONFIG, particle_share=1.0, batch=40)).draw(
        np.random.default_rng(0)
    )
    assert drawn.target_density > sampler.target_density


def test_nothing_to_learn_from():
    scaled = noise(SHAPE)
    for labels, folds, held_out in (
        (MicrographLabels(), None, None),
        (MicrographLabels(particles([(500, 500)])), None, None),
        (MicrographLabels(complete=True), np.zeros(SHAPE, np.int16), 0),
    ):
        with pytest.raises(LabelError, match="label particles"):
            PatchSampler([training_image(scaled, labels, folds)], held_out, SIZE, CONFIG)


def test_a_class_stays_on_its_particle_and_is_not_learnt_where_it_is_held_out():
    xy = np.array([(40.0, 45.0), (100.3, 60.7), (70.5, 110.2), (130.0, 120.0)])
    labels = MicrographLabels(particles(xy[:2], number=1) + particles(xy[2:], number=2), complete=True)
    config = replace(PLAIN, max_scale_change=0.2, batch=30)
    folds = np.zeros((150, 170), np.int16)
    folds[:80] = 1
    for held_out, learnt in ((None, {0, 1, 2}), (1, {0, 2}), (0, {0, 1})):
        image = training_image(make_scaled(gaussians(xy, folds.shape)), labels, folds, config, Classes((1, 2)))
        batch = PatchSampler([image], held_out, SIZE, config).draw(np.random.default_rng(0))
        assert batch.place.shape == (30, *(side // 4 for side in batch.image.shape[2:]))
        assert set(batch.place.unique().tolist()) == learnt
        radius, sigma = config.answer_radius_diameters * SIZE, config.target_sigma_diameters * SIZE
        target = batch.image[:, 0, 1::4, 1::4]  # the image is its own target
        for distance, is_inside in ((radius / 1.2 - 1, True), (radius * 1.2 + 1, False)):
            level = np.exp(-(distance**2) / (2 * sigma**2))
            near, classed = target > level, batch.place > 0
            known = batch.known[:, 0, 1::4, 1::4] > 0
            assert bool((classed[near & known] if is_inside else ~classed[~near]).all())
