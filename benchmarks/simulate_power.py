"""Simulate how often the difference that "would have been detected (80% power)" is detected.

    python benchmarks/simulate_power.py               # a minute
    python benchmarks/simulate_power.py --runs 1000   # smaller Monte-Carlo errors

Each line takes what is promised on data without a difference (the median of several samples), makes one group differ by as
much, and counts the samples in which that is found. The promise is kept if about 80% or more are found; a promise that is
careful finds more. "promised" is a difference, for ratios the ratio. Of two runs, the group becomes worse in the second one.
Regressions are tested at a one-sided 5%, gaps by the lower end (for ratios the upper end) of a 95% interval.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np
from monte_carlo import percent

from raikit.stats import (
    BinErrors,
    CovarianceResult,
    RunEstimates,
    calibration_change,
    equal_bins,
    estimate_change,
    gap,
    gap_change,
    gap_increase_test,
    gap_widening,
    paired_covariance,
    ratio,
    worsening_test,
)

PROMISES = 15  # samples whose median promise is taken
DRAWS = 4_000
Sample = Callable[[float], tuple[float, bool]]
"""From a difference to what one sample with it promises, and whether the difference is found in it."""


def gaps(k: int, n: int, rate: float, rng: np.random.Generator) -> Sample:
    """Return samples of k groups of n cases, of which the first differs in the rate."""

    def sample(by: float) -> tuple[float, bool]:
        rates = np.full(k, rate)
        rates[0] += by if rate < 0.5 else -by
        found = gap(rng.binomial(n, rates), np.full(k, n), draws=DRAWS, rng=rng)
        return float(found.minimum_detectable or 0.0), found.low > 0

    return sample


def ratios(k: int, n: int, rate: float, rng: np.random.Generator) -> Sample:
    """Return samples of k groups of n cases, of which the first has the rate times a factor (0: the same rate)."""

    def sample(factor: float) -> tuple[float, bool]:
        rates = np.full(k, rate)
        rates[0] *= factor or 1.0
        found = ratio(rng.binomial(n, rates), np.full(k, n), draws=DRAWS, rng=rng)
        return float(found.minimum_detectable or 0.0), found.high < 1

    return sample


def both_models(rates: np.ndarray, down: np.ndarray, churn: float, n: int, rng: np.random.Generator) -> CovarianceResult:
    """Draw what two models get right on the same n cases a group; the second loses `down`, and `churn` of the cases change."""
    k = len(rates)
    lost, won = down + churn / 2, np.full(k, churn / 2)
    shares = np.stack([rates - lost, lost, won, 1 - rates - won], axis=1)
    cells = np.array([rng.multinomial(n, share) for share in shares])
    events = np.tile([1, 1, 0, 0], k), np.tile([1, 0, 1, 0], k)
    return paired_covariance(*events, np.ones(4 * k), np.repeat(np.arange(k), 4), counts=cells.ravel(), groups=k)


def same_cases(test: str, k: int, n: int, rate: float, churn: float, old: float, rng: np.random.Generator) -> Sample:
    """Return samples of two models on the same cases; the first group is behind by `old` in the first."""
    first = np.arange(k) == 0

    def sample(by: float) -> tuple[float, bool]:
        cov = both_models(np.full(k, rate) - old * first, by * first, churn, n, rng)
        if test == "moved":
            found = worsening_test(cov, higher_is_better=True, draws=DRAWS, rng=rng)
        else:
            found = gap_increase_test(cov, draws=DRAWS // 2, rng=rng)
        return found.minimum_detectable, found.p_value <= 0.05

    return sample


def shares(n: int, rates: np.ndarray, rng: np.random.Generator) -> RunEstimates:
    """Draw shares of about half of n cases a group, such as recalls."""
    m = rng.binomial(n, 0.5, len(rates))
    x = rng.binomial(m, rates)
    smoothed = (x + 2) / (m + 4)
    return RunEstimates.independent(x / m, smoothed * (1 - smoothed) / m, m - 1)


def other_cases(test: str, k: int, n: int, rate: float, old: float, rng: np.random.Generator) -> Sample:
    """Return samples of two runs on different cases."""
    tests = {"one value": estimate_change, "moved": gap_change, "gap": gap_widening}
    first = np.arange(k) == 0

    def sample(by: float) -> tuple[float, bool]:
        before = np.full(k, rate) - old * first
        found = tests[test](shares(n, before, rng), shares(n, before - by * first, rng), higher_is_better=True)
        return found.minimum_detectable, found.p_value <= 0.05

    return sample


def binned(n: int, off: float, rng: np.random.Generator) -> BinErrors:
    """Draw the calibration errors of ten bins; labels are off by `off`: more frequent than high scores say, less than low ones."""
    score = rng.beta(2, 3, n)
    hit = rng.random(n) < np.clip(score + off * np.where(score > 0.4, 1, -1), 0.01, 0.99)
    place = equal_bins(score, 10)
    size = np.bincount(place)
    rate = (np.bincount(place, hit) + 1) / (size + 2)
    return BinErrors(np.bincount(place, hit - score) / size, rate * (1 - rate) / size, size / n)


def calibrations(k: int, n: int, rng: np.random.Generator) -> Sample:
    """Return samples of two runs on different cases; the first group's calibration error grows in the second."""
    offs = np.arange(0.0, 0.5, 0.01)
    errors = [binned(200_000, off, np.random.default_rng(9)).value for off in offs]

    def sample(by: float) -> tuple[float, bool]:
        off = float(np.interp(by, errors, offs)) if by else 0.0
        before = [binned(n, 0.0, rng) for _ in range(k)]
        found = calibration_change(before, [binned(n, off if group == 0 else 0.0, rng) for group in range(k)])
        return found.minimum_detectable, found.p_value <= 0.05

    return sample


def line(name: str, sample: Sample, runs: int) -> str:
    """Return a line of the table: what is promised, and how often it is found."""
    promised = float(np.median([sample(0.0)[0] for _ in range(PROMISES)]))
    found = sum(sample(promised)[1] for _ in range(runs))
    return f"{name:58}{promised:>9.3f}{percent(found, runs):>14}"


def designs(rng: np.random.Generator) -> Sequence[tuple[str, Sample]]:
    """Return the lines: what is compared, and its samples."""
    lines = []
    for k, n, rate in ((2, 200, 0.3), (3, 37, 0.001), (3, 60, 0.02), (3, 200, 0.98), (6, 500, 0.3), (10, 1_000, 0.1)):
        lines.append((f"gap of {k} groups of {n:,}, rate {rate:g}", gaps(k, n, rate, rng)))
    for k, n, rate in ((2, 100, 0.1), (2, 500, 0.3), (6, 500, 0.3)):
        lines.append((f"ratio of {k} groups of {n:,}, rate {rate:g}", ratios(k, n, rate, rng)))
    for k, n, rate, churn in ((2, 2_000, 0.8, 0.05), (2, 40, 0.9, 0.0), (2, 200, 0.95, 0.01), (5, 500, 0.97, 0.01)):
        lines.append((f"same cases, moved: {k} groups of {n:,}, rate {rate:g}", same_cases("moved", k, n, rate, churn, 0.0, rng)))
    for k, old in ((2, 0.0), (2, 0.1), (5, 0.0), (5, 0.1)):
        name = f"same cases, gap: {k} groups of 500, rate 0.97, gap {old:g}"
        lines.append((name, same_cases("gap", k, 500, 0.97, 0.01, old, rng)))
    for test, k, old in (("one value", 1, 0.0), ("moved", 2, 0.0), ("gap", 2, 0.0), ("gap", 5, 0.15)):
        for rate, n in ((0.97, 500), (0.98, 200)):
            name = f"other cases, {test}: {k} group{'s' * (k > 1)} of {n}, rate {rate:g}" + f", gap {old:g}" * (old > 0)
            lines.append((name, other_cases(test, k, n, rate, old, rng)))
    for k, n in ((1, 300), (1, 1_000), (2, 1_000)):
        lines.append((f"other cases, calibration error: {k} group{'s' * (k > 1)} of {n:,}", calibrations(k, n, rng)))
    return lines


def main() -> None:
    """Read the options and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300, help="samples per line (300)")
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    started = time.perf_counter()
    print(f"{'':58}{'promised':>9}{'found':>14}   ({options.runs} runs, percent)")
    for name, sample in designs(np.random.default_rng(options.seed)):
        print(line(name, sample, options.runs), flush=True)
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
