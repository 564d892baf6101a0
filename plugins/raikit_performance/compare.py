"""How much worse a mean over cases became, on the same cases where both runs hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

import raikit
from raikit import stats
from raikit.arrays import FloatArray, IntArray, cluster_codes
from raikit_performance.intervals import WAYS

_POWER_QUANTILE = 0.8416  # normal quantile of 80%


def compare(candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins) -> list[raikit.Comparison]:
    """Compare metrics that are means of one number per case, paired; the harness compares the rest.

    Notes
    -----
    The difference of two means over the same cases is the mean of the cases' differences: a t interval, cluster-robust.
    """
    metrics = {
        str(metric.id): metric.name for _, metric in candidate.record.metrics()
        if str(metric.id) in margins.of and metric.name in LOSSES and not metric.args
    }
    if not metrics or baseline.is_file:
        return []
    pair = raikit.pair_rows(candidate, baseline, margins)
    if not pair.paired:
        return []
    data = candidate.record.data
    # The first two cluster columns, in the order of the configuration.
    clusters, _ = cluster_codes(pair.candidate, list(data.cluster)[:2])
    cases = _PairedCases(clusters, pair.candidate[data.weight].to_numpy(dtype=float) if data.weight else None, pair.note)
    comparisons = []
    for address, name in metrics.items():
        before, after = (LOSSES[name](frame, list(data.classes)) for frame in (pair.baseline, pair.candidate))
        if before is not None and after is not None:
            largest = 1.0 if name == "accuracy" else None
            comparisons.append(_comparison(address, after - before, cases, margins, largest))
    return comparisons


@dataclass(frozen=True)
class _PairedCases:
    """What all comparisons of two runs have in common: clusters, weight and a note on the pairing."""

    clusters: Sequence[IntArray]
    weight: FloatArray | None
    note: str


def _comparison(
    address: str, increase: FloatArray, cases: _PairedCases, margins: raikit.Margins, largest: float | None
) -> raikit.Comparison:
    """Test whether the mean loss increased by more than the margin; `largest` is the largest difference of a case."""
    margin, level, n = margins.of[address].margin, 1 - margins.error, len(increase)
    cov = stats.rate_covariance(increase, np.ones(n), np.zeros(n, dtype=np.int64), cases.clusters, cases.weight, 1,
                                scale="real")
    value, df = float(cov.rates[0]), max(int(cov.n_clusters[0]) - 1, 1)
    if largest is None:
        largest = float(abs(increase).max(initial=0.0))
    # Cases that all agree may hide one that does not: add the variance of one more case with the largest difference.
    se = (float(cov.M[0, 0]) + (largest / n) ** 2) ** 0.5 or 1e-150
    reach = -float(stdtrit(df, (1 - level) / 2)) * se
    return raikit.Comparison(
        metric=address, value=value, low=value - reach, high=value + reach, p_value=float(stdtr(df, (margin - value) / se)),
        margin=margin, paired=True, n=n, reason=cases.note or None,
        minimum_detectable=margin + (float(stdtrit(df, level)) + _POWER_QUANTILE) * se,
        method=f"mean of the cases' differences, {WAYS[cov.ways]}t (df {df})",
    )


def _wrong(frame: pd.DataFrame, classes: Sequence[Any]) -> FloatArray:
    return np.asarray(frame["target"] != frame["prediction"], dtype=float)


def _squared_error_of_score(frame: pd.DataFrame, classes: Sequence[Any]) -> FloatArray | None:
    if "score" not in frame:
        return None
    positive = (frame["target"] == classes[-1]).to_numpy(dtype=float)
    return np.asarray((frame["score"].to_numpy(dtype=float) - positive) ** 2)


def _log_loss(frame: pd.DataFrame, classes: Sequence[Any]) -> FloatArray | None:
    if "score" not in frame:
        return None
    tiny = np.finfo(float).eps
    p = np.clip(frame["score"].to_numpy(dtype=float), tiny, 1 - tiny)
    return np.asarray(-np.log(np.where((frame["target"] == classes[-1]).to_numpy(), p, 1 - p)))


def _absolute_error(frame: pd.DataFrame, classes: Sequence[Any]) -> FloatArray:
    return np.asarray(np.abs(frame["prediction"].to_numpy(dtype=float) - frame["target"].to_numpy(dtype=float)))


# Loss of each case, by metric. Accuracy is turned into a loss, so that higher is worse for all of them.
LOSSES: Mapping[str, Callable[[pd.DataFrame, Sequence[Any]], FloatArray | None]] = {
    "accuracy": _wrong, "brier_score": _squared_error_of_score, "log_loss": _log_loss,
    "mean_absolute_error": _absolute_error,
}
