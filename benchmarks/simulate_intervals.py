"""Simulate whether the intervals of `raikit.stats` keep their level, with the naive bootstrap beside them.

    python benchmarks/simulate_intervals.py            # ten to fifteen minutes
    python benchmarks/simulate_intervals.py --long     # 3,000 runs, more scenarios: overnight

Nominal: each end misses in at most 2.5% of the runs, both together in 5%. "naive" is the percentile bootstrap of the largest
difference on the same tables, which Fairlearn's `ci_quantiles` give (`--fairlearn` shows both on one table). Every column is
a percentage of runs with its Monte-Carlo standard error. Widths are relative to the interval of an oracle that knows which
two groups are furthest apart. One group's interval needs no simulation: its coverage is summed over all outcomes.

Cases are independent and unweighted, or lie in clusters of similar size.
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
    clopper_pearson,
    clustered_gap,
    clustered_ratio,
    difference_limits,
    gap,
    group_vs_rest,
    odds_gap,
    rate_covariance,
    ratio,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def naive_lower_end(x: Ints, n: Ints, rng: np.random.Generator, draws: int = 1_000) -> float:
    """Return the lower end of the percentile bootstrap of the largest difference."""
    rates = rng.binomial(n, x / n, size=(draws, len(n))) / n
    return float(np.quantile(np.ptp(rates, axis=1), 0.025))


@dataclass
class Scenario:
    """Groups with true rates, one list per stratum."""

    name: str
    rates: list[Floats]
    sizes: list[Ints]

    @property
    def true_gap(self) -> float:
        """Largest difference of the true rates in any stratum."""
        return max(float(np.ptp(p)) for p in self.rates)


def one_sample_scenarios(long: bool) -> Iterator[Scenario]:
    """Yield scenarios: all equal, one group off, linear, half and half; equal and unequal sizes; odds."""
    for k in (2, 5, 10, 30, 60) if long else (2, 5, 10, 30):
        for size in (30, 200, 2000) if long else (30, 2000):
            for p in (0.02, 0.1, 0.3, 0.9) if long else (0.05, 0.3):
                yield Scenario(f"all equal {p}, {k} x {size}", [np.full(k, p)], [np.full(k, size)])
        ladder = np.geomspace(30, 10_000, k).astype(np.int64)
        yield Scenario(f"all equal 0.3, {k} sizes 30..10,000", [np.full(k, 0.3)], [ladder])
        tiny = np.where(np.arange(k) == 0, 10_000, 30)
        yield Scenario(f"all equal 0.1, 10,000 + {k - 1} x 30", [np.full(k, 0.1)], [tiny])
    for k in (2, 5, 10):
        for size in (200, 2000):
            off = np.where(np.arange(k) == 0, 0.4, 0.3)
            yield Scenario(f"one off by .10, {k} x {size}", [off], [np.full(k, size)])
        yield Scenario(f"linear .20, {k} x 500", [np.linspace(0.3, 0.5, k)], [np.full(k, 500)])
        half = np.where(np.arange(k) < k // 2, 0.4, 0.3)
        yield Scenario(f"half and half .10, {k} x 500", [half], [np.full(k, 500)])
        sizes = [np.full(k, 60), np.full(k, 140)]
        yield Scenario(f"odds, all equal .8/.1, {k} x 200", [np.full(k, 0.8), np.full(k, 0.1)], sizes)
        tpr = np.where(np.arange(k) == 0, 0.7, 0.8)
        yield Scenario(
            f"odds, one TPR off .10, {k} x 2000", [tpr, np.full(k, 0.1)], [np.full(k, 600), np.full(k, 1400)]
        )


def one_sample(runs: int, long: bool, seed: int) -> None:
    """Print how often either end of a gap's and a ratio's interval misses."""
    rng = np.random.default_rng(seed)
    print(f"\nIndependent cases, {runs} runs: percent of runs in which the end misses (nominal 2.5 each, p 5.0)")
    heads = ("gap low", "gap high", "ratio low", "ratio high", "p <= .05", "any group v rest", "naive low")
    print(f"{'scenario':38}" + "".join(f"{head:>17}" for head in heads))
    for scenario in one_sample_scenarios(long):
        single, truth = len(scenario.rates) == 1, scenario.true_gap
        misses, worst = np.zeros(len(heads), dtype=int), scenario.rates[0]
        for _ in range(runs):
            tables = [(rng.binomial(n, p), n) for p, n in zip(scenario.rates, scenario.sizes, strict=True)]
            estimate = gap(*tables[0], rng=rng) if single else odds_gap(tables, rng=rng)
            naive = max(naive_lower_end(x, n, rng) for x, n in tables)
            misses += [estimate.low > truth, estimate.high < truth, 0, 0, estimate.p_value <= 0.05, 0, naive > truth]
            if single and tables[0][0].any():
                parity, true_ratio = ratio(*tables[0], rng=rng), float(worst.min() / worst.max())
                misses[2:4] += [parity.low > true_ratio, parity.high < true_ratio]
            if single:
                n = scenario.sizes[0]
                rest = (np.sum(n * worst) - n * worst) / (n.sum() - n)
                each = group_vs_rest(*tables[0], rng=rng, draws=4_000)
                misses[5] += bool(np.any((each.low > worst - rest) | (each.high < worst - rest)))
        cells = [percent(m, runs) if (single or i not in (2, 3, 5)) else "-" for i, m in enumerate(misses)]
        if truth > 0:
            cells[4] = "-"
        print(f"{scenario.name:38}" + "".join(f"{cell:>17}" for cell in cells), flush=True)


def one_group() -> None:
    """Print the lowest coverage of one group's interval, summed over all outcomes."""
    from scipy.stats import binom

    print("\nOne group's rate (Clopper-Pearson): lowest coverage over rates 0.02 to 0.9, exact (nominal 95%)")
    for n in (5, 30, 200, 2_000, 10_000):
        x = np.arange(n + 1)
        low, high = clopper_pearson(x, np.full(n + 1, n))
        covered = [binom.pmf(x[(low <= p) & (p <= high)], n, p).sum() for p in np.linspace(0.02, 0.9, 177)]
        print(f"{n:>8,} rows {100 * min(covered):10.2f}%")


def widths(runs: int, seed: int) -> None:
    """Print how much wider the interval of a gap is than that of an oracle that knows the extreme pair."""
    rng = np.random.default_rng(seed)
    print(f"\nWidth relative to the oracle's, 2,000 rows in each group, base rate 0.3, {runs} runs")
    for k, off in ((2, 0.05), (5, 0.05), (10, 0.05), (30, 0.05), (60, 0.05), (10, 0.20), (60, 0.20)):
        rates, n = np.full(k, 0.3), np.full(k, 2000)
        rates[0] += off
        ours, oracle, missed = 0.0, 0.0, 0
        for _ in range(runs):
            x = rng.binomial(n, rates)
            estimate = gap(x, n, rng=rng)
            low, high = clopper_pearson(x[:2], n[:2])
            known = difference_limits(x[0] / n[0], low[0], high[0], x[1] / n[1], low[1], high[1])
            ours, oracle = ours + estimate.high - estimate.low, oracle + float(known[1] - max(known[0], 0.0))
            missed += not estimate.low <= off <= estimate.high
        print(f"{k:>4} groups, one off by {off:.2f} {ours / oracle:10.2f}   misses {percent(missed, runs)}")


def beside_fairlearn() -> None:
    """Print the intervals of Fairlearn's bootstrap and of the naive one on one table, to show that they agree."""
    import warnings

    from fairlearn import metrics as fl

    rng = np.random.default_rng(0)
    group, predicted = np.repeat(np.arange(5), 200), rng.binomial(1, 0.3, 1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = fl.MetricFrame(
            metrics=fl.selection_rate, y_true=predicted, y_pred=predicted, sensitive_features=group, n_boot=400,
            ci_quantiles=[0.025, 0.975], random_state=0,
        )
        low, high = frame.difference_ci()
    x, n = np.bincount(group, predicted), np.bincount(group)
    drawn = np.ptp(rng.binomial(n, x / n, size=(4_000, 5)) / n, axis=1)
    print(f"\nOne table, five equal groups of 200: Fairlearn's interval of the gap [{low:.3f}, {high:.3f}], naive "
          f"[{np.quantile(drawn, 0.025):.3f}, {np.quantile(drawn, 0.975):.3f}], ours "
          f"[{gap(x, n, rng=rng).low:.3f}, {gap(x, n, rng=rng).high:.3f}]; the truth is 0")


@dataclass
class Design:
    """Cases are a quarter of the cells of pictures x voices, with logit-normal effects of both."""

    name: str
    lives_on: str
    k: int
    picture_sd: float
    voice_sd: float
    rate: float = 0.2
    pictures: int = 250
    voices: int = 96
    shift: float = 0.0  # of group 0, on the logit scale

    def table(self, rng: np.random.Generator) -> tuple[Ints, Ints, list[Ints]]:
        """Draw the outcome, the group and the two cluster columns of one data set."""
        cell = rng.choice(self.pictures * self.voices, size=self.pictures * self.voices // 4, replace=False)
        picture, voice = cell // self.voices, cell % self.voices
        home = {"picture": picture, "voice": voice, "rows": rng.permutation(len(cell))}[self.lives_on]
        group = home % self.k
        effect = (
            rng.normal(0, self.picture_sd, self.pictures)[picture] + rng.normal(0, self.voice_sd, self.voices)[voice]
        )
        logit = np.log(self.rate / (1 - self.rate)) + effect + self.shift * (group == 0)
        return (rng.random(len(cell)) < 1 / (1 + np.exp(-logit))).astype(np.int64), group, [picture, voice]

    def truth(self) -> float:
        """Return the gap of the marginal rates, integrated over the effects."""
        z = np.random.default_rng(0).normal(0, np.hypot(self.picture_sd, self.voice_sd), 1_000_000)
        base = np.log(self.rate / (1 - self.rate))
        return float(np.mean(1 / (1 + np.exp(-base - self.shift - z)) - 1 / (1 + np.exp(-base - z))))


DESIGNS = [
    Design("rows; 4; sd 1, 1", "rows", 4, 1, 1),
    Design("voice; 2; no effects", "voice", 2, 0, 0),
    Design("voice; 2; sd 1, .5", "voice", 2, 1, 0.5),
    Design("voice; 6; sd 1, .5", "voice", 6, 1, 0.5),
    Design("voice; 6; sd 1, .5; rate .05", "voice", 6, 1, 0.5, rate=0.05),
    Design("voice; 12 (8 each); sd 1, .5", "voice", 12, 1, 0.5),
    Design("voice; 24 (4 each); sd 1, .5", "voice", 24, 1, 0.5),
    Design("picture; 6; sd 1, .5", "picture", 6, 1, 0.5),
    Design("picture; 25 (10 each); sd 1, .5", "picture", 25, 1, 0.5),
    Design("voice; 6; one group off", "voice", 6, 1, 0.5, shift=0.8),
    Design("picture; 6; one group off", "picture", 6, 1, 0.5, shift=0.8),
]


def clustered(runs: int, seed: int) -> None:
    """Print how often either end misses for row-wise, one-way and two-way intervals on the same tables."""
    rng = np.random.default_rng(seed)
    print(f"\nClustered cases, {runs} runs: percent of runs in which the end misses (nominal 2.5 each)")
    heads = ("row-wise low", "picture low", "voice low", "two-way low", "two-way high", "ratio high")
    print(f"{'groups live on; k; effects':38}" + "".join(f"{head:>17}" for head in heads))
    for design in DESIGNS:
        truth, misses = design.truth() if design.shift else 0.0, np.zeros(len(heads), dtype=int)
        for _ in range(runs):
            y, group, columns = design.table(rng)
            ends: list[float] = []
            for chosen in ([], columns[:1], columns[1:], columns):
                cov = rate_covariance(y, np.ones(len(y)), group, chosen)
                estimate = clustered_gap(cov, rng=rng)
                ends.append(estimate.low)
            parity = clustered_ratio(cov, rng=rng).high < 1 if not design.shift else False
            misses += [*(low > truth for low in ends), estimate.high < truth, parity]
        print(f"{design.name:38}" + "".join(f"{percent(m, runs):>17}" for m in misses), flush=True)


def main() -> None:
    """Read the options and run the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="3,000 runs per scenario and the full grid")
    parser.add_argument("--runs", type=int, help="runs per scenario")
    parser.add_argument("--seed", type=int, default=20_240)
    parser.add_argument("--only", choices=("group", "independent", "widths", "clustered"))
    parser.add_argument("--fairlearn", action="store_true", help="compare the naive bootstrap with Fairlearn's on one table")
    options = parser.parse_args()
    runs = options.runs or (3_000 if options.long else 100)
    parts: dict[str, Callable[[], None]] = {
        "group": one_group,
        "independent": lambda: one_sample(runs, options.long, options.seed),
        "widths": lambda: widths(max(runs, 200), options.seed),
        "clustered": lambda: clustered(runs, options.seed),
    }
    start = time.perf_counter()
    for name, part in parts.items():
        if options.only in (None, name):
            part()
    if options.fairlearn:
        beside_fairlearn()
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
