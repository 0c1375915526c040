"""What choosing costs: scores of 1,000,000 candidates × 5 members, and batches of 200 of up to 100,000 candidates.

    python benchmarks/acquisition.py [--repeats 3]

Prints the CPU seconds (the best of some repeats; one thread) of every pointwise function and every batch selector, and
the selectors' peak memory beyond what was there before, at 25,000, 50,000 and 100,000 candidates with embeddings of 24
numbers: it must not grow as the square. Says the load of the machine first; CPU time suffers less from it than wall
time, but does.
"""

import argparse
import os
import time
import tracemalloc

import numpy as np

from cryoal.acquisition import bayesian, committee, model_change, uncertainty
from cryoal.acquisition.choosing import choose_candidates
from cryoal.acquisition.strategies import STRATEGIES
from cryoal.data.candidates import CandidatePool

MEMBERS, DIMENSIONS, BATCH = 5, 24, 200
POINTWISE, SIZES = 1_000_000, (25_000, 50_000, 100_000)
SELECTORS = ("random", "foreground-random", "bald-top", "bald", "bald-stratified", "power-bald", "softmax-bald")
SELECTORS += ("softrank-bald", "badge", "batchbald", "k-center", "typiclust", "probcover")


def pool_of(n: int) -> CandidatePool:
    """Candidates of two classes, most of them background."""
    rng = np.random.default_rng(0)
    z = rng.normal(-2, 2, n) + rng.normal(0, 0.7, (MEMBERS, n))
    p = (1 / (1 + np.exp(-z))).astype(np.float32)
    return CandidatePool(
        tuple(f"m{i}" for i in range(1000)),
        rng.integers(0, 1000, n).astype(np.int32),
        rng.uniform(0, 4096, (n, 2)).astype(np.float32),
        np.stack([1 - p, p], axis=-1),
        rng.normal(size=(n, DIMENSIONS)).astype(np.float32),
    )


def cpu_seconds(work, repeats: int) -> float:
    """The least of some repeats."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def peak_mebibytes(work) -> float:
    """Memory that the work needs at most."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def tell_functions(repeats: int) -> None:
    pool = pool_of(POINTWISE)
    P, p, h = pool.probability, pool.probability[0], pool.embedding
    functions = {
        "predictive_entropy": lambda: uncertainty.predictive_entropy(p),
        "least_confidence": lambda: uncertainty.least_confidence(p),
        "margin_uncertainty": lambda: uncertainty.margin_uncertainty(p),
        "vote_entropy": lambda: committee.vote_entropy(P),
        "consensus_entropy": lambda: committee.consensus_entropy(P),
        "consensus_kl": lambda: committee.consensus_kl(P),
        "variation_ratio": lambda: committee.variation_ratio(P),
        "mutual_information": lambda: bayesian.mutual_information(P),
        "gradient_length_softmax": lambda: model_change.gradient_length_softmax(p, h),
        "epig, 32 targets": lambda: bayesian.epig(P, P[:, :32]),
    }
    print(f"| function, {POINTWISE:,} candidates × {MEMBERS} members | CPU s |\n| --- | ---: |")
    for name, function in functions.items():
        print(f"| {name} | {cpu_seconds(function, repeats):.2f} |", flush=True)


def tell_batches(repeats: int) -> None:
    print(f"\n| strategy, {BATCH} of N | " + " | ".join(f"{n:,}: CPU s, MiB" for n in SIZES) + " |")
    print("| --- |" + " ---: |" * len(SIZES))
    pools = [pool_of(n) for n in SIZES]
    for name in SELECTORS:
        cells = []
        for one in pools:

            def work(one=one, name=name):
                choose_candidates(one, STRATEGIES[name], BATCH, np.random.default_rng(0))

            cells.append(f"{cpu_seconds(work, repeats):.2f}, {peak_mebibytes(work):.0f}")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    print(f"load {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores, 1 thread\n", flush=True)
    tell_functions(repeats)
    tell_batches(repeats)


if __name__ == "__main__":
    main()
