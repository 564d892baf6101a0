"""Simulate whether intervals of weighted cases keep their level where weights are related to the outcome.

    python benchmarks/simulate_weights.py              # about three minutes
    python benchmarks/simulate_weights.py --runs 2000

Nominal: each end of an interval misses in at most 2.5% of the runs, "rest" (any group against the rest) in 5%. Cells are
percentages of runs, with the Monte-Carlo standard error. A group of which fewer than 5 effective cases have the rarer outcome
decides nothing: its misses are not counted, and "undecided" says how often that was so. "Kish" is the interval of the first
rate at Kish's effective number of cases, which supposes that weights are unrelated to the outcome. "width" is relative to it.

A weight is log-normal with that standard deviation of its logarithm, times the ratio for an event. The last part has weights
and clusters: each cluster has a weight of its own, and cases weights within it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from monte_carlo import percent

from raikit.stats import (
    CovarianceResult,
    clopper_pearson,
    clustered_gap,
    clustered_group_vs_rest,
    clustered_rate_interval,
    clustered_ratio,
    effective_counts,
    rate_covariance,
)


@dataclass
class Design:
    """Alike groups of which events weigh a multiple of other cases; with clusters, of 40 clusters each."""

    ratio: float
    spread: float
    rate: float
    sizes: tuple[int, ...]
    clustered: bool = False

    @property
    def name(self) -> str:
        """Name of the scenario."""
        sizes = f"{len(self.sizes)} x {self.sizes[0]}" if len(set(self.sizes)) == 1 else " + ".join(map(str, self.sizes))
        return f"events weigh {self.ratio}; sd {self.spread}; {self.rate}; {sizes}"

    def table(self, rng: np.random.Generator) -> tuple[CovarianceResult, tuple[float, float]]:
        """Draw one data set; return the rates with their covariance, and Kish's interval of the first."""
        n, group = sum(self.sizes), np.repeat(np.arange(len(self.sizes)), self.sizes)
        cluster = 40 * group + rng.integers(0, 40, n)
        rate, weight = np.full(40 * len(self.sizes), self.rate), np.ones(40 * len(self.sizes))
        if self.clustered:
            rate = rng.beta(4 * self.rate, 4 * (1 - self.rate), len(rate))
            weight = rng.lognormal(0, self.spread, len(rate)) * (1 + (self.ratio - 1) * rate)
        y = (rng.random(n) < rate[cluster]).astype(int)
        w = weight[cluster] * np.exp(rng.normal(0, self.spread, n))
        w *= 1 if self.clustered else np.where(y == 1, self.ratio, 1.0)
        columns = [cluster] if self.clustered else []
        cov = rate_covariance(y, np.ones(n), group, columns, w, len(self.sizes), scale="proportion")
        first = group == 0
        x, kish = effective_counts(w[first] @ y[first], w[first].sum(), w[first] @ w[first])
        low, high = clopper_pearson(x, kish)
        return cov, (float(low), float(high))

    def truth(self) -> float:
        """Return the weighted rate of all cases there are."""
        events = self.ratio * self.rate
        if not self.clustered:
            return events / (events + 1 - self.rate)
        rate = np.random.default_rng(0).beta(4 * self.rate, 4 * (1 - self.rate), 4_000_000)
        weight = 1 + (self.ratio - 1) * rate
        return float(np.mean(weight * rate) / np.mean(weight))


DESIGNS = [
    *(Design(ratio, 0, 0.05, (600, 600)) for ratio in (1, 2.7, 5, 10, 0.2)),
    *(Design(ratio, 0, 0.3, (100, 100, 100)) for ratio in (1, 2.7, 5, 10, 0.2)),
    *(Design(ratio, 0.7, 0.05, (600,) * 5) for ratio in (1, 5, 0.2)),
    *(Design(ratio, 1, 0.05, (600, 600)) for ratio in (1, 5, 0.2)),
    Design(1, 1, 0.3, (60, 1000, 1000)),
    Design(5, 0, 0.02, (150, 2000, 2000)),
    Design(5, 1, 0.95, (300, 300)),
]
TOGETHER = [
    Design(ratio, spread, rate, (800,) * k, clustered=True)
    for ratio, spread, rate, k in (
        (1, 0.5, 0.3, 2), (5, 0, 0.3, 2), (5, 0.5, 0.3, 5), (5, 0.5, 0.05, 2), (10, 1, 0.1, 2), (0.2, 0.5, 0.3, 2)
    )
]  # fmt: skip


def simulate(designs: list[Design], runs: int, seed: int, title: str) -> None:
    """Print how often intervals of the first group's rate miss, and alike groups differ."""
    rng = np.random.default_rng(seed)
    print(f"\n{title}, {runs} runs")
    heads = ("Kish low", "Kish high", "low", "high", "gap", "ratio", "rest")
    print(f"{'scenario':54}" + "".join(f"{head:>12}" for head in heads) + f"{'undecided':>11}{'width':>7}")
    for design in designs:
        truth, misses, undecided, widths = design.truth(), np.zeros(7), 0, []
        for _ in range(runs):
            cov, kish = design.table(rng)
            able = ~(cov.few_events | cov.few_clusters)
            undecided += int(np.sum(~able))
            found = clustered_rate_interval(cov)
            misses[:2] += [kish[0] > truth, kish[1] < truth]
            if able[0]:
                misses[2:4] += [found.low[0] > truth, found.high[0] < truth]
                widths.append((found.high[0] - found.low[0]) / (kish[1] - kish[0]))
            if able.sum() < 2:
                continue
            each = clustered_group_vs_rest(cov, draws=4_000, rng=rng)
            misses[4:] += [
                clustered_gap(cov, draws=10_000, rng=rng).low > 0,
                clustered_ratio(cov, draws=10_000, rng=rng).high < 1,
                bool(np.any(((each.low > 0) | (each.high < 0)) & able)),
            ]
        cells = "".join(f"{percent(m, runs):>12}" for m in misses)
        share, width = undecided / runs / len(design.sizes), f"{np.median(widths):.2f}" if widths else "-"
        print(f"{design.name:54}{cells}{100 * share:>10.0f}%{width:>7}", flush=True)


def main() -> None:
    """Read the options and run the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400, help="runs per scenario (400)")
    parser.add_argument("--seed", type=int, default=20_261)
    parser.add_argument("--only", choices=("weights", "clusters"))
    options = parser.parse_args()
    parts: dict[str, Callable[[], None]] = {
        "weights": lambda: simulate(DESIGNS, options.runs, options.seed, "Weights of independent cases"),
        "clusters": lambda: simulate(TOGETHER, options.runs, options.seed, "Weights and clusters together"),
    }
    start = time.perf_counter()
    for name, part in parts.items():
        if options.only in (None, name):
            part()
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
