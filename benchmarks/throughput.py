"""What limits `cryoal score`, side by side in one run, and how its cost grows.

    python benchmarks/throughput.py [--device cuda:0] [--micrographs 24] [--topaz 3] [--counts 10 100 1000] [--out DIR]

Micrographs and bytes a second of `cryoal score` (five members, start-up taken off) on real 4096² β-galactosidase
micrographs (../shared/data) against only reading the same files from the page cache, Topaz on some of them (where
CRYOAL_TOPAZ names its program, scripts/topaz_env makes one: its own preprocessing and both pretrained detectors, at
1/8, in as many threads as there are processors) with the best F1 of both, and what the network's arithmetic and memory
traffic take at the rates that this machine reaches. Then time and memory against the number of micrographs, their
size, their pixel type, members and picks, each in a process of its own. Prints Markdown; `--out` gets the plot and the
numbers. Other work on the machine makes all of it slower, and not evenly: the load is printed.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

DIAMETER, PIXEL_SIZE, SET = 191, 1.77, "bgal_10017"
TOPAZ_SCALE, TOPAZ_MODELS = 8, ("resnet16_u64", "resnet8_u32")
SIZES = ((2048, 2048), (4096, 4096), (8192, 8192), (8184, 11520))
MEBIBYTE = 2**20


def run(command, cwd=None):
    """Wall seconds, CPU seconds and MiB of a command."""
    start = time.perf_counter()
    command = [str(word) for word in command]
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)}: {errors}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def probe(**what):
    """Run one of the functions below in a process of its own."""
    command = [sys.executable, __file__, "--probe", json.dumps(what)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{what}: {done.stderr}")
    return json.loads(done.stdout)


def table(title, head, rows):
    print(f"\n{title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(str(cell) for cell in row)} |", flush=True)


def collection(folder, count, shared):
    """Some micrographs, as many as asked for, by links to the twelve real ones; four of them compressed, too."""
    maker = [sys.executable, shared / "make_project.py", folder / "data", "--sets", SET]
    subprocess.run([str(word) for word in maker], check=True, stdout=subprocess.DEVNULL)
    real = sorted((folder / "data" / SET / "Micrographs").glob("*.mrc"))
    (folder / "M").mkdir()
    files = [folder / "M" / f"{index:04d}_{real[index % len(real)].name}" for index in range(count)]
    for index, file in enumerate(files):
        file.symlink_to(real[index % len(real)])
    (folder / "Z").mkdir()
    packed = [folder / "Z" / f"{file.name}.gz" for file in files[:4]]
    for file, small in zip(files, packed, strict=False):
        small.write_bytes(gzip.compress(file.read_bytes(), 1))
    return real, files, packed


def read_all(files, threads):
    """Seconds to read files into memory, the better of two times."""
    from cryoal.io.micrographs import read_micrograph

    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(lambda path: read_micrograph(path).pixels.shape, files):
                pass
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def score_all(folder, pattern, count, device):
    """Seconds a micrograph of the command, start-up taken off; the start-up; MiB."""
    work = folder / f"work_{pattern[0]}"
    cryoal = [sys.executable, "-m", "cryoal"]
    how = ["--diameter", DIAMETER, "--pixel-size", PIXEL_SIZE, "--polarity", "dark"]
    run([*cryoal, "init", work, "--micrographs", pattern, *how], cwd=folder)
    first = run([*cryoal, "score", work, "--device", device], cwd=folder)
    nothing = run([*cryoal, "score", work, "--device", device], cwd=folder)
    return work, (first[0] - nothing[0]) / count, (first[1] - nothing[1]) / count, nothing[0], first[2]


def best_f1(found, real, files):
    """Best F1 over all thresholds of picks (file, xy, score), a match within 0.3 diameters."""
    from accuracy import truth_of

    from cryoal.data.micrograph import MicrographEntry
    from cryoal.evaluation.curves import precision_recall_curve
    from cryoal.evaluation.matching import match

    scores, correct, n_truth = [], [], 0
    for file, (xy, score) in zip(files, found, strict=True):
        truth = truth_of(real[0].parents[1], MicrographEntry(file.resolve().name, file))
        scores.append(score)
        correct.append(match(xy, truth, 0.3 * DIAMETER / PIXEL_SIZE, score).correct)
        n_truth += len(truth)
    return precision_recall_curve(np.concatenate(scores), np.concatenate(correct), n_truth).best_f1[0]


def by_cryoal(work, files):
    from cryoal.workspace.candidates import read_candidates
    from cryoal.workspace.layout import Layout
    from cryoal.workspace.rounds import newest_round

    newest = newest_round(Layout(work))
    found = [read_candidates(newest, f"M/{file.stem}") for file in files]
    return [(one.xy.astype(float), one.probability.astype(float)) for one in found]


def by_topaz(program, model, files, folder, threads):
    """Picks of all files; wall and CPU seconds of the second and later ones; MiB."""
    from cryoal.data.picks import Picks
    from cryoal.io.topaz import read

    radius = round(DIAMETER / PIXEL_SIZE / 2 / TOPAZ_SCALE)
    costs = []
    for some in (files[:1], files):
        out = folder / f"topaz_{model}_{len(some)}"
        out.mkdir()
        prepare = [program, "preprocess", "-s", TOPAZ_SCALE, "-t", threads, "-o", out, *some]
        extract = [program, "extract", "-m", model, "-r", radius, "-x", TOPAZ_SCALE, "-j", threads, "-o", out / "p.txt"]
        costs.append((run(prepare), run([*extract, *(out / file.name for file in some)])))
    wall, cpu = ((sum(one[i] for one in costs[1]) - sum(one[i] for one in costs[0])) / (len(files) - 1) for i in (0, 1))
    picks = read(out / "p.txt")
    found = [picks.get(file.stem, Picks.empty()) for file in files]
    return [(one.xy, one.score) for one in found], wall, cpu, max(one[2] for one in costs[1])


def limits(folder, options, shared):
    """The comparison."""
    from cryoal.model.processors import processors

    threads = processors()
    real, files, packed = collection(folder, options.micrographs, shared)
    size = files[0].stat().st_size
    plain, gz = read_all(files, threads) / len(files), read_all(packed, threads) / len(packed)
    work, wall, cpu, start, memory = score_all(folder, "M/*.mrc", len(files), options.device)
    _, wall_gz, cpu_gz, _, memory_gz = score_all(folder, "Z/*.gz", len(packed), options.device)
    floor = probe(kind="floor", device=options.device)

    def row(what, seconds, cpu_seconds="", memory="", f1=""):
        rate = size / seconds / 1e6
        numbers = [f"{one:.2f}" if isinstance(one, float) else one for one in (cpu_seconds,)]
        return [what, f"{1 / seconds:.3g}", f"{rate:.3g}", f"{wall / seconds:.3g}", *numbers, memory, f1]

    some = files[: options.topaz]
    program = os.environ.get("CRYOAL_TOPAZ")
    f1 = f"{best_f1(by_cryoal(work, some), real, some):.3f}" if some else ""
    rows = [row("`cryoal score`, 5 members", wall, cpu, f"{memory:.0f}", f1)]
    rows += [row("`cryoal score`, gzip", wall_gz, cpu_gz, f"{memory_gz:.0f}")]
    rows += [row(f"reading only, {threads} threads", plain), row(f"reading and gunzip only, {threads} threads", gz)]
    rows += [
        row(f"network, arithmetic: {floor['gflop']:.0f} GFLOP at {floor['gflops']:.0f} GFLOP/s", floor["arithmetic"])
    ]
    rows += [row(f"network, memory: {floor['gb']:.2f} GB at {floor['gb_s']:.1f} GB/s", floor["memory"])]
    for model in TOPAZ_MODELS if program and len(some) > 1 else ():
        found, seconds, cpu_seconds, most = by_topaz(program, model, some, folder, threads)
        what = f"Topaz {model}, 1/{TOPAZ_SCALE}"
        rows.append(row(what, seconds, cpu_seconds, f"{most:.0f}", f"{best_f1(found, real, some):.3f}"))
    head = ["", "micrographs/s", "MB/s", "times `cryoal score`", "CPU s a micrograph", "MiB", f"best F1 on {len(some)}"]
    title = f"{len(files)} micrographs of {size / 1e6:.1f} MB on {floor['device']} in {floor['dtype']}"
    table(f"{title}; start-up of cryoal, {start:.1f} s, taken off", head, rows)
    if not (program and len(some) > 1):
        print("\nTopaz was left out: set CRYOAL_TOPAZ to its program (scripts/topaz_env FOLDER makes one).")
    return {"rows": rows, "floor": floor}


def growth(options):
    """Time and memory against everything that could grow."""
    base = {"kind": "score", "device": options.device, "ny": 4096, "nx": 4096, "n": 4}
    small = base | {"ny": 256, "nx": 256, "diameter_px": 25.6}
    plans = [(f"{n:,} micrographs of 256²", small | {"n": n}) for n in options.counts]
    plans += [(f"{nx}×{ny}", base | {"ny": ny, "nx": nx, "n": 2}) for ny, nx in SIZES]
    plans += [(f"{kind}", base | {"dtype": kind}) for kind in ("int8", "float16", "float32")]
    plans += [(f"{k} members", base | {"members": k}) for k in (1, 5, 10)]
    plans += [(f"lowest logit {low}", base | {"min_logit": low}) for low in (-30, -5, -4)]
    done = [(what, probe(**plan)) for what, plan in plans]
    rows = []
    for what, one in done:
        n, seconds = one["n"], one["seconds"]
        costs = [what, n, f"{seconds:.2f}", f"{1e3 * seconds / n:.1f}", one["candidates"] // n]
        rows.append([*costs, f"{one['scaled'] / 1e6:.2f}", f"{one['before']:.0f}", f"{one['peak']:.0f}"])
    head = ["", "micrographs", "s", "ms a micrograph", "candidates a micrograph", "Mpx at the picker's scale"]
    table("How the cost grows, in process, loading taken off", [*head, "MiB before", "MiB at most"], rows)
    return [{"what": what} | one for what, one in done]


def probe_score(ny, nx, n, device, *, diameter_px=108.0, dtype="int16", members=5, min_logit=-5.0):
    """Score copies of one made-up micrograph."""
    import torch

    from cryoal.config import Config, PickingConfig
    from cryoal.io import mrc
    from cryoal.learner.project import NewWorkspace, create
    from cryoal.learner.scorer import Scorer
    from cryoal.learner.scoring import score_entries
    from cryoal.model.devices import devices_named
    from cryoal.model.pretrained import pretrained_members
    from cryoal.preprocess.pipeline import scaled_shape
    from cryoal.workspace.layout import RoundLayout

    torch.manual_seed(0)
    patch = np.random.default_rng(0).normal(60, 15, (min(ny, 1024), min(nx, 1024)))
    image = np.tile(patch, (-(-ny // 1024), -(-nx // 1024)))[:ny, :nx].astype(dtype)
    config = Config(picking=PickingConfig(min_logit=min_logit))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        mrc.write(folder / "one.mrc", image, 1.0)
        del image, patch
        for index in range(n):
            (folder / f"m_{index:05d}.mrc").symlink_to("one.mrc")
        new = NewWorkspace(folder / "work", "m_*.mrc", diameter_px, particles_dark=True, root=folder)
        *_, project = create(new, config)
        shipped = pretrained_members(config.network)
        some = [shipped[index % len(shipped)] for index in range(members)]
        scorers = Scorer.of_members(some, config, devices_named(device))
        before = memory_mib("VmRSS")
        start = time.perf_counter()
        work = score_entries(project, RoundLayout(folder / "round", 1), scorers, project.entries)
        candidates = ended(work)[1]
        seconds = time.perf_counter() - start
    shape = scaled_shape((ny, nx), diameter_px, config.preprocess)
    return {"n": n, "seconds": seconds, "candidates": candidates, "scaled": shape[0] * shape[1]} | {
        "before": before,
        "peak": memory_mib("VmHWM"),
        "dtype": str(scorers[0].dtype),
    }


def ended(work):
    """What a generator returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def memory_mib(what):
    """From /proc/self/status: VmRSS now, VmHWM at most."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def probe_floor(device):
    """What a 4096² micrograph at 20 pixels a particle of 191 Å takes the network at this machine's own rates."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from cryoal.config import NetworkConfig, PickingConfig
    from cryoal.model.committee import Committee, reduced_precision
    from cryoal.model.devices import devices_named
    from cryoal.model.pretrained import pretrained_members
    from cryoal.model.processors import processors

    on, members = devices_named(device)[0], pretrained_members(NetworkConfig())
    dtype = reduced_precision(members, on, PickingConfig().tolerance_logit, 1.0)
    committee, image = Committee(members, on, dtype), torch.randn(1, 1, 760, 760)
    moved = []
    for network in committee._networks:
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.register_forward_hook(lambda _, seen, out: moved.append(seen[0].nbytes + out.nbytes))
    with FlopCounterMode(display=False) as counter:
        committee(image)
    flop, moved_bytes = counter.get_total_flops(), sum(moved)
    threads = processors() if on.type == "cpu" else 1
    wide = NetworkConfig().deep_channels
    conv = torch.nn.Conv2d(wide, wide, 3, padding=1).to(on, dtype, memory_format=torch.channels_last)
    inputs = [torch.randn(1, wide, 190, 190).to(on, dtype, memory_format=torch.channels_last) for _ in range(threads)]
    rate = rate_of(lambda index: conv(inputs[index]), threads, on) * 2 * 9 * wide**2 * 190**2
    blocks = [torch.zeros(64 * MEBIBYTE, dtype=torch.uint8, device=on) for _ in range(2 * threads)]
    copied = rate_of(lambda index: blocks[2 * index].copy_(blocks[2 * index + 1]), threads, on) * 2 * 64 * MEBIBYTE
    return {
        "device": str(on),
        "dtype": str(dtype).removeprefix("torch."),
        "gflop": flop / 1e9,
        "gflops": rate / 1e9,
    } | {
        "arithmetic": flop / rate,
        "gb": moved_bytes / 1e9,
        "gb_s": copied / 1e9,
        "memory": moved_bytes / copied,
    }


def rate_of(work, threads, device):
    """Calls a second, one thread of torch in each of some threads, the best of five tenths of a second."""
    import torch

    def loop(index):
        torch.set_num_threads(1)
        calls, end = 0, time.perf_counter() + 0.1
        with torch.inference_mode():
            while time.perf_counter() < end:
                work(index)
                calls += 1
            if device.type == "cuda":
                torch.cuda.synchronize(device)
        return calls

    rates = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(6):
            start = time.perf_counter()
            calls = sum(pool.map(loop, range(threads)))
            rates.append(calls / (time.perf_counter() - start))
    return max(rates[1:])


def draw(grown, path):
    """Time against the number of micrographs, and memory against everything."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    counts = [one for one in grown if "micrographs of" in one["what"]]
    n, seconds = ([one[key] for one in counts] for key in ("n", "seconds"))
    left.loglog(n, seconds, "o-", label="measured")
    left.loglog(n, [seconds[-1] * one / n[-1] for one in n], ":", label="proportional to the last")
    left.set(xlabel="micrographs of 256²", ylabel="seconds")
    left.legend()
    right.barh([one["what"] for one in grown], [one["peak"] for one in grown], label="at most")
    right.barh([one["what"] for one in grown], [one["before"] for one in grown], label="before the first micrograph")
    right.set(xlabel="resident memory, MiB")
    right.legend(loc="lower right")
    figure.savefig(path, dpi=100)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--micrographs", type=int, default=24)
    parser.add_argument("--topaz", type=int, default=3, help="micrographs that Topaz gets; 0 leaves it out")
    parser.add_argument("--counts", type=int, nargs="*", default=[10, 100, 1000])
    parser.add_argument("--only", choices=["limits", "growth"])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--probe", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.probe:
        what = json.loads(options.probe)
        print(json.dumps({"score": probe_score, "floor": probe_floor}[what.pop("kind")](**what)))
        return
    shared = Path(__file__).resolve().parents[2] / "shared" / "data"
    print(f"{len(os.sched_getaffinity(0))} processors, load {os.getloadavg()[0]:.1f} before the start")
    found = {}
    if options.only != "growth" and not shared.is_dir():
        print(f"{shared}: the real micrographs are not there; only growth is measured")
    elif options.only != "growth":
        with tempfile.TemporaryDirectory() as temporary:
            found["limits"] = limits(Path(temporary), options, shared)
    if options.only != "limits":
        found["growth"] = growth(options)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "throughput.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
        if "growth" in found:
            draw(found["growth"], options.out / "throughput.png")
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
