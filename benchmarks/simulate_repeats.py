"""Simulate rates, gaps and weighted averages of clusters that repeat one of their cases, beside cases of their own.

    python benchmarks/simulate_repeats.py               # about six minutes
    python benchmarks/simulate_repeats.py --runs 5000

600 cases of 40, 80 or 150 clusters, which are chosen alike or by Zipf's law (exponent 1). Each case is a copy of the first
case of its cluster with the given probability: an item asked again, a picture stored again. So all clusters hold some wrong
predictions, and a few hold very many. Nominal: 2.5% an end at .95, .5% at .99. "F1" is the weighted average over three classes.
Undecided groups miss nothing. "width" is that of intervals at .95, divided by that of intervals which suppose that clusters with
wrong predictions were seen. Designs without copies show what the allowance costs.

Gaps are between alike groups: 600 cases of 40 clusters, even or by Zipf's law, beside 6,000 of 400 alike clusters that repeat
their cases as often, beside 3,000 cases that share nothing, or beside a group like the first. A gap or a ratio may be claimed in
2.5% at .95, a group off the rest in 5%. "search" is the false discovery rate of a search for groups with more wrong predictions,
nominal 5%.

Regressions: two models of the same quality, on the same cases, of which the second decides some anew; of two groups of even
clusters one is behind by 30 points. "moved" and "grew" are how often a build fails, nominal 5% and 1%.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
from monte_carlo import percent

import raikit
from raikit.stats import (
    clustered_gap,
    clustered_group_vs_rest,
    clustered_rate_interval,
    clustered_ratio,
    gap_increase_test,
    paired_covariance,
    rate_covariance,
    subgroup_rates,
    worse_than_rest,
    worsening_test,
)
from raikit_performance.classification import label_metrics

CASES = 600
DESIGNS = [
    (40, 0.0, 0.9, 0.4), *((40, 1.0, 0.9, copies) for copies in (0.1, 0.2, 0.4, 0.8)), (40, 1.0, 0.7, 0.4), (40, 1.0, 0.97, 0.4),
    (150, 0.0, 0.9, 0.4), (150, 1.0, 0.9, 0.4), (40, 0.0, 0.95, 0.6), (40, 1.0, 0.95, 0.6), (80, 0.0, 0.97, 0.8),
    *((clusters, 0.0, right, 0.0) for clusters in (40, 150) for right in (0.7, 0.9, 0.95, 0.98)), (40, 1.0, 0.95, 0.0),
]  # fmt: skip
"""Clusters, exponent of their sizes, share of right predictions, and of copies."""

GAPS = [((40, zipf, right, copies), other) for zipf, right, copies, other in (
    (1.0, 0.9, 0.2, (400, 0.0, 0.9, 0.2, 6_000)), (1.0, 0.9, 0.4, (400, 0.0, 0.9, 0.4, 6_000)),
    (1.0, 0.9, 0.8, (400, 0.0, 0.9, 0.8, 6_000)),
    (1.0, 0.7, 0.4, (400, 0.0, 0.7, 0.4, 6_000)), (1.0, 0.9, 0.4, (3_000, 0.0, 0.9, 0.0, 3_000)),
    (1.0, 0.9, 0.4, (40, 1.0, 0.9, 0.4, 600)), (0.0, 0.95, 0.6, (400, 0.0, 0.95, 0.6, 6_000)),
    (0.0, 0.95, 0.6, (3_000, 0.0, 0.95, 0.0, 3_000)), (0.0, 0.95, 0.6, (40, 0.0, 0.95, 0.6, 600)),
)]  # fmt: skip
"""A design of 600 cases and that of the other group, with its cases."""

REGRESSIONS = [(40, 15, 0.9, 0.4, 0.3), (40, 15, 0.9, 0.8, 0.3), (40, 15, 0.95, 0.6, 0.1), (40, 50, 0.9, 0.6, 0.1),
               (80, 15, 0.95, 0.6, 0.3)]  # fmt: skip
"""Clusters of a group, cases of each, shares of right predictions, of copies, and of cases that are decided anew."""


def draw(
    design: tuple[int, float, float, float], rng: np.random.Generator, cases: int = CASES
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw truth, prediction and cluster of three even classes, which are right with the same probability."""
    clusters, zipf, right, repeated = design
    share = np.arange(1, clusters + 1.0) ** -zipf
    cluster = rng.choice(clusters, cases, p=share / share.sum())
    truth = rng.integers(0, 3, cases)
    prediction = np.where(rng.random(cases) < right, truth, (truth + rng.integers(1, 3, cases)) % 3)
    first = np.full(clusters, -1)
    first[cluster[::-1]] = np.arange(cases)[::-1]
    copied = rng.random(cases) < repeated
    truth, prediction = (np.where(copied, part[first[cluster]], part) for part in (truth, prediction))
    return truth, prediction, cluster


def simulate(design: tuple[int, float, float, float], runs: int, averages: int, rng: np.random.Generator) -> str:
    """Return the line of a design."""
    clusters, zipf, right, repeated = design
    rates, f1, widths = np.zeros((2, 2), dtype=int), np.zeros(2, dtype=int), np.zeros(2)
    for run in range(runs):
        truth, prediction, cluster = draw(design, rng)
        y, group = (truth == prediction).astype(int), np.zeros(CASES, dtype=int)
        cov = rate_covariance(y, np.ones(CASES), group, [cluster], proportion=True)
        for at, level in enumerate((0.95, 0.99)):
            found = clustered_rate_interval(cov, level)
            if not at:
                seen = clustered_rate_interval(replace(cov, several=np.zeros(1)))
                widths += [(each.high - each.low)[0] for each in (found, seen)]
            rates[at] += [not cov.few_clusters[0] and end for end in (found.low[0] > right, found.high[0] < right)]
        if run < averages:
            cases = raikit.Arrays(truth, prediction, clusters=[cluster], cluster_names=["home"], classes=[0, 1, 2])
            metrics = [each for each in label_metrics(cases, 0.95) if each.args == {"average": "weighted"} and each.name == "f1"]
            f1 += [(end and "few_clusters" not in each.flags) for each in metrics
                   for end in ((each.low or 0.0) > right, (each.high or 1.0) < right)]
    name = f"{clusters} {'Zipf' if zipf else 'even'}, right {right:.0%}, copies {repeated:.0%}"
    cells = (*(percent(int(each), runs) for each in rates.ravel()), *(percent(int(each), averages) for each in f1))
    return f"{name:38}" + "".join(f"{cell:>13}" for cell in cells) + f"{widths[0] / widths[1]:>9.2f}"


def simulate_gap(
    design: tuple[int, float, float, float], other: tuple[int, float, float, float, int], runs: int, rng: np.random.Generator
) -> str:
    """Return the line of two groups that are alike."""
    claims, flagged, size = np.zeros((2, 3), dtype=int), 0, other[-1]
    group = np.repeat([0, 1], [CASES, size])
    for _ in range(runs):
        parts = draw(design, rng), draw(other[:4], rng, size)
        y = np.concatenate([(truth == prediction).astype(int) for truth, prediction, _ in parts])
        cluster = np.append(parts[0][2], design[0] + parts[1][2])
        cov = rate_covariance(y, np.ones(len(y)), group, [cluster], proportion=True)
        for at, level in enumerate((0.95, 0.99)):
            gap, ratio = (of(cov, level, 2_000, rng=rng) for of in (clustered_gap, clustered_ratio))
            rest = clustered_group_vs_rest(cov, level, 2_000, rng=rng)
            off = bool(np.any((rest.low > 0) | (rest.high < 0)))
            claims[at] += np.array([gap.low > 0, ratio.high < 1, off]) & (not cov.few_clusters.any())
        groups = subgroup_rates(1 - y, group, np.eye(2, dtype=bool), [cluster])
        flagged += bool((worse_than_rest(groups).flagged & ~groups.few_clusters).any())
    first, second = ("Zipf" if each[1] else "even" for each in (design, other))
    name = f"{first}, right {design[2]:.0%}, copies {design[3]:.0%}; {other[0]:,} {second}, copies {other[3]:.0%}"
    return f"{name:52}" + "".join(f"{percent(int(each), runs):>13}" for each in (*claims.ravel(), flagged))


def simulate_regression(design: tuple[int, int, float, float, float], runs: int, rng: np.random.Generator) -> str:
    """Return the line of two models of the same quality."""
    clusters, each, right, repeated, anew = design
    n, fails = 2 * clusters * each, np.zeros((2, 2), dtype=int)
    group = np.repeat([0, 1], n // 2)
    chance = right - 0.3 * (group == 0)
    for _ in range(runs):
        cluster = rng.integers(0, clusters, n) + clusters * group
        first = np.full(2 * clusters, -1)
        first[cluster[::-1]] = np.arange(n)[::-1]
        source = np.where(rng.random(n) < repeated, first[cluster], np.arange(n))
        one = rng.random(n)
        two = np.where(rng.random(n) < anew, rng.random(n), one)
        before, after = ((luck < chance).astype(int)[source] for luck in (one, two))
        cov = paired_covariance(before, after, np.ones(n), group, [cluster], groups=2)
        tests = (test(cov, higher_is_better=True, rng=rng, draws=5_000).p_value for test in (worsening_test, gap_increase_test))
        fails += [[p <= 0.05, p <= 0.01] for p in tests]
    name = f"{clusters} x {each} cases, right {right:.0%}, copies {repeated:.0%}, anew {anew:.0%}"
    return f"{name:58}" + "".join(f"{percent(int(count), runs):>13}" for count in fails.ravel())


def main() -> None:
    """Read the options and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_500, help="samples per design (1,500); of averages a fifth, of gaps half")
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    started, rng = time.perf_counter(), np.random.default_rng(options.seed)
    heads = ("low .95", "high .95", "low .99", "high .99", "low F1 .95", "high F1 .95")
    print(f"{'clusters':38}" + "".join(f"{head:>13}" for head in heads) + f"{'width':>9}")
    for design in DESIGNS:
        print(simulate(design, options.runs, max(options.runs // 5, 1), rng), flush=True)
    of_gaps = ("gap .95", "ratio .95", "rest .95", "gap .99", "ratio .99", "rest .99", "search")
    print(f"\n{'40 clusters; the other group':52}" + "".join(f"{head:>13}" for head in of_gaps))
    for design, other in GAPS:
        print(simulate_gap(design, other, max(options.runs // 2, 1), rng), flush=True)
    of_tests = ("moved .05", "moved .01", "grew .05", "grew .01")
    print(f"\n{'regressions':58}" + "".join(f"{head:>13}" for head in of_tests))
    for regression in REGRESSIONS:
        print(simulate_regression(regression, max(options.runs // 2, 1), rng), flush=True)
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
