"""What a committee of five costs: retraining with about 200 labels, and scoring a 4096² micrograph, reading included.

    python benchmarks/speed.py [--repeats 3]

Runs the commands as a user would and prints wall and CPU seconds and the largest memory of each; start-up and imports
are included, and told apart by a run that has nothing to do: a micrograph's cost is the difference between scoring all
and scoring none. The micrographs are the real β-galactosidase ones (../shared/data). Says the load of the machine
first: figures from a busy one are upper bounds.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SET, DIAMETER = "bgal_10017", "191"
FIELDS = 34  # of 3.2 diameters, about six particles each


def cryoal(*words, cwd):
    """Run a command; wall seconds, CPU seconds, MiB."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "cryoal", *words]
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"cryoal {' '.join(words)}: {errors}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def tell(what, wall, cpu, mebibytes):
    print(f"{what:<44} {wall:7.2f} s wall {cpu:7.2f} s CPU {mebibytes:7.0f} MiB", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    if not SHARED.is_dir():
        sys.exit(f"{SHARED}: the real micrographs are not there; nothing was measured")
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f} before the start")
    with tempfile.TemporaryDirectory() as temporary:
        maker = [sys.executable, SHARED / "make_project.py", temporary, "--sets", SET]
        subprocess.run(maker, check=True, stdout=subprocess.DEVNULL)
        project, work = Path(temporary) / SET, Path(temporary) / "work"
        count = len(list((project / "Micrographs").glob("*.mrc")))
        cryoal("init", str(work), "--micrographs", "micrographs.star", "--diameter", DIAMETER, cwd=project)
        cryoal("query", str(work), "--strategy", "random", "--fields", str(FIELDS), cwd=project)
        cryoal("label", str(work), "truth", "--query", str(work / "query.star"), cwd=project)
        lines = (work / "labels.jsonl").read_text().count('"particle"')
        for _ in range(options.repeats):
            tell(f"train, {lines} particles in {FIELDS} fields", *cryoal("train", str(work), cwd=project))
        newest = sorted((work / "rounds").iterdir())[-1]
        costs = []
        for _ in range(options.repeats):
            shutil.rmtree(newest / "candidates", ignore_errors=True)
            many = cryoal("score", str(work), cwd=project)
            none = cryoal("score", str(work), cwd=project)
            costs.append((many[0] - none[0]) / count)
            tell(f"score, {count} micrographs of 4096²", *many)
            tell("score, nothing to do (start-up)", *none)
        print(f"a 4096² micrograph, reading included: {min(costs):.2f} to {max(costs):.2f} s")


if __name__ == "__main__":
    main()
