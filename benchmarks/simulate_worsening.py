"""Simulate false alarms of the regression tests where clusters are of uneven size or weights are related to the outcome.

    python benchmarks/simulate_worsening.py                 # about five minutes
    python benchmarks/simulate_worsening.py clusters        # one part: clusters, weights, both, power

Group 0 is far behind under both models, so that only the loss decides, and no rate differs between the models. "fails" is how
often `worsening_test` fails a build (nominal 5%), "undecided" how often too few clusters let no pair of groups decide, "width"
the median width of the limits. "grew" is how often `gap_increase_test` fails a build. In "power", group 0 loses 10 percentage
points.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace

import numpy as np
from monte_carlo import percent
from numpy.typing import NDArray
from scipy.special import expit

from raikit.stats import gap_increase_test, paired_covariance, worsening_test

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Design:
    """Cases of two models."""

    name: str
    k: int
    n: int = 600  # of each group
    base: float = 1.5  # log odds that a model is right, of groups that are not behind
    behind: float = 3.0
    clusters: int = 0
    sizes: str = "equal"  # equal, zipf EXPONENT, or the share of one large cluster
    nested: bool = True
    pictures: int = 0  # crossed clusters of Zipf sizes
    churn: float = 0.1
    heavy: float = 1.0  # weight of cases that may be decided differently
    spread: float = 0.0  # of the logarithm of all weights
    loss: float = 0.0

    def chances(self) -> Floats:
        """Return how likely a case is to lie in each cluster."""
        if self.sizes.startswith("zipf"):
            share = np.arange(1, self.clusters + 1.0) ** -float(self.sizes[4:])
        else:
            share = np.ones(self.clusters)
            if self.sizes != "equal":
                large = float(self.sizes)
                share[0] = (self.clusters - 1) * large / (1 - large)
        return np.asarray(share / share.sum())

    def draw(self, rng: np.random.Generator) -> tuple[Ints, Ints, Ints, list[Ints], Floats | None]:
        """Return the decisions of both models, groups, cluster columns and weights."""
        rows, group = self.n * self.k, np.repeat(np.arange(self.k), self.n)
        columns: list[Ints] = []
        noise = np.zeros((3, rows))  # of both models, and of either
        if self.clusters:
            cluster = rng.choice(self.clusters, rows, p=self.chances())
            columns.append(cluster + self.clusters * group if self.nested else cluster)
        if self.pictures:
            share = 1 / np.arange(1, self.pictures + 1.0)
            columns.append(rng.choice(self.pictures, rows, p=share / share.sum()))
        for column in columns:
            noise += rng.normal(0, [[1.0], [0.7], [0.7]], (3, int(column.max()) + 1))[:, column]
        odds = self.base - self.behind * (group == 0) + noise[0]
        again = rng.random(rows) < self.churn
        first, anew = rng.random(rows), rng.random(rows)
        second = np.where(again, anew, first)
        a, b = expit(odds + noise[1]), expit(odds + noise[2]) - self.loss * (group == 0)
        weight = None
        if self.heavy != 1 or self.spread:
            weight = np.exp(self.spread * rng.normal(size=rows)) * np.where(again, self.heavy, 1.0)
        return (first < a).astype(np.int64), (second < b).astype(np.int64), group, columns, weight


def cluster_designs() -> list[Design]:
    """Return designs with clusters."""
    shapes = [
        Design("6 equal clusters", 2, clusters=6), Design("20 equal clusters", 2, clusters=20),
        Design("40 Zipf 1 clusters", 2, clusters=40, sizes="zipf1"),
        Design("40 Zipf 1.5 clusters", 2, clusters=40, sizes="zipf1.5"),
        Design("40 clusters, one has a quarter", 2, clusters=40, sizes="0.25"),
        Design("40 clusters, one has a third", 2, clusters=40, sizes="0.333"),
        Design("40 clusters, one has half", 2, clusters=40, sizes="0.5"),
        Design("40 Zipf 1 clusters that cross groups", 2, clusters=40, sizes="zipf1", nested=False),
        Design("40 Zipf 1 clusters x 60 pictures", 2, clusters=40, sizes="zipf1", pictures=60),
        Design("40 Zipf 1 clusters, errors are rare", 2, clusters=40, sizes="zipf1", base=3.5, behind=2.0),
    ]  # fmt: skip
    return [*shapes, *(replace(shape, k=5) for shape in shapes[2:9:2])]


def weight_designs() -> list[Design]:
    """Return designs with weights."""
    plain = Design("", 2, base=1.4, behind=1.2, churn=0.04)
    shapes = [
        replace(plain, name=f"cases that change weigh {heavy:g}", heavy=heavy, n=n)
        for n in (400, 1500) for heavy in (0.1, 2.7, 5.0, 10.0)
    ]  # fmt: skip
    rare = replace(plain, name="cases that change weigh 10, 1% change", heavy=10.0, churn=0.01, n=1500)
    unrelated = replace(plain, name="log-normal weights (0.7)", spread=0.7, n=1500)
    return [*shapes, rare, unrelated, replace(rare, k=5), replace(unrelated, k=5), replace(rare, n=200)]


def both_designs() -> list[Design]:
    """Return designs with clusters and weights together."""
    zipf = Design("40 Zipf 1 clusters", 2, clusters=40, sizes="zipf1")
    return [
        replace(zipf, name=f"{zipf.name}, cases that change weigh {heavy:g}", heavy=heavy, spread=0.5, k=k)
        for k in (2, 5) for heavy in (1.0, 2.7, 10.0)
    ]  # fmt: skip


def power_designs() -> list[Design]:
    """Return designs in which group 0 gets worse."""
    start = Design("", 2, base=1.4, behind=1.2, churn=0.05, n=1500, loss=0.1)
    return [
        replace(start, name="independent"), replace(start, name="log-normal weights (0.7)", spread=0.7),
        replace(start, name="100 equal clusters", clusters=100),
        replace(start, name="100 Zipf 1 clusters", clusters=100, sizes="zipf1"),
    ]  # fmt: skip


PARTS = {"clusters": cluster_designs, "weights": weight_designs, "both": both_designs, "power": power_designs}


def simulate(design: Design, runs: int, seed: int) -> str:
    """Return one line of the table."""
    rng = np.random.default_rng(seed)
    fails = undecided = grew = 0
    widths = []
    for _ in range(runs):
        a, b, group, columns, weight = design.draw(rng)
        cov = paired_covariance(a, b, np.ones(len(a)), group, columns, weight, groups=design.k)
        result = worsening_test(cov, higher_is_better=True, rng=rng, draws=5_000)
        fails += result.p_value <= 0.05
        undecided += "not tested" in result.method
        widths.append(result.high - result.low)
        if design.k == 2:
            grew += gap_increase_test(cov, higher_is_better=True, rng=rng, draws=2_000).p_value <= 0.05
    shown = [percent(fails, runs), percent(undecided, runs), percent(grew, runs) if design.k == 2 else ""]
    return f"{design.name:52}{design.k:3}{design.n:6}" + "".join(f"{text:>14}" for text in shown) + f"{np.median(widths):10.4f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    start = time.perf_counter()
    error = 100 * 0.05**0.5 * 0.95**0.5 / options.runs**0.5
    print(f"{options.runs} runs of each design; percent, ± Monte-Carlo standard error ({error:.1f} at 5)")
    for name in options.parts or PARTS:
        heads = "".join(f"{head:>14}" for head in ("fails", "undecided", "grew"))
        print(f"\n{name:52}{'k':>3}{'n':>6}{heads}{'width':>10}")
        for design in PARTS[name]():
            print(simulate(design, options.runs, options.seed), flush=True)
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
