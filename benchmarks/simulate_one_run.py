"""Simulate how often bounds on epsilon from canaries in one run exceed the truth, and how much of it they show.

    python benchmarks/simulate_one_run.py              # a few minutes
    python benchmarks/simulate_one_run.py --runs 2000  # half an hour

Two games have a known epsilon at a delta of 1e-5: the ideal Gaussian game (a canary that is in shifts its score, and the noise
is that of the exact Gaussian mechanism), and randomised response (each coin is released, and is true with a probability of
e^epsilon / (1 + e^epsilon)). Guesses are fixed (one number), searched and paid for (ten numbers, Bonferroni), or searched and not
paid for, which raikit offers to nobody: it is written out here to show what it does. A bound may be false in 5% of runs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from monte_carlo import percent
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

from raikit_privacy.estimates import one_run
from raikit_privacy.estimates.one_run import Bound, Guesses, GuessPlan
from raikit_privacy.estimates.privacy_loss import gaussian_epsilon

DELTA, EPSILONS = 1e-5, (1, 2, 4, 8)
FIXED, SEARCHED = 0.2, (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 1.0)  # shares of the canaries
Game = Callable[[float, int, np.random.Generator], tuple[NDArray[np.float64], NDArray[np.bool_]]]
METHODS = [("Steinke", one_run.steinke_bound), ("f-DP, any", one_run.any_curve_bound),
           ("f-DP, Gaussian", one_run.gaussian_curve_bound)]


def gaussian(epsilon: float, canaries: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Release each coin with the noise at which its Gaussian mechanism has this epsilon."""
    noise = brentq(lambda log: gaussian_epsilon(np.exp(log), 1, DELTA) - epsilon, -3, 4)
    coins = rng.random(canaries) < 0.5
    return coins + np.exp(noise) * rng.normal(size=canaries), coins


def randomised_response(
    epsilon: float, canaries: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Release each coin, or its opposite now and then."""
    coins = rng.random(canaries) < 0.5
    return np.where(rng.random(canaries) < expit(epsilon), coins, ~coins).astype(float), coins


def plan(shares: tuple[float, ...], canaries: int) -> GuessPlan:
    """Return the plan that guesses these shares of the canaries."""
    return GuessPlan(tuple(max(round(share * canaries), 1) for share in shares))


def uncorrected(bound: Callable[..., Bound], guesses: Guesses) -> float:
    """Return the best bound of all, none of which is paid for: false far more often than its level says."""
    return max(bound(Guesses(guesses.canaries, {made: right}), DELTA).epsilon for made, right in guesses.correct.items())


def table(name: str, game: Game, canaries: int, epsilon: int, runs: int, seed: int) -> None:
    """Print false bounds and medians of one game."""
    rng = np.random.default_rng([seed, canaries, epsilon])
    bounds: dict[str, list[float]] = {}
    for _ in range(runs):
        scores, coins = game(epsilon, canaries, rng)
        fixed, searched = (plan(shares, canaries).guess(scores, coins) for shares in ((FIXED,), SEARCHED))
        for label, bound in METHODS:
            for how, value in (("fixed", bound(fixed, DELTA).epsilon), ("paid for", bound(searched, DELTA).epsilon),
                               ("unpaid", uncorrected(bound, searched))):
                bounds.setdefault(f"{label:16}{how:10}", []).append(value)
        assumed = one_run.assuming_gaussian(scores, coins, DELTA, rng).epsilon
        bounds.setdefault(f"{'assuming noise':16}{'half':10}", []).append(assumed)
    for label, values in bounds.items():
        false = sum(value > epsilon for value in values)
        print(f"{name:21}{canaries:>9,}{epsilon:>9}   {label}{percent(false, runs)}{np.median(values):>9.2f}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    start = time.perf_counter()
    print(f"{options.runs} runs of each game; delta {DELTA:g}; level 95%; fixed: {100 * FIXED:g}% of the canaries are guessed")
    print(f"{'game':21}{'canaries':>9}{'epsilon':>9}   {'bound':16}{'guesses':10}{'false, %':>10}{'median':>9}")
    for epsilon in EPSILONS:
        table("Gaussian", gaussian, 1_000, epsilon, options.runs, options.seed)
    table("Gaussian", gaussian, 5_000, 4, max(options.runs // 4, 1), options.seed)
    for epsilon in EPSILONS:
        table("randomised response", randomised_response, 1_000, epsilon, options.runs, options.seed)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
