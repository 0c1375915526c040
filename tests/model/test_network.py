"""The network: shapes, how far it sees, and that folding its normalisation changes nothing."""

import numpy as np
import pytest
import torch

from cryoal.config import NetworkConfig
from cryoal.model.network import STRIDE_PX, PickerNetwork
from tests.model.simulated import SMALL, make_network


def image(shape, seed=0, batch=1):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.standard_normal((batch, 1, *shape)).astype(np.float32))


@pytest.mark.parametrize("shape", [(4, 4), (8, 40), (44, 28), (64, 64)])
@pytest.mark.parametrize("config", [SMALL, NetworkConfig()])
def test_shapes(shape, config):
    logits, features = make_network(0, config)(image(shape, batch=2))
    assert logits.shape == (2, 1, *shape)
    assert features.shape == (2, config.channels, shape[0] // 2, shape[1] // 2)


@pytest.mark.parametrize("dilations", [(1,), (1, 2, 1), (4,), (2, 3)])
def test_halo_is_as_far_as_a_score_sees(dilations):
    network = make_network(0, NetworkConfig(channels=4, deep_channels=4, dilations=dilations)).double()
    for weight in network.parameters():
        weight.data.abs_()  # nothing cancels, and no unit is off
    side, reach = 2 * network.halo_px + 16, 0
    for row in range(side // 2, side // 2 + STRIDE_PX):
        x = image((side, side)).double().abs().requires_grad_()
        network(x)[0][0, 0, row, row].backward()
        rows, columns = (np.flatnonzero(x.grad[0, 0].abs().sum(axis).numpy()) for axis in (1, 0))
        reach = max(reach, row - rows[0], rows[-1] - row, row - columns[0], columns[-1] - row)
    assert reach <= network.halo_px < reach + STRIDE_PX + 1
    assert network.halo_px % STRIDE_PX == 0


def test_folding_changes_nothing():
    network = make_network(3)
    folded = network.for_scoring()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    x = image((48, 52))
    for one, other in zip(network(x), folded(x), strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    masks = (torch.rand(1, 8, 1, 1, generator=torch.Generator().manual_seed(0)), torch.ones(1, 8, 1, 1))
    assert torch.allclose(network(x, masks)[0], folded(x, masks)[0], atol=1e-5)


def test_a_folded_copy_scores_as_in_evaluation_and_leaves_the_original_alone():
    network = make_network(3).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    folded = network.for_scoring()
    folded(image((16, 16)) * 50)
    assert not folded.training
    assert network.training
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert any(p.requires_grad for p in network.parameters())
    assert not any(p.requires_grad for p in folded.parameters())


def test_each_image_of_a_batch_is_scored_alone():
    network, x = make_network(1), image((24, 28), batch=3)
    together = network(x)[0]
    for index in range(3):
        assert torch.allclose(network(x[index : index + 1])[0][0], together[index], atol=1e-5)


def test_an_untrained_network_calls_little_a_particle():
    with torch.random.fork_rng(devices=[]):
        network = PickerNetwork(SMALL).eval()
    assert torch.sigmoid(network(image((40, 40)))[0]).mean() < 0.2
