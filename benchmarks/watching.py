"""A long watch: `python benchmarks/watching.py [--micrographs 400] [--seconds 240]`.

Small micrographs (cut from sample_data) appear one after another, each written in two goes, and one stays truncated,
while `cryoal watch` scores, picks and exports them. In the middle it is killed and started again. Prints its memory
(VmRSS, sampled every second) over time, and whether every micrograph is in the export, which must be that which
`cryoal export` writes in one go.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from cryoal.io import mrc

SAMPLES = Path(__file__).resolve().parents[1] / "sample_data" / "Micrographs"
SIDE_PX, AT_FIRST = 370, 2
CRYOAL = [sys.executable, "-m", "cryoal"]


def feed(root: Path, numbers: range, seconds: float) -> None:
    """Let micrographs appear at an even pace; the last one of the first half is never whole."""
    images = [mrc.read(path) for path in sorted(SAMPLES.glob("*.mrc"))]
    rng = np.random.default_rng(numbers.start)
    for number in numbers:
        image = images[number % len(images)]
        y, x = (int(rng.integers(0, side - SIDE_PX)) for side in image.pixels.shape)
        pixels, made = image.pixels[y : y + SIDE_PX, x : x + SIDE_PX], root / f"made_{number}.mrc"
        mrc.write(made, pixels, image.pixel_size_angstrom)
        data, path = made.read_bytes(), root / f"Micrographs/m{number:05d}.mrc"
        made.unlink()
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
            file.flush()
            time.sleep(seconds / len(numbers))
            if number != AT_FIRST:
                file.write(data[len(data) // 2 :])


def mebibytes(process: subprocess.Popen[str]) -> float:
    """What a process holds now."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def watch(root: Path, until: int, by: signal.Signals) -> list[float]:
    """Watch until so many micrographs are picked, then end it by a signal; memory, second by second."""
    command = [*CRYOAL, "watch", "ws", "--every", "1", "--export", "relion", "--out", "out"]
    samples, picks = [], root / "ws/rounds/0001/picks"
    with subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, text=True) as process:
        while len([*picks.rglob("*.star")]) < until:
            if process.poll() is not None:
                sys.exit(f"cryoal watch ended by itself, status {process.returncode}")
            samples.append(mebibytes(process))
            time.sleep(1)
        time.sleep(5)
        process.send_signal(by)
    return samples


def exported(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def tell(what: str, samples: list[float]) -> None:
    some = np.linspace(min(20, len(samples) - 1), len(samples) - 1, 6).astype(int)
    print(f"{what}: MiB at second " + ", ".join(f"{i}: {samples[i]:.0f}" for i in some), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--micrographs", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=240.0, help="over which they appear, at least")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs, and theirs, ignore it
    n, half = options.micrographs, options.micrographs // 2
    print(f"load {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores at the start", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        (root / "Micrographs").mkdir()
        feed(root, range(AT_FIRST), 0.0)
        init = [*CRYOAL, "init", "ws", "--micrographs", "Micrographs/*.mrc", "--diameter", "165", "-q"]
        subprocess.run(init, cwd=root, check=True)
        feeder = threading.Thread(target=feed, args=(root, range(AT_FIRST, n), options.seconds))
        feeder.start()
        tell("first, killed (SIGKILL)", watch(root, half, signal.SIGKILL))
        tell("second, ended by Ctrl-C", watch(root, n - 1, signal.SIGINT))
        feeder.join()
        kept = exported(root / "out")
        subprocess.run([*CRYOAL, "export", "ws", "--format", "relion", "--out", "again", "-q"], cwd=root, check=True)
        again = {name: data.replace(b"again/", b"out/") for name, data in exported(root / "again").items()}
        files = len([name for name in kept if name.startswith("Micrographs/")])
        print(f"{n} micrographs appeared; {files} in the export, which is that of one go: {kept == again}")
        subprocess.run([*CRYOAL, "status", "ws"], cwd=root, check=True)


if __name__ == "__main__":
    main()
