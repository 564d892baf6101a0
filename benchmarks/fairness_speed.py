"""Compare the speed of `raikit_fairness.assess` with that of Fairlearn's MetricFrame, in one process.

    OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1 python benchmarks/fairness_speed.py [--rows 100000] [--boot 3]

There are three sensitive features of strings (3 x 4 x 5 = 60 intersections) and five metrics. Fairlearn's bootstrap repeats
the whole table in every replicate, so a few replicates are timed and extrapolated to 2,000. raikit is timed in full. Last come
all metrics of raikit with scores (areas, losses, calibration) in the three features and their pairs, and the same with clusters.
"""

from __future__ import annotations

import argparse
import resource
import time
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from fairlearn import metrics as fl
from sklearn import metrics as sk

from raikit_fairness import assess, measures
from raikit_fairness.estimates import rates
from raikit_fairness.estimates.array_source import source_from_arrays
from raikit_fairness.estimates.sources import GroupingColumns

METRICS: dict[str, Any] = {
    "selection_rate": fl.selection_rate,
    "true_positive_rate": fl.true_positive_rate,
    "false_positive_rate": fl.false_positive_rate,
    "accuracy": sk.accuracy_score,
    "precision": sk.precision_score,
}


def table(rows: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Draw a table of groups with unequal sizes and rates."""
    rng = np.random.default_rng(seed)
    sizes = {"sex": 3, "race": 4, "age": 5}
    frame = pd.DataFrame(
        {name: rng.choice([f"{name} {at}" for at in range(k)], rows, p=rng.dirichlet(np.full(k, 4))) for name, k in sizes.items()}
    )
    y = (rng.random(rows) < 0.3).astype(int)
    worse = (frame.sex == "sex 0").to_numpy()
    yhat = np.where(rng.random(rows) < np.where(worse, 0.78, 0.85), y, 1 - y)
    return frame, y, yhat


def seconds(run: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Return the median time of `run` and its last result."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - start)
    return median(times), result


def raikit_values(frame: pd.DataFrame, y: np.ndarray, yhat: np.ndarray) -> dict[str, np.ndarray]:
    """Compute point values of every intersection, from strings."""
    grouping = GroupingColumns(list(frame), [], [], len(frame.columns), 500)
    cases = pd.DataFrame({"truth": y, "prediction": yhat})
    source = source_from_arrays(cases, {c: frame[c] for c in frame}, None, grouping, None, 0.5)
    values, _ = rates.class_rates(source.cells, source.cells.features[-1], 1)
    return {name: values[name].value for name in METRICS}


def minimum(frame: pd.DataFrame, y: np.ndarray, yhat: np.ndarray) -> np.ndarray:
    """Do the least that any program has to do: factorise the strings and count the cells."""
    code = np.zeros(len(y), dtype=np.int64)
    for column in frame:
        codes, names = pd.factorize(frame[column])
        code = code * len(names) + codes
    return np.bincount((code * 2 + y) * 2 + yhat)


def main() -> None:
    """Time both tables and both kinds of intervals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--boot", type=int, default=3, help="replicates of Fairlearn's bootstrap that are timed")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    frame, y, yhat = table(options.rows)
    frames = {"y_true": y, "y_pred": yhat, "sensitive_features": frame}
    print(f"{options.rows:,} rows, 60 intersections of three columns of strings, {len(METRICS)} metrics, one process\n")

    theirs, by_group = seconds(lambda: fl.MetricFrame(metrics=METRICS, **frames).by_group, 1)
    point, values = seconds(lambda: raikit_values(frame, y, yhat), 9)
    least, _ = seconds(lambda: minimum(frame, y, yhat), 9)
    aequitas = _aequitas(frame, y, yhat)
    print(f"point values    Fairlearn {theirs:8.2f} s   raikit {point * 1e3:7.1f} ms   {theirs / point:10,.0f} times faster")
    if aequitas is not None:
        print(f"                Aequitas  {aequitas:8.2f} s                     {aequitas / point:10,.1f} times faster")
    print(f"                bare factorise and bincount {least * 1e3:.1f} ms: raikit takes {point / least:.1f} times as long")
    worst = max(float(np.abs(by_group[name].to_numpy() - values[name]).max()) for name in METRICS)
    print(f"                largest difference of a value: {worst:.1e}\n")

    start = time.perf_counter()
    fl.MetricFrame(metrics=METRICS, n_boot=options.boot, ci_quantiles=[0.025, 0.975], random_state=0, **frames)
    boot = (time.perf_counter() - start - theirs) / options.boot * 2_000
    names = list(METRICS)
    crossed = pd.Series(frame.agg(" / ".join, axis=1), name="group")
    only, crossed_result = seconds(lambda: assess(y, yhat, sensitive_features=crossed, metrics=names), 5)
    every, _ = seconds(lambda: assess(y, yhat, sensitive_features=frame, metrics=names, intersections=3), 3)
    print(f"all intervals   Fairlearn {boot:8,.0f} s (n_boot=2000, from {options.boot} timed replicates)")
    print(f"                raikit    {only:8.3f} s (60 intersections: {len(crossed_result.by_group)} values, "
          f"{len(crossed_result.disparities)} disparities with p-values)   {boot / only:10,.0f} times faster")
    print(f"                raikit    {every:8.3f} s (and the three features and their pairs)   {boot / every:10,.0f} times faster")
    score = np.clip(np.random.default_rng(1).normal(0.3 + 0.35 * y, 0.2), 0, 1)
    all_names = [measure.name for measure in (*measures.BINARY, *measures.BINARY_SCORES)]
    for clusters in (0, max(options.rows // 200, 50)):
        cluster = np.random.default_rng(2).integers(0, clusters, options.rows) if clusters else None
        start = time.process_time()
        took, result = seconds(
            lambda: assess(y, yhat, sensitive_features=frame, scores=score, clusters=cluster, metrics=all_names), 1  # noqa: B023
        )
        print(f"with scores     raikit    {took:8.3f} s, {time.process_time() - start:.3f} s of one core"
              f"{f', {clusters:,} clusters' if clusters else ''} ({len(result.by_group)} values, "
              f"{len(result.disparities)} disparities; peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB)")


def _aequitas(frame: pd.DataFrame, y: np.ndarray, yhat: np.ndarray) -> float | None:
    try:
        from aequitas.group import Group
    except ImportError:
        return None
    rows = frame.agg(" / ".join, axis=1).astype(object).to_frame("group").assign(score=yhat, label_value=y)
    return seconds(lambda: Group().get_crosstabs(rows, attr_cols=["group"]), 3)[0]


if __name__ == "__main__":
    main()
