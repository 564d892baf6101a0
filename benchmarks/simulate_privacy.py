"""Simulate whether intervals of the membership attack and of the cost of privacy hold where clusters are of uneven size.

    python benchmarks/simulate_privacy.py              # about two minutes
    python benchmarks/simulate_privacy.py --runs 2000  # a quarter of an hour

Nothing is remembered: members' and non-members' losses have one distribution, with an effect of each cluster. Both models of a
cost are equally good. So the true area is 0.5, the true advantage and cost are 0, and the true positive rate is the false one.
Shown is how often an interval misses (nominal 5%), not counting results that are flagged `few_clusters`, and how many are.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from raikit_privacy.estimates import costs, membership

DESIGNS = [("12 equal", 12, "equal"), ("60 equal", 60, "equal"), ("60 Zipf", 60, "zipf"), ("60, one has 30%", 60, "0.3"),
           ("60, one has half", 60, "0.5")]  # fmt: skip
ROWS, FPR = 1_200, 0.1


def chances(clusters: int, sizes: str) -> NDArray[np.float64]:
    """Return how likely a case is to lie in each cluster."""
    share = 1 / np.arange(1, clusters + 1.0) if sizes == "zipf" else np.ones(clusters)
    if sizes not in ("equal", "zipf"):
        share[0] = (clusters - 1) * float(sizes) / (1 - float(sizes))
    return np.asarray(share / share.sum())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    start, error = time.perf_counter(), 100 * np.sqrt(0.05 * 0.95 / options.runs)
    print(f"{options.runs} runs of each design; percent (standard error {error:.1f} at 5)")
    names = ("area", "advantage", "TPR", "cost")
    print(f"{'clusters on either side':26}" + "".join(f"{name:>10}{'flagged':>9}" for name in names))
    for name, clusters, sizes in DESIGNS:
        rng, wrong, flagged = np.random.default_rng(options.seed), np.zeros(4), np.zeros(4)
        for _ in range(options.runs):
            member = np.arange(ROWS) < ROWS // 2
            cluster = rng.choice(clusters, ROWS, p=chances(clusters, sizes)) + clusters * member
            loss = np.exp(rng.normal(size=ROWS) + rng.normal(0, 0.7, 2 * clusters)[cluster])
            losses = membership.Losses(member, loss, [cluster])
            rate = membership.true_positive_rate_at(losses, FPR, 0.95)
            intervals = membership.area(losses, 0.95), membership.advantage(losses, 0.95, rng)
            odds = 1.5 + rng.normal(0, 0.8, (3, 2 * clusters))[:, cluster]
            same = rng.random(ROWS)
            pairs = costs.PairedCorrectness(same < expit(odds[0] + odds[1]), same < expit(odds[0] + odds[2]), None, [cluster])
            cost = costs.costs(pairs, None, 0.95)
            ends = [(i.low, i.high, bool(i.flags)) for i in (*intervals, rate)]
            ends.append((float(cost.low[0]), float(cost.high[0]), bool(cost.few_clusters[0])))
            for at, ((low, high, few), truth) in enumerate(zip(ends, (0.5, 0.0, FPR, 0.0), strict=True)):
                flagged[at] += few
                wrong[at] += not few and not low <= truth <= high
        cells = zip(100 * wrong / options.runs, 100 * flagged / options.runs, strict=True)
        print(f"{name:26}" + "".join(f"{miss:10.1f}{few:9.1f}" for miss, few in cells), flush=True)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
