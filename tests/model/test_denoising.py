import numpy as np
import pytest
import torch

from cryoal.errors import FileError, FileFormatError
from cryoal.model.denoising import DenoisingNetwork, load_denoiser, save_denoiser, without_noise


@pytest.fixture(scope="module")
def network() -> DenoisingNetwork:
    return load_denoiser()


def test_strips_have_no_seams_and_any_size_goes(network):
    pixels = np.random.default_rng(0).standard_normal((1101, 75)).astype(np.float32)
    whole = np.pad(pixels, ((0, 3), (0, 5)))
    with torch.inference_mode():
        at_once = network(torch.from_numpy(whole)[None, None])[0, 0, :1101, :75].numpy()
    strips = without_noise(network, pixels)
    assert strips.shape == pixels.shape
    assert strips.dtype == np.float32
    assert np.abs(strips - at_once).max() < 1e-4 * at_once.std()


def test_nothing_is_seen_in_noise_alone(network):
    noise = np.random.default_rng(1).standard_normal((256, 256)).astype(np.float32)
    assert without_noise(network, noise).std() < 0.1


def test_what_is_saved_is_loaded(tmp_path):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        made = DenoisingNetwork()
    save_denoiser(made, tmp_path)
    again = load_denoiser(tmp_path)
    for one, other in zip(made.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("content", [None, b"", b"nonsense" * 20])
def test_a_broken_file_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "denoiser.safetensors").write_bytes(content)
    with pytest.raises(FileFormatError, match=r"denoiser\.safetensors"):
        load_denoiser(tmp_path)


@pytest.fixture
def narrow() -> DenoisingNetwork:
    with torch.random.fork_rng(devices=[]):
        return DenoisingNetwork(8)


def test_weights_of_another_network_are_refused(tmp_path, narrow):
    save_denoiser(narrow, tmp_path)
    with pytest.raises(FileFormatError, match=r"denoiser\.safetensors"):
        load_denoiser(tmp_path)


def test_where_nothing_can_be_written_the_file_is_named(tmp_path, narrow):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="file"):
        save_denoiser(narrow, tmp_path / "file")
