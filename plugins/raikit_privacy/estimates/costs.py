"""What privacy costs in accuracy, on the same rows: overall, in each group, and how differently for groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from raikit import stats
from raikit_privacy.estimates.features import Feature

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from raikit_privacy.estimates.features import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Pairs:
    """Rows that two models answered.

    Parameters
    ----------
    open, private : ndarray of bool, shape (n,)
        Whether the model without and the one with privacy is right.
    weight : ndarray, shape (n,), or None
    clusters : sequence of ndarray of int
        At most two columns; negative: the row shares none.
    """

    open: BoolArray
    private: BoolArray
    weight: FloatArray | None = None
    clusters: Sequence[IntArray] = ()

    def covariance(self, values: ArrayLike, code: IntArray, k: int, proportion: bool) -> stats.CovarianceResult:
        """Means of `values` in k groups with their covariance."""
        return stats.rate_covariance(np.asarray(values, dtype=float), np.ones(len(code)), code, self.clusters,
                                     self.weight, groups=k, proportion=proportion)


@dataclass(frozen=True)
class Estimates:
    """Numbers of k groups with their intervals; NaN where a group has no rows.

    Parameters
    ----------
    value, low, high : ndarray, shape (k,)
    n : ndarray of int, shape (k,)
    n_clusters : ndarray of int, shape (k,), or None
    few_clusters : ndarray of bool, shape (k,)
    method : str
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    n: IntArray
    n_clusters: IntArray | None
    few_clusters: BoolArray
    method: str


def accuracies(pairs: Pairs, right: BoolArray, feature: Feature | None, level: float) -> Estimates:
    """Share of right answers, exact limits at the effective sample size; of a feature's groups all at once."""
    code, k = _groups(feature, len(right))
    cov = pairs.covariance(right, code, k, proportion=True)
    found = stats.clustered_rate_interval(cov, level, simultaneous=feature is not None)
    return _estimates(found.value, found.low, found.high, cov, code, found.method)


def costs(pairs: Pairs, feature: Feature | None, level: float) -> Estimates:
    """Accuracy without privacy minus accuracy with it, paired on rows; of a feature's groups all at once.

    Notes
    -----
    MOVER: each accuracy's exact limits at its effective sample size, joined by the correlation of the two [1]_. The
    correlation follows from the variances, ``(V_open + V_private - V_difference) / 2``, which keeps the pairing of a
    row whatever its clusters are. Over k groups each interval has level ``level ** (1 / k)`` (Sidak).

    References
    ----------
    .. [1] Zou and Donner, "Construction of confidence limits about effect measures", Statistics in Medicine 2008.
    """
    code, k = _groups(feature, len(pairs.open))
    kept = max(int((np.bincount(code, minlength=k) > 0).sum()), 1)
    first, second = (pairs.covariance(right, code, k, proportion=True) for right in (pairs.open, pairs.private))
    limits = [stats.clustered_rate_interval(cov, level ** (1 / kept)) for cov in (first, second)]
    difference = difference_covariance(pairs, code, k)
    own = np.sqrt(np.diag(first.M) * np.diag(second.M))
    joint = (np.diag(first.M) + np.diag(second.M) - np.diag(difference.M)) / 2
    correlation = np.clip(np.divide(joint, own, out=np.zeros(k), where=own > 0), -1.0, 1.0)
    a, b = limits
    low, high = stats.difference_limits(a.value, a.low, a.high, b.value, b.low, b.high, correlation)
    method = f"paired MOVER, {a.method}" + (f", Sidak over {kept} groups" if kept > 1 else "")
    return _estimates(a.value - b.value, np.maximum(low, -1), np.minimum(high, 1), first, code, method)


def difference_covariance(pairs: Pairs, code: IntArray, k: int) -> stats.CovarianceResult:
    """Mean paired differences of k groups; a group whose rows all agree is not taken to be known exactly.

    The variance is at least that of independent rows with half a row added to each of the four ways in which two models can
    answer (Agresti and Min 2005): without it, five rows on which the models agree would be worth more than thousands.
    """
    difference = pairs.open.astype(float) - pairs.private.astype(float)
    cov = pairs.covariance(difference, code, k, proportion=False)
    n = np.maximum(cov.n_rows, 1e-9)
    shares = []
    for sign in (1, -1):
        counts = np.nan_to_num(pairs.covariance(difference == sign, code, k, proportion=True).rates) * cov.n_rows
        shares.append((counts + 0.5) / (n + 2))
    lost, won = shares
    least = (lost + won - (lost - won) ** 2) / (n + 2)
    variance = np.maximum(np.diag(cov.M), least)
    return replace(cov, M=cov.M + np.diag(variance - np.diag(cov.M)))


def cost_gap(
    pairs: Pairs, feature: Feature, level: float, rng: np.random.Generator, at_least: int = 1
) -> tuple[stats.Gap, IntArray]:
    """Largest difference of the costs of groups with at least `at_least` rows; and which groups those are.

    Raises
    ------
    ValueError
        If there are fewer than two such groups.
    """
    counts = np.bincount(feature.code, minlength=feature.k)
    kept = np.flatnonzero(counts >= max(at_least, 1))
    cov = difference_covariance(pairs, feature.code, feature.k).subset(kept)
    found = stats.clustered_gap(cov, level, rng=rng)
    return replace(found, high=min(found.high, 2.0)), kept


def _groups(feature: Feature | None, rows: int) -> tuple[IntArray, int]:
    return (np.zeros(rows, dtype=np.int64), 1) if feature is None else (feature.code, feature.k)


def _estimates(
    value: FloatArray, low: FloatArray, high: FloatArray, cov: stats.CovarianceResult, code: IntArray, method: str
) -> Estimates:
    few = cov.few_clusters if cov.ways else np.zeros(len(value), dtype=bool)
    return Estimates(value, low, high, np.bincount(code, minlength=len(value)), cov.n_clusters if cov.ways else None,
                     few, method.strip())
