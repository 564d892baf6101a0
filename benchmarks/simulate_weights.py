"""Simulate whether intervals of weighted cases keep their level where weights are related to the outcome.

    python benchmarks/simulate_weights.py              # about ten minutes
    python benchmarks/simulate_weights.py --runs 2000

Nominal: each end of an interval misses in at most 2.5% of the runs, "rest" (any group against the rest) in 5%. Cells are
percentages of runs, with the Monte-Carlo standard error. A group of which fewer than 5 effective cases have the rarer outcome
decides nothing: its misses are not counted, and "undecided" says how often that was so. "Kish" is the interval of the first
rate at Kish's effective number of cases, which supposes that weights are unrelated to the outcome. "width" is relative to it.

A weight is log-normal with that standard deviation of its logarithm, times the ratio for an event. The second part has weights
and clusters: each cluster has a weight of its own, and cases weights within it. The last part has losses of scores: of three alike
groups ("group"), whose "gap" should not be proved, and of all cases of one group alone ("whole"). Events are positives, or wrong
predictions. Ends that are flagged as open do not count; "open" is how often the high end is.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from monte_carlo import percent
from numpy.typing import NDArray

import raikit
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
from raikit_fairness import assess
from raikit_performance.scores import score_metrics


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


@dataclass
class Losses:
    """Three alike groups with scores, where positives or wrong predictions weigh a multiple of other cases."""

    events: str
    ratio: float
    spread: float
    n: int
    base: float = 0.3
    apart: float = 1.5
    sharp: float = 1.0

    @property
    def name(self) -> str:
        """Name of the scenario."""
        weights = f"{self.events} weigh {self.ratio}; sd {self.spread}"
        return f"{weights}; {self.base}; apart {self.apart}, sharp {self.sharp}; 3 x {self.n}"

    def cases(self, rng: np.random.Generator, n: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Draw targets, scores and weights."""
        y = (rng.random(n) < self.base).astype(np.int64)
        logit = self.apart * (2 * y - 1) / 2 + rng.normal(size=n) + 0.7 * np.log(self.base / (1 - self.base))
        score = 1 / (1 + np.exp(-self.sharp * logit))
        event = y == 1 if self.events == "positives" else (score > 0.5) != (y == 1)
        return y, score, np.where(event, self.ratio, 1.0) * rng.lognormal(0, self.spread, n)

    def truth(self) -> dict[str, float]:
        """Return the losses of all cases there are."""
        y, score, w = self.cases(np.random.default_rng(0), 2_000_000)
        right = np.where(y == 1, score, 1 - score)
        values = {"log_loss": -np.log(np.maximum(right, 2.2e-16)), "brier_score": (1 - right) ** 2}
        return {name: float(np.average(value, weights=w)) for name, value in values.items()}


LOSSES = [
    Losses("positives", 1, 0.7, 110), Losses("positives", 5, 0.7, 110), Losses("positives", 5, 0.7, 110, 0.1, 2.5),
    Losses("wrong", 5, 0, 110, 0.3, 4, 2), Losses("wrong", 5, 0.7, 110, 0.3, 4, 2), Losses("wrong", 0.2, 0, 400),
    Losses("positives", 1, 0.7, 400, 0.1, 2.5), Losses("wrong", 5, 0.7, 400),
]  # fmt: skip


def losses(runs: int, seed: int) -> None:
    """Print how often intervals of weighted losses miss, by group and of a whole run."""
    print(f"\nLosses of weighted cases, {runs} runs")
    heads = ("group low", "group high", "open", "gap", "whole low", "whole high", "open")
    print(f"{'scenario; loss':78}" + "".join(f"{head:>13}" for head in heads))
    for design in LOSSES:
        rng, truth = np.random.default_rng(seed), design.truth()
        found = {name: np.zeros(7) for name in truth}
        for run in range(runs):
            y, score, w = design.cases(rng, 3 * design.n)
            group = np.repeat(np.arange(3), design.n)
            result = assess(y, sensitive_features=group, scores=score, sample_weight=w, metrics=[*truth], seed=run)
            one = slice(0, design.n)
            scores = np.stack([1 - score[one], score[one]], axis=1)
            whole = score_metrics(raikit.Arrays(y[one], scores.argmax(1), scores=scores, weight=w[one], classes=[0, 1]), 0.95)
            for name, value in truth.items():
                own = result.by_group[result.by_group.metric == name]
                gaps = result.disparities[(result.disparities.metric == f"{name}_difference") & (result.disparities.group == "")]
                opened = own["flags"].astype(str).str.contains("open_high")
                (metric,) = [metric for metric in whole if metric.name == name]
                alone, low, high = "open_high" in metric.flags, metric.low or 0.0, metric.high or 0.0
                found[name] += [
                    np.mean(own.low > value), np.mean((own.high < value) & ~opened), np.mean(opened), (gaps.low > 0).any(),
                    low > value, high < value and not alone, alone,
                ]  # fmt: skip
        for name, counts in found.items():
            print(f"{f'{design.name}; {name}':78}" + "".join(f"{percent(count, runs):>13}" for count in counts), flush=True)


def main() -> None:
    """Read the options and run the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400, help="runs per scenario (400)")
    parser.add_argument("--seed", type=int, default=20_261)
    parser.add_argument("--only", choices=("weights", "clusters", "losses"))
    options = parser.parse_args()
    parts: dict[str, Callable[[], None]] = {
        "weights": lambda: simulate(DESIGNS, options.runs, options.seed, "Weights of independent cases"),
        "clusters": lambda: simulate(TOGETHER, options.runs, options.seed, "Weights and clusters together"),
        "losses": lambda: losses(options.runs // 2, options.seed),
    }
    start = time.perf_counter()
    for name, part in parts.items():
        if options.only in (None, name):
            part()
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
