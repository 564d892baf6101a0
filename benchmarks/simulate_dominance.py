"""Simulate groups whose largest clusters are of another kind than all others, and how often that leaves them undecided.

    python benchmarks/simulate_dominance.py               # about 15 minutes
    python benchmarks/simulate_dominance.py --runs 2000

All clusters have 20 cases, but for one to four that hold the given share together. Rates of clusters are gamma (shape 2), those
of the large ones nine times as high on average, 25 times, or .5 where the others' is .2. Nominal: the high end misses in at
most 2.5% of the runs, both together in 5%. "high" counts every interval, "decided" those of groups that may decide: without one
to three clusters that make a twentieth of the sum of squared shares and are each over three times as large as any other.

The second table has other quantities. "gap": two such groups, whose rates are truly the same, and a gap is
claimed. "mean": values with a standard deviation of 1 around the mean of their cluster, which is gamma as the rates are, but ten
times as high. "area": under the ROC curve; scores of positives are higher by a gamma number, on average 1.5, in large clusters
0.3. "loss" is the mean of the squares of the same values. The truth is the average of all runs. Nominal: 2.5% for a gap, and 5% for
both ends of a mean, a loss or an area together; an end that is open decides nothing, as that of a loss with fewer than 1,000
effective clusters. A mean is undecided from a smaller step to the largest cluster than a rate, if the other sizes are alike.

"spread": log-normal sizes with a standard deviation of .35 or .5, and one cluster of another kind of 2.5 times the median, which is
often in line with the other sizes.

The third table prints how often sizes of one kind leave a rate and a mean of normal values undecided: up to three clusters
dominate, or fewer than 4 are effective.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable

import numpy as np
from monte_carlo import percent
from simulate_clusters import KINDS, cluster_sizes

from raikit.stats import (
    auc_interval,
    clustered_gap,
    clustered_rate_interval,
    loss_interval,
    mean_interval,
    rate_covariance,
)

SHARES = (0.03, 0.05, 0.1, 0.2, 0.33, 0.4)
COMMON, LARGE = 0.033, 0.3  # mean rates
OTHER_RATES = ((0.02, 0.5), (0.2, 0.5))


Sample = Callable[[np.ndarray, np.ndarray], tuple[float, float, float, bool, bool]]
"""From the large clusters and each case's cluster to a value with its ends, and whether the low and high end decide."""


def draw_rates(large: np.ndarray, rng: np.random.Generator, rates: tuple[float, float] = (COMMON, LARGE)) -> np.ndarray:
    """Draw the rates of clusters."""
    return np.clip(np.where(large, rates[1], rates[0]) * rng.gamma(2, 0.5, len(large)), 0, 1)


def simulate(
    clusters: int, number: int, share: float, runs: int, rng: np.random.Generator, rates: tuple[float, float] = (COMMON, LARGE)
) -> str:
    """Return the line of a design: `number` large clusters hold `share` of the cases."""
    sizes = sizes_of(clusters, number, share)
    large, cluster = np.arange(clusters) < number, np.repeat(np.arange(clusters), sizes)
    truth = np.mean([sizes @ draw_rates(large, rng, rates) / sizes.sum() for _ in range(20_000)])
    misses, decided, undecided = np.zeros(2), 0, 0
    for _ in range(runs):
        y = (rng.random(len(cluster)) < draw_rates(large, rng, rates)[cluster]).astype(int)
        cov = rate_covariance(y, np.ones(len(y)), np.zeros(len(y), dtype=int), [cluster], proportion=True)
        found, few = clustered_rate_interval(cov), bool(cov.few_clusters[0])
        ends = np.array([found.low[0] > truth, found.high[0] < truth])
        misses, decided, undecided = misses + ends, decided + int(ends.any() and not few), undecided + few
    cells = "".join(f"{percent(int(count), runs):>13}" for count in (*misses, decided))
    name = f"{clusters} clusters, {number} with {share:.0%}" + ("" if rates[1] == LARGE else f", {rates[0]:g}, {rates[1]:g}")
    return f"{name:38}{sizes[0] / 20:>8.1f}{1 / np.sum((sizes / sizes.sum()) ** 2):>11.1f}{cells}{100 * undecided / runs:>11.0f}%"


def sizes_of(clusters: int, number: int, share: float) -> np.ndarray:
    """Return sizes of clusters, of which the first `number` hold `share` of the cases together."""
    each = max(round(share / (1 - share) * 20 * (clusters - number) / number), 20)
    return np.append(np.full(number, each), np.full(clusters - number, 20))


def sampler(quantity: str, rng: np.random.Generator) -> Sample:
    """Return the samples of a gap, a mean, a loss or an area."""

    def gap(large: np.ndarray, cluster: np.ndarray) -> tuple[float, float, float, bool, bool]:
        both, group = np.append(cluster, cluster + len(large)), np.repeat([0, 1], len(cluster))
        rates = np.append(draw_rates(large, rng), draw_rates(large, rng))
        y = (rng.random(len(both)) < rates[both]).astype(int)
        cov = rate_covariance(y, np.ones(len(y)), group, [both], proportion=True)
        found, decides = clustered_gap(cov, draws=4_000, rng=rng), not cov.few_clusters.any()
        return 0.0, found.low, 1.0, decides, decides

    def values(large: np.ndarray, cluster: np.ndarray) -> np.ndarray:
        center = 10 * np.where(large, LARGE, COMMON) * rng.gamma(2, 0.5, len(large))
        return np.asarray(center[cluster] + rng.normal(size=len(cluster)))

    def mean(large: np.ndarray, cluster: np.ndarray) -> tuple[float, float, float, bool, bool]:
        found = mean_interval(values(large, cluster), clusters=[cluster])
        return found.value, found.low, found.high, *decide(found.flags)

    def loss(large: np.ndarray, cluster: np.ndarray) -> tuple[float, float, float, bool, bool]:
        found = loss_interval(values(large, cluster) ** 2, clusters=[cluster], squares=True)
        return found.value, found.low, found.high, *decide(found.flags)

    def area(large: np.ndarray, cluster: np.ndarray) -> tuple[float, float, float, bool, bool]:
        y, apart = rng.random(len(cluster)) < 0.3, np.where(large, 0.3, 1.5) * rng.gamma(4, 0.25, len(large))
        found = auc_interval(y, y * apart[cluster] + rng.normal(size=len(cluster)), clusters=[cluster])
        return found.value, found.low, found.high, *decide(found.flags)

    return {"gap": gap, "mean": mean, "loss": loss, "area": area}[quantity]


def decide(flags: tuple[str, ...]) -> tuple[bool, bool]:
    """Return which ends of an interval with these flags decide."""
    enough = "few_clusters" not in flags
    return enough and "open_low" not in flags, enough and "open_high" not in flags


def simulate_other(quantity: str, clusters: int, number: int, share: float, runs: int, rng: np.random.Generator) -> str:
    """Return the line of a design of a gap, a mean, a loss or an area."""
    sizes = sizes_of(clusters, number, share)
    large, cluster, sample = np.arange(clusters) < number, np.repeat(np.arange(clusters), sizes), sampler(quantity, rng)
    results = np.array([sample(large, cluster) for _ in range(runs)])
    return _line(f"{quantity}, {clusters} clusters, {number} with {share:.0%}", f"{sizes[0] / 20:.1f}", results, quantity == "gap")


def simulate_in_line(clusters: int, spread: float, runs: int, rng: np.random.Generator) -> str:
    """Return the line of a mean where a cluster of another kind has a size that is in line with the others'."""
    large, sample, results = np.arange(clusters) < 1, sampler("mean", rng), []
    for _ in range(runs):
        sizes = np.maximum(np.round(20 * rng.lognormal(0, spread, clusters)), 1).astype(int)
        sizes[0] = 50
        found = sample(large, np.repeat(np.arange(clusters), sizes))
        truth = 10 * (sizes @ np.where(large, LARGE, COMMON)) / sizes.sum()
        results.append([found[0], *(end - truth for end in found[1:3]), *found[3:]])
    return _line(f"mean, {clusters} clusters, spread {spread:g}", "2.5", np.array(results), True)


def _line(name: str, times: str, results: np.ndarray, centered: bool) -> str:
    """Return the line of results, whose truth is 0 or else their own average."""
    runs = len(results)
    truth = 0.0 if centered else results[:, 0].mean()
    misses = np.stack([results[:, 1] > truth, results[:, 2] < truth], axis=1)
    decided = (misses & (results[:, 3:] > 0)).any(axis=1).sum()
    cells = "".join(f"{percent(int(count), runs):>13}" for count in (*misses.sum(axis=0), decided))
    undecided = np.mean(results[:, 3:].max(axis=1) == 0)
    return f"{name:38}{times:>8}{'':11}{cells}{100 * undecided:>11.0f}%"


def undecided_share(kind: str, clusters: int, runs: int, rng: np.random.Generator) -> tuple[str, str]:
    """Return how often groups whose sizes are of one kind leave a rate and a mean undecided."""
    few = np.zeros(2, dtype=int)
    for _ in range(runs):
        sizes = cluster_sizes(kind, clusters, rng)
        cluster = np.repeat(np.arange(clusters), sizes)
        y, group = np.arange(len(cluster)) % 2, np.zeros(len(cluster), dtype=int)
        rate = rate_covariance(y, np.ones(len(y)), group, [cluster], proportion=True).few_clusters[0]
        few += [rate, "few_clusters" in mean_interval(rng.normal(size=len(cluster)), clusters=[cluster]).flags]
    return percent(int(few[0]), runs), percent(int(few[1]), runs)


def main() -> None:
    """Read the options and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000, help="samples per design (1,000)")
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    started, rng = time.perf_counter(), np.random.default_rng(options.seed)
    header = f"{'times':>8}{'effective':>11}{'low':>13}{'high':>13}{'decided':>13}{'undecided':>12}"
    print(f"One rate where large clusters are of another kind, {options.runs} runs\n{'design':38}{header}")
    for clusters, number in itertools.product((40, 150), (1, 2, 3)):
        for share in SHARES:
            print(simulate(clusters, number, share, options.runs, rng), flush=True)
    for rates, clusters, number in itertools.product(OTHER_RATES, (40, 150), (1, 2, 3, 4)):
        for share in (0.02, 0.1, 0.33):
            print(simulate(clusters, number, share, options.runs, rng, rates), flush=True)
    print(f"\nOther quantities, {options.runs} runs\n{'design':38}{header}")
    for quantity, clusters, number in itertools.product(("gap", "mean", "loss", "area"), (40, 150), (1, 2, 4)):
        for share in (0.02, 0.05, 0.07, 0.1, 0.33):
            print(simulate_other(quantity, clusters, number, share, options.runs, rng), flush=True)
    for number in (2, 8):
        print(simulate_other("loss", 1_200, number, number / 700, options.runs // 4, rng), flush=True)
    for clusters, spread in itertools.product((40, 150), (0.35, 0.5)):
        print(simulate_in_line(clusters, spread, options.runs, rng), flush=True)
    print("\nSizes of one kind: how often up to three clusters dominate, or fewer than 4 are effective\n"
          f"{'':20}" + "".join(f"{name:>15}" for clusters in (40, 150) for name in (f"rate, {clusters}", f"mean, {clusters}")))
    for kind in KINDS:
        cells = (cell for clusters in (40, 150) for cell in undecided_share(kind, clusters, options.runs, rng))
        print(f"{kind:20}" + "".join(f"{cell:>15}" for cell in cells), flush=True)
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
