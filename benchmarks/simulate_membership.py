"""Simulate how well membership attacks with shadow models recognise members, in a game whose best attack is known.

    python benchmarks/simulate_membership.py             # a minute
    python benchmarks/simulate_membership.py --runs 20

The signal of a case is its own level, plus a shift where the model was trained on it, plus normal noise of each training. Who
knows level and noise recognises members with an area under the ROC curve of Phi(shift / sqrt 2). Levels have a standard
deviation of `spread`; with `uneven`, noise and shift of a case are multiplied by a log-normal factor, which changes no case's
best area. The last line permutes which cases are members, in ten times as many runs: the area must be 0.5.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from sklearn.metrics import roc_auc_score

from raikit_privacy.estimates import shadow_attacks
from raikit_privacy.estimates.shadow_attacks import Signals

CASES, UNEVEN = 4_000, 0.7
ATTACKS: dict[str, Callable[[Signals], NDArray[np.float64]]] = {
    "loss": lambda signals: shadow_attacks.loss_attack(signals.audited), "calibrated": shadow_attacks.calibrated_attack,
    "LiRA": shadow_attacks.lira, "offline": shadow_attacks.lira_offline, "RMIA": shadow_attacks.rmia,
    "BaVarIA": shadow_attacks.bavaria,
}


def game(
    shift: float, spread: float, uneven: float, models: int, rng: np.random.Generator, cases: int = CASES
) -> tuple[NDArray[np.bool_], Signals]:
    """Return which cases are members, half of them, and the signals of one audited model and of shadow models."""
    noise = np.exp(uneven * rng.normal(size=cases))
    level = spread * rng.normal(size=cases)
    member, inside = np.arange(cases) % 2 == 0, shadow_attacks.balanced_halves(cases, models, rng)
    audited = level + noise * (shift * member + rng.normal(size=cases))
    return member, Signals(audited, level + noise * (shift * inside + rng.normal(size=inside.shape)), inside)


def low_rate(member: NDArray[np.bool_], score: NDArray[np.float64], false_positives: float = 0.01) -> float:
    """Return the true positive rate at a false positive rate."""
    return float(np.mean(score[member] > np.quantile(score[~member], 1 - false_positives)))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=4)
    options = parser.parse_args()
    start = time.perf_counter()
    head = "".join(f"{name:>16}" for name in ATTACKS)
    print(f"{options.runs} runs of {CASES:,} cases; area under the ROC curve / true positive rate at 1% false positives, %")
    print(f"{'shift':>6}{'spread':>7}{'uneven':>7}{'models':>7}{'best':>7}{head}")
    for shift in (1.0, 2.0):
        for spread, uneven in ((0.0, 0.0), (1.0, 0.0), (1.0, UNEVEN), (3.0, UNEVEN)):
            for models in (2, 4, 16, 256):
                print(f"{shift:>6}{spread:>7}{uneven:>7}{models:>7}{ndtr(shift / 2**0.5):>7.3f}"
                      f"{row(shift, spread, uneven, models, options.runs)}", flush=True)
    print(f"permuted{'':26}{row(1.0, 1.0, UNEVEN, 16, 10 * options.runs, permuted=True)}")
    print(f"{time.perf_counter() - start:.0f} s")


def row(shift: float, spread: float, uneven: float, models: int, runs: int, permuted: bool = False) -> str:
    """Return the means over runs, one cell for each attack."""
    cells: dict[str, list[tuple[float, float]]] = {}
    for run in range(runs):
        rng = np.random.default_rng([run, models])
        member, signals = game(shift, spread, uneven, models, rng)
        member = rng.permutation(member) if permuted else member
        for name, attack in ATTACKS.items():
            score = attack(signals)
            cells.setdefault(name, []).append((float(roc_auc_score(member, score)), low_rate(member, score)))
    means = [np.mean(values, axis=0) for values in cells.values()]
    return "".join(f"{area:>9.3f} /{100 * rate:>5.1f}" for area, rate in means)


if __name__ == "__main__":
    main()
