"""The devices that a name means, and what this process may ask of them."""

from pathlib import Path

import torch

from cryoal.errors import DeviceError

_CPUINFO = Path("/proc/cpuinfo")
_CPU_FLAGS = ("avx512_bf16", "amx_bf16")  # multiply bfloat16 in hardware
_CUDA_CAPABILITY = (8, 0)  # the same, from Ampere on


def devices_named(names: str) -> tuple[torch.device, ...]:
    """The devices of a list such as ``cuda:0,cuda:1``; `auto` is every GPU that is visible, or the CPU.

    Raises
    ------
    DeviceError
        One of them is not there, is named twice, or is not a GPU beside others.
    """
    if names == "auto" and torch.cuda.is_available():
        names = ",".join(f"cuda:{index}" for index in range(torch.cuda.device_count()))
    devices = tuple(device_named(name.strip()) for name in names.split(","))
    if len(devices) > 1:
        if any(device.type != "cuda" for device in devices):
            raise DeviceError(f"--device: {names!r}: only GPUs work side by side; give such as cuda:0,cuda:1")
        if len({device.index or 0 for device in devices}) < len(devices):
            raise DeviceError(f"--device: {names!r} names a GPU twice; name each once")
    return devices


def device_named(name: str) -> torch.device:
    """`auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:N`.

    Raises
    ------
    DeviceError
        There is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"--device: {name!r} is not known; give auto, cpu, cuda or cuda:N") from error
    if device.type == "cpu":
        return device
    if device.type != "cuda":
        raise DeviceError(f"--device: {name!r} is not supported; give auto, cpu, cuda or cuda:N")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (device.index or 0) >= count:
        raise DeviceError(f"--device: {name} was asked for, and {count} GPUs are visible; give --device cpu or auto")
    return device


def fast_dtype(device: torch.device) -> torch.dtype:
    """The narrowest type that a device is fast in: float16 on a GPU, bfloat16 on a CPU that has it in hardware."""
    if device.type == "cuda":
        return torch.float16
    return torch.bfloat16 if device.type == "cpu" and _cpu_has_bfloat16() else torch.float32


def training_dtype(device: torch.device) -> torch.dtype:
    """What convolutions are trained in: bfloat16, whose range is that of float32, where a device has it in hardware."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= _CUDA_CAPABILITY else torch.float32
    return fast_dtype(device)


def _cpu_has_bfloat16() -> bool:
    """Whether the processor says so, on Linux; elsewhere it is taken not to."""
    try:
        words = set(_CPUINFO.read_text(encoding="utf-8").split())
    except OSError:
        return False
    return not words.isdisjoint(_CPU_FLAGS)
