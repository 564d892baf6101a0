"""Simulate averages of labels where few people have most of the cases.

    python benchmarks/simulate_people.py               # under a minute
    python benchmarks/simulate_people.py --runs 10000

1,000 cases of 40, 100 or 300 people, whose numbers of cases follow Zipf's law, and who differ in how well the model does for
them; three labels, as in simulate_parts.py. "low" is how often the low end lies above the truth, "high" how often the high end
lies below; nominal 2.5% at .95 and 0.5% at .99. Undecided intervals miss nothing.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from monte_carlo import percent
from simulate_parts import LEVELS, UNDECIDED, Cases, measured, things

import raikit

PEOPLE = (40, 100, 300)
AVERAGES = [(measure, average) for average in ("micro", "weighted", "macro") for measure in ("precision", "recall", "f1")]


def samples(design: Cases, rng: np.random.Generator, runs: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Draw truth, predictions of the first model, and persons."""
    return [(truth, both[0], person) for truth, both, person in (design.draw(rng) for _ in range(runs))]


def simulate(design: Cases, runs: int, rng: np.random.Generator) -> list[str]:
    """Return a line for each average."""
    k = len(design.prevalence)
    truth, found, person = (np.concatenate(parts) for parts in zip(*samples(design, rng, 500), strict=True))
    large = measured(things(truth, found, person, k), 0.95)
    true = {_key(metric): metric.value or 0.0 for metric in large}
    counts = {key: np.zeros((len(LEVELS), 3), dtype=int) for key in AVERAGES}
    for truth, found, person in samples(design, rng, runs):
        arrays = things(truth, found, person, k)
        for at, level in enumerate(LEVELS):
            for metric in measured(arrays, level):
                if (key := _key(metric)) not in counts:
                    continue
                few, low, high = bool(UNDECIDED & set(metric.flags)), metric.low or 0.0, metric.high or 1.0
                counts[key][at] += [few, not few and low > true[key], not few and high < true[key]]
    return [f"{design.people:>6} {' '.join(key):22}" + "".join(
        f"{percent(int(low), runs):>13}{percent(int(high), runs):>13}{100 * undecided / runs:>14.0f}%"
        for undecided, low, high in counts[key]
    ) for key in AVERAGES]


def _key(metric: raikit.Metric) -> tuple[str, str]:
    name, args = metric.name.removeprefix("entity_"), metric.args
    return name, str(args.get("average", ""))


def main() -> None:
    """Read the options and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000, help="samples per design (1,000)")
    parser.add_argument("--seed", type=int, default=2)
    options = parser.parse_args()
    started, rng = time.perf_counter(), np.random.default_rng(options.seed)
    heads = (f"{head} {level:g}" for level in LEVELS for head in ("low", "high", "undecided"))
    print(f"{'people':>6} {'average':22}" + "".join(f"{head:>{15 if 'un' in head else 13}}" for head in heads))
    for people in PEOPLE:
        print("\n".join(simulate(Cases("", 1_000, people), options.runs, rng)), flush=True)
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
