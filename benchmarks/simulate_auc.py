"""Simulate whether the intervals of areas under the ROC curve and of average precision hold where a class is scarce or cases fail.

    python benchmarks/simulate_auc.py               # about five minutes
    python benchmarks/simulate_auc.py --runs 5000

Cells are the percentage of samples in which the low or the high end misses, with the Monte-Carlo standard error; nominal are
2.5, 0.5 and 0.05. Scores are normal in both classes; "failing" is the share of positives that rank below nearly all negatives.
With "clusters", cases lie in 60 clusters with effects of their own. "width" is relative to DeLong's limits with the normal
quantile, whose low end is "DeLong". With "weights", wrong predictions weigh five times as much, on top of log-normal(.3) weights.
Average precision that is flagged (few events) decides nothing; "undecided" says how often.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace

import numpy as np
from monte_carlo import percent
from scipy.special import expit, logit, ndtri

import raikit
from raikit.stats import auc_influence, auc_interval, average_precision_influence
from raikit_performance.scores import average_precision_interval

Rng = np.random.Generator
LEVELS = (0.95, 0.99, 0.999)


@dataclass(frozen=True)
class Design:
    """Numbers of positives and negatives, the distance of their mean scores, and the share of failing positives."""

    positives: int
    negatives: int
    apart: float
    failing: float = 0.0
    clusters: bool = False

    @property
    def name(self) -> str:
        """Name of the scenario."""
        extra = f"; {self.failing:.0%} failing" * (self.failing > 0) + "; clusters" * self.clusters
        return f"{self.positives} + {self.negatives}; {self.apart} apart{extra}"

    def cases(self, rng: Rng) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
        """Draw truth, score and cluster columns."""
        truth = np.repeat([1, 0], [self.positives, self.negatives])
        n = len(truth)
        cluster, effect = rng.integers(0, 60, n), rng.normal(0, 0.5, 60) * self.clusters
        score = self.apart * truth + rng.normal(size=n) + effect[cluster]
        score = np.where((truth == 1) & (rng.random(n) < self.failing), -3.0, score)
        return truth, score, [cluster] if self.clusters else []

    def weights(self, truth: np.ndarray, score: np.ndarray, rng: Rng) -> np.ndarray:
        """Draw weights that are heavy where the prediction is wrong."""
        return np.where((score > self.apart / 2) != (truth == 1), 5.0, 1.0) * rng.lognormal(0, 0.3, len(truth))

    def precision(self, weighted: bool) -> float:
        """Return the average precision of many cases."""
        rng, found = np.random.default_rng(0), []
        for _ in range(20):
            truth, score, _ = replace(self, positives=60 * self.positives, negatives=60 * self.negatives).cases(rng)
            weight = self.weights(truth, score, rng) if weighted else None
            found.append(average_precision_influence(truth == 1, score, weight)[0])
        return float(np.mean(found))

    def truth(self, weighted: bool = False) -> float:
        """Return the area of many samples, or with weights that of large ones."""
        rng = np.random.default_rng(0)
        if weighted:
            large = replace(self, positives=60 * self.positives, negatives=60 * self.negatives)
            drawn = (large.cases(rng)[:2] for _ in range(20))
            return float(np.mean([auc_influence(y, score, self.weights(y, score, rng))[0] for y, score in drawn]))
        many = max(400_000 // (self.positives + self.negatives), 200)
        return float(np.mean([auc_influence(*self.cases(rng)[:2])[0] for _ in range(many)]))


DESIGNS = [
    *(Design(m, n, apart) for m, n in ((4, 36), (10, 200), (30, 300), (100, 1000)) for apart in (1.0, 2.7)),
    Design(30, 30, 2.7), Design(100, 100, 1.0), Design(300, 700, 1.6),
    Design(10, 200, 3.0, 0.05), Design(30, 300, 3.0, 0.02), Design(100, 300, 3.0, 0.02), Design(200, 800, 3.0, 0.01),
    Design(40, 400, 1.5, clusters=True), Design(40, 400, 2.7, clusters=True),
]  # fmt: skip


def simulate(design: Design, weighted: bool, runs: int, rng: Rng) -> str:
    """Return the line of a design."""
    truth, misses, delong, widths = design.truth(weighted), np.zeros((3, 2)), 0, []
    for _ in range(runs):
        y, score, clusters = design.cases(rng)
        weight = design.weights(y, score, rng) if weighted else None
        for at, level in enumerate(LEVELS):
            found = auc_interval(y, score, weight, clusters, level)
            if not {"unreliable", "few_clusters"} & set(found.flags):
                misses[at] += [found.low > truth, found.high < truth]
            if at == 0 and 1 - found.value > 1e-9:
                influence = auc_influence(y, score, weight)[1]
                half = -ndtri(0.025) * np.sqrt(influence @ influence) / (found.value * (1 - found.value))
                low, high = expit(logit(found.value) - half), expit(logit(found.value) + half)
                delong += low > truth
                widths.append((found.high - found.low) / (high - low))
    cells = "".join(f"{percent(int(low), runs):>13}{percent(int(high), runs):>13}" for low, high in misses)
    name = design.name + "; weights" * weighted
    return f"{name:46}{truth:>7.3f}{cells}{percent(int(delong), runs):>13}{np.median(widths):>7.2f}"


def average_precision(design: Design, weighted: bool, runs: int, rng: Rng) -> str:
    """Return the line of a design for average precision."""
    true, misses, undecided, found = design.precision(weighted), np.zeros(2), 0, []
    for _ in range(runs):
        y, score, clusters = design.cases(rng)
        p = expit(score)
        cases = raikit.Arrays(
            y, (p > 0.5).astype(int), scores=np.column_stack([1 - p, p]), classes=[0, 1], clusters=clusters,
            cluster_names=["home"] * len(clusters), weight=design.weights(y, score, rng) if weighted else None,
        )  # fmt: skip
        interval, _ = average_precision_interval(y == 1, p, cases, 0.95)
        found.append((interval.value, interval.high - interval.low))
        if {"unreliable", "few_clusters", "few_events"} & set(interval.flags):
            undecided += 1
        else:
            misses += [interval.low > true, interval.high < true]
    value, width = np.array(found).T
    cells = "".join(f"{percent(int(end), runs):>13}" for end in misses)
    name = design.name + "; weights" * weighted
    return f"{name:46}{true:>7.3f}{cells}{100 * undecided / runs:>10.0f}%{width.mean() / (3.92 * value.std()):>7.2f}"


def main() -> None:
    """Read the options and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000, help="samples per scenario (1,000)")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    started, rng = time.perf_counter(), np.random.default_rng(options.seed)
    heads = "".join(f"{f'low {level:g}':>13}{f'high {level:g}':>13}" for level in LEVELS)
    print(f"{'scenario':46}{'area':>7}{heads}{'DeLong':>13}{'width':>7}")
    for weighted in (False, True):
        for design in DESIGNS:
            print(simulate(design, weighted, options.runs, rng), flush=True)
    print(f"\nAverage precision at .95; width relative to 3.92 standard deviations of the estimate\n"
          f"{'scenario':46}{'value':>7}{'low':>13}{'high':>13}{'undecided':>11}{'width':>7}")
    for weighted in (False, True):
        for design in DESIGNS:
            if design.positives >= 10:
                print(average_precision(design, weighted, options.runs // 2, rng), flush=True)
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
