"""How much worse a mean over rows became, on the same rows where both runs hold them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import raikit

if TYPE_CHECKING:
    import pandas as pd

    from raikit_performance.rows import FloatArray


def compare(candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins) -> list[raikit.Comparison]:
    """Compare metrics that are means of one number per row, paired; the rest is left to the harness.

    Notes
    -----
    The difference of two means over the same rows is the mean of the rows' differences: a t interval, cluster-robust.
    """
    wanted = {str(metric.id): metric for _, metric in candidate.record.metrics() if str(metric.id) in margins.of}
    able = {address: metric for address, metric in wanted.items() if metric.name in LOSSES and not metric.args}
    if not able or baseline.is_file:
        return []
    pair = raikit.pair_rows(candidate, baseline, margins)
    if not pair.paired:
        return []
    data = candidate.record.data
    clusters = _clusters(pair.candidate, list(data.cluster)[:2])
    weight = pair.candidate[data.weight].to_numpy(dtype=float) if data.weight else None
    found = []
    for address, metric in able.items():
        before, after = (LOSSES[metric.name](frame, list(data.classes)) for frame in (pair.baseline, pair.candidate))
        if before is None or after is None:
            continue
        found.append(_compared(address, after - before, weight, clusters, margins, pair.note,
                               whole=metric.name == "accuracy"))
    return found


_WAYS = {0: "", 1: "one-way cluster ", 2: "two-way cluster "}


def _compared(
    address: str, worse: FloatArray, weight: Any, clusters: list[Any], margins: raikit.Margins, note: str, *, whole: bool
) -> raikit.Comparison:
    from scipy.special import stdtr, stdtrit

    from raikit import stats

    margin, level = margins.of[address].margin, 1 - margins.error
    cov = stats.rate_covariance(worse, [1.0] * len(worse), [0] * len(worse), clusters, weight, 1, scale="real")
    value, df = float(cov.rates[0]), max(int(cov.n_clusters[0]) - 1, 1)
    most = 1.0 if whole else float(abs(worse).max(initial=0.0))
    # decisions that all agree may hide one that does not: the variance of one more row that differs as far as any
    se = (float(cov.M[0, 0]) + (most / len(worse)) ** 2) ** 0.5 or 1e-150
    reach = -float(stdtrit(df, (1 - level) / 2)) * se
    power = float(stdtrit(df, level)) + 0.8416  # normal quantile of 80 %
    return raikit.Comparison(
        metric=address, value=value, low=value - reach, high=value + reach, p_value=float(stdtr(df, (margin - value) / se)),
        margin=margin, paired=True, n=len(worse), minimum_detectable=margin + power * se, reason=note or None,
        method=f"mean of the rows' differences, {_WAYS[cov.ways]}t (df {df})",
    )


def _clusters(frame: pd.DataFrame, columns: list[str]) -> list[Any]:
    import pandas as pd

    return [pd.factorize(frame[column])[0].astype("int64") for column in columns]


def _wrong(frame: pd.DataFrame, classes: list[Any]) -> FloatArray:
    return (frame["target"] != frame["prediction"]).to_numpy(dtype=float)


def _brier(frame: pd.DataFrame, classes: list[Any]) -> FloatArray | None:
    if "score" not in frame:
        return None
    squares: FloatArray = (frame["score"].to_numpy(dtype=float) - (frame["target"] == classes[-1]).to_numpy(dtype=float)) ** 2
    return squares


def _log_loss(frame: pd.DataFrame, classes: list[Any]) -> FloatArray | None:
    import numpy as np

    if "score" not in frame:
        return None
    tiny = np.finfo(float).eps
    p = np.clip(frame["score"].to_numpy(dtype=float), tiny, 1 - tiny)
    losses: FloatArray = -np.log(np.where((frame["target"] == classes[-1]).to_numpy(), p, 1 - p))
    return losses


def _absolute(frame: pd.DataFrame, classes: list[Any]) -> FloatArray:
    import numpy as np

    return np.abs(frame["prediction"].to_numpy(dtype=float) - frame["target"].to_numpy(dtype=float))


# what a row loses; accuracy is a loss upside down, so that higher is worse for all of them
LOSSES: dict[str, Callable[[pd.DataFrame, list[Any]], FloatArray | None]] = {
    "accuracy": _wrong, "brier_score": _brier, "log_loss": _log_loss, "mean_absolute_error": _absolute,
}
