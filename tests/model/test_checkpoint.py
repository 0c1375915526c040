"""Members on disk: they come back to the bit; what is not a member is refused by name."""

import json
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from cryoal.config import NetworkConfig
from cryoal.data.classes import Classes
from cryoal.errors import FileError, FileFormatError
from cryoal.model.checkpoint import FORMAT_VERSION, load_members, save_members
from cryoal.model.committee import Committee, Member
from cryoal.model.scoring import score
from tests.model.simulated import SMALL, make_members, make_network, noise


def rewrite(path, weights=None, **about):
    """The same member with something else in its metadata, or other weights."""
    with safe_open(path, framework="pt") as file:
        metadata = json.loads(file.metadata()["cryoal"])
    save_file(load_file(path) if weights is None else weights, path, {"cryoal": json.dumps(metadata | about)})


@pytest.fixture
def folder(tmp_path):
    save_members(make_members(2), tmp_path / "members")
    return tmp_path / "members"


@pytest.mark.parametrize("config", [SMALL, NetworkConfig(channels=4, deep_channels=12, dilations=(2, 1), dropout=0.3)])
def test_round_trip_is_exact(tmp_path, config):
    members = [
        replace(one, dropout_seed=seed) for one, seed in zip(make_members(3, config), (None, 0, 99), strict=True)
    ]
    save_members(members, tmp_path)
    loaded = load_members(tmp_path)
    for one, other in zip(members, loaded, strict=True):
        assert other.prior_shift_logit == one.prior_shift_logit
        assert other.dropout_seed == one.dropout_seed
        assert other.network.config == config
        assert not other.network.training
        weights, again = one.network.state_dict(), other.network.state_dict()
        assert weights.keys() == again.keys()
        assert all(
            torch.equal(weights[name], again[name]) and weights[name].dtype == again[name].dtype for name in again
        )
    maps = [score(Committee(voices, torch.device("cpu")), noise((40, 44)), 4096) for voices in (members, loaded)]
    assert np.array_equal(maps[0].logits, maps[1].logits)
    assert np.array_equal(maps[0].features, maps[1].features)


def test_the_same_members_make_the_same_bytes(tmp_path, folder):
    save_members(load_members(folder), tmp_path / "again")
    for path in folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_members_keep_their_order_beyond_ten(tmp_path):
    network = make_network()
    save_members([Member(network, float(index)) for index in range(12)], tmp_path)
    assert [member.prior_shift_logit for member in load_members(tmp_path)] == list(range(12))


def test_loaded_members_can_be_trained(folder):
    network = load_members(folder)[0].network.train()
    network(torch.ones(1, 1, 16, 16))[0].sum().backward()
    assert network.stem.conv.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("keep", [0, 4, 8, 100, -1, -1000])
def test_truncated(folder, keep):
    path = folder / "member1.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(
        FileFormatError, match=r"member1\.safetensors: not a member of a cryoal committee .*train again"
    ):
        load_members(folder)


@pytest.mark.parametrize("content", [b"\x00" * 400, b"\xff" * 400, b"{}", b"nonsense" * 50])
def test_not_safetensors(folder, content):
    (folder / "member0.safetensors").write_bytes(content)
    with pytest.raises(FileFormatError, match=r"member0\.safetensors"):
        load_members(folder)


def test_a_pickle_is_refused_and_not_run(folder, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (shutil.rmtree, (str(tmp_path),))

    (folder / "member0.safetensors").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(FileFormatError, match=r"member0\.safetensors"):
        load_members(folder)
    torch.save(make_network().state_dict(), folder / "member0.safetensors")
    with pytest.raises(FileFormatError, match=r"member0\.safetensors"):
        load_members(folder)
    assert folder.exists()


def test_newer(folder):
    rewrite(folder / "member0.safetensors", format_version=FORMAT_VERSION + 1, network={"unheard": "of"})
    with pytest.raises(FileFormatError, match=r"member0\.safetensors: format_version 2 is newer; update cryoal"):
        load_members(folder)


@pytest.mark.parametrize(
    "about",
    [
        {"network": {"channels": 8}},
        {"network": {"channels": 8, "deep_channels": 8, "dilations": [1], "dropout": 0.1, "more": 1}},
        {"network": {"channels": 9, "deep_channels": 8, "dilations": [1], "dropout": 0.1}},
        {"network": {"channels": 8, "deep_channels": 8, "dilations": [1, 1], "dropout": 0.1}},
        {"network": {"channels": "8", "deep_channels": 8, "dilations": [1], "dropout": 0.1}},
        {"network": {"channels": -8, "deep_channels": 8, "dilations": [1], "dropout": 0.1}},
        {"network": None},
        {"format_version": "1"},
        {"prior_shift_logit": None},
        {"prior_shift_logit": "high"},
    ],
)
def test_metadata_that_do_not_fit(folder, about):
    rewrite(folder / "member0.safetensors", **about)
    with pytest.raises(FileFormatError, match=r"member0\.safetensors: not a member of a cryoal committee"):
        load_members(folder)


def test_weights_that_do_not_fit(folder):
    path = folder / "member0.safetensors"
    weights = load_file(path)
    rewrite(path, {name: tensor for name, tensor in weights.items() if name != "head.bias"})
    with pytest.raises(FileFormatError, match=r"member0\.safetensors"):
        load_members(folder)
    rewrite(path, weights | {"head.bias": torch.zeros(5)})
    with pytest.raises(FileFormatError, match=r"member0\.safetensors"):
        load_members(folder)


def test_of_another_program(folder):
    save_file({"weight": torch.zeros(3)}, folder / "member0.safetensors")
    with pytest.raises(FileFormatError, match=r"member0\.safetensors"):
        load_members(folder)


def test_unreadable_and_odd_names(folder):
    (folder / "member0.safetensors").unlink()
    (folder / "member0.safetensors").mkdir()
    with pytest.raises(FileFormatError, match=r"member0\.safetensors"):
        load_members(folder)
    (folder / "member0.safetensors").rmdir()
    (folder / "member_copy.safetensors").write_bytes(b"")
    with pytest.raises(FileFormatError, match=r"member_copy\.safetensors"):
        load_members(folder)


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_no_members(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileFormatError, match=rf"{name}: holds no member.*cryoal train"):
        load_members(tmp_path / name)


def test_cannot_write(tmp_path):
    (tmp_path / "members").write_text("a file where the folder should be")
    with pytest.raises(FileError, match="members: cannot write the committee"):
        save_members(make_members(1), tmp_path / "members")


def test_the_classes_come_back(tmp_path):
    classes = Classes((2, 5), (1,))
    save_members(make_members(2, classes=classes), tmp_path)
    committee = Committee(load_members(tmp_path), torch.device("cpu"))
    assert committee.classes == classes
    maps = [
        score(Committee(some, torch.device("cpu")), noise((40, 44)), 4096).class_logits
        for some in (make_members(2, classes=classes), committee.members)
    ]
    assert maps[0].shape == (2, 4, 10, 11)
    assert np.array_equal(*maps)
