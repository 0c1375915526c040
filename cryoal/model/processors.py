"""How many processors this process may use: as torch was told, as the system allows and its control group grants."""

import os
from collections.abc import Iterator
from pathlib import Path

import torch


def processors() -> int:
    """Threads to compute in: torch's own number (OMP_NUM_THREADS, or all), if that many can run at the same time."""
    granted = cpu_limit() or torch.get_num_threads()
    return max(1, int(min(torch.get_num_threads(), len(os.sched_getaffinity(0)), granted)))


def cpu_limit(root: Path = Path("/")) -> float | None:
    """Processors whose time the control groups of this process grant, the tightest one; None without a limit.

    Notes
    -----
    Files: https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max) and its v1 (cpu.cfs_quota_us).
    """
    limits = []
    for folder in control_groups(root, "cpu"):
        words = words_of(folder / "cpu.max") or [
            *words_of(folder / "cpu.cfs_quota_us"),
            *words_of(folder / "cpu.cfs_period_us"),
        ]
        if len(words) == 2 and words[0].isdecimal() and words[1].isdecimal() and int(words[1]) > 0:
            limits.append(int(words[0]) / int(words[1]))
    return min(limits, default=None)


def control_groups(root: Path, controller: str) -> Iterator[Path]:
    """Folders of the control groups that this process is in, each with those above it, of both generations."""
    for line in text_of(root / "proc/self/cgroup").splitlines():
        _, controllers, own = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / controllers.removeprefix("name=")
        place = mount / own.lstrip("/")
        yield from (folder for folder in (place, *place.parents) if folder.is_relative_to(mount))


def words_of(path: Path) -> list[str]:
    """Words of a file of the system; none where it is not there."""
    return text_of(path).split()


def text_of(path: Path) -> str:
    """Content of a file of the system; empty where it is not there."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
