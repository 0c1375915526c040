"""What hardware there is for this process: processors and memory as the system grants them, GPUs as torch sees them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from cryoal.model.processors import control_groups, cpu_limit, text_of, words_of

_UNLIMITED_BYTES = 1 << 60  # how the first generation of cgroups says that there is no limit


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU.

    Attributes
    ----------
    device : str
        Its name for ``--device``.
    name : str
    memory_bytes, free_bytes : int
        0 where torch does not tell.
    """

    device: str
    name: str
    memory_bytes: int = 0
    free_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Hardware:
    """What there is.

    Attributes
    ----------
    cpus : int
        Processors of the machine.
    allowed_cpus : int
        Those that this process may run on.
    cpu_limit : float, optional
        So many processors' time is granted by the control group; None without a limit.
    memory_bytes, free_bytes : int
        Of the machine, and what of it can be had now.
    memory_limit_bytes : int, optional
        Granted by the control group.
    gpus : tuple of Gpu
        Those that cryoal computes on.
    has_mps : bool
        An Apple GPU is there; cryoal does not use it.
    torch_version : str
    torch_has_cuda : bool
        Whether torch was built for CUDA at all.
    """

    cpus: int
    allowed_cpus: int
    cpu_limit: float | None
    memory_bytes: int
    free_bytes: int
    memory_limit_bytes: int | None
    gpus: tuple[Gpu, ...]
    has_mps: bool
    torch_version: str
    torch_has_cuda: bool

    @property
    def usable_cpus(self) -> float:
        """Processors whose time this process can really have."""
        return min(self.allowed_cpus, self.cpu_limit or self.allowed_cpus)


def hardware(root: Path = Path("/")) -> Hardware:
    """Look at this machine.

    Parameters
    ----------
    root : Path
        Where the system's files are.
    """
    total, free = _memory(root)
    return Hardware(
        os.cpu_count() or 1,
        len(os.sched_getaffinity(0)),
        cpu_limit(root),
        total,
        free,
        memory_limit_bytes(root),
        tuple(_gpus()),
        torch.backends.mps.is_available(),
        torch.__version__,
        torch.version.cuda is not None,
    )


def memory_limit_bytes(root: Path = Path("/")) -> int | None:
    """Memory that the control groups of this process grant, the tightest one; None without a limit."""
    files = [
        folder / name for folder in control_groups(root, "memory") for name in ("memory.max", "memory.limit_in_bytes")
    ]
    limits = [int(word) for path in files for word in words_of(path) if word.isdecimal()]
    return min((limit for limit in limits if limit < _UNLIMITED_BYTES), default=None)


def _memory(root: Path) -> tuple[int, int]:
    """Bytes of memory, and of these available."""
    kibibytes = {line.split(":")[0]: int(line.split()[1]) for line in text_of(root / "proc/meminfo").splitlines()}
    if "MemTotal" in kibibytes:
        return 1024 * kibibytes["MemTotal"], 1024 * kibibytes.get("MemAvailable", kibibytes["MemTotal"])
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return total, total


def _gpus() -> Iterator[Gpu]:
    """The GPUs that torch sees."""
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        free, total = torch.cuda.mem_get_info(index)
        yield Gpu(f"cuda:{index}", torch.cuda.get_device_name(index), total, free)
