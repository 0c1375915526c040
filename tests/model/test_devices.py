"""Names of devices."""

import pytest
import torch

from cryoal.errors import DeviceError
from cryoal.model import devices
from cryoal.model.devices import device_named, devices_named, fast_dtype, training_dtype


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


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.parametrize(
    ("capability", "expected"), [((7, 5), torch.float32), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)]
)
def test_each_gpu_trains_in_what_it_has_in_hardware(monkeypatch, capability, expected):
    capabilities = {0: (0, 0), 1: capability}
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capabilities[device.index])
    assert training_dtype(torch.device("cuda", 1)) == expected


def test_a_cpu_trains_in_what_it_is_fast_in():
    assert training_dtype(torch.device("cpu")) == fast_dtype(torch.device("cpu"))


def test_lists(two_gpus):
    both = (torch.device("cuda", 0), torch.device("cuda", 1))
    assert devices_named("cuda:0,cuda:1") == devices_named("auto") == both
    assert devices_named("cuda:1, cuda:0") == both[::-1]
    assert devices_named("cpu") == (torch.device("cpu"),)


def test_auto_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices_named("auto") == (torch.device("cpu"),)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ("cuda:0,cuda:2", "cuda:2 was asked for, and 2 GPUs are visible"),
        ("cuda:1,cuda:1", "names a GPU twice"),
        ("cuda,cuda:0", "names a GPU twice"),
        ("cuda:0,cpu", "only GPUs work side by side"),
        ("auto,cuda:0", "names a GPU twice|only GPUs"),
        ("cuda:0,", "'' is not known"),
    ],
)
def test_lists_that_do_not_go(two_gpus, names, why):
    with pytest.raises(DeviceError, match=why):
        devices_named(names)


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [("fpu avx512f avx512_bf16", torch.bfloat16), ("amx_bf16", torch.bfloat16), ("fpu avx512f avx2", torch.float32)],
)
def test_half_precision_is_for_processors_that_have_it(tmp_path, monkeypatch, flags, dtype):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: {flags}\n")
    monkeypatch.setattr(devices, "_CPUINFO", tmp_path / "cpuinfo")
    assert fast_dtype(torch.device("cpu")) is dtype
    assert fast_dtype(torch.device("cuda", 0)) is torch.float16


def test_a_system_that_does_not_say(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "_CPUINFO", tmp_path / "none")
    assert fast_dtype(torch.device("cpu")) is torch.float32
