"""Simulate whether the regression gate keeps its level and what it detects, with the naive rule beside it.

    python benchmarks/simulate_gate.py            # ten minutes
    python benchmarks/simulate_gate.py --long     # more runs and sizes: hours
    python benchmarks/simulate_gate.py power      # one part: rules, level, clusters, power, gap-level, gap-power,
                                                  # cluster-gap, weights, rows

"naive" fails a build when the estimated gap grew by more than the margin; it sees the same draws. "oracle pair" is the
one-sided z-test of the loss that knows which two groups to compare, and does not ask whether one is behind. The nominal rate
is 5% for one rule, and 5% for any wrong failure among ten rules after Holm. Every cell is a percentage of runs with its
Monte-Carlo standard error. "95% agreement" is 5% symmetric disagreement plus the change.

Cases are independent, or lie in clusters of similar size; weights are mildly related to the outcome.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
from monte_carlo import percent
from numpy.typing import NDArray
from scipy.special import ndtr

from raikit.stats import (
    CovarianceResult,
    gap,
    gap_increase_test,
    holm,
    paired_covariance,
    rows_to_settle,
    unpaired_covariance,
    worsening_test,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CHURN = 0.05


def tables(a: Floats, b: Floats, sizes: Ints, churn: float, rng: np.random.Generator) -> Ints:
    """Draw the table of (A, B) of each group: both, A only, B only, neither."""
    down, up = np.maximum(a - b, 0) + churn / 2, np.maximum(b - a, 0) + churn / 2
    shares = np.stack([a - down, down, up, 1 - a - up], axis=1)
    return np.array([rng.multinomial(n, share) for n, share in zip(sizes, shares, strict=True)])


def covariance(cells: Ints, paired: bool = True) -> CovarianceResult:
    """Return the covariance of both models' rates from tables, as of the same cases or of different ones."""
    k, n = len(cells), cells.sum(axis=1)
    if not paired:
        return unpaired_covariance((cells[:, 0] + cells[:, 1], n), (cells[:, 0] + cells[:, 2], n))
    group = np.repeat(np.arange(k), 4)
    events = np.tile([1, 1, 0, 0], k), np.tile([1, 0, 1, 0], k)
    return paired_covariance(*events, np.ones(4 * k), group, counts=cells.ravel(), groups=k)


def gap_estimate_grew(cov: CovarianceResult, margin: float) -> bool:
    """Return whether the estimated gap grew by more than the margin: the naive rule."""
    a, b = np.split(cov.rates, 2)
    return bool(np.ptp(b) - np.ptp(a) > margin)


def one_cell(
    name: str, a: Sequence[float], b: Sequence[float], n1: int, margin: float, runs: int, rng: np.random.Generator,
    test: str = "moved", alpha: float = 0.05, paired: bool = True,
) -> None:  # fmt: skip
    """Print how often a test, the naive rule and the oracle that knows the pair fail a build."""
    p, q, sizes = np.array(a), np.array(b), np.full(len(a), n1)
    loser = int(np.argmax(p - q))
    best = int(np.argmax(np.where(np.arange(len(p)) == loser, -1.0, q - p)))
    ours = naive = oracle = 0
    for _ in range(runs):
        cells = tables(p, q, sizes, CHURN, rng)
        cov = covariance(cells, paired)
        compare = worsening_test if test == "moved" else gap_increase_test
        result = compare(cov, margin, higher_is_better=True, rng=rng)
        ours += result.p_value <= alpha
        naive += gap_estimate_grew(cov, margin)
        oracle += z_of_pair(cells, loser, best, margin, paired) <= alpha
    columns = "".join(f"{percent(v, runs):>14}" for v in (ours, naive, oracle))
    print(f"{name:62}{len(p):>4}{n1:>7}{margin:>7}{columns}", flush=True)


def z_of_pair(cells: Ints, loser: int, other: int, margin: float, paired: bool) -> float:
    """Return the p-value of the z-test that knows which two groups to compare."""
    n = cells.sum(axis=1)
    share = cells / n[:, None]
    d = share[:, 2] - share[:, 1]
    variance = (share[:, 1] + share[:, 2] - d**2) / n
    if not paired:
        a, b = share[:, 0] + share[:, 1], share[:, 0] + share[:, 2]
        variance = (a * (1 - a) + b * (1 - b)) / n
    se = np.sqrt(max(variance[loser] + variance[other], 1e-12))
    return float(ndtr(-(d[other] - d[loser] - margin) / se))


HEAD = f"{'cell':62}{'k':>4}{'n1':>7}{'margin':>7}{'ours':>12}{'naive':>14}{'oracle pair':>16}"


def level(runs: int, long: bool, rng: np.random.Generator) -> None:
    """Print false alarms of one rule on a group that lost ground."""
    print(f"\nFalse alarms of one rule, nominal 5%, {runs} runs\n{HEAD}")
    one_off = [0.8, 0.8, 0.8, 0.8, 0.7]
    for n1 in (60, 200, 1500, 5000) if long else (60, 1500):
        one_cell("moved: equal models, equal groups", [0.8] * 5, [0.8] * 5, n1, 0.0, runs, rng)
        one_cell("moved: equal models, one group behind", one_off, one_off, n1, 0.0, runs, rng)
        one_cell("moved: behind, lost exactly the margin", one_off, [*one_off[:4], 0.68], n1, 0.02, runs, rng)
        one_cell("moved: one of two lost exactly the margin", [0.8, 0.7], [0.8, 0.68], n1, 0.02, runs, rng)
        one_cell("moved: a gap that closed", [0.8, 0.7], [0.8, 0.8], n1, 0.0, runs, rng)
        one_cell("moved: a gap that closed, 5 groups", one_off, [0.8] * 5, n1, 0.0, runs, rng)
        mixed = [0.9, 0.8, 0.8, 0.7, 0.6], [0.8, 0.8, 0.8, 0.7, 0.58]
        one_cell("moved: one closed, another lost exactly the margin", *mixed, n1, 0.02, runs, rng)


def power(runs: int, long: bool, rng: np.random.Generator) -> None:
    """Print what is detected at Holm's first step of ten rules."""
    print(f"\nPower at alpha .005 (the first of ten rules), .05 worse, {runs} runs, 95% agreement\n{HEAD}")
    for k in (2, 5, 10, 20) if long else (2, 5, 10):
        level_groups = [0.8] * (k - 1)
        behind = [*level_groups, 0.7], [*level_groups, 0.65]
        new = [*level_groups, 0.8], [*level_groups, 0.75]
        one_cell("moved: already behind", *behind, 1500, 0.0, runs, rng, alpha=0.005)
        one_cell("moved: new gap", *new, 1500, 0.0, runs, rng, alpha=0.005)
        one_cell("moved: new gap", *new, 2500, 0.0, runs, rng, alpha=0.005)
        one_cell("moved: already behind", *behind, 4000, 0.02, runs, rng, alpha=0.005)
        one_cell("moved, unpaired: already behind", *behind, 1500, 0.0, runs, rng, alpha=0.005, paired=False)
        one_cell("moved, unpaired: already behind", *behind, 4000, 0.0, runs, rng, alpha=0.005, paired=False)


def gap_level(runs: int, long: bool, rng: np.random.Generator) -> None:
    """Print false alarms of `test: gap`."""
    print(f"\nFalse alarms of `test: gap`, nominal 5%, {runs} runs\n{HEAD}")
    one_off = [0.8, 0.8, 0.8, 0.8, 0.7]
    for n1 in (600, 6000) if long else (3000,):
        one_cell("gap: equal models, equal groups", [0.8] * 5, [0.8] * 5, n1, 0.0, runs, rng, "gap")
        one_cell("gap: same group extreme, two", [0.8, 0.7], [0.8, 0.68], n1, 0.02, runs, rng, "gap")
        one_cell("gap: same group extreme", one_off, [*one_off[:4], 0.68], n1, 0.02, runs, rng, "gap")
        one_cell("gap: different groups extreme", one_off, [0.7, 0.8, 0.8, 0.8, 0.8], n1, 0.0, runs, rng, "gap")
        half = [0.8, 0.8, 0.8, 0.7, 0.7, 0.7]
        one_cell("gap: A one clear pair, B half and half", [0.8, *[0.75] * 4, 0.7], half, n1, 0.0, runs, rng, "gap")
        linear = list(np.linspace(0.7, 0.8, 6))
        one_cell("gap: A linear, B half and half", linear, half, n1, 0.0, runs, rng, "gap")


def gap_power(runs: int, long: bool, rng: np.random.Generator) -> None:
    """Print what the test of the gap itself detects."""
    print(f"\nPower of `test: gap` at alpha .005, .05 worse, {runs} runs, 95% agreement\n{HEAD}")
    for k, n1 in ((2, 1400), (5, 1900), (10, 2100)):
        few, level_groups = runs if k < 10 or long else runs // 3, [0.8] * (k - 1)
        one_cell("gap: already behind", [*level_groups, 0.7], [*level_groups, 0.65], n1, 0.0, few, rng, "gap", 0.005)
        one_cell("gap: new gap", [*level_groups, 0.8], [*level_groups, 0.75], n1, 0.0, few, rng, "gap", 0.005)


def rules(runs: int, long: bool, rng: np.random.Generator) -> None:
    """Print how often any of ten rules on the same rows fails wrongly: five features, odds and selection rate."""
    print(f"\nTen rules on the same rows, any false alarm after Holm at 5%, {runs} runs")
    print(f"{'cell':42}{'rows':>8}{'margin':>8}{'ours':>12}{'naive':>14}")
    for n in (500, 2_000, 10_000, 50_000) if long else (500, 5_000, 50_000):
        for margin in (0.0, 0.02):
            for name in ("equal models, equal gaps", "groups moved by the margin", "a gap that closes"):
                if name == "groups moved by the margin" and margin == 0:
                    continue
                ours = naive = 0
                few = runs if n < 50_000 else runs // 2
                for _ in range(few):
                    p, failed = ten_rules(n, margin, name, rng)
                    ours += bool(np.min(holm(p)) <= 0.05)
                    naive += failed
                columns = "".join(f"{percent(v, few):>14}" for v in (ours, naive))
                print(f"{name:42}{n:>8}{margin:>8}{columns}", flush=True)


def ten_rules(n: int, margin: float, name: str, rng: np.random.Generator) -> tuple[list[float], bool]:
    """Draw one data set and return the p-values of its ten rules, and whether the naive rule fails any of them."""
    features = [rng.integers(0, k, n) for k in range(2, 7)]
    y = (rng.random(n) < 0.3).astype(np.int64)
    last = features[0] == 1
    behind_a = 0.0 if name.startswith("equal models") else 0.1
    behind_b = 0.1 + margin if name == "groups moved by the margin" else 0.0
    # The loss falls on the positives only, so the groups of the other features stay alike.
    level_a = np.where(y == 1, 0.8 - behind_a * last, 0.1)
    level_b = np.where(y == 1, 0.8 - behind_b * last, 0.1)
    down, up = np.maximum(level_a - level_b, 0) + CHURN / 2, np.maximum(level_b - level_a, 0) + CHURN / 2
    a = (rng.random(n) < level_a).astype(np.int64)
    b = np.where(rng.random(n) < np.where(a == 1, down / level_a, up / (1 - level_a)), 1 - a, a)
    p_values, naive = [], False
    for group, k in zip(features, range(2, 7), strict=True):
        cell = np.bincount(((group * 2 + y) * 2 + a) * 2 + b, minlength=8 * k).reshape(k, 2, 4)[:, :, ::-1]
        selection = covariance(cell.sum(axis=1))
        odds = covariance(np.concatenate([cell[:, 1], cell[:, 0]]))
        if (cell.sum(axis=2) == 0).any():
            continue
        strata = np.repeat([0, 1], k)
        parts = worsening_test(odds, margin, higher_is_better=[True, False], strata=strata, rng=rng)
        p_values += [parts.p_value, worsening_test(selection, margin, higher_is_better=True, rng=rng).p_value]
        worst = [np.max([np.ptp(model[strata == s]) for s in (0, 1)]) for model in np.split(odds.rates, 2)]
        naive = naive or gap_estimate_grew(selection, margin) or worst[1] - worst[0] > margin
    return p_values, naive


def clusters(runs: int, long: bool, rng: np.random.Generator) -> None:
    """Print false alarms of one rule where cases share voices and pictures, and of the test that ignores it."""
    print(f"\nRows that share clusters, nominal 5%, 6,000 rows, {runs} runs; groups live on voices")
    print(f"{'cell':62}{'k':>4}{'ours':>14}{'clusters ignored':>30}")
    for k, voices in ((2, 96), (6, 96), (6, 240)):
        for columns in (1, 2):
            ours = rowwise = 0
            for _ in range(runs):
                a, b, group, codes = clustered_rows(k, voices, rng)
                for clusters_used in (codes[:columns], []):
                    cov = paired_covariance(a, b, np.ones(len(a)), group, clusters_used, groups=k)
                    failed = worsening_test(cov, higher_is_better=True, rng=rng).p_value <= 0.05
                    ours, rowwise = (ours + failed, rowwise) if clusters_used else (ours, rowwise + failed)
            name = f"moved: group 0 behind, nothing changed, {voices} voices, {columns} column(s)"
            print(f"{name:62}{k:>4}{percent(ours, runs):>14}{percent(rowwise, runs):>30}", flush=True)


def cluster_gap(runs: int, long: bool, rng: np.random.Generator) -> None:
    """Print false alarms of `test: gap` where rows share clusters, and the naive rule's on the same rows."""
    print(f"\nFalse alarms of `test: gap` with clusters, nominal 5%, 6,000 rows, {runs} runs; groups live on voices")
    print(f"{'cell':62}{'k':>4}{'ours':>14}{'naive':>14}")
    half = [-1.0, -0.5, -0.5, -0.5, -0.5, -1.5], [-1.0, -1.0, -1.0, -1.5, -1.5, -1.5]
    other = [0.0, 0.0, 0.0, 0.0, 0.0, -1.5], [-1.5, 0.0, 0.0, 0.0, 0.0, 0.0]
    for name, (before, after) in {
        "nothing changed, group 0 behind": ([-1.5, *[0.0] * 5], [-1.5, *[0.0] * 5]),
        "nothing changed, all alike": ([0.0] * 6, [0.0] * 6),
        "different groups extreme": other,
        "A one clear pair, B half and half": half,
    }.items():
        for columns in (1, 2):
            ours = naive = 0
            for _ in range(runs):
                a, b, group, codes = clustered_rows(6, 96, rng, before, after)
                cov = paired_covariance(a, b, np.ones(len(a)), group, codes[:columns], groups=6)
                ours += gap_increase_test(cov, higher_is_better=True, rng=rng).p_value <= 0.05
                naive += gap_estimate_grew(cov, 0.0)
            shown = "".join(f"{percent(count, runs):>14}" for count in (ours, naive))
            print(f"{f'gap: {name}, {columns} column(s)':62}{6:>4}{shown}", flush=True)


def weights(runs: int, long: bool, rng: np.random.Generator) -> None:
    """Print false alarms of `worsening_test` where cases have unequal weights, with and without clusters."""
    print(f"\nFalse alarms of `worsening_test` with weights, nominal 5%, 6,000 rows, {runs} runs")
    print(f"{'cell':62}{'k':>4}{'ours':>14}{'weights ignored':>20}{'naive':>14}")
    for k in (2, 6):
        for spread in (0.5, 1.0):
            for columns in (0, 1, 2):
                ours = plain = naive = 0
                for _ in range(runs):
                    a, b, group, codes = clustered_rows(k, 240, rng, effect=0.7 if columns else 0.0, churn=CHURN)
                    # Heavier cases are those on which the models are right less often, so weights are not ignorable.
                    w = np.exp(rng.normal(0, spread, len(a)) - 0.5 * (a + b))
                    cov = paired_covariance(a, b, np.ones(len(a)), group, codes[:columns], w, groups=k)
                    ours += worsening_test(cov, higher_is_better=True, rng=rng).p_value <= 0.05
                    naive += gap_estimate_grew(cov, 0.0)
                    even = paired_covariance(a, b, np.ones(len(a)), group, codes[:columns], groups=k)
                    plain += worsening_test(even, higher_is_better=True, rng=rng).p_value <= 0.05
                name = f"moved: group 0 behind, weights spread {spread}, {columns} cluster column(s)"
                shown = [percent(count, runs) for count in (ours, plain, naive)]
                print(f"{name:62}{k:>4}{shown[0]:>14}{shown[1]:>20}{shown[2]:>14}", flush=True)


def rows(runs: int, long: bool, rng: np.random.Generator) -> None:
    """Print how near `rows_to_settle` comes to the number of cases that settle a rule in 80% of the runs."""
    print(f"\nRows that settle `gap <= 0.10`; n80 by {runs} runs a size; ratio = answer / n80")
    head = f"{'pilot n':>9}{'median':>8}{'within 2x':>11}{'within 4x':>11}{'none':>7}"
    print(f"{'groups':26}{'k':>4}{'n80':>8}{'known':>8}{head}")
    pooled: list[float] = []
    for gap_size in (0.05, 0.15):
        for k, shape in ((2, "two"), (5, "linear"), (5, "one off"), (10, "one off")):
            spread = np.linspace(0, gap_size, k) if shape != "one off" else gap_size * (np.arange(k) == k - 1)
            rates = 0.8 - spread
            truth = settled_at(rates, 0.10, runs, rng)
            even = np.full(k, 100.0)
            known = planned(rates * even, even, 0.10, rng, known=True)
            for pilot in (1_000, 4_000):
                answers = pilots(rates, pilot, 0.10, runs, rng)
                ratios = np.array([answer / truth for answer in answers if answer is not None])
                pooled += list(ratios) if pilot < truth else []
                none = 1 - len(ratios) / max(len(answers), 1)
                line = f"{f'gap {gap_size}, {shape}':26}{k:>4}{truth:>8.0f}{(known or np.nan) / truth:>8.2f}{pilot:>9}"
                print(f"{line}{nearness(ratios)}{100 * none:>7.0f}", flush=True)
    print(f"{'all pilots with fewer rows than n80':55}{nearness(np.array(pooled))}")


def nearness(ratios: Floats) -> str:
    """Return the median of the ratios, and the shares within a factor of 2 and of 4, in percent."""
    if not len(ratios):
        return f"{'–':>8}{'–':>11}{'–':>11}"
    shares = [100 * np.mean((ratios <= factor) & (ratios >= 1 / factor)) for factor in (2, 4)]
    return f"{np.median(ratios):>8.2f}{shares[0]:>11.0f}{shares[1]:>11.0f}"


def settled_at(rates: Floats, limit: float, runs: int, rng: np.random.Generator) -> float:
    """Return the number of cases at which the interval clears the limit in 80% of draws, interpolated between sizes."""
    k, size, before, share_before = len(rates), 200, 0.0, 0.0
    while True:
        n = np.full(k, size)
        ends = [gap(rng.binomial(n, rates), n, rng=rng, draws=4_000) for _ in range(runs)]
        share = float(np.mean([end.high <= limit or end.low > limit for end in ends]))
        if share >= 0.8:
            part = (0.8 - share_before) / (share - share_before)
            return float(k * np.exp(np.log(before or size / 1.25) * (1 - part) + np.log(size) * part))
        before, share_before, size = float(size), share, int(size * 1.25)


def planned(x: Floats, n: Floats, limit: float, rng: np.random.Generator, known: bool = False) -> float | None:
    """Return the planned number of cases, which has one significant digit."""
    return rows_to_settle(x, n, limit, rng=rng, known=known).rows


def pilots(rates: Floats, n: int, limit: float, runs: int, rng: np.random.Generator) -> list[float | None]:
    """Draw pilots, and return the number of cases planned from those that did not settle the rule themselves."""
    size, answers = np.full(len(rates), n // len(rates)), []
    for _ in range(runs):
        x = rng.binomial(size, rates)
        ends = gap(x, size, rng=rng, draws=2_000)
        if ends.low <= limit < ends.high:
            answers.append(planned(x, size, limit, rng))
    return answers


def clustered_rows(
    k: int, voices: int, rng: np.random.Generator, before: Sequence[float] = (), after: Sequence[float] = (),
    effect: float = 0.7, churn: float = 0.0,
) -> tuple[Ints, Ints, Ints, list[Ints]]:  # fmt: skip
    """Draw cases of two models whose errors differ by voice; by default group 0 is far behind under both.

    `before` and `after` shift each group's log odds under either model, `effect` is the spread of the effects of voices
    and pictures, and `churn` the share of cases that either model decides anew.
    """
    n = 6_000
    voice, picture, same = rng.integers(0, voices, n), rng.integers(0, 250, n), rng.random(n)
    group = voice % k
    behind = -1.5 * (np.arange(k) == 0)
    base = 1.0 + rng.normal(0, effect, voices)[voice] + rng.normal(0, effect / 1.4, 250)[picture]
    shifts = [np.array(shift) if len(shift) else behind for shift in (before, after)]
    drawn = (np.where(rng.random(n) < churn, rng.random(n), same) if churn else same for _ in range(2))
    a, b = (
        (row < 1 / (1 + np.exp(-(base + shift[group] + rng.normal(0, effect * 0.85, voices)[voice])))).astype(np.int64)
        for row, shift in zip(drawn, shifts, strict=True)
    )
    return a, b, group, [voice, picture]


PARTS = {
    "rules": (rules, 100),
    "level": (level, 400),
    "clusters": (clusters, 200),
    "cluster-gap": (cluster_gap, 200),
    "weights": (weights, 200),
    "rows": (rows, 200),
    "power": (power, 300),
    "gap-level": (gap_level, 200),
    "gap-power": (gap_power, 150),
}


def main() -> None:
    """Read the options and run the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--long", action="store_true", help="ten times the runs, and more sizes")
    parser.add_argument("--runs", type=int, help="runs per cell")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    started = time.perf_counter()
    for name in options.parts or PARTS:
        part, runs = PARTS[name]
        part(options.runs or runs * (10 if options.long else 1), options.long, np.random.default_rng(options.seed))
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
