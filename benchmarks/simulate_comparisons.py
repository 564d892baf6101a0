"""Simulate whether comparisons of two runs keep their level on different, shared and overlapping cases, and what they detect.

    python benchmarks/simulate_comparisons.py            # about ten minutes
    python benchmarks/simulate_comparisons.py --long     # more runs: hours
    python benchmarks/simulate_comparisons.py different  # one part: different, values, averages, same, overlap, clusters,
                                                         # weights, tails, power

A column headed by an error (5% and 1%, one-sided, nominal) is how often a gap that did not grow, or a value that did not get
worse, fails a build. "apart" is the fallback for metrics without ingredients, at 5%. Part `power` prints how often a model that
separates the classes of one group of five by a fifth less is found. Every cell is a percentage of runs with its Monte-Carlo
standard error. A comparison that cannot be decided, as with too heavy a tail, fails nothing.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import raikit
from raikit.arrays import arrays_from_frame, group_codes
from raikit.gate.comparing import compare_intervals, compare_records
from raikit.run.record import DataRecord, Measurements
from raikit_fairness.estimates.case_counts import cells_of_frame
from raikit_fairness.estimates.disparities import GapEstimator
from raikit_fairness.estimates.features import cross
from raikit_fairness.estimates.group_estimates import Draws
from raikit_fairness.estimates.ingredients import gap_ingredients
from raikit_fairness.estimates.metric_comparison import MetricComparison
from raikit_fairness.estimates.task_metrics import estimate_view, target_views
from raikit_fairness.settings import IntervalSettings
from raikit_performance import compare as performance
from raikit_performance.calibration import calibration_error, reliability_curve
from raikit_performance.influences import add_ingredients, influence_of
from raikit_performance.regression import error_metrics

GAPS = ["precision", "f1", "balanced_accuracy", "roc_auc", "average_precision", "brier_score", "log_loss",
        "expected_calibration_error"]  # fmt: skip
ERRORS = ["mean_absolute_error", "root_mean_squared_error"]
SETTINGS = IntervalSettings(0.95, 2_000, 10)


@dataclass(frozen=True)
class Population:
    """Cases in five groups that are alike, unless group 0 gets worse.

    Parameters
    ----------
    base : float
        Share of positives.
    apart : float
        Distance of the classes' mean scores, in standard deviations of the noise.
    clusters : float or None
        Exponent of the sizes of clusters (0: equal), None: no clusters.
    weights : float
        Logarithm of how many times more positives weigh.
    tied : float
        Logarithm of how many times more wrong predictions weigh.
    spread : float
        Standard deviation of the logarithm of weights beside that.
    numeric : bool
        Whether the target is a number.
    tail : float
        Exponent of the tail of errors of numbers: sizes are ``exp(tail |z|) - 1`` of normal z; 0: normal errors.
    """

    base: float = 0.5
    apart: float = 1.5
    clusters: float | None = None
    weights: float = 0.0
    tied: float = 0.0
    spread: float = 0.3
    numeric: bool = False
    tail: float = 0.0

    @property
    def weighted(self) -> bool:
        """Return whether cases have weights."""
        return bool(self.weights or self.tied)

    @property
    def data(self) -> DataRecord:
        """Return the roles of the columns."""
        return DataRecord(
            task="regression" if self.numeric else "binary", classes=[] if self.numeric else [0, 1], positive=1,
            sensitive=["group"], cluster=[] if self.clusters is None else ["home"], weight="w" if self.weighted else None,
        )  # fmt: skip

    def cases(self, n: int, rng: np.random.Generator, first: int = 0) -> pd.DataFrame:
        """Draw cases without a model."""
        home = np.arange(n) + first
        if self.clusters is not None:
            share = 1.0 / np.arange(1, max(n // 20, 41)) ** self.clusters
            home = rng.choice(len(share), n, p=share / share.sum()) + first
        effect = rng.normal(0, 0.7, int(home.max()) + 1)[home] if self.clusters is not None else np.zeros(n)
        y = rng.normal(size=n) if self.numeric else (rng.random(n) < self.base).astype(int)
        group = rng.integers(0, 5, n).astype(str)
        w = np.exp(self.weights * (y == 1)) * rng.lognormal(0, self.spread, n) if self.weighted else np.ones(n)
        return pd.DataFrame({"id": np.arange(n) + first, "group": group, "home": home.astype(str), "w": w, "target": y,
                             "effect": effect + rng.normal(0, 0.9, n)})  # fmt: skip

    def scored(self, cases: pd.DataFrame, rng: np.random.Generator, worse: float = 0.0) -> pd.DataFrame:
        """Score the cases by a model, which is `worse` in group 0; models of the same cases share most of their noise."""
        hit = (cases.group == "0").to_numpy() * worse
        noise = cases.effect.to_numpy() + rng.normal(0, 0.436, len(cases))
        if self.numeric:
            noise = np.sign(noise) * np.expm1(self.tail * np.abs(noise)) if self.tail else noise
            return cases.assign(prediction=cases.target + noise * (1 + hit))
        y = cases.target.to_numpy()
        score = 1 / (1 + np.exp(-(self.apart * (1 - hit) * (2 * y - 1) / 2 * 1.5 + noise)))
        prediction = (score >= 0.5).astype(int)
        return cases.assign(prediction=prediction, score=score, w=cases.w * np.exp(self.tied * (prediction != y)))


def gaps(frame: pd.DataFrame, population: Population, names: list[str], ends: bool = False) -> dict[str, raikit.Metric]:
    """Return the gaps of a run with their ingredients, as a record has them; with intervals only if asked."""
    data, n = population.data, len(frame)
    w = frame.w.to_numpy() if data.weight else np.ones(n)
    cells = cells_of_frame(data, frame, (np.ones(n, dtype=np.int64), w, w**2), 0, 100, ())
    feature, draws = cross(("group",), [group_codes(frame["group"])], 100), Draws(0, ("group",), SETTINGS.draws)
    view = target_views(data.task, data.classes, data.positive)[0]
    scored = None if population.numeric else (cells, feature)
    metrics = {}
    for name in names:
        estimates = estimate_view(view, cells, feature, scored, draws, full=True, names={name}).by_name[name]
        keep = estimates.judged(SETTINGS)
        value = float(np.ptp(estimates.value[keep])) if keep.any() else 0.0
        low, high = -np.inf, np.inf
        if ends:
            gap = GapEstimator(SETTINGS, draws).gap(estimates, keep)
            low, high = min(gap.low, value), max(gap.high, value)
        parts = [gap_ingredients(name, estimates, feature, np.flatnonzero(keep).tolist())]
        flags = ["open_high"] * bool((estimates.open_high & keep).any())
        limits = {"low": low if ends else value, "high": high if ends else value}
        metrics[name] = raikit.Metric(f"{name}_difference", value, n=n, method="m", level=0.95, direction="lower", id=name,
                                      over=["group"], ingredients=parts, flags=flags, **limits)  # fmt: skip
    return metrics


def values(frame: pd.DataFrame, population: Population) -> dict[str, raikit.Metric]:
    """Return metrics of a whole run with their ingredients."""
    data = population.data
    cases = arrays_from_frame(frame, data.task, data.classes, cluster=data.cluster, weight=data.weight)
    if population.numeric:
        metrics = [metric for metric in error_metrics(cases, 0.95) if metric.direction is not None]
        for metric in metrics:
            metric.id = metric.name
        return {metric.name: metric for metric in add_ingredients(metrics, cases)}
    names = ["accuracy", "precision", "f1", "roc_auc", "average_precision", "log_loss"]
    args: dict[str, dict[str, Any]] = {"precision": {"average": "macro"}, "f1": {"average": "weighted"}}
    metrics = [
        raikit.Metric.undefined(name, "r", direction="lower" if name == "log_loss" else "higher", id=name, args=args.get(name, {}))
        for name in names
    ]
    for metric in metrics:
        influence = influence_of(metric, cases)
        metric.value = None if influence is None else influence.value
    add_ingredients(metrics, cases)
    metrics.append(calibration_error(reliability_curve(cases, 10, 0.95), cases, 0.95, np.random.default_rng(0)))
    metrics[-1].id = metrics[-1].name
    return {str(metric.id): metric for metric in metrics}


class Tally:
    """How often each metric fails, by error."""

    def __init__(self) -> None:
        self.failed: dict[tuple[str, str], list[bool]] = {}

    def add(self, name: str, column: str, failed: bool) -> None:
        """Count one run."""
        self.failed.setdefault((name, column), []).append(failed)

    def show(self, title: str) -> None:
        """Print a line for each metric."""
        print(f"\n{title}")
        for name in dict.fromkeys(name for name, _ in self.failed):
            cells = [
                f"{column} {100 * np.mean(runs):5.1f} ±{100 * max(np.std(runs), 0.5 / len(runs) ** 0.5) / len(runs) ** 0.5:3.1f}"
                for (of, column), runs in self.failed.items() if of == name
            ]  # fmt: skip
            print(f"  {name:38}{'   '.join(cells)}", flush=True)


def count(tally: Tally, name: str, comparison: raikit.Comparison) -> None:
    """Count a comparison at both errors."""
    for error in (0.05, 0.01):
        tally.add(name, f"{error:g}", comparison.p_value is not None and comparison.p_value <= error)


def different(
    title: str, runs: int, before: int, after: int, rng: np.random.Generator, population: Population, worse: float = 0.0,
    apart: bool = False,
) -> None:  # fmt: skip
    """Compare gaps of two runs on different cases by their records."""
    tally, margin = Tally(), raikit.Margin(0.0)
    names = ERRORS if population.numeric else GAPS
    for _ in range(runs):
        old, new = (
            gaps(population.scored(population.cases(n, rng, first), rng, lost), population, names, apart)
            for n, first, lost in ((before, 0, 0.0), (after, 10**7, worse))
        )
        for name in names:
            count(tally, name, compare_records(new[name], old[name], margin, 0.1))
            if apart:
                tally.add(name, "apart", (compare_intervals(new[name], old[name], 0.0, 0.1).p_value or 1.0) <= 0.05)
    tally.show(f"{title}, {before:,} and {after:,} cases, {runs} runs")


def single(title: str, runs: int, before: int, after: int, rng: np.random.Generator, population: Population) -> None:
    """Compare metrics of whole runs on different cases by their records."""
    tally, margin = Tally(), raikit.Margin(0.0)
    for _ in range(runs):
        old, new = (
            values(population.scored(population.cases(n, rng, first), rng), population)
            for n, first in ((before, 0), (after, 10**7))
        )
        for name in new:
            count(tally, name, compare_records(new[name], old[name], margin, 0.1))
    tally.show(f"{title}, {before:,} and {after:,} cases, {runs} runs")


AVERAGES = [("balanced_accuracy", "macro"), *((name, kind) for name in ("precision", "f1") for kind in ("macro", "weighted"))]
CLASSES = {"even": ((1, 1, 1), 0.7), "Zipf": ((60, 30, 20, 15, 12), 0.7), "rare": ((50, 30, 15, 3, 1, 1), 0.6),
           "nearly perfect": ((16, 8, 4, 2, 1), 0.97)}  # fmt: skip


def averages(runs: int, before: int, after: int, rng: np.random.Generator, kind: str) -> None:
    """Compare averages over classes of whole runs on different cases; classes may be absent from the smaller one."""
    shares, right = CLASSES[kind]
    tally, p, k = Tally(), np.array(shares) / sum(shares), len(shares)
    for _ in range(runs):
        found = []
        for n in (before, after):
            truth = rng.choice(k, n, p=p)
            prediction = np.where(rng.random(n) < right, truth, rng.choice(k, n, p=p))
            cases = raikit.Arrays(truth, prediction, classes=list(range(k)))
            metrics = [
                raikit.Metric.undefined(name, "r", direction="higher", id=f"{name}, {average}", args={"average": average})
                for name, average in AVERAGES
            ]
            for metric in metrics:
                influence = influence_of(metric, cases)
                metric.value = None if influence is None else influence.value
            found.append({str(metric.id): metric for metric in add_ingredients(metrics, cases)})
        for name in found[0]:
            count(tally, name, compare_records(found[1][name], found[0][name], raikit.Margin(0.0), 0.1))
    tally.show(f"Nothing changed, averages, {k} classes ({kind}), {before:,} and {after:,} cases, {runs} runs")


def matched(
    title: str, runs: int, before: int, after: int, shared: int, rng: np.random.Generator, population: Population,
    worse: float = 0.0,
) -> None:  # fmt: skip
    """Compare gaps and values on the cases of two runs that share some."""
    tally = Tally()
    names = ERRORS if population.numeric else ["true_positive_rate", "precision", "f1", "roc_auc", "brier_score"]
    differences = {"true_positive_rate": "equal_opportunity_difference"}
    whole = [*ERRORS, "r2"] if population.numeric else ["accuracy"]
    margins = raikit.Margins({name: raikit.Margin(0.0) for name in (*names, *whole)}, error=0.1)
    for _ in range(runs):
        cases = population.cases(before + after - shared, rng)
        old = population.scored(cases.iloc[:before].reset_index(drop=True), rng)
        new = population.scored(cases.iloc[before - shared :].reset_index(drop=True), rng, worse)
        match = raikit.MatchedCases(old, new, (old.id.to_numpy(), new.id.to_numpy()), shared)
        run = raikit.RunView(None, Measurements(name="m", data=population.data))  # type: ignore[arg-type]
        comparison = MetricComparison(match, run.record, margins, SETTINGS)
        for name in names:
            metric = raikit.Metric.undefined(differences.get(name, f"{name}_difference"), "r", over=["group"])
            count(tally, name, comparison.compare(name, metric))
        for name in whole:
            direction = "lower" if name in ERRORS else "higher"
            metric = raikit.Metric(name, 0.5, low=0.5, high=0.5, n=1, method="m", direction=direction, id=name)
            found = performance.compare_matched([metric], match, run.record, margins)[0]
            if found is not None:
                count(tally, f"{name} (all groups)", found)
    tally.show(f"{title}, {before:,} and {after:,} cases, {shared:,} shared, {runs} runs")


def main() -> None:
    """Run the parts that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("part", nargs="?", default="all")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    runs, rng, started = arguments.runs or (2_000 if arguments.long else 60), np.random.default_rng(arguments.seed), time.time()
    plain, rare, heavy = Population(), Population(base=0.2, apart=2.5), Population(numeric=True, tail=1.2)
    parts = {
        "different": lambda: (
            different("Nothing changed", runs, 20_000, 400, rng, plain, apart=True),
            different("Nothing changed, rare class", runs, 20_000, 1_000, rng, rare),
            different("Nothing changed", runs, 2_000, 2_000, rng, plain),
            different("Nothing changed, errors", runs, 20_000, 400, rng, Population(numeric=True)),
        ),
        "values": lambda: (
            single("Nothing changed, whole runs", 5 * runs, 20_000, 400, rng, plain),
            single("Nothing changed, whole runs, rare class", 5 * runs, 20_000, 300, rng, rare),
            single("Nothing changed, whole runs, errors", 5 * runs, 20_000, 400, rng, Population(numeric=True)),
        ),
        "averages": lambda: [
            averages(4 * runs, before, after, rng, kind) for kind in CLASSES for before, after in ((5_000, 100), (5_000, 1_000))
        ],
        "same": lambda: matched("Nothing changed, same cases", 3 * runs, 1_000, 1_000, 1_000, rng, plain),
        "overlap": lambda: (
            matched("Nothing changed", runs, 5_000, 5_000, 40, rng, plain),
            matched("Nothing changed", runs, 1_000, 1_000, 500, rng, plain),
            matched("Nothing changed", runs, 5_000, 400, 400, rng, plain),
        ),
        "clusters": lambda: (
            different("Equal clusters", runs, 20_000, 2_000, rng, Population(clusters=0.0)),
            different("Zipf clusters", runs, 20_000, 2_000, rng, Population(clusters=1.0)),
            matched("Zipf clusters", runs, 2_000, 2_000, 1_000, rng, Population(clusters=1.0)),
        ),
        "weights": lambda: (
            different("Positives weigh 2.7 times", runs, 20_000, 1_000, rng, Population(weights=1.0)),
            matched("Positives weigh 2.7 times", runs, 1_000, 1_000, 500, rng, Population(weights=1.0)),
            different("Errors weigh 5 times", runs, 10_000, 300, rng, Population(tied=1.6)),
            different("Errors weigh 5 times, rare class", runs, 10_000, 1_000, rng, Population(0.2, 2.5, tied=1.6)),
            different("Errors weigh 5 times, log-normal weights", runs, 10_000, 300, rng, Population(tied=1.6, spread=1.0)),
            single("Errors weigh 5 times, log-normal weights, values", runs, 10_000, 300, rng, Population(tied=1.6, spread=1.0)),
        ),
        "tails": lambda: (
            *(single("Heavy tails, whole runs", runs, before, after, rng, heavy)
              for before, after in ((10_000, 300), (2_000, 2_000), (300, 10_000))),
            different("Heavy tails", runs, 10_000, 1_000, rng, heavy),
            different("Heavy tails", runs, 1_000, 10_000, rng, heavy),
            matched("Heavy tails, same cases", runs, 1_000, 1_000, 1_000, rng, heavy),
        ),
        "power": lambda: (
            different("Group 0 is worse", runs // 2, 20_000, 10_000, rng, plain, 0.2, apart=True),
            matched("Group 0 is worse", runs // 2, 10_000, 10_000, 40, rng, plain, 0.2),
            matched("Group 0 is worse", runs // 2, 10_000, 10_000, 10_000, rng, plain, 0.2),
        ),
    }
    for name, part in parts.items():
        if arguments.part in ("all", name):
            part()
    print(f"\n{time.time() - started:.0f} s")


if __name__ == "__main__":
    main()
