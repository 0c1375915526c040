"""The committee: members that keep their dropout masks, agree exactly where nothing is dropped, and draw nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cryoal.config import NetworkConfig, PickingConfig
from cryoal.data.classes import NO_CLASSES, Classes
from cryoal.model import committee as committees
from cryoal.model.committee import Committee, Member, reduced_precision
from cryoal.model.pretrained import pretrained_members
from cryoal.model.scoring import score
from tests.model.simulated import SMALL, make_members, make_network, make_scaled, noise

CPU = torch.device("cpu")
TOLERANCE = PickingConfig().tolerance_logit


def dropout_members(share=0.5, count=4):
    network = make_network(5, replace(SMALL, dropout=share))
    return [Member(network, 0.25, dropout_seed=seed) for seed in range(count)]


def logits(members, scaled, max_tile_px=4096):
    return score(Committee(members, CPU), scaled, max_tile_px).logits


def test_each_member_has_its_say():
    members, scaled = make_members(3), noise((48, 52))
    together = logits(members, scaled)
    for index, member in enumerate(members):
        alone = member.network(torch.from_numpy(scaled.pixels)[None, None])[0][0, 0].detach().numpy()
        assert together[index] == pytest.approx(alone + member.prior_shift_logit, abs=1e-4)
    assert len(Committee(members, CPU)) == 3


def test_features_are_the_first_members():
    members, scaled = make_members(3), noise((48, 52))
    features = score(Committee(members, CPU), scaled, 4096).features
    expected = members[0].network(torch.from_numpy(scaled.pixels)[None, None])[1][0].detach().numpy()
    assert features == pytest.approx(expected, abs=1e-4)


def test_dropout_members_disagree_and_share_one_network():
    committee = Committee(dropout_members(), CPU)
    assert len({id(network) for network in committee._networks}) == 1
    maps = score(committee, noise((40, 44)), 4096).logits
    for one in range(4):
        for other in range(one):
            assert np.abs(maps[one] - maps[other]).max() > 0.1


def test_masks_are_the_same_in_every_call_of_a_round():
    scaled, members = noise((40, 44)), dropout_members()
    committee = Committee(members, CPU)
    first = score(committee, scaled, 4096)
    score(committee, noise((36, 60), seed=1), 4096)
    assert np.array_equal(score(committee, scaled, 4096).logits, first.logits)
    assert np.array_equal(logits(members, scaled), first.logits)  # another process of the same round
    assert np.array_equal(logits(members[::-1], scaled)[::-1], first.logits)
    assert np.array_equal(logits(members[1:3], scaled), first.logits[1:3])


def test_dropout_has_no_seams_and_a_field_alone_is_the_field_inside():
    members, whole = dropout_members(), noise((150, 170))
    inside = logits(members, whole)
    assert np.abs(logits(members, whole, 80) - inside).max() < 1e-4
    field = make_scaled(whole.pixels[20:121, 40:141])
    halo = members[0].network.halo_px
    part = inside[:, 20 + halo : 121 - halo, 40 + halo : 141 - halo]
    assert np.abs(logits(members, field)[:, halo:-halo, halo:-halo] - part).max() < 1e-4


def test_nothing_dropped_is_no_disagreement_at_all():
    members = dropout_members(share=0.0)
    maps = logits(members, noise((40, 44)))
    assert np.array_equal(maps, np.broadcast_to(maps[:1], maps.shape))
    without = [replace(member, dropout_seed=None) for member in members]
    assert np.array_equal(logits(without, noise((40, 44))), maps)


def test_masks_drop_the_share_and_keep_the_mean():
    config = replace(SMALL, channels=400, deep_channels=600, dropout=0.3)
    first, second = Member(make_network(0, config), dropout_seed=7).masks()
    assert first.shape == (1, 600, 1, 1)
    assert second.shape == (1, 400, 1, 1)
    for mask in (first, second):
        assert sorted(set(mask.flatten().tolist())) == pytest.approx([0, 1 / 0.7])
        assert (mask == 0).float().mean() == pytest.approx(0.3, abs=0.06)
        assert mask.mean() == pytest.approx(1, abs=0.1)
    assert Member(make_network(0, config)).masks() is None


def test_a_network_left_in_training_mode_is_scored_in_evaluation_mode():
    members, scaled = make_members(2), noise((40, 44))
    expected = logits(members, scaled)
    for member in members:
        member.network.train()
    before = [member.network.stem.norm.running_mean.clone() for member in members]
    assert np.array_equal(logits(members, scaled), expected)
    assert all(member.network.training for member in members)
    assert all(
        torch.equal(member.network.stem.norm.running_mean, mean) for member, mean in zip(members, before, strict=True)
    )


def test_other_micrographs_change_nothing():
    committee, scaled = Committee(make_members(2), CPU), noise((40, 44))
    before = score(committee, scaled, 4096).logits
    for seed in range(3):
        score(committee, make_scaled(100 * noise((20, 24), seed).pixels), 4096)
    assert np.array_equal(score(committee, scaled, 4096).logits, before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("classes", [NO_CLASSES, Classes((1, 2), (1,))])
def test_half_precision_stays_within_the_tolerance(dtype, classes):
    members, scaled = pretrained_members(NetworkConfig()), noise((200, 220))
    if classes:
        members = make_members(3, NetworkConfig(), classes)
        for member in members:
            member.network.head.weight.data /= 10
    full, half = (score(Committee(members, CPU, one), scaled, 4096, 1.0) for one in (torch.float32, dtype))
    assert half.logits.dtype == half.features.dtype == np.float32
    assert 0 < np.abs(half.logits - full.logits).max() < TOLERANCE
    if classes:
        assert 0 < np.abs(half.class_logits - full.class_logits).max() < TOLERANCE


def test_dropout_in_half_precision():
    members, scaled = dropout_members(), noise((60, 64))
    full, half = (score(Committee(members, CPU, one), scaled, 4096).logits for one in (torch.float32, torch.bfloat16))
    assert np.abs(half - full).max() < 0.05 * np.abs(full).max()


def test_precision_is_reduced_only_where_scores_stay_near(monkeypatch):
    monkeypatch.setattr(committees, "fast_dtype", lambda device: torch.bfloat16)
    members = pretrained_members(NetworkConfig())
    assert reduced_precision(members, CPU, TOLERANCE) is torch.bfloat16
    assert reduced_precision(members, CPU, 1e-4) is torch.float32
    members[0].network.head.weight.data *= 20
    assert reduced_precision(members, CPU, TOLERANCE) is torch.float32
    members[0].network.head.weight.data *= torch.nan
    assert reduced_precision(members, CPU, TOLERANCE) is torch.float32
    monkeypatch.setattr(committees, "fast_dtype", lambda device: torch.float32)
    assert reduced_precision(make_members(1), CPU, TOLERANCE) is torch.float32
