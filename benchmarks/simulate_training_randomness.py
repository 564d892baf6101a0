"""Simulate intervals of the cost of privacy when private models differ from one training to the next.

    python benchmarks/simulate_training_randomness.py               # two minutes
    python benchmarks/simulate_training_randomness.py --runs 4000   # smaller Monte-Carlo errors

Each run draws test cases, each with a latent ease. The audited model is fixed; each private training shifts the ease of all
cases by its own amount, and that of each group by another. The truth is the expected cost over cases and trainings, and the four
groups pay the same. "misses": share of intervals of the cost without the truth, nominal 5.0. "false gap": share of runs in which
some groups are said to pay more than others, nominal 2.5. "width": mean width of the interval of the cost, in percentage points.
One training is shown as its interval would be read if its sentence did not say that it leaves the training out.

The second table has no cases, only accuracies of trainings: logit-normal around a base with a spread on the logit scale. It prints
how often the limits of their mean miss the expected accuracy, at 95% and at 99%. In the third table one training in ten fails:
its accuracy is lower by three spreads on the logit scale. "seen": misses of the expected accuracy of all trainings, of the runs in
which one fails; "unseen": misses of that of trainings that do not fail, of the other runs; "all": of the first, of all runs.
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr

from raikit_privacy.estimates import costs
from raikit_privacy.estimates.costs import PairedCorrectness
from raikit_privacy.estimates.features import SensitiveFeature, features_of

AUDITED, PRIVATE, SHARED = 1.3, 0.9, 0.7  # thresholds in standard deviations, and the share of ease that both models see


def draw(
    rng: np.random.Generator, n: int, trainings: int, spread: float, spread_of_groups: float, per_cluster: int
) -> tuple[PairedCorrectness, SensitiveFeature]:
    """Draw both models' correctness on new cases, and the groups."""
    cluster = np.arange(n) // per_cluster
    both = np.sqrt(0.5) * rng.normal(size=n) + np.sqrt(0.5) * rng.normal(size=n // per_cluster)[cluster]
    group = rng.integers(0, 4, n)
    own = np.sqrt(1 - SHARED)
    reference = np.sqrt(SHARED) * both + own * rng.normal(size=n) < AUDITED
    shift = spread * rng.normal(size=(trainings, 1)) + spread_of_groups * rng.normal(size=(trainings, 4))[:, group]
    private = np.sqrt(SHARED) * both + own * rng.normal(size=(trainings, n)) < PRIVATE + shift
    [feature] = features_of(pd.DataFrame({"group": np.array(list("abcd"))[group]}), ["group"])
    return PairedCorrectness(reference, private, None, [cluster] if per_cluster > 1 else []), feature


def true_cost(spread: float, spread_of_groups: float) -> float:
    """Return the expected accuracy of the audited model minus that of the private one."""
    return float(ndtr(AUDITED) - ndtr(PRIVATE / np.sqrt(1 + spread**2 + spread_of_groups**2)))


def measure(runs: int, seed: int = 0, **design: float) -> NDArray[np.float64]:
    """Return the share of misses, the share of false gaps, and the mean width."""
    rng, total = np.random.default_rng(seed), np.zeros(3)
    truth = true_cost(design["spread"], design["spread_of_groups"])
    for run in range(runs):
        pairs, feature = draw(rng, **design)  # type: ignore[arg-type]
        cost = costs.costs(pairs, None, 0.95)
        gap, _ = costs.cost_gap(pairs, feature, 0.95, np.random.default_rng(run))
        total += not cost.low[0] <= truth <= cost.high[0], gap.low > 0, cost.high[0] - cost.low[0]
    result: NDArray[np.float64] = total / runs
    return result


Accuracies = tuple[NDArray[np.float64], NDArray[np.bool_]]


def accuracies(base: float, spread: float, failing: bool, size: tuple[int, int], rng: np.random.Generator) -> Accuracies:
    """Draw accuracies of trainings, and which of them fail."""
    fails = rng.random(size) < 0.1 * failing
    shift = (0.1 if failing else spread) * rng.normal(size=size) - 3 * spread * fails
    return expit(logit(base) + shift), fails


def misses_of_mean(base: float, spread: float, trainings: int, level: float, runs: int = 10_000) -> float:
    """Return the share of runs in which the limits of the mean accuracy over trainings miss the expected one."""
    rng = np.random.default_rng(3)
    truth = accuracies(base, spread, False, (1, 1_000_000), rng)[0].mean()
    return float(np.mean(missed(accuracies(base, spread, False, (trainings, runs), rng)[0], truth, level)))


def misses_with_failures(base: float, spread: float, trainings: int, runs: int = 10_000) -> list[float]:
    """Return the misses of the third table: all, where a failing training is seen, and of the others where none is."""
    rng = np.random.default_rng(3)
    every, fails = accuracies(base, spread, True, (1, 1_000_000), rng)
    drawn, failed = accuracies(base, spread, True, (trainings, runs), rng)
    seen = failed.any(axis=0)
    of_all, of_others = (missed(drawn, truth, 0.95) for truth in (every.mean(), every[~fails].mean()))
    return [float(np.mean(part)) for part in (of_all, of_all[seen], of_others[~seen])]


def missed(drawn: NDArray[np.float64], truth: float, level: float) -> NDArray[np.bool_]:
    """Return in which runs the limits of the mean miss the truth."""
    down, up = costs.widths_of_mean(drawn, np.full(drawn.shape[1], 1e-5), level)
    mean = drawn.mean(axis=0)
    result: NDArray[np.bool_] = (truth < mean - down) | (truth > mean + up)
    return result


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=600)
    runs = parser.parse_args().runs
    print(f"{runs} runs of each scenario; Monte-Carlo standard error of 5%: {100 * np.sqrt(0.0475 / runs):.1f}")
    print("    cases  in clusters of  trainings  spread  by group  |  misses  false gap  width")
    for n, per_cluster in ((400, 1), (4000, 1), (1200, 12)):
        for spread, spread_of_groups in ((0.0, 0.0), (0.1, 0.05), (0.3, 0.15)):
            for trainings in (1, 3, 5, 10):
                misses, false, width = 100 * measure(runs, n=n, per_cluster=per_cluster, trainings=trainings, spread=spread,
                                                     spread_of_groups=spread_of_groups)
                print(f"{n:9} {per_cluster:15} {trainings:10} {spread:7.2f} {spread_of_groups:9.2f}  | {misses:7.1f} {false:10.1f} "
                      f"{width:6.1f}", flush=True)
    print("\nLimits of the mean accuracy over trainings, 10,000 runs; Monte-Carlo standard error of 5%: 0.2, of 1%: 0.1")
    print("     base  spread  95%: 3     5    10  99%: 3     5    10 trainings miss")
    designs = list(itertools.product((0.8, 0.9, 0.945, 0.97, 0.99), (0.2, 0.335, 0.5, 0.8)))
    for base, spread in designs:
        cells = "".join(f"{100 * misses_of_mean(base, spread, m, level):6.1f}" for level in (0.95, 0.99) for m in (3, 5, 10))
        print(f"{base:9g} {spread:7g}{cells}", flush=True)
    print("\nThe same where one training in ten fails, of 3, of 5 and of 10 trainings")
    print("     base  spread" + "     all  seen  unseen" * 3)
    for base, spread in designs:
        parts = [[100 * share for share in misses_with_failures(base, spread, m)] for m in (3, 5, 10)]
        cells = "".join(f"{every:8.1f}{seen:6.1f}{unseen:8.1f}" for every, seen, unseen in parts)
        print(f"{base:9g} {spread:7g}{cells}", flush=True)


if __name__ == "__main__":
    main()
