"""Compare the accountants of private training with one another, and the promise against attackers with the best attack.

    python benchmarks/simulate_accountants.py                                  # a minute
    pip install dp-accounting && python benchmarks/simulate_accountants.py     # with Google's PLD beside

First table: noise multiplier, sample rate, steps and delta of a training, and epsilon by each accountant. "/ Google" is raikit's
PLD (at sample rate 1: the exact Gaussian mechanism) over dp-accounting's, whose intervals are narrowed until it changes by less
than 1e-4: above 1 is a looser bound. "seconds" are raikit's. "added" is epsilon when a case is added; PRV computes removal only;
all others are the larger of both.

Second table: the attacker sees every noisy sum, knows all other cases, and one case has the largest gradient that clipping
allows. Nobody separates "in" from "out" better than by the likelihood ratio, here in `--runs` trainings of either kind. Its true
positive rate, with its Monte-Carlo standard error, is to stay below "promised".
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np

from raikit_privacy.estimates import budget
from raikit_privacy.estimates.privacy_loss import _composed, _one_step

SETTINGS = [
    (1.2, 0.25, 64, 1e-5), (3.0, 0.25, 64, 1e-5), (8.0, 0.25, 64, 1e-5), (0.8, 0.01, 1000, 1e-5), (0.5, 0.01, 200, 1e-5),
    (2.0, 0.02, 60, 1e-5), (6.0, 0.02, 60, 1e-5), (0.4, 0.9, 3, 1e-5), (20.0, 0.9, 300, 1e-5), (5.0, 0.5, 1, 1e-5),
    (5.0, 0.5, 40, 0.1), (2.0, 0.12, 80, 1e-9), (1.0, 0.001, 10_000, 1e-6), (1.0, 1e-4, 1000, 1e-5),
    (1.0, 0.004, 200_000, 1e-7), (2.02, 1.0, 10, 1e-5), (4.0, 1.0, 16, 1e-6), (36.8, 0.1, 40, 1e-5), (1000.0, 0.9, 400, 1e-5),
    (5.0, 0.01, 1, 1e-5), (30.0, 0.1, 40, 1e-10),
]


def google(noise: float, rate: float, steps: int, delta: float) -> float:
    """Return dp-accounting's epsilon; NaN if it is not installed."""
    try:
        from dp_accounting.pld import privacy_loss_distribution as pld  # type: ignore[import-not-found]
    except ImportError:
        return float("nan")
    found = [float("inf")]
    for width in (1e-3, 1e-4, 1e-5, 1e-6):
        step = pld.from_gaussian_mechanism(noise, sampling_prob=rate, value_discretization_interval=width)
        found.append(step.self_compose(steps).get_epsilon_for_delta(delta))
        if abs(found[-1] - found[-2]) < 1e-4 * found[-1]:
            break
    return float(found[-1])


def best_attack(noise: float, rate: float, steps: int, runs: int, fpr: float, seed: int) -> tuple[float, float]:
    """Return the true positive rate of the likelihood ratio at a false positive rate, and its standard error."""
    rng = np.random.default_rng(seed)

    def statistic(member: bool) -> np.ndarray:
        total = np.zeros(runs)
        for _ in range(steps):
            seen = noise * rng.normal(size=runs) + member * (rng.random(runs) < rate)
            with np.errstate(divide="ignore"):
                total += np.logaddexp(np.log1p(-rate), np.log(rate) + (2 * seen - 1) / (2 * noise**2))
        return total

    tpr = float((statistic(True) > np.quantile(statistic(False), 1 - fpr)).mean())
    return tpr, float(np.sqrt(tpr * (1 - tpr) / runs + (tpr / fpr) ** 2 * fpr * (1 - fpr) / runs * 0.25))


def print_attacks(runs: int) -> None:
    """Print one row for each private training: the promise, and what the best attack does."""
    print(f"\n{'target':>6} {'rate':>7} {'steps':>6} {'accountant':>10} {'promised at 1%':>14}   best attack")
    settings = [(1.0, 0.25, 64), (8.0, 0.25, 64), (3.0, 0.05, 100), (8.0, 1.0, 16), (2.0, 1.0, 16)]
    for seed, (target, rate, steps) in enumerate(settings):
        planned = budget.plan(target, 1e-5, rate, steps)
        promise = budget.true_positive_rate_bound(planned, steps, 0.01)
        tpr, error = best_attack(planned.noise_multiplier, rate, steps, runs, 0.01, seed)
        print(f"{target:6g} {rate:7g} {steps:6d} {planned.accountant:>10} {promise:14.4f}   {tpr:.4f} ±{error:.4f}")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400_000, help="trainings with the case and without it (400,000)")
    runs = parser.parse_args().runs
    warnings.simplefilter("ignore")
    print(f"{'noise':>6} {'rate':>7} {'steps':>7} {'delta':>6}   {'raikit':>9} {'added':>9} {'PRV':>9} {'RDP':>9} {'Google':>9} "
          f"{'/ Google':>9} {'seconds':>8}")
    for noise, rate, steps, delta in SETTINGS:
        start = time.perf_counter()
        ours = budget.epsilon(noise, rate, steps, delta, "gaussian" if rate == 1 else "pld")
        seconds = time.perf_counter() - start
        added = ours if rate == 1 else _composed(_one_step(noise, rate)[1], steps, delta).epsilon(delta)
        prv = float("nan") if rate == 1 else budget.epsilon(noise, rate, steps, delta, "prv")
        rdp, other = budget.epsilon(noise, rate, steps, delta, "rdp"), google(noise, rate, steps, delta)
        print(f"{noise:6g} {rate:7g} {steps:7d} {delta:6.0e}   {ours:9.5f} {added:9.5f} {prv:9.5f} {rdp:9.5f} {other:9.5f} "
              f"{ours / other:9.5f} {seconds:8.2f}")
    print_attacks(runs)


if __name__ == "__main__":
    main()
