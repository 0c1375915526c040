"""What the system grants, read from files as Linux writes them, of both generations of control groups."""

from pathlib import Path

import pytest

from cryoal.cluster.devices import cpu_limit, hardware, memory_limit_bytes

GIB = 2**30


def system(root: Path, **files: str) -> Path:
    """A root with files; __ in a name stands for a slash, the rest for itself."""
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_no_control_groups_are_no_limit(tmp_path: Path) -> None:
    assert cpu_limit(tmp_path) is None
    assert memory_limit_bytes(tmp_path) is None


def test_the_tightest_group_above_counts(tmp_path: Path) -> None:
    root = system(tmp_path, proc__self__cgroup="0::/slurm/job\n")
    groups = root / "sys/fs/cgroup"
    (groups / "slurm/job").mkdir(parents=True)
    (groups / "slurm/cpu.max").write_text("250000 100000\n")
    (groups / "slurm/job/cpu.max").write_text("max 100000\n")
    (groups / "slurm/memory.max").write_text("max\n")
    (groups / "slurm/job/memory.max").write_text(f"{3 * GIB}\n")
    (groups / "other").mkdir()
    (groups / "other/cpu.max").write_text("1000 100000\n")
    assert cpu_limit(root) == 2.5
    assert memory_limit_bytes(root) == 3 * GIB


def test_the_first_generation(tmp_path: Path) -> None:
    root = system(tmp_path, proc__self__cgroup="4:memory:/a\n2:cpu,cpuacct:/a\n0::/\n")
    for folder, name, content in (
        ("cpu,cpuacct/a", "cpu.cfs_quota_us", "50000\n"),
        ("cpu,cpuacct/a", "cpu.cfs_period_us", "100000\n"),
        ("cpu,cpuacct", "cpu.cfs_quota_us", "-1\n"),
        ("cpu,cpuacct", "cpu.cfs_period_us", "100000\n"),
        ("memory", "memory.limit_in_bytes", f"{2**63 - 4096}\n"),
    ):
        place = root / "sys/fs/cgroup" / folder
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(content)
    assert cpu_limit(root) == 0.5
    assert memory_limit_bytes(root) is None
    (root / "sys/fs/cgroup/memory/memory.limit_in_bytes").write_text(f"{GIB}\n")
    assert memory_limit_bytes(root) == GIB


def test_memory_is_that_of_the_system(tmp_path: Path) -> None:
    root = system(tmp_path, proc__meminfo="MemTotal:  2048 kB\nMemFree: 1 kB\nMemAvailable:  1024 kB\nHugePages: 0\n")
    there = hardware(root)
    assert (there.memory_bytes, there.free_bytes) == (2048 * 1024, 1024 * 1024)


def test_processors_are_those_granted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    assert hardware(tmp_path).usable_cpus == 8
    system(tmp_path, proc__self__cgroup="0::/\n", sys__fs__cgroup__x="")
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text("150000 100000")
    assert hardware(tmp_path).usable_cpus == 1.5


def test_gpus_are_those_of_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda index: (GIB * (index + 1), 80 * GIB))
    monkeypatch.setattr("torch.cuda.get_device_name", lambda index: f"card {index}")
    gpus = hardware(tmp_path).gpus
    assert [(one.device, one.name, one.free_bytes) for one in gpus] == [
        ("cuda:0", "card 0", GIB),
        ("cuda:1", "card 1", 2 * GIB),
    ]
