"""Simulate whether intervals of calibration errors and of their gaps keep their level, and how wide they are.

    python benchmarks/simulate_calibration.py              # about three minutes
    python benchmarks/simulate_calibration.py --runs 4000  # 40 minutes

A score is calibrated where the log odds of the event equal the score's; "slope" and "shift" change them. The true error of a
group is that of its bins: the mean absolute difference of mean score and mean probability. Nominal: each end misses in 2.5%.
"groups" is the worst of the groups' own intervals. "oracle" is the interval of a normal difference of the two extreme groups,
with all signs known. "found" is the share of runs in which the lower end of the gap is above 0 (a false alarm if the true gap
is 0). "before" is the same for limits of each group that subtract the whole spread of a calibrated model from the lower end,
compared by Bonferroni.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri

from raikit import stats

Floats = NDArray[np.float64]
BINS = 10


@dataclass(frozen=True)
class Scenario:
    """Groups with logit-normal scores."""

    name: str
    sizes: tuple[int, ...]
    base: float = 0.3
    slope: tuple[float, ...] = (1.0,)  # Repeated for the groups.
    shift: tuple[float, ...] = (0.0,)
    levels: int = 0  # Scores are rounded to this many steps.
    weights: float = 0.0  # Standard deviation of the logarithm of the weights, which grow with the score.
    clusters: int = 0  # Clusters in each group; effects of a cluster have mean 0 on the scale of probabilities.
    zipf: float = 0.0

    def group(self, at: int, rng: np.random.Generator) -> tuple[stats.CalibrationError, float]:
        """Draw the cases of a group; return its estimate and its true error."""
        n = self.sizes[at]
        z = rng.normal(logit(self.base), 1.2, n)
        score = expit(z)
        if self.levels:
            score = np.clip(np.round(score * self.levels) / self.levels, 0.02, 0.98)
            z = logit(score)
        p = expit(self.slope[at % len(self.slope)] * z + self.shift[at % len(self.shift)])
        clusters, chance = [], p
        if self.clusters:
            share = np.arange(1, self.clusters + 1.0) ** -self.zipf
            cluster = rng.choice(self.clusters, n, p=share / share.sum())
            effect = rng.choice([-0.6, 0.6], self.clusters)[cluster]  # Mean 0: the true error is that of p.
            clusters, chance = [cluster], p + effect * np.minimum(p, 1 - p)
        hit = rng.random(n) < chance
        weight = np.exp(self.weights * rng.normal(size=n) + self.weights * z / 2) if self.weights else None
        bins = stats.equal_bins(score, BINS)
        w = np.ones(n) if weight is None else weight
        true = float(np.abs(np.bincount(bins, w * (p - score))).sum() / w.sum())
        return stats.calibration_error(hit, score, bins, weight, clusters, rng=rng, draws=2_000), true


CALIBRATED = [
    Scenario("2 x 100", (100, 100)),
    Scenario("5 x 50", (50,) * 5),
    Scenario("5 x 400", (400,) * 5),
    Scenario("2,000 + 6 x 50", (2000, *[50] * 6)),
    Scenario("2 x 1,000, base .03", (1000, 1000), 0.03),
    Scenario("2,000 + 6 x 50, 5 scores, base .03", (2000, *[50] * 6), 0.03, levels=4),
    Scenario("3 x 1,000, weights", (1000,) * 3, weights=0.7),
    Scenario("2 x 1,000, 40 clusters", (1000, 1000), clusters=40),
    Scenario("2 x 1,000, 40 Zipf clusters", (1000, 1000), clusters=40, zipf=1.0),
]
MISCALIBRATED = [
    Scenario("2 x 200, slopes 1, .5", (200, 200), slope=(1.0, 0.5)),
    Scenario("2 x 200, base .05, shift .5", (200, 200), 0.05, shift=(0.5,)),
    Scenario("2 x 1,000, slopes 1, .5", (1000, 1000), slope=(1.0, 0.5)),
    Scenario("2 x 1,000, slopes .6, .4", (1000, 1000), slope=(0.6, 0.4)),
    Scenario("2 x 1,000, slopes .6, .4, base .05", (1000, 1000), 0.05, slope=(0.6, 0.4)),
    Scenario("2 x 4,000, shifts .2, .5", (4000, 4000), shift=(0.2, 0.5)),
    Scenario("5 x 1,000, one slope .5", (1000,) * 5, slope=(1.0, 1.0, 1.0, 1.0, 0.5)),
    Scenario("2,000 + 200, slopes .6, .4, base .05", (2000, 200), 0.05, slope=(0.6, 0.4)),
    Scenario("5 x 200, 4 scores, shift .5", (200,) * 5, shift=(0.5,), levels=3),
    Scenario("2 x 1,000, slopes 1, .5, weights", (1000, 1000), slope=(1.0, 0.5), weights=0.7),
    Scenario("2 x 2,000, slopes 1, .5, 80 clusters", (2000, 2000), slope=(1.0, 0.5), clusters=80),
    Scenario("2 x 2,000, slopes .6, .4, 80 Zipf", (2000, 2000), slope=(0.6, 0.4), clusters=80, zipf=1.0),
]


def before(errors: list[stats.CalibrationError], tail: float) -> tuple[Floats, Floats]:
    """Return the limits of each group that subtract the spread of a calibrated model."""
    at = [min(len(error.spread) - 1, int(np.ceil((1 - tail) * len(error.spread)))) for error in errors]
    low = np.array([max(0.0, error.value - error.spread[place]) for error, place in zip(errors, at, strict=True)])
    return low, np.array([error.value - ndtri(tail) * error.se for error in errors])


def simulate(scenario: Scenario, runs: int, seed: int) -> str:
    """Return one line of the table."""
    rng = np.random.default_rng(seed)
    k = len(scenario.sizes)
    first, second = np.nonzero(~np.eye(k, dtype=bool))
    single, gaps, found, widths = np.zeros((2, k)), np.zeros(2), np.zeros(2), np.zeros(3)
    for _ in range(runs):
        drawn = [scenario.group(at, rng) for at in range(k)]
        errors, theta = [error for error, _ in drawn], np.array([true for _, true in drawn])
        ends = np.array([error.limits(0.025) for error in errors]).T
        single += [ends[0] > theta, ends[1] < theta]
        gap, truth = stats.calibration_gap(errors, 0.95, 4_000, rng=rng), float(np.ptp(theta))
        gaps += [gap.low > truth, gap.high < truth]
        (low_all, high_all), (low_one, high_one) = (before(errors, tail) for tail in (0.0125 / k, 0.0125))
        low = max(0.0, float((low_all[first] - high_all[second]).max()))
        high = float((high_one[first] - low_one[second]).max())
        found += [gap.low > 0, low > 0]
        oracle = 2 * 1.96 * float(np.hypot(errors[int(theta.argmax())].se, errors[int(theta.argmin())].se))
        widths += [gap.high - gap.low, high - low, oracle]
    values = *(100 * single.max(axis=1) / runs), *(100 * gaps / runs), *(100 * found / runs), *(widths[:2] / widths[2])
    return f"{scenario.name:40}" + "".join(f"{v:9.1f}" for v in values[:6]) + "".join(f"{v:9.2f}" for v in values[6:])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="scenarios whose name holds this")
    options = parser.parse_args()
    start, error = time.perf_counter(), 100 * np.sqrt(0.025 * 0.975 / options.runs)
    print(f"{options.runs} runs of each scenario; percent (standard error {error:.1f} at 2.5), widths relative to the oracle's")
    heads = "group >", "group <", "gap >", "gap <", "found", "before", "width", "before"
    for title, family in (("calibrated, no gap", CALIBRATED), ("miscalibrated", MISCALIBRATED)):
        print(f"{title:40}" + "".join(f"{head:>9}" for head in heads))
        for scenario in family:
            if options.only in scenario.name:
                print(simulate(scenario, options.runs, options.seed), flush=True)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
