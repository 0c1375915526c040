"""Training: it learns, the same for a seed on any number of cores, stops when it is told to, and fails aloud."""

import math
import os
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from cryoal.config import PickingConfig, TrainingConfig
from cryoal.data.classes import Classes
from cryoal.data.labels import MicrographLabels, Origin, Verdict
from cryoal.errors import DeviceError, LabelError
from cryoal.evaluation.curves import precision_recall_curve
from cryoal.evaluation.matching import match
from cryoal.model import training
from cryoal.model.committee import Committee, Member
from cryoal.model.patches import PatchSampler
from cryoal.model.schedule import extra_noise_sigma, fine_learning_rate, number_of_steps, patches_a_step
from cryoal.model.scoring import score
from cryoal.model.training import MemberTask, TrainingProgress, train_members
from cryoal.picking.proposals import propose
from tests.model.simulated import (
    SIZE,
    SMALL,
    blobs,
    blobs_and_rings,
    complete_image,
    make_network,
    noise,
    particles,
    training_image,
)

CPU = torch.device("cpu")
CONFIG = TrainingConfig(batch=4, crop_diameters=3.0)


@pytest.fixture(scope="module")
def image():
    return complete_image()


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("member")]


def run(tasks, config=CONFIG, network=SMALL):
    return list(train_members(tasks, SIZE, network, config, CPU))


def members_of(image, steps=40, seeds=(1, 2), **options):
    return run([MemberTask([image], None, steps, seed, **options) for seed in seeds])[-1]


def same_weights(one, other):
    first, second = one.network.state_dict(), other.network.state_dict()
    return one.prior_shift_logit == other.prior_shift_logit and all(torch.equal(first[n], second[n]) for n in first)


def average_precision(members):
    """On an image that nobody has learnt from."""
    scaled, truth = blobs((160, 170), 10, seed=77)
    logits = score(Committee(members, CPU), scaled, 4096, 1.0).logits
    found = propose(logits, scaled.valid, SIZE, PickingConfig(min_logit=-20.0))
    scores = found.member_logit.mean(axis=0)
    correct = match(found.xy, truth, 0.3 * SIZE, scores).correct
    return precision_recall_curve(scores, correct, len(truth)).average_precision


def test_a_small_committee_learns(image):
    chance = average_precision([Member(make_network(seed)) for seed in (1, 2)])
    assert chance < 0.5
    assert average_precision([Member(m.network, m.prior_shift_logit) for m in members_of(image)]) > 0.9


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_it_learns_in_whatever_the_device_is_fast_in(image, monkeypatch, dtype):
    monkeypatch.setattr(training, "training_dtype", lambda device: dtype)
    seen = []
    hook = torch.nn.modules.module.register_module_forward_hook(lambda module, args, out: seen.append((module, out)))
    try:
        members = members_of(image)
    finally:
        hook.remove()
    assert {out.dtype for module, out in seen if isinstance(module, torch.nn.Conv2d)} == {dtype}
    weights = (value for member in members for value in member.network.parameters())
    assert {value.dtype for value in weights} == {torch.float32}
    assert average_precision([Member(m.network, m.prior_shift_logit) for m in members]) > 0.9


def test_positives_only_are_enough():
    scaled, xy = blobs((160, 170), 10, seed=0)
    image = training_image(scaled, MicrographLabels(particles(xy[:6], Origin.IMPORT)))
    members = members_of(image, steps=60, unlabelled_prior=4 / 68 * 2 * math.pi * 0.1**2)
    assert average_precision([Member(m.network, m.prior_shift_logit) for m in members]) > 0.8


def test_trained_members_are_ready_to_score(image):
    for member in members_of(image, steps=2):
        assert not member.network.training
        assert {tensor.device.type for tensor in member.network.state_dict().values()} == {"cpu"}
        assert np.isfinite(member.prior_shift_logit)


def test_deterministic_on_any_number_of_cores(image, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    alone = members_of(image, steps=12, seeds=(1, 2, 3))
    again = members_of(image, steps=12, seeds=(1, 2, 3))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
    together = members_of(image, steps=12, seeds=(1, 2, 3))
    for one, two, three in zip(alone, again, together, strict=True):
        assert same_weights(one, two)
        assert same_weights(one, three)
    assert not same_weights(alone[0], alone[1])


def test_a_member_does_not_depend_on_the_others(image):
    both = members_of(image, steps=12, seeds=(1, 2))
    assert same_weights(members_of(image, steps=12, seeds=(2,))[0], both[1])


def test_the_callers_threads_are_left_as_they_are(image):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        members_of(image, steps=1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_progress(image):
    *reports, members = run([MemberTask([image], None, steps, 1) for steps in (25, 7)])
    assert len(members) == 2
    assert all(isinstance(report, TrainingProgress) for report in reports)
    done = [report.done for report in reports]
    assert done == sorted(done)
    assert done[-1] == 32
    assert {report.total for report in reports} == {32}


def test_closing_stops_the_training(image):
    steps = 10**7  # this test does not end unless it stops
    progress = train_members([MemberTask([image], None, steps, seed) for seed in range(5)], SIZE, SMALL, CONFIG, CPU)
    report = next(progress)
    assert 0 < report.done < 1000
    progress.close()


def test_an_error_where_progress_is_shown_stops_the_training(image):
    def show():
        for _ in train_members([MemberTask([image], None, 10**7, 1)], SIZE, SMALL, CONFIG, CPU):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        show()


def test_nothing_to_learn_from(image):
    nothing = training_image(noise((90, 100)), MicrographLabels())
    tasks = [MemberTask([image], None, 10, 1), MemberTask([nothing], None, 10, 2), MemberTask([image], None, 10, 3)]
    with pytest.raises(LabelError, match="label particles"):
        run(tasks)


def test_errors_inside_a_member_surface(image, monkeypatch):
    class Full(PatchSampler):
        def draw(self, rng):
            raise torch.OutOfMemoryError

    class Broken(PatchSampler):
        def draw(self, rng):
            raise ZeroDivisionError

    for sampler, error in ((Full, DeviceError), (Broken, ZeroDivisionError)):
        monkeypatch.setattr(training, "PatchSampler", sampler)
        with pytest.raises(error):
            members_of(image, steps=30)


@pytest.mark.parametrize(("area", "expected"), [(0, 150), (8 * 200, 200), (8 * 200.4, 200), (1e9, 400)])
def test_steps_grow_with_the_known_area(area, expected):
    config = TrainingConfig(min_steps=150, max_steps=400, diameters2_per_step=8.0)
    assert number_of_steps(area, config) == expected


def test_fine_tuning_takes_fewer_and_shorter_steps_with_few_labels():
    config = TrainingConfig()
    assert number_of_steps(0, config, trust=1) == config.min_fine_steps
    assert number_of_steps(3 * 400, config, trust=1) == 400 < number_of_steps(3 * 400, config)
    assert number_of_steps(3 * 400, config, trust=0.5) == 600  # half-way between 400 and 800
    assert number_of_steps(1e9, config, trust=1) == config.max_steps
    rates = [fine_learning_rate(area, config) for area in (0, 150, 1e9)]
    assert rates == sorted(rates)
    assert rates[0] == pytest.approx(config.fine_learning_rate / 4)
    assert rates[-1] == pytest.approx(config.fine_learning_rate, rel=1e-3)
    assert fine_learning_rate(0, config, trust=0) == config.fine_learning_rate


def test_patches_are_more_and_noisier_the_less_the_start_is_trusted(monkeypatch):
    config = TrainingConfig(batch=4, extra_noise_sigma=0.6)
    assert [patches_a_step(config, trust) for trust in (1.0, 0.5, 0.0)] == [4, 6, 8]
    assert [extra_noise_sigma(config, trust) for trust in (1.0, 0.5, 0.0)] == [0.0, 0.3, 0.6]
    used = []

    class Spy(PatchSampler):
        def __init__(self, images, held_out, size, its_config, noise_sigma):
            used.append((its_config.batch, noise_sigma))
            super().__init__(images, held_out, size, its_config, noise_sigma)

    monkeypatch.setattr(training, "PatchSampler", Spy)
    run([MemberTask([complete_image()], None, 2, 1, trust=0.5)], config)
    assert used == [(6, 0.3)]


def test_prior_shift_is_the_difference_of_the_log_odds():
    def odds(p):
        return p / (1 - p)

    for batch, true, weight in ((0.3, 0.1, 1.0), (0.05, 0.2, 4.0), (0.02, 0.01, 2.0)):
        expected = math.log(odds(true)) - math.log(weight * odds(batch))
        assert training._prior_shift(batch, true, weight) == pytest.approx(expected)
    assert training._prior_shift(0.2, 0.2, 1.0) == pytest.approx(0)
    assert training._prior_shift(0.2, 0.05, 1.0) < 0  # rarer in the images than in the batches: scores go down
    assert training._prior_shift(0.0, 0.1, 1.0) == 0


def test_scores_mean_the_share_in_the_images_not_in_the_batches(image):
    config = replace(CONFIG, particle_share=1.0, particle_weight=4.0)
    member = run([MemberTask([image], None, 60, 1)], config)[-1][0]
    assert member.prior_shift_logit < -1
    share = image.maps.target.mean()
    means = []
    for shift in (0.0, member.prior_shift_logit):
        logits = score(Committee([Member(member.network, shift)], CPU), image.scaled, 4096).logits
        means.append(float(torch.sigmoid(torch.from_numpy(logits)).mean()))
    assert abs(means[1] - share) < abs(means[0] - share)
    # Soft targets that are certain were not shifted by the weight: the correction goes a little too far.
    assert share / 4 < means[1] < 2 * share


def classed_image(seed, classes):
    """Discs are class 1, rings are class 2; or discs are particles and rings are junk."""
    scaled, discs, rings = blobs_and_rings((160, 170), 10, seed)
    verdict = Verdict.PARTICLE if classes.particles else Verdict.REJECTED
    said = particles(discs, number=1) + particles(rings, verdict=verdict, number=2 if classes.particles else 1)
    return training_image(scaled, MicrographLabels(said, complete=True), classes=classes), discs, rings


@pytest.mark.parametrize("classes", [Classes((1, 2)), Classes((), (1,))])
def test_classes_are_learnt(classes):
    image, _, _ = classed_image(0, classes)
    members = run([MemberTask([image], None, 1, 1, classes=classes, class_steps=80)])[-1]
    committee = Committee([Member(members[0].network, members[0].prior_shift_logit)], CPU)
    other, discs, rings = classed_image(1, classes)
    maps = score(committee, other.scaled, 4096)
    called = maps.class_logits_at(np.concatenate([discs, rings]))[0].argmax(axis=1)
    if classes.particles:
        assert (called == np.repeat([0, 1], 10)).mean() >= 0.9
    else:
        assert (called[10:] == 1).mean() >= 0.9
        plain = np.argwhere(other.place[0, 0].numpy() == 1)[::50, ::-1].astype(float)
        assert (maps.class_logits_at(plain)[0].argmax(axis=1) == 0).mean() >= 0.8


def test_classes_leave_detection_as_it_is_without_them_to_the_bit():
    classes = Classes((1, 2))
    image, _, _ = classed_image(0, classes)
    with_branch = run([MemberTask([image], None, 12, 1, classes=classes, class_steps=3)])[-1][0]
    bare = training_image(image.scaled, MicrographLabels(complete=True))
    bare = replace(bare, maps=image.maps, stack=image.stack)
    without = run([MemberTask([bare], None, 12, 1)])[-1][0]
    assert without.network.class_branch is None
    first, second = with_branch.network.state_dict(), without.network.state_dict()
    assert {name.split(".")[0] for name in set(first) - set(second)} == {"class_branch"}
    assert all(torch.equal(first[name], second[name]) for name in second)
    assert with_branch.prior_shift_logit == without.prior_shift_logit
