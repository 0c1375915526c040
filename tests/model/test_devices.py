"""Names of devices."""

import pytest
import torch

from cryoal.errors import DeviceError
from cryoal.model.devices import device_named


def test_cpu():
    assert device_named("cpu") == torch.device("cpu")


@pytest.mark.parametrize(("there", "expected"), [(False, "cpu"), (True, "cuda")])
def test_auto(monkeypatch, there, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert device_named("auto").type == expected


@pytest.mark.parametrize("name", ["gpu", "", "CUDA", "cuda:x", "cuda:-1", "cpu cuda", "0"])
def test_unknown(name):
    with pytest.raises(DeviceError, match=rf"--device: '{name}' is not known; give auto, cpu, cuda or cuda:N"):
        device_named(name)


@pytest.mark.parametrize("name", ["meta", "mps", "xpu:0"])
def test_not_supported(name):
    with pytest.raises(DeviceError, match=f"'{name}' is not supported; give auto, cpu, cuda or cuda:N"):
        device_named(name)


@pytest.mark.parametrize(("name", "count"), [("cuda", 0), ("cuda:0", 0), ("cuda:1", 1), ("cuda:7", 2)])
def test_absent(monkeypatch, name, count):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(DeviceError, match=f"--device: {name} was asked for, and {count} GPUs are visible"):
        device_named(name)


def test_present(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_named("cuda:1") == torch.device("cuda", 1)
    assert device_named("cuda").type == "cuda"
