import numpy as np
import pytest
import torch

from cryoal.config import NetworkConfig, TrainingConfig
from cryoal.data.labels import MicrographLabels, Origin, Verdict
from cryoal.model.committee import Committee, Member
from cryoal.model.pretrained import pretrained_calibration, pretrained_members
from cryoal.model.schedule import share_of_start
from cryoal.model.training import MemberTask, train_members
from tests.model.simulated import SIZE, SMALL, blobs, complete_image, make_network, particles, training_image

CPU = torch.device("cpu")


def trained(start, share, steps=3):
    config = TrainingConfig(crop_diameters=3.0)
    task = MemberTask([complete_image()], None, steps, 1, start=start, start_share=share)
    *_, members = train_members([task], SIZE, SMALL, config, CPU)
    return members[0]


def test_shipped_members_are_five_and_differ():
    members = pretrained_members(NetworkConfig())
    assert len(members) == TrainingConfig().members
    image = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 1, 64, 64)).astype(np.float32))
    logits, _, _ = Committee(members, CPU)(image)
    apart = torch.cdist(logits.flatten(1), logits.flatten(1))
    assert (apart[~torch.eye(5, dtype=torch.bool)] > 1).all()


def test_networks_of_another_size_start_from_nothing():
    assert pretrained_members(SMALL) == []


def test_training_starts_from_the_given_weights():
    start = Member(make_network(5, SMALL), 0.7)
    before = {name: value.clone() for name, value in start.network.state_dict().items()}
    all_of_start = trained(start, 1.0)
    for name, value in all_of_start.network.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(value, before[name], atol=1e-6), name
    assert all_of_start.prior_shift_logit == pytest.approx(0.7)
    near, far = trained(start, 0.0), trained(None, 0.0)
    weight = "head.weight"
    moved = [(one.network.state_dict()[weight] - before[weight]).abs().mean() for one in (near, far)]
    assert moved[0] < 0.2 * moved[1]


def test_scores_are_held_less_the_less_the_start_is_trusted():
    scaled, xy = blobs((160, 170), 4, 0)
    one = training_image(scaled, MicrographLabels(particles(xy[:1], Origin.ANSWER)))
    start = Member(make_network(5, SMALL))
    pixels = torch.from_numpy(scaled.pixels[None, None, :160, :168])
    before = Committee([start], CPU)(pixels)[0]
    moved = []
    for trust in (1.0, 0.001):
        task = MemberTask([one], None, 80, 1, start=start, trust=trust)
        *_, members = train_members([task], SIZE, SMALL, TrainingConfig(crop_diameters=3.0), CPU)
        after = Committee([Member(members[0].network)], CPU)(pixels)[0]
        moved.append(float((after - before).abs().mean()))
    assert moved[1] > 1.2 * moved[0]


def test_the_mean_lies_between_start_and_trained():
    start = Member(make_network(5, SMALL), 0.5)
    half, none = trained(start, 0.5), trained(start, 0.0)
    for name, value in half.network.state_dict().items():
        if value.is_floating_point():
            middle = (none.network.state_dict()[name] + start.network.state_dict()[name]) / 2
            assert torch.allclose(value, middle, atol=1e-6), name
    assert half.prior_shift_logit == pytest.approx((none.prior_shift_logit + 0.5) / 2)


def test_starting_weights_are_left_as_they_were():
    start = Member(make_network(5, SMALL))
    before = {name: value.clone() for name, value in start.network.state_dict().items()}
    trained(start, 0.5)
    assert all(torch.equal(value, before[name]) for name, value in start.network.state_dict().items())


def test_share_of_the_start_falls_with_what_is_known():
    config = TrainingConfig()
    assert share_of_start(0, config) == 1
    assert share_of_start(0.28, config) > 0.9  # a single answer
    assert share_of_start(10, config) == pytest.approx(0.5, abs=0.02)  # a field
    assert share_of_start(config.start_diameters2, config) == pytest.approx(0.25)
    assert share_of_start(1e6, config) < 0.001
    assert share_of_start(100, config, trust=0) < 0.001
    assert share_of_start(0.28, config, trust=0.001) == pytest.approx(0.5, abs=0.05)  # whatever the trust


def test_shipped_calibration_raises_what_simulation_shows_to_be_too_low():
    calibration = pretrained_calibration()
    assert calibration.method == "platt"
    assert calibration([0.0])[0] > 0.8
    assert "simulated" in calibration.note


def test_rejections_alone_leave_the_prior_shift():
    start = Member(make_network(5, SMALL), -0.9)
    scaled, xy = blobs((160, 170), 4, 0)
    image = training_image(scaled, MicrographLabels(particles(xy, Origin.ANSWER, Verdict.REJECTED)))
    task = MemberTask([image], None, 3, 1, start=start, start_share=0.3)
    *_, members = train_members([task], SIZE, SMALL, TrainingConfig(crop_diameters=3.0), CPU)
    assert members[0].prior_shift_logit == pytest.approx(-0.9)
