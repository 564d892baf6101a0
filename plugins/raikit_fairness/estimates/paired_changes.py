"""Two ways to decide the same rows: how much a mean, a gap between two groups, or accuracy changes from one to the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raikit.stats import CovarianceResult
    from raikit_fairness.estimates.case_counts import BoolArray, Cells, FloatArray, IntArray


@dataclass(frozen=True)
class Change:
    """One number with its interval.

    Parameters
    ----------
    value, low, high : float
    n : int
        Rows behind it.
    n_clusters : int or None
    method : str
    few_clusters : bool
        Fewer clusters than an interval can rest on.
    """

    value: float
    low: float
    high: float
    n: int
    n_clusters: int | None
    method: str
    few_clusters: bool = False


def means(cells: Cells, values: FloatArray, rows: BoolArray, code: IntArray, k: int, span: float = 1.0) -> CovarianceResult:
    """Means of `values` over `rows` in k groups, with their covariance.

    Parameters
    ----------
    values : ndarray, shape (m,)
        Between -span and span.
    code : ndarray of int, shape (m,)
        Group of each row; negative: none.

    Notes
    -----
    No mean is taken to be known exactly because its rows happen to agree: the variance is at least that of independent
    rows with half a row added to each side (Agresti and Min 2005), of as many rows as weights and clusters leave. Without it
    five rows that two models decide alike would be worth more than thousands.
    """
    import numpy as np

    from raikit import stats

    cov = stats.rate_covariance(values * rows, rows, code, cells.clusters, cells.w, k, scale="real", squares=cells.w2,
                                counts=cells.n)
    n = np.maximum(cov.n_effective, 1e-9)
    up, down = ((_share(cells, np.clip(sign * values / span, 0, None), rows, code, k) * n + 0.5) / (n + 2) for sign in (1, -1))
    least = span**2 * (up + down - (up - down) ** 2) / (n + 2)
    variance = np.maximum(np.diag(cov.M), least)
    return replace(cov, M=cov.M + np.diag(variance - np.diag(cov.M)))


def _share(cells: Cells, values: FloatArray, rows: BoolArray, code: IntArray, k: int) -> FloatArray:
    import numpy as np

    there = rows & (code >= 0)
    total, part = (np.bincount(code[there], weights[there], minlength=k) for weights in (cells.w, cells.w * values))
    return np.divide(part, total, out=np.zeros(k), where=total > 0)


def mean_change(cells: Cells, values: FloatArray, rows: BoolArray, level: float) -> Change:
    """Mean of `values`, each between -1 and 1, over `rows`; t limits."""
    import numpy as np

    code = np.where(rows, 0, -1)
    return group_changes(cells, values, code, 1, level)[0]


def group_changes(cells: Cells, values: FloatArray, code: IntArray, k: int, level: float) -> list[Change]:
    """Mean of `values`, each between -1 and 1, in each of k groups that have rows; t limits, simultaneous by Sidak."""
    import numpy as np

    from raikit import stats

    every = np.ones(len(cells), dtype=bool)
    cov = means(cells, values, every, code, k)
    found = stats.clustered_rate_interval(cov, level, simultaneous=k > 1)
    n = np.bincount(code[code >= 0], cells.n[code >= 0], minlength=k).astype(int)
    return [
        Change(float(found.value[at]), max(float(found.low[at]), -1.0), min(float(found.high[at]), 1.0), int(n[at]),
               int(cov.n_clusters[at]) if cov.ways else None, f"paired, {found.method.strip()}",
               bool(cov.ways and cov.few_clusters[at]))
        for at in range(k)
    ]


def gap_change(
    cells: Cells, before: FloatArray, after: FloatArray, rows: BoolArray, pair: tuple[BoolArray, BoolArray], level: float
) -> Change:
    """How much smaller the difference of two groups' rates becomes, paired on rows.

    Parameters
    ----------
    before, after : ndarray, shape (m,)
        Decision about each row, or its probability.
    rows : ndarray of bool
        The denominator of the rate.
    pair : two ndarrays of bool
        Rows of the two groups, chosen without looking at these rows.

    Notes
    -----
    With differences d (before) and e (after) the gain is ``|d| - |e|``, so a difference that turns round counts as what is
    left of it. ``d - e`` and ``d + e`` are differences of two means, with t limits by MOVER, and the gain is the larger over
    the sign of d of the smaller over the sign of e of ``±d ± e``. Where the larger is meant, each upper limit at its own error
    covers it, and where the smaller is meant, each lower one; the other choice of two is paid for: every limit is taken at
    half of the error (Bonferroni).
    """
    import numpy as np

    from raikit import stats

    code = np.where(pair[0], 0, np.where(pair[1], 1, -1))
    less, more = (means(cells, values, rows, code, 2, span) for values, span in ((before - after, 1.0), (before + after, 2.0)))
    found = [stats.clustered_difference(cov, 1 - (1 - level) / 2) for cov in (less, more)]
    lows, highs = ([float(getattr(one, end)[0]) for one in found] for end in ("low", "high"))
    low = max(min(lows), -max(highs))
    high = max(min(highs), -max(lows))
    sums = float(less.rates[0] - less.rates[1]), float(more.rates[0] - more.rates[1])
    value = abs(sum(sums) / 2) - abs((sums[1] - sums[0]) / 2)
    n = int(cells.n[rows & (code >= 0)].sum())
    clusters = int(less.n_clusters.min()) if less.ways else None
    return Change(value, max(min(low, value), -1.0), min(max(high, value), 1.0), n, clusters,
                  f"paired, two groups fixed on validation rows, {found[0].method.strip()}",
                  bool(less.ways and less.few_clusters.any()))
