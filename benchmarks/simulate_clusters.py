"""Simulate whether intervals of clustered cases keep their level where clusters are of uneven size.

    python benchmarks/simulate_clusters.py             # about five minutes
    python benchmarks/simulate_clusters.py --runs 2000

Nominal: each end of an interval misses in at most 2.5% of the runs, "rest" (any group against the rest) in 5%. Cells are
percentages of runs, with the Monte-Carlo standard error. A group with fewer than 4 effective clusters, or with one that
dominates (simulate_dominance.py), decides nothing: its misses are not counted, and "undecided" says how often that was so.
"rows" is the interval that ignores clusters. "width" is relative to that of clusters taken as alike in size: sums of squares
with G / (G - 1), t with G - 1 degrees of freedom, for G clusters.

Clusters are of equal size, log-normal, Pareto (shape 1.2) or Zipf (exponent 1, 1.5), or one holds a third or half of the
group. Rates of clusters are beta or logit-normal, 0 or 1 ("all or none"), or larger in large clusters. Two ways: 2,400 cases
of 60 pictures and 40 voices, chosen by Zipf.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from monte_carlo import percent
from numpy.typing import NDArray

from raikit.stats import (
    clustered_gap,
    clustered_group_vs_rest,
    clustered_rate_interval,
    clustered_ratio,
    gap,
    loss_interval,
    mean_interval,
    rate_covariance,
)
from raikit.stats.quantiles import upper_quantile

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Table = tuple[Ints, Ints, list[Ints]]
KINDS = ("equal", "lognormal", "pareto", "zipf 1", "zipf 1.5", "third", "half")
LAWS = (("beta .2", 0.3), ("beta .1", 0.03), ("beta .3", 0.95), ("logit 2", 0.05), ("all or none", 0.1), ("size", 0.1))


def cluster_sizes(kind: str, clusters: int, rng: np.random.Generator) -> Ints:
    """Draw the sizes of clusters, of 20 cases on average where sizes have a mean."""
    rank = np.arange(1, clusters + 1)
    shares: dict[str, Callable[[], Floats]] = {
        "equal": lambda: np.full(clusters, 20.0),
        "lognormal": lambda: 20 * rng.lognormal(size=clusters),
        "pareto": lambda: np.minimum(8 * rng.pareto(1.2, clusters) + 2, 20_000),
        "zipf 1": lambda: 20 * clusters / rank / np.sum(1 / rank),
        "zipf 1.5": lambda: 20 * clusters / rank**1.5 / np.sum(rank**-1.5),
        "third": lambda: np.append(10.0 * clusters, np.full(clusters - 1, 20.0)),
        "half": lambda: np.append(20.0 * clusters, np.full(clusters - 1, 20.0)),
    }
    return np.maximum(np.round(shares[kind]()), 1).astype(np.int64)


def cluster_rates(law: str, rate: float, sizes: Ints, rng: np.random.Generator) -> Floats:
    """Draw the rates of clusters."""
    name, _, number = law.partition(" ")
    if name == "beta":
        a = rate * (1 / float(number) - 1)
        return np.asarray(rng.beta(a, a * (1 - rate) / rate, len(sizes)))
    if name == "logit":
        return np.asarray(1 / (1 + np.exp(-np.log(rate / (1 - rate)) - float(number) * rng.normal(size=len(sizes)))))
    if name == "all":
        return (rng.random(len(sizes)) < rate).astype(float)
    around = np.where(sizes > 3 * np.median(sizes), 3 * rate, rate / 3)
    return np.clip(around * rng.gamma(2, 0.5, len(sizes)), 0, 1)


@dataclass
class Groups:
    """k alike groups, each of clusters of its own, or groups that cross the clusters."""

    kind: str
    law: str
    rate: float
    k: int = 2
    clusters: int = 40
    crossing: bool = False

    @property
    def name(self) -> str:
        """Name of the scenario."""
        crossing = ", crossing" if self.crossing else ""
        return f"{self.kind}; {self.law}; {self.rate}; {self.k} x {self.clusters}{crossing}"

    def one(self, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Draw outcomes and clusters of one group."""
        sizes = cluster_sizes(self.kind, self.clusters, rng)
        rates = cluster_rates(self.law, self.rate, sizes, rng)
        cluster = np.repeat(np.arange(self.clusters), sizes)
        return (rng.random(len(cluster)) < rates[cluster]).astype(np.int64), cluster

    def table(self, rng: np.random.Generator) -> Table:
        """Draw outcomes, groups and the cluster column."""
        parts = [self.one(rng) for _ in range(self.k)]
        y = np.concatenate([events for events, _ in parts])
        home = np.repeat(np.arange(self.k), [len(events) for events, _ in parts])
        cluster = np.concatenate([codes for _, codes in parts]) + self.clusters * home
        return y, rng.integers(0, self.k, len(y)) if self.crossing else home, [cluster]

    def truth(self) -> float:
        """Return the rate: that of all cases of very many clusters."""
        if not self.law.startswith(("logit", "size")):
            return self.rate
        rng, events, cases = np.random.default_rng(0), 0.0, 0
        for _ in range(4_000):
            sizes = cluster_sizes(self.kind, self.clusters, rng)
            events, cases = events + float(sizes @ cluster_rates(self.law, self.rate, sizes, rng)), cases + sizes.sum()
        return events / cases


@dataclass
class TwoWays:
    """Groups of pictures, of voices or of cases, with logit-normal effects of pictures and voices."""

    lives_on: str
    k: int
    zipf: float
    rate: float = 0.2

    @property
    def name(self) -> str:
        """Name of the scenario."""
        return f"{self.lives_on}; zipf {self.zipf}; {self.rate}; {self.k}"

    def table(self, rng: np.random.Generator) -> Table:
        """Draw outcomes, groups and the two cluster columns."""
        picture, voice = (
            rng.choice(m, 2_400, p=np.arange(1, m + 1) ** -self.zipf / np.sum(np.arange(1, m + 1) ** -self.zipf))
            for m in (60, 40)
        )
        home = {"rows": rng.permutation(2_400), "voice": rng.permutation(40)[voice], "picture": rng.permutation(60)[picture]}
        logit = np.log(self.rate / (1 - self.rate)) + rng.normal(size=60)[picture] + rng.normal(0, 0.5, 40)[voice]
        y = (rng.random(2_400) < 1 / (1 + np.exp(-logit))).astype(np.int64)
        return y, home[self.lives_on] % self.k, [picture, voice]


def one_rate(runs: int, seed: int) -> None:
    """Print how often either end of one group's interval misses."""
    rng = np.random.default_rng(seed)
    print(f"\nOne rate of 40 clusters (2.5 each end), {runs} runs")
    print(f"{'sizes; rates of clusters; rate':40}{'low':>14}{'high':>14}{'undecided':>12}{'width':>8}")
    for kind in KINDS:
        for law, rate in LAWS:
            design, misses, undecided, widths = Groups(kind, law, rate, 1), np.zeros(2), 0, []
            truth = design.truth()
            for _ in range(runs):
                y, cluster = design.one(rng)
                cov = rate_covariance(y, np.ones(len(y)), np.zeros(len(y), dtype=int), [cluster], proportion=True)
                found = clustered_rate_interval(cov)
                if cov.few_clusters[0]:
                    undecided += 1
                    continue
                misses += [found.low[0] > truth, found.high[0] < truth]
                alike = alike_width(y, cluster)
                if alike > 0:
                    widths.append((found.high[0] - found.low[0]) / alike)
            cells = "".join(f"{percent(m, runs):>14}" for m in misses)
            width = f"{np.median(widths):.2f}" if widths else "-"
            print(f"{design.name:40}{cells}{100 * undecided / runs:>11.0f}%{width:>8}", flush=True)


def alike_width(y: Ints, cluster: Ints) -> float:
    """Return the width of a t interval that takes the clusters as alike in size."""
    sums, g = np.bincount(cluster, y - y.mean()), int(cluster.max()) + 1
    return float(2 * upper_quantile(0.025, g - 1) * np.sqrt(sums @ sums * g / (g - 1)) / len(y))


def gaps(scenarios: Iterator[Groups | TwoWays], runs: int, seed: int, title: str) -> None:
    """Print how often alike groups show a gap."""
    rng = np.random.default_rng(seed)
    print(f"\n{title}, {runs} runs: alike groups that show a gap (2.5), a ratio (2.5), a group off the rest (5)")
    print(f"{'scenario':44}{'rows':>14}{'gap':>14}{'ratio':>14}{'rest':>14}{'undecided':>12}")
    for scenario in scenarios:
        found, undecided = np.zeros(4), 0
        for _ in range(runs):
            y, group, columns = scenario.table(rng)
            cov = rate_covariance(y, np.ones(len(y)), group, columns, proportion=True)
            able = ~(cov.few_clusters | np.isnan(cov.rates))
            found[0] += gap(np.bincount(group, y), np.bincount(group), draws=4_000, rng=rng).low > 0
            if able.sum() < 2:
                undecided += 1
                continue
            cov = cov.subset(able)
            each = clustered_group_vs_rest(cov, draws=4_000, rng=rng)
            found[1:] += [
                clustered_gap(cov, rng=rng).low > 0,
                bool(np.any(cov.rates > 0)) and clustered_ratio(cov, rng=rng).high < 1,
                bool(np.any((each.low > 0) | (each.high < 0))),
            ]
        cells = "".join(f"{percent(f, runs):>14}" for f in found)
        print(f"{scenario.name:44}{cells}{100 * undecided / runs:>11.0f}%", flush=True)


def one_way() -> Iterator[Groups]:
    """Yield groups of clusters of every kind."""
    for kind in KINDS:
        for law, rate in LAWS:
            yield Groups(kind, law, rate)
    for kind in ("equal", "zipf 1"):
        for law, rate in (("beta .3", 0.95), ("beta .1", 0.03), ("beta .2", 0.3)):
            yield Groups(kind, law, rate, 5)
        yield Groups(kind, "beta .2", 0.3, 3, crossing=True)
    yield Groups("equal", "beta .2", 0.3, clusters=5)
    yield Groups("equal", "logit 2", 0.05, 4, 8)


def two_ways() -> Iterator[TwoWays]:
    """Yield two crossed columns."""
    for lives_on, k in (("rows", 4), ("voice", 2), ("voice", 4), ("picture", 5)):
        for zipf in (0.0, 0.8, 1.2):
            yield TwoWays(lives_on, k, zipf)
        yield TwoWays(lives_on, k, 0.8, 0.03)


def means(runs: int, seed: int) -> None:
    """Print how often either end of the interval of a mean, or of a mean of losses, misses and could have decided."""
    rng = np.random.default_rng(seed)
    print(f"\nMeans of clusters (2.5 each end; ends that are flagged as open do not count), {runs} runs")
    heads = ("low", "high", "all high", "open low", "open high")
    print(f"{'interval; clusters; sizes; values':50}" + "".join(f"{head:>13}" for head in heads) + f"{'undecided':>11}")
    draws: dict[str, tuple[float, Callable[[int], Floats]]] = {
        "normal": (0.0, lambda n: rng.normal(size=n)),
        "t3": (0.0, lambda n: rng.standard_t(3, n)),
        "exponential": (1.0, lambda n: rng.exponential(size=n)),
        "log-normal": (float(np.exp(0.5)), lambda n: rng.lognormal(size=n)),
        "Pareto(3)": (1.5, lambda n: rng.pareto(3, n) + 1),
    }
    for kind, clusters in (*((kind, 40) for kind in KINDS), ("equal", 15), ("equal", 150), ("zipf 1", 150)):
        for law, (centre, draw) in draws.items():
            for interval in (mean_interval, loss_interval) if centre else (mean_interval,):
                found, undecided = np.zeros(5), 0
                for _ in range(runs):
                    sizes = cluster_sizes(kind, clusters, rng)
                    cluster = np.repeat(np.arange(clusters), sizes)
                    one = interval(0.7 * draw(clusters)[cluster] + 0.3 * draw(len(cluster)), clusters=[cluster])
                    if "few_clusters" in one.flags:
                        undecided += 1
                        continue
                    low, high = ("open_low" in one.flags, "open_high" in one.flags)
                    beyond = one.high < centre
                    found += [one.low > centre and not low, beyond and not high, beyond, low, high]
                cells = "".join(f"{percent(count, runs):>13}" for count in found)
                name = f"{interval.__name__}; {clusters}; {kind}; {law}"
                print(f"{name:50}{cells}{100 * undecided / runs:>10.0f}%", flush=True)


def main() -> None:
    """Read the options and run the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300, help="runs per scenario (300)")
    parser.add_argument("--seed", type=int, default=20_260)
    parser.add_argument("--only", choices=("rate", "one-way", "two-way", "means"))
    options = parser.parse_args()
    runs, seed = options.runs, options.seed
    parts: dict[str, Callable[[], None]] = {
        "rate": lambda: one_rate(2 * runs, seed),
        "one-way": lambda: gaps(one_way(), runs, seed, "One cluster column"),
        "two-way": lambda: gaps(two_ways(), runs, seed, "Two crossed columns"),
        "means": lambda: means(2 * runs, seed),
    }
    start = time.perf_counter()
    for name, part in parts.items():
        if options.only in (None, name):
            part()
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
