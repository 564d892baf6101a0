"""Simulate whether the intervals of metrics that are no plain rate keep their level, by whole assessments.

    python benchmarks/simulate_metrics.py [--runs 200] [--long]

All groups are alike. A gap's lower end above 0 (nominal 2.5%) and a comparison with the rest that excludes 0 in any group
(nominal 5%) are therefore false alarms. "group" is how often one group's own interval misses the true value (nominal 5%),
which comes from a million cases of the same kind; ends that are flagged as open (tails too heavy) do not count. Cases of a
cluster share a random effect. "failing" is the share of positives that rank last.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd

from raikit_fairness import assess

METRICS = ["balanced_accuracy", "f1", "roc_auc", "average_precision", "log_loss", "brier_score", "mean_score",
           "expected_calibration_error"]
ERRORS = ["mean_absolute_error", "root_mean_squared_error", "mean_signed_error"]


@dataclass(frozen=True)
class Design:
    """Groups that are all alike: scores are logit-normal around the truth."""

    name: str
    sizes: tuple[int, ...]
    base: float = 0.3
    apart: float = 1.5
    clusters: int = 0
    numeric: bool = False
    heavy: float = 0.0
    ties: bool = False
    failing: float = 0.0  # share of positives that rank below nearly all negatives

    def rows(self, rng: np.random.Generator, sizes: tuple[int, ...] | None = None) -> pd.DataFrame:
        """Draw one table; `sizes` overrides the design's."""
        sizes = sizes or self.sizes
        group = np.repeat(np.arange(len(sizes)), sizes)
        n = len(group)
        home = rng.integers(0, max(n // 5, 1), n) if self.clusters else np.arange(n)
        if self.clusters:  # Every cluster lies in one group.
            home = home * len(sizes) + group
        effect = rng.normal(0, 0.7, int(home.max()) + 1)[home] if self.clusters else np.zeros(n)
        if self.numeric:
            y = rng.normal(size=n)
            if self.heavy:
                return pd.DataFrame({"group": group, "y": y, "output": y + rng.standard_t(self.heavy, n), "home": home})
            return pd.DataFrame({"group": group, "y": y, "output": y + effect + rng.lognormal(0, 0.8, n) - 1.4, "home": home})
        y = (rng.random(n) < self.base).astype(int)
        score = 1 / (1 + np.exp(-(self.apart * (2 * y - 1) / 2 + effect + rng.normal(0, 1, n))))
        if self.failing:
            score = np.where((y == 1) & (rng.random(n) < self.failing), 0.001, score)
        if self.ties:
            score = 0.01 + 0.98 * np.round(score * 5) / 5
        return pd.DataFrame({"group": group, "y": y, "output": score, "home": home})


DESIGNS = [
    Design("2 x 100", (100, 100)),
    Design("5 x 200", (200,) * 5),
    Design("10 x 60", (60,) * 10),
    Design("40, 100, 2000", (40, 100, 2000)),
    Design("5 x 200, rare class", (200,) * 5, base=0.08),
    Design("5 x 200, nearly perfect", (200,) * 5, apart=6.0),
    Design("3000, 6 x 50", (3000,) + (50,) * 6),
    Design("3000, 6 x 50, rare class", (3000,) + (50,) * 6, base=0.1, apart=2.5),
    Design("3000, 6 x 50, nearly perfect", (3000,) + (50,) * 6, base=0.5, apart=4.0),
    Design("2 x 300, 2% failing", (300,) * 2, base=0.1, apart=3.0, failing=0.02),
    Design("3000, 2 x 300, 2% failing", (3000, 300, 300), base=0.1, apart=3.0, failing=0.02),
    Design("3000, 6 x 50, tied scores", (3000,) + (50,) * 6, ties=True),
    Design("7 x 50", (50,) * 7),
    Design("5 x 300 in clusters of 5", (300,) * 5, clusters=5),
    Design("5 x 200, skewed errors", (200,) * 5, numeric=True),
    Design("40, 100, 2000, skewed errors", (40, 100, 2000), numeric=True),
    Design("3000, 6 x 50, t(3) errors", (3000,) + (50,) * 6, numeric=True, heavy=3.0),
    Design("1000, 50, t(2.2) errors", (1000, 50), numeric=True, heavy=2.2),
]


def assess_design(rows: pd.DataFrame, design: Design, *, clustered: bool, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of groups and of disparities of an assessment."""
    more = {"clusters": rows.home.to_numpy()} if clustered else {}
    if design.numeric:
        assessment = assess(rows.y, rows.output, sensitive_features=rows.group, metrics=ERRORS, seed=seed, **more)
    else:
        assessment = assess(rows.y, sensitive_features=rows.group, scores=rows.output, metrics=METRICS, seed=seed, **more)
    return assessment.by_group, assessment.disparities


def _beyond(missed: pd.Series, group: pd.DataFrame, flag: str) -> pd.Series:
    return missed & ~group["flags"].astype(str).str.contains(flag)


def simulate(design: Design, runs: int, seed: int) -> None:
    """Print how often each metric's intervals err."""
    names = ERRORS if design.numeric else METRICS
    rng = np.random.default_rng(seed)
    many = design.rows(rng, (500_000, 500_000))
    truth = assess_design(many, design, clustered=False, seed=0)[0].groupby("metric").value.mean()
    truth["expected_calibration_error"] = np.nan  # The bins are each group's own, so there is no common true value.
    count = {name: np.zeros(3, dtype=int) for name in names}
    defined = dict.fromkeys(names, 0)
    for run in range(runs):
        own, gaps = assess_design(design.rows(rng), design, clustered=bool(design.clusters), seed=run)
        for name in names:
            group = own[(own.metric == name) & own.value.notna()]
            gap = gaps[(gaps.metric == f"{name}_difference") & (gaps.group == "")]
            rest = gaps[gaps.metric == f"{name}_difference(to=rest)"]
            defined[name] += len(group)
            count[name] += [int((gap.low > 0).any()), int(((rest.low > 0) | (rest.high < 0)).any()),
                            int((_beyond(group.low > truth[name], group, "open_low")
                                 | _beyond(group.high < truth[name], group, "open_high")).sum())]
    print(f"\n{design.name}, {runs} runs: percent (standard error {100 * np.sqrt(0.025 * 0.975 / runs):.1f} at 2.5%)")
    for name in names:
        gap, rest, group = count[name]
        alone = "    -" if name == "expected_calibration_error" else f"{100 * group / max(defined[name], 1):5.1f}"
        print(f"   {name:28} gap {100 * gap / runs:5.1f}   rest {100 * rest / runs:5.1f}   group {alone}", flush=True)


def main() -> None:
    """Read the options and simulate the designs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, help="runs per design")
    parser.add_argument("--long", action="store_true", help="2,000 runs per design: hours")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="designs whose name contains this")
    options = parser.parse_args()
    start = time.perf_counter()
    for design in DESIGNS:
        if not options.only or options.only in design.name:
            simulate(design, options.runs or (2_000 if options.long else 200), options.seed)
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
