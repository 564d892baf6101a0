"""How far predicted numbers are from the true ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import raikit
from raikit_performance.rows import Rows, rows_of
from raikit_performance.shares import metric_of_interval
from raikit_performance.words import ground

if TYPE_CHECKING:
    from raikit.stats import Interval

_NAMES = ("mean_absolute_error", "root_mean_squared_error", "r2", "mean_signed_error")


class Regression(raikit.Check):
    """Errors of numeric predictions: absolute, squared, signed (prediction minus truth), and the variance explained."""

    name = "performance.regression"
    pillar = "performance"
    requires = raikit.Requires(columns={"target", "prediction"}, tasks={"regression"})
    produces: ClassVar[Sequence[str]] = [f"performance.{name}" for name in _NAMES]

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        metrics = error_metrics(rows_of(ctx))
        return raikit.CheckResult(metrics=metrics, findings=[self._finding(metrics, ctx)])

    def compare(
        self, candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins
    ) -> list[raikit.Comparison]:
        """Means over rows on the rows that both runs hold."""
        from raikit_performance.compare import compare

        return compare(candidate, baseline, margins)

    def _finding(self, metrics: list[raikit.Metric], ctx: raikit.CheckContext) -> raikit.Finding:
        absolute, signed = metrics[0], metrics[3]
        sentence = (f"Predictions are off by {absolute.value:.4g} on average ({_span(absolute)}; "
                    f"{ground(absolute, ctx.cluster)}).")
        value, low, high = signed.value or 0.0, signed.low or 0.0, signed.high or 0.0
        if low > 0 or high < 0:
            way = "high" if value > 0 else "low"
            sentence += f" They are too {way} by {abs(value):.4g} on average ({_span(signed)})."
        return raikit.Finding(sentence=sentence, what="Distance of predictions to the truth", who="all rows",
                              certainty=_span(absolute), metrics=[self.address(absolute), self.address(signed)])


def _span(metric: raikit.Metric) -> str:
    return f"{(metric.level or 0.95) * 100:g} % interval {metric.low:.4g} to {metric.high:.4g}"


def error_metrics(rows: Rows) -> list[raikit.Metric]:
    """Mean absolute error, root mean squared error, R2 and mean signed error, in this order."""
    from dataclasses import replace

    import numpy as np

    from raikit import stats

    error = rows.prediction - rows.truth
    # where errors do not vary there is no valid interval; these are the widest that the values at hand allow
    reach = float(np.ptp(np.concatenate([rows.prediction, rows.truth])))
    arguments = rows.weight, rows.clusters, rows.level
    absolute = stats.mean_interval(np.abs(error), *arguments, bounds=(0.0, _above(reach, np.abs(error))))
    squared = stats.mean_interval(error**2, *arguments, bounds=(0.0, _above(reach**2, error**2)))
    signed = stats.mean_interval(error, *arguments, bounds=(-_above(reach, error), _above(reach, error)))
    rooted = replace(squared, value=squared.value**0.5, low=squared.low**0.5, high=squared.high**0.5,
                     method=f"{squared.method}, root of the mean square's limits")
    return [
        metric_of_interval("mean_absolute_error", absolute, rows, direction="lower"),
        metric_of_interval("root_mean_squared_error", rooted, rows, direction="lower"),
        _r2(error, rows),
        metric_of_interval("mean_signed_error", signed, rows),
    ]


def _above(reach: float, values: object) -> float:
    """A bound that the mean's interval never meets unless the values do not vary."""
    import numpy as np

    data = np.abs(np.asarray(values, dtype=float))
    return max(reach, 1e3 * float(data.max(initial=0.0))) if np.ptp(np.asarray(values)) > 0 else max(
        reach, float(data.max(initial=0.0)))


def _r2(error: object, rows: Rows) -> raikit.Metric:
    import numpy as np

    w = np.ones(rows.n) if rows.weight is None else rows.weight
    residual = np.asarray(error, dtype=float) ** 2
    spread = (rows.truth - np.average(rows.truth, weights=w)) ** 2
    total = float(w @ spread)
    if not total > 0:
        return raikit.Metric.undefined("r2", "the target is the same in every row", direction="higher")
    value = 1 - float(w @ residual) / total
    influence = -w * (residual - (1 - value) * spread) / total
    return metric_of_interval("r2", _influence_interval(value, influence, rows), rows, direction="higher")


def _influence_interval(value: float, influence: object, rows: Rows) -> Interval:
    """t interval of a smooth statistic from each row's influence on it (the infinitesimal jackknife)."""
    import numpy as np
    from scipy.special import stdtrit

    from raikit import stats

    one, size, group = np.array([value]), np.array([float(rows.n)]), np.zeros(rows.n, dtype=np.int64)
    cov = stats.influence_covariance(one, np.asarray(influence), group, rows.clusters, size, size)
    units = int(cov.n_clusters[0])
    df = max(units - 1, 1)
    method = f"influence, {('', 'one-way cluster ', 'two-way cluster ')[cov.ways]}t (df {df})"
    n_clusters = units if rows.clusters else None
    flags = ("few_clusters",) if rows.clusters and units < stats.MIN_CLUSTERS else ()
    half = -float(stdtrit(df, (1 - rows.level) / 2)) * float(cov.M[0, 0]) ** 0.5
    if units < 2 or half <= 1e-12:
        return stats.Interval(value, min(value, 0.0), 1.0, f"none (no variation for {method})", rows.n, n_clusters,
                              (*flags, "unreliable"))
    return stats.Interval(value, value - half, min(value + half, 1.0), method, rows.n, n_clusters, flags)
