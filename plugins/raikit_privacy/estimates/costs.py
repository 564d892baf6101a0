"""The accuracy that privacy costs, on the same cases: overall, in each group, and the gap between groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from raikit import stats
from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit_privacy.estimates.features import SensitiveFeature

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class PairedCorrectness:
    """Whether two models are right on the same cases.

    Parameters
    ----------
    reference, private : ndarray of bool, shape (n,)
        Whether the model without privacy is right, and whether the private one is.
    weight : ndarray, shape (n,), or None
    clusters : sequence of ndarray of int
        At most two columns; a case with a negative code shares no cluster.
    """

    reference: BoolArray
    private: BoolArray
    weight: FloatArray | None = None
    clusters: Sequence[IntArray] = ()

    def covariance(self, values: ArrayLike, code: IntArray, k: int, proportion: bool) -> stats.CovarianceResult:
        """Compute the means of `values` in k groups with their covariance."""
        return stats.rate_covariance(np.asarray(values, dtype=float), np.ones(len(code)), code, self.clusters,
                                     self.weight, groups=k, proportion=proportion)


@dataclass(frozen=True)
class GroupEstimates:
    """Estimates of k groups with their intervals; NaN where a group has no cases.

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


def accuracies(pairs: PairedCorrectness, right: BoolArray, feature: SensitiveFeature | None, level: float) -> GroupEstimates:
    """Compute accuracy, with exact limits at the effective sample size; simultaneous over the groups of a feature."""
    code, k = _groups(feature, len(right))
    cov = pairs.covariance(right, code, k, proportion=True)
    rates = stats.clustered_rate_interval(cov, level, simultaneous=feature is not None)
    return _estimates(rates.value, rates.low, rates.high, cov, code, rates.method)


def costs(pairs: PairedCorrectness, feature: SensitiveFeature | None, level: float) -> GroupEstimates:
    """Compute accuracy without privacy minus accuracy with it, paired on cases; simultaneous over groups of a feature.

    Notes
    -----
    MOVER: each accuracy's exact limits at its effective sample size, joined by the correlation of the two [1]_. The
    correlation follows from the variances, ``(V_reference + V_private - V_difference) / 2``, which keeps the pairing
    of a case whatever its clusters are. Over k groups each interval has level ``level ** (1 / k)`` (Sidak).

    References
    ----------
    .. [1] Zou and Donner, "Construction of confidence limits about effect measures", Statistics in Medicine 2008.
    """
    code, k = _groups(feature, len(pairs.reference))
    groups = max(int((np.bincount(code, minlength=k) > 0).sum()), 1)
    first, second = (pairs.covariance(right, code, k, proportion=True) for right in (pairs.reference, pairs.private))
    limits = [stats.clustered_rate_interval(cov, level ** (1 / groups)) for cov in (first, second)]
    difference = difference_covariance(pairs, code, k)
    own = np.sqrt(np.diag(first.M) * np.diag(second.M))
    joint = (np.diag(first.M) + np.diag(second.M) - np.diag(difference.M)) / 2
    correlation = np.clip(np.divide(joint, own, out=np.zeros(k), where=own > 0), -1.0, 1.0)
    a, b = limits
    low, high = stats.difference_limits(a.value, a.low, a.high, b.value, b.low, b.high, correlation)
    method = f"paired MOVER, {a.method}" + (f", Sidak over {groups} groups" if groups > 1 else "")
    return _estimates(a.value - b.value, np.maximum(low, -1), np.minimum(high, 1), first, code, method)


def difference_covariance(pairs: PairedCorrectness, code: IntArray, k: int) -> stats.CovarianceResult:
    """Compute mean paired differences of k groups; a group on which both models agree is not taken to be known exactly.

    The variance is at least that of independent cases with half a case added to each of the four ways in which two models
    can answer (Agresti and Min 2005). Without it, five cases on which the models agree would be worth more than thousands.
    """
    difference = pairs.reference.astype(float) - pairs.private.astype(float)
    cov = pairs.covariance(difference, code, k, proportion=False)
    n = np.maximum(cov.n_rows, 1e-9)
    shares = []
    for sign in (1, -1):
        counts = np.nan_to_num(pairs.covariance(difference == sign, code, k, proportion=True).rates) * cov.n_rows
        shares.append((counts + 0.5) / (n + 2))
    lost, gained = shares
    floor = (lost + gained - (lost - gained) ** 2) / (n + 2)
    variance = np.maximum(np.diag(cov.M), floor)
    return replace(cov, M=cov.M + np.diag(variance - np.diag(cov.M)))


def cost_gap(
    pairs: PairedCorrectness, feature: SensitiveFeature, level: float, rng: np.random.Generator, at_least: int = 1
) -> tuple[stats.Gap, IntArray]:
    """Compute the largest difference between costs of groups with at least `at_least` cases, and name those groups.

    Returns
    -------
    Gap, ndarray of int
        The gap, and the positions of the groups that it is over.

    Raises
    ------
    ValueError
        If there are fewer than two such groups.
    """
    counts = np.bincount(feature.code, minlength=feature.k)
    groups = np.flatnonzero(counts >= max(at_least, 1))
    cov = difference_covariance(pairs, feature.code, feature.k).subset(groups)
    gap = stats.clustered_gap(cov, level, rng=rng)
    return replace(gap, high=min(gap.high, 2.0)), groups


def _groups(feature: SensitiveFeature | None, n: int) -> tuple[IntArray, int]:
    return (np.zeros(n, dtype=np.int64), 1) if feature is None else (feature.code, feature.k)


def _estimates(
    value: FloatArray, low: FloatArray, high: FloatArray, cov: stats.CovarianceResult, code: IntArray, method: str
) -> GroupEstimates:
    few = cov.few_clusters if cov.ways else np.zeros(len(value), dtype=bool)
    return GroupEstimates(value, low, high, np.bincount(code, minlength=len(value)), cov.n_clusters if cov.ways else None,
                     few, method.strip())
