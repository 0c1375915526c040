"""What files of a whole collection cost: a long particle list read, and each format written and read back.

    python benchmarks/formats.py [--micrographs 5000] [--particles 200000] [--formats relion eman]

Makes a project of small micrographs and a particle list of RELION 3.1 with origins and 20 columns in a temporary
folder, and prints wall and CPU seconds of each step and the largest memory so far. CPU seconds say more on a busy
machine; what wall has beyond them is mostly waiting until the disk has each file.
"""

import argparse
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from cryoal.data.picks import Picks
from cryoal.io import mrc, star
from cryoal.io.formats import FORMATS, read_picks, write_picks
from cryoal.io.micrographs import list_micrographs, read_shapes
from cryoal.io.options import ExportOptions, ImportOptions

SIDE, PIXEL_SIZE = 400, 2.0


def measured(what, function, *arguments):
    """Run a step and print what it cost; its result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function(*arguments)
    mebibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    spent = f"{time.perf_counter() - wall:7.2f} s wall {time.process_time() - cpu:7.2f} s CPU"
    print(f"{what:<44} {spent} {mebibytes:7.0f} MiB", flush=True)
    return result


def make_project(folder: Path, micrographs: int, particles: int) -> None:
    """Micrographs that share one picture, their list, and particles spread over them."""
    rng = np.random.default_rng(0)
    names = [f"MotionCorr/job002/Micrographs/FoilHole_{i:05d}_fractions.mrc" for i in range(micrographs)]
    mrc.write(folder / names[0], rng.normal(scale=9, size=(SIDE, SIDE)).astype(np.int8), PIXEL_SIZE)
    for name in names[1:]:
        shutil.copyfile(folder / names[0], folder / name)
    optics = {"rlnOpticsGroup": [1], "rlnMicrographPixelSize": [PIXEL_SIZE]}
    listed = {"rlnMicrographName": names, "rlnOpticsGroup": [1] * micrographs}
    star.write(folder / "micrographs.star", {"optics": optics, "micrographs": listed})
    columns = {
        "rlnCoordinateX": rng.integers(9, SIDE - 9, particles),
        "rlnCoordinateY": rng.integers(9, SIDE - 9, particles),
        "rlnImageName": [f"{i:06d}@Extract/job012/a.mrcs" for i in range(particles)],
        "rlnMicrographName": [names[i] for i in rng.integers(0, micrographs, particles)],
        "rlnOpticsGroup": [1] * particles,
        "rlnClassNumber": rng.integers(1, 50, particles),
    }
    columns |= {f"rlnOrigin{axis}Angst": rng.normal(size=particles) for axis in "XY"}
    columns |= {f"rlnOther{i}": rng.normal(size=particles) for i in range(12)}
    star.write(folder / "particles.star", {"particles": columns})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--micrographs", type=int, default=5000)
    parser.add_argument("--particles", type=int, default=200_000)
    parser.add_argument("--formats", nargs="*", default=list(FORMATS))
    wanted = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f} before the start")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_project(folder, wanted.micrographs, wanted.particles)
        entries = measured(
            f"list {wanted.micrographs:,} micrographs", list_micrographs, "micrographs.star", None, folder
        )
        shapes = measured("their shapes", read_shapes, entries)
        reading = ImportOptions(entries, shapes)
        what = f"particles.star, {wanted.particles:,} rows"
        found = measured(what, read_picks, [folder / "particles.star"], reading)
        picks = [(entry, found[entry.key]) for entry in entries if entry.key in found]
        plain = [(entry, Picks(one.x, one.y, np.linspace(0, 1, len(one)))) for entry, one in picks]
        writing = ExportOptions(diameter_angstrom=60, shapes=shapes, root=folder)
        for name in wanted.formats:
            measured(f"write {name}", write_picks, name, plain, folder / name, writing)
            back = measured(f"read {name}", read_picks, [folder / name], reading)
            assert sum(map(len, back.values())) == sum(len(one) for _, one in plain)


if __name__ == "__main__":
    main()
