"""Simulate how often intervals of errors and of losses of scores miss when tails are heavy.

    python benchmarks/simulate_errors.py [--runs 500] [--only t3]

Nominal: 2.5% at each end. "decided" leaves out ends that are flagged as not valid (`open_high`, `open_low`): a miss that could
have decided a rule. "flagged" is how often the end that matters for a pass (high for errors, low for R²) is flagged. "width" is
relative to the plain t interval, of unflagged and flagged ends alike. "MC" is the Monte-Carlo standard error at 2.5%.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

import raikit
from raikit import stats
from raikit_performance.regression import error_metrics
from raikit_performance.scores import score_metrics

SIZES = (50, 200, 1_000)
Draw = Callable[[np.random.Generator, int], np.ndarray]


def _pareto(index: float) -> Draw:
    return lambda rng, n: rng.pareto(index, n) + 1


def _lognormal(spread: float, center: float = 0.0) -> Draw:
    return lambda rng, n: rng.lognormal(0, spread, n) - center


ERRORS: dict[str, tuple[Draw, float, float]] = {  # with the mean and the mean square
    "normal": (lambda rng, n: rng.normal(size=n), 0, 1),
    "Laplace": (lambda rng, n: rng.laplace(size=n), 0, 2),
    "t5": (lambda rng, n: rng.standard_t(5, n), 0, 5 / 3),
    "t3": (lambda rng, n: rng.standard_t(3, n), 0, 3),
    "lognormal(.5)": (_lognormal(0.5), np.exp(0.125), np.exp(0.5)),
    "lognormal(1.2)": (_lognormal(1.2), np.exp(0.72), np.exp(2.88)),
    "centred lognormal(1.2)": (_lognormal(1.2, np.exp(0.72)), 0, np.exp(2.88) - np.exp(1.44)),
    "Pareto(3)": (_pareto(3), 1.5, 3),
    "Pareto(2.2)": (_pareto(2.2), 2.2 / 1.2, 11),
}
SCORES = {  # share of positives, distance of the classes' mean logits, their spread, factor of the logits
    "typical": (0.3, 1.5, 1.0, 1.0), "nearly perfect": (0.3, 6.0, 1.0, 1.0), "rare class": (0.03, 2.0, 1.0, 1.0),
    "rare class, nearly perfect": (0.05, 6.0, 1.0, 1.0), "overconfident": (0.3, 4.0, 1.5, 6.0),
}  # fmt: skip


@dataclass
class Tally:
    """Counts of one metric over the runs."""

    low: int = 0
    high: int = 0
    decided_low: int = 0
    decided_high: int = 0
    flagged: int = 0
    runs: int = 0
    width: float = 0.0

    def add(self, metric: raikit.Metric, truth: float, plain: float) -> None:
        """Count one interval; `plain` is the width of the t interval."""
        if metric.value is None or metric.low is None or metric.high is None:
            return
        under, over = metric.low > truth, metric.high < truth
        self.runs += 1
        self.low, self.high = self.low + under, self.high + over
        self.decided_low += under and "open_low" not in metric.flags
        self.decided_high += over and "open_high" not in metric.flags
        self.flagged += ("open_low" if metric.name == "r2" else "open_high") in metric.flags
        self.width += (metric.high - metric.low) / plain

    def __str__(self) -> str:
        share = 100 / max(self.runs, 1)
        counts = (self.low, self.high, self.decided_low, self.decided_high)
        low, high, decided_low, decided_high = (count * share for count in counts)
        return (f"low {low:5.1f}  high {high:5.1f}   decided: low {decided_low:4.1f}  high {decided_high:4.1f}   "
                f"flagged {self.flagged * share:5.1f}   width {self.width / max(self.runs, 1):5.2f}")


def simulate_errors(name: str, n: int, runs: int, rng: np.random.Generator) -> Iterator[str]:
    """Yield a line for each metric of errors of one distribution; predictions are normal."""
    draw, mean, square = ERRORS[name]
    absolute = float(np.abs(draw(np.random.default_rng(0), 4_000_000)).mean())
    truths = {"mean_absolute_error": absolute, "root_mean_squared_error": square**0.5, "mean_signed_error": mean,
              "r2": 1 - square / (9 * square + square - mean**2)}
    tallies = {metric: Tally() for metric in truths}
    for _ in range(runs):
        error, spread = draw(rng, n), 3 * square**0.5 * rng.normal(size=n)
        for metric in error_metrics(raikit.Arrays(spread - error, spread), 0.95):
            losses = {"mean_absolute_error": np.abs(error), "root_mean_squared_error": error**2}.get(metric.name, error)
            plain = stats.mean_interval(losses)
            width = plain.high - plain.low
            if metric.name == "root_mean_squared_error":
                width = plain.high**0.5 - max(plain.low, 0.0) ** 0.5
            tallies[metric.name].add(metric, truths[metric.name], width if metric.name != "r2" else float("nan"))
    yield from (f"   {metric:26} {tally}" for metric, tally in tallies.items())


def simulate_target(n: int, runs: int, rng: np.random.Generator) -> Iterator[str]:
    """Yield a line about R² where the target has heavy tails and the errors are normal, or grow with the prediction."""
    for name in ("t5", "lognormal(.5)", "lognormal(1.2)", "Pareto(3)"):
        draw, mean, square = ERRORS[name]
        for kind in ("plain", "relative"):
            mean_square = 0.09 * square if kind == "relative" else 0.09
            tally, truth = Tally(), 1 - mean_square / (square - mean**2 + mean_square)
            for _ in range(runs):
                prediction = draw(rng, n)
                error = 0.3 * rng.normal(size=n) * (prediction if kind == "relative" else 1.0)
                metrics = error_metrics(raikit.Arrays(prediction - error, prediction), 0.95)
                tally.add(next(metric for metric in metrics if metric.name == "r2"), truth, float("nan"))
            yield f"   r2, target {name}, {kind} errors: {tally}"


def simulate_scores(name: str, n: int, runs: int, rng: np.random.Generator) -> Iterator[str]:
    """Yield a line for each loss of a binary classifier's scores."""
    share, apart, spread, factor = SCORES[name]

    def draw(rng: np.random.Generator, n: int) -> raikit.Arrays:
        y = rng.random(n) < share
        logit = apart * (2 * y - 1) / 2 + rng.normal(0, spread, n) + 0.7 * np.log(share / (1 - share))
        p = 1 / (1 + np.exp(-factor * logit))
        return raikit.Arrays(y.astype(np.int64), (p > 0.5).astype(np.int64), np.stack([1 - p, p], axis=1), classes=[0, 1])

    names = ("log_loss", "brier_score")
    truths = {metric.name: metric.value or 0.0 for metric in score_metrics(draw(np.random.default_rng(0), 1_000_000), 0.95)}
    tallies = {metric: Tally() for metric in names}
    for _ in range(runs):
        cases = draw(rng, n)
        assert cases.scores is not None
        right = np.clip(cases.scores[np.arange(n), cases.truth], 2.2e-16, 1)
        for metric in score_metrics(cases, 0.95):
            if metric.name in names:
                plain = stats.mean_interval(-np.log(right) if metric.name == "log_loss" else (1 - right) ** 2)
                tallies[metric.name].add(metric, truths[metric.name], plain.high - plain.low)
    yield from (f"   {metric:26} {tally}" for metric, tally in tallies.items())


def main() -> None:
    """Read the options and simulate the distributions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500, help="runs per distribution and size (500)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="distributions whose name contains this")
    options = parser.parse_args()
    error = 100 * np.sqrt(0.025 * 0.975 / options.runs)
    print(f"Percent of intervals that miss; nominal: 2.5 at each end (MC {error:.1f})")
    for n in SIZES:
        rng = np.random.default_rng(options.seed)
        families = [(f"{name} errors", simulate_errors(name, n, options.runs, rng)) for name in ERRORS]
        families.append(("targets with heavy tails", simulate_target(n, options.runs, rng)))
        families += [(f"scores: {name}", simulate_scores(name, n, options.runs, rng)) for name in SCORES]
        for name, lines in families:
            if options.only in name:
                print(f"\n{name}, {n:,} cases", *lines, sep="\n", flush=True)


if __name__ == "__main__":
    main()
