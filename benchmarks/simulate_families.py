"""Simulate how often a gate of many true rules fails a build, with `error_rate: build` and, beside it, `rule`.

    python benchmarks/simulate_families.py               # about twenty minutes
    python benchmarks/simulate_families.py --runs 4000   # smaller Monte-Carlo errors

Every rule is true: the quantity lies at its limit, so that each errs as often as it may. Nothing got worse where there are
regressions. Each cell is the percentage of builds that fail, with its Monte-Carlo standard error; "nominal" is what
`error_rate: build` promises. Cases are independent and unweighted. "same cases" draws all rules of a build from the same
cases. The last part breaks one of the rules and prints how often it fails.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from monte_carlo import percent
from numpy.typing import NDArray

from raikit import stats
from raikit.config.schema import GateConfig
from raikit.gate.family import levels_of
from raikit.gate.regression_claim import NotCompared, RegressionClaim, Test
from raikit.gate.regressions import Regressions
from raikit.gate.verdict import judge
from raikit.run.levels import Levels
from raikit.run.margins import Margin
from raikit.run.record import CheckRecord, Gate, Rule
from raikit.run.results import Comparison, Metric

Rng = np.random.Generator
Ints = NDArray[np.int64]
ACCURACY, GAP, CASES, GROUP = 0.9, 0.05, 2_000, 1_000


@dataclass(frozen=True)
class Build:
    """What one build measures: metrics with limits at the levels of its policy, and regressions."""

    metrics: list[Metric]
    regressions: list[RegressionClaim]

    def judge(self, policy: GateConfig, confidence: float) -> Gate:
        """Judge the build by a policy."""
        record = CheckRecord(name="a.it", pillar="a", plugin="raikit", status="ok", metrics=self.metrics)
        compared = Regressions([claim.rule for claim in self.regressions], self.regressions)
        return judge(policy, [record], regressions=compared, confidence=confidence)


# --- what is measured -------------------------------------------------------------------------------------------


def rate(name: str, hits: int, n: int, levels: Levels) -> Metric:
    """Return a rate with exact limits."""

    def ends(level: float) -> tuple[float, float]:
        low, high = stats.clopper_pearson(hits, n, level)
        return float(low), float(high)

    low, high = ends(levels.confidence)
    metric = Metric(name, hits / n, low=low, high=high, n=n, level=levels.confidence, method="exact limits", id=f"a.{name}")
    return levels.measure(metric, ends)


def gap(name: str, hits: Ints, levels: Levels, seed: int) -> Metric:
    """Return the largest difference of three groups' rates, as the check of fairness does."""

    def at(level: float) -> stats.Gap:
        return stats.gap(hits, np.full(len(hits), GROUP), level, rng=np.random.default_rng(seed))

    def ends(level: float) -> tuple[float, float]:
        there = at(level)
        return there.low, there.high

    own = at(levels.confidence)
    metric = Metric(name, own.value, low=min(own.low, own.value), high=own.high, n=3 * GROUP, level=levels.confidence,
                    method=own.method, id=f"a.{name}")
    return levels.measure(metric, ends)


@dataclass(frozen=True)
class PairedRuns:
    """Compares the rates of three groups in two runs, as the check of fairness does."""

    cells: Ints
    seed: int

    def compare_again(self, test: Test, error: float) -> Comparison:
        """Return the comparison with an interval at this error."""
        group, n = np.repeat(np.arange(3), 4), self.cells.ravel()
        events = np.tile([1, 1, 0, 0], 3), np.tile([1, 0, 1, 0], 3)
        cov = stats.paired_covariance(*events, np.ones(12), group, (), n.astype(float), squares=n.astype(float), counts=n)
        address, margin = test
        rng = np.random.default_rng(self.seed)
        result = stats.worsening_test(cov, margin.margin, higher_is_better=True, level=1 - error / 2, rng=rng)
        return Comparison(metric=address, value=result.value, low=min(result.low, result.value),
                          high=max(result.high, result.value), p_value=result.p_value, margin=margin.margin)


def regression(number: int, rng: Rng, error: float) -> RegressionClaim:
    """Draw two models that treat three groups alike, on the same cases."""
    address = f"a.r{number}"
    runs = PairedRuns(rng.multinomial(GROUP, [0.825, 0.025, 0.025, 0.125], size=3), number)
    rule = Rule(id=address, sentence=address, metric=address, kind="regression", limit=0.0, bound="max", status="missing")
    test = address, Margin(0.0)
    new = Metric.undefined(address, "not needed")
    return RegressionClaim(rule, runs.compare_again(test, error), error, runs, test, new, NotCompared())


# --- scenarios --------------------------------------------------------------------------------------------------

_RARE = 4  # Times as many cheap builds where 1% is nominal.
Scenario = tuple[list[dict[str, object]], Callable[[Rng, Levels, float], Build]]


def rates(number: int, truth: float = ACCURACY, broken: float | None = None) -> Scenario:
    """Return independent rates at their minimum; the first is `broken`, if that is given."""

    def draw(rng: Rng, levels: Levels, error: float) -> Build:
        true = np.full(number, truth)
        true[0] = truth if broken is None else broken
        hits = rng.binomial(CASES, true)
        return Build([rate(f"m{at}", int(x), CASES, levels) for at, x in enumerate(hits)], [])

    return [{"metric": f"a.m{at}", "min": truth} for at in range(number)], draw


def dependent_rates(number: int) -> Scenario:
    """Return rates of overlapping halves of the same cases."""

    def draw(rng: Rng, levels: Levels, error: float) -> Build:
        right = rng.random(CASES) < ACCURACY
        inside = rng.random((number, CASES)) < 0.5
        return Build([rate(f"m{at}", int(right[part].sum()), int(part.sum()), levels) for at, part in enumerate(inside)], [])

    return [{"metric": f"a.m{at}", "min": ACCURACY} for at in range(number)], draw


def gaps(number: int) -> Scenario:
    """Return gaps of three groups at their maximum."""

    def draw(rng: Rng, levels: Levels, error: float) -> Build:
        hits = rng.binomial(GROUP, [0.8, 0.8 + GAP, 0.8 + GAP], size=(number, 3))
        return Build([gap(f"m{at}", row, levels, at) for at, row in enumerate(hits)], [])

    return [{"metric": f"a.m{at}", "max": GAP} for at in range(number)], draw


def with_regressions(number: int, regressions: int) -> Scenario:
    """Return rates at their minimum, and regressions of models that are alike."""
    rules, draw_rates = rates(number)

    def draw(rng: Rng, levels: Levels, error: float) -> Build:
        metrics = draw_rates(rng, levels, error).metrics
        return Build(metrics, [regression(at, rng, error) for at in range(regressions)])

    return rules, draw


LEVEL: dict[str, tuple[Scenario, int]] = {
    "1 rate": (rates(1), 1),
    "5 rates": (rates(5), 1),
    "20 rates": (rates(20), 1),
    "100 rates": (rates(100), 4),
    "20 rates, same cases": (dependent_rates(20), 1),
    "20 gaps of 3 groups": (gaps(20), 8),
    "15 rates, 5 regressions": (with_regressions(15, 5), 4),
}
POWER = {f"20 rates, one {ACCURACY - broken:.1%} below": broken for broken in (0.88, 0.87, 0.86)}


def failing(scenario: Scenario, confidence: float, error_rate: str, runs: int, seed: int, first: bool = False) -> float:
    """Return the share of builds that fail; with `first`, the share in which the first rule does."""
    rules, draw = scenario
    policy = GateConfig.model_validate({"rules": rules, "error_rate": error_rate})
    levels, rng = levels_of(policy, confidence).of("a"), np.random.default_rng(seed)
    failed = 0
    for _ in range(runs):
        gate = draw(rng, levels, policy.family_error(confidence)).judge(policy, confidence)
        failed += gate.rules[0].status == "fail" if first else gate.exit_code == 1
    return failed / runs


def main() -> None:
    """Read the options and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000, help="builds per cell; costly ones have fewer (1,000)")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    started = time.perf_counter()
    print(f"Builds that fail although every rule is true, in percent\n{'rules':28}{'confidence':>11}{'nominal':>9}{'runs':>7}"
          f"{'build':>13}{'rule':>13}")
    for name, (scenario, cost) in LEVEL.items():
        for confidence in (0.95, 0.99):
            runs = max(options.runs * (_RARE if confidence == 0.99 and cost == 1 else 1) // cost, 1)
            shares = [failing(scenario, confidence, rate, runs, options.seed) for rate in ("build", "rule")]
            columns = "".join(f"{percent(share * runs, runs):>13}" for share in shares)
            print(f"{name:28}{confidence:>11}{100 * (1 - confidence):>9.0f}{runs:>7}{columns}", flush=True)
    print("\nBuilds in which the broken rule fails, in percent")
    for name, broken in POWER.items():
        shares = [failing(rates(20, broken=broken), 0.95, rate, options.runs, options.seed, True) for rate in ("build", "rule")]
        columns = "".join(f"{percent(share * options.runs, options.runs):>13}" for share in shares)
        print(f"{name:28}{0.95:>11}{'':9}{options.runs:>7}" + columns)
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
