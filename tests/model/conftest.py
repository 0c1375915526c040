"""The tests of the model leave torch's random state and number of threads as they are."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def global_random_state() -> Iterator[None]:
    """No part of the model draws from, or seeds, the global generators."""
    torch_state, numpy_state = torch.random.get_rng_state(), np.random.get_state()  # noqa: NPY002
    yield
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    for now, before in zip(np.random.get_state(), numpy_state, strict=True):  # noqa: NPY002
        assert np.array_equal(now, before)
