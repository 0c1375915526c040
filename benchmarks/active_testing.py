"""Whether importance-weighted active testing tells precision, recall and F1 better than uniformly drawn fields.

    python benchmarks/active_testing.py [--repeats 2000]

Simulated collections of 500 fields: fields differ in how many particles they hold and in how much junk; the picker's
probabilities are calibrated, overconfident, or blind to one kind of junk. Fields are drawn uniformly, or in proportion
to the errors that the probabilities foretell (Σ of 1 − p over picks and of p over the rest, mixed with a tenth of the
mean) and weighted by LURE. Prints the root mean square error of each estimate, in units of 0.01. The second table:
coverage and width of 95 % intervals of a proportion from F fields of 8 trials each, whose fields are alike or not.
"""

import argparse

import numpy as np

from cryoal.evaluation.active_testing import draw_unequal, lure_weights
from cryoal.evaluation.field_estimates import field_ratio
from cryoal.evaluation.statistics import wilson_interval

FIELDS = 500


def collection(kind: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Counts of each field, columns picks, correct, particles; and the errors foretold."""
    rows, foretold = [], []
    junk_of = rng.gamma(0.5, 2.0, FIELDS)  # most junk lies in few fields
    for junk in junk_of:
        logit = np.concatenate([rng.normal(2.5, 1.5, rng.poisson(6)), rng.normal(-1.5, 1.5, rng.poisson(2 * junk))])
        p = 1 / (1 + np.exp(-logit))
        is_particle = rng.random(p.size) < p
        if kind == "blind" and junk > 3:
            is_particle &= rng.random(p.size) < 0.6
        told = 1 / (1 + np.exp(-2 * logit)) if kind == "overconfident" else p
        missed = rng.poisson(0.3)
        picked = told >= 0.5
        rows.append((picked.sum(), (picked & is_particle).sum(), is_particle.sum() + missed))
        foretold.append((1 - told[picked]).sum() + told[~picked].sum())
    return np.array(rows, float), np.array(foretold)


def figures(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Precision, recall and F1 of weighted fields."""
    picks, correct, particles = np.maximum(weights @ counts, 1e-9)
    return np.array([correct / picks, correct / particles, 2 * correct / (picks + particles)])


def tell_errors(repeats: int) -> None:
    """Errors of both ways to draw."""
    print("| collection | fields | uniform: P, R, F1 | LURE: P, R, F1 |\n| --- | ---: | ---: | ---: |")
    for kind in ("calibrated", "overconfident", "blind"):
        rng = np.random.default_rng(0)
        for n in (8, 16, 32):
            errors: dict[str, list[np.ndarray]] = {"uniform": [], "LURE": []}
            for repeat in range(repeats):
                if repeat % 100 == 0:
                    counts, foretold = collection(kind, rng)
                    truth = figures(counts, np.ones(FIELDS))
                for name, weight in (("uniform", np.ones(FIELDS)), ("LURE", foretold + 0.1 * foretold.mean())):
                    drawn, q = draw_unequal(weight, n, rng)
                    errors[name].append(figures(counts[drawn], lure_weights(q, FIELDS)) - truth)
            cells = [
                ", ".join(f"{100 * e:.1f}" for e in np.sqrt(np.mean(np.square(errors[name]), axis=0)))
                for name in ("uniform", "LURE")
            ]
            print(f"| {kind} | {n} | {cells[0]} | {cells[1]} |", flush=True)


def tell_coverage(repeats: int) -> None:
    """Coverage of the two intervals."""
    print("\n| p | likeness within fields | fields | Wilson, pooled: coverage, width | by fields |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for p in (0.7, 0.9):
        for likeness in (0.0, 0.1, 0.3):
            for n_fields in (3, 6, 12, 24):
                rng, rows = np.random.default_rng(0), []
                for _ in range(repeats):
                    n = rng.poisson(8, n_fields) + 1
                    spread = 1 / likeness - 1 if likeness else 0
                    of_field = rng.beta(p * spread, (1 - p) * spread, n_fields) if likeness else p
                    s = rng.binomial(n, of_field)
                    one, other = wilson_interval(int(s.sum()), int(n.sum())), field_ratio(s, n)
                    rows.append(
                        (one[0] <= p <= one[1], one[1] - one[0], other.low <= p <= other.high, other.high - other.low)
                    )
                told = np.mean(rows, axis=0)
                print(
                    f"| {p} | {likeness} | {n_fields} | {told[0]:.2f}, {told[1]:.2f} | {told[2]:.2f}, {told[3]:.2f} |",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2000)
    repeats = parser.parse_args().repeats
    tell_errors(repeats)
    tell_coverage(repeats)


if __name__ == "__main__":
    main()
