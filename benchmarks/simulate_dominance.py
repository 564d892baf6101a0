"""Simulate one rate where the largest clusters are of another kind than all others, and how often that leaves it undecided.

    python benchmarks/simulate_dominance.py               # about five minutes
    python benchmarks/simulate_dominance.py --runs 2000

All clusters have 20 cases, but for one, two or three that hold the given share together. Rates of clusters are gamma (shape
2), those of the large ones nine times as high on average. Nominal: the high end misses in at most 2.5% of the runs, both
together in 5%. "high" counts every interval, "decided" those of groups that may decide: without a cluster that makes a quarter
of the sum of squared shares and holds over three times as much as any other. The second table prints how often groups of 40
clusters have such a cluster.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from monte_carlo import percent
from simulate_clusters import KINDS, cluster_sizes

from raikit.stats import clustered_rate_interval, rate_covariance

SHARES = (0.03, 0.05, 0.1, 0.2, 0.33, 0.4)
COMMON, LARGE = 0.033, 0.3  # mean rates


def draw_rates(large: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the rates of clusters."""
    return np.clip(np.where(large, LARGE, COMMON) * rng.gamma(2, 0.5, len(large)), 0, 1)


def simulate(clusters: int, number: int, share: float, runs: int, rng: np.random.Generator) -> str:
    """Return the line of a design: `number` large clusters hold `share` of the cases."""
    each = max(round(share / (1 - share) * 20 * (clusters - number) / number), 20)
    sizes = np.append(np.full(number, each), np.full(clusters - number, 20))
    large, cluster = np.arange(clusters) < number, np.repeat(np.arange(clusters), sizes)
    truth = np.mean([sizes @ draw_rates(large, rng) / sizes.sum() for _ in range(20_000)])
    misses, decided, undecided = np.zeros(2), 0, 0
    for _ in range(runs):
        y = (rng.random(len(cluster)) < draw_rates(large, rng)[cluster]).astype(int)
        cov = rate_covariance(y, np.ones(len(y)), np.zeros(len(y), dtype=int), [cluster], proportion=True)
        found, few = clustered_rate_interval(cov), bool(cov.few_clusters[0])
        ends = np.array([found.low[0] > truth, found.high[0] < truth])
        misses, decided, undecided = misses + ends, decided + int(ends.any() and not few), undecided + few
    cells = "".join(f"{percent(int(count), runs):>13}" for count in (*misses, decided))
    name = f"{clusters} clusters, {number} with {share:.0%}"
    return f"{name:30}{each / 20:>8.1f}{1 / np.sum((sizes / sizes.sum()) ** 2):>11.1f}{cells}{100 * undecided / runs:>11.0f}%"


def main() -> None:
    """Read the options and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000, help="samples per design (1,000)")
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    started, rng = time.perf_counter(), np.random.default_rng(options.seed)
    print(f"One rate where large clusters are of another kind, {options.runs} runs\n"
          f"{'design':30}{'times':>8}{'effective':>11}{'low':>13}{'high':>13}{'decided':>13}{'undecided':>12}")
    for clusters in (40, 150):
        for number in (1, 2, 3):
            for share in SHARES:
                print(simulate(clusters, number, share, options.runs, rng), flush=True)
    print("\n40 clusters of these sizes: how often one dominates, or fewer than 4 are effective")
    for kind in KINDS:
        few = 0
        for _ in range(options.runs):
            sizes = cluster_sizes(kind, 40, rng)
            cluster = np.repeat(np.arange(40), sizes)
            y, group = np.arange(len(cluster)) % 2, np.zeros(len(cluster), dtype=int)
            few += bool(rate_covariance(y, np.ones(len(y)), group, [cluster], proportion=True).few_clusters[0])
        print(f"{kind:30}{percent(few, options.runs)}", flush=True)
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
