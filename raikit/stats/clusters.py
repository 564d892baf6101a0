"""Rates, gaps and ratios of groups whose cases share clusters (a picture asked about twice, a voice heard often).

Intervals that ignore the clusters give many false alarms (benchmarks/simulate_intervals.py). Everything here follows from
the covariance of `raikit.stats.rate_covariance` and t draws, with one cluster column or two crossed ones. The level was
simulated with clusters of similar size; with very uneven ones (one cluster holds a third of a group) it is not kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import BoolArray, FloatArray, IntArray
from raikit.stats.constants import DRAWS, POWER_QUANTILE
from raikit.stats.covariance import CovarianceResult, cluster_prefix
from raikit.stats.families import Family, groups_and_rests, pairs_and_rests
from raikit.stats.gaps import Contrasts, Gap, max_t_p
from raikit.stats.maxt import Errors, simultaneous_critical, two_step
from raikit.stats.multiplicity import holm
from raikit.stats.quantiles import tail_of, upper_quantile, upper_tail
from raikit.stats.quantities import Quantities, difference_of, limits_of, ratio_of
from raikit.stats.validation import TOO_FEW_GROUPS, comparable


@dataclass(frozen=True)
class ClusteredRates:
    """Rates or means of k groups with pointwise intervals.

    Parameters
    ----------
    value, low, high : ndarray, shape (k,)
    n_effective : ndarray, shape (k,)
        Number of independent cases that would be as informative.
    few_clusters : ndarray of bool, shape (k,)
        Whether the group has fewer than 8 clusters, so that its interval may be shown but should decide nothing.
    method : str
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    n_effective: FloatArray
    few_clusters: BoolArray
    method: str


def clustered_rate_interval(
    cov: CovarianceResult, level: float = 0.95, *, simultaneous: bool = False
) -> ClusteredRates:
    """Compute an interval of each group's rate or mean.

    Parameters
    ----------
    cov : CovarianceResult
    level : float, in (0, 1)
    simultaneous : bool
        Whether the intervals cover all defined groups at once, by Sidak's correction.

    Returns
    -------
    ClusteredRates
        NaN where a rate is undefined.

    Raises
    ------
    ValueError
        If `level` is outside (0, 1).

    Notes
    -----
    Proportions: Clopper-Pearson at the effective sample size, shrunk by (normal / t quantile)^2 [1]_. A rate of 0 keeps
    the number of clusters as its sample size, so that the interval is not [0, 0]. Means: t with the number of clusters
    minus 1 degrees of freedom.

    References
    ----------
    .. [1] Korn and Graubard, "Confidence intervals for proportions with small expected number of positive counts
       estimated from survey data", Survey Methodology 1998.
    """
    k = int(np.sum(~np.isnan(cov.rates))) if simultaneous else 1
    tail = tail_of(level ** (1 / max(k, 1)))
    df = np.maximum(cov.n_clusters - 1, 1)
    low, high = limits_of(Quantities.of(cov), upper_quantile(tail, df), df)
    kind = {"proportion": "Korn-Graubard exact limits", "positive": "t limits of the logarithm", "real": "t limits"}[
        cov.scale
    ]
    method = f"{_prefix(cov)}{kind}" + (f", Sidak over {k} groups" if k > 1 else "")
    return ClusteredRates(cov.rates, low, high, cov.n_effective, cov.few_clusters, method)


def clustered_gap(cov: CovarianceResult, level: float = 0.95, draws: int = DRAWS, *, rng: np.random.Generator) -> Gap:
    """Estimate the largest difference between the rates or means of groups of clustered cases.

    Parameters
    ----------
    cov : CovarianceResult
        With every rate defined; leave groups out with `cov.subset`.
    level : float, in (0, 1)
    draws : int
        At least 20,000 where a tail decides.
    rng : numpy.random.Generator

    Returns
    -------
    Gap

    Raises
    ------
    ValueError
        If there are fewer than two groups or a rate is undefined.

    Notes
    -----
    As `raikit.stats.gap`, with two changes. Draws are multivariate t from the cluster covariance. The lower end uses only
    groups with at least 8 clusters (if there are two), because the covariance of the others is unreliable; the value and
    the upper end use all groups. Limits of proportions are exact at the effective sample size, and combined by MOVER with
    the correlation of the two rates; means use t limits.

    Simulated with clusters of similar size, one-way and two-way (benchmarks/simulate_intervals.py).
    """
    return clustered_odds_gap(cov, np.zeros(len(cov.rates), dtype=np.int64), level, draws, rng=rng)


def clustered_odds_gap(
    cov: CovarianceResult, strata: ArrayLike, level: float = 0.95, draws: int = DRAWS, *, rng: np.random.Generator
) -> Gap:
    """Estimate the largest difference within any stratum, with all strata as one family (equalized odds).

    Parameters
    ----------
    cov : CovarianceResult
        Rates of all (group, stratum) combinations from *one* call of `rate_covariance`, which accounts for clusters that
        have cases in both strata.
    strata : array_like of int, shape (k,)
        Stratum of each entry of `cov`; each stratum with at least two entries.
    level, draws, rng
        As in `clustered_gap`.

    Returns
    -------
    Gap
        `worst` and `best` index `cov`; `stratum` is the value in `strata`.

    Raises
    ------
    ValueError
        If a rate is undefined, a stratum has fewer than two groups, or lengths do not match.
    """
    labels = np.asarray(strata)
    end = _SimultaneousEnd.of(cov, labels, tail_of(level), draws, rng)
    every = pairs_and_rests(cov.sizes, labels)
    quantities, pairs = Quantities.of(cov, every), every.pairs
    i, j = every.plus[pairs], every.minus[pairs]
    differences = cov.rates[i] - cov.rates[j]
    df = _pair_df(cov, i, j)
    highs = difference_of(quantities, i, j, upper_quantile(end.alpha, df), df)[1]
    lows = difference_of(end.quantities, end.family.plus, end.family.minus, end.critical, end.df)[0]
    widest = int(np.argmax(differences))
    ceiling = 1.0 if cov.proportion else np.inf
    return Gap(
        value=float(differences[widest]),
        low=max(0.0, float(lows.max())),
        high=min(ceiling, float(highs.max())),
        p_value=end.p_value,
        critical=end.critical,
        minimum_detectable=min(ceiling, (end.full + POWER_QUANTILE) * end.least_favourable_se),
        worst=int(j[widest]),
        best=int(i[widest]),
        method=_method(cov, end.df),
        stratum=int(labels[i[widest]]),
    )


def clustered_ratio(
    cov: CovarianceResult, level: float = 0.95, draws: int = DRAWS, *, rng: np.random.Generator
) -> Gap:
    """Estimate the smallest rate (or positive mean) divided by the largest, over groups of clustered cases.

    Parameters
    ----------
    cov, level, draws, rng
        As in `clustered_gap`.

    Returns
    -------
    Gap
        Upper end simultaneous, lower end pointwise; `low` is 0 if the lowest rate is 0.

    Raises
    ------
    ValueError
        If there are fewer than two groups, a rate is undefined or negative, or all are 0.
    """
    _validate(cov, np.zeros(len(cov.rates)))
    if np.any(cov.rates < 0) or not np.any(cov.rates > 0):
        raise ValueError("a ratio needs rates that are not negative and not all 0")
    alpha = tail_of(level)
    strata = np.zeros(len(cov.rates), dtype=np.int64)
    end = _SimultaneousEnd.of(cov, strata, alpha, draws, rng, log=True)
    every = pairs_and_rests(cov.sizes, strata)
    i, j = every.plus[every.pairs], every.minus[every.pairs]
    df = _pair_df(cov, i, j)
    lows = ratio_of(Quantities.of(cov, every), i, j, upper_quantile(alpha, df), df)[0]
    highs = ratio_of(end.quantities, end.family.plus, end.family.minus, end.critical, end.df)[1]
    return Gap(
        value=float(cov.rates.min() / cov.rates.max()),
        low=max(0.0, float(np.nanmin(lows))),
        high=min(1.0, float(np.nanmin(highs))),
        p_value=end.p_value,
        critical=end.critical,
        minimum_detectable=float(np.exp(-(end.full + POWER_QUANTILE) * end.least_favourable_se)),
        worst=int(np.argmin(cov.rates)),
        best=int(np.argmax(cov.rates)),
        method=_method(cov, end.df) + ", log rates, MOVER-R",
    )


def clustered_group_vs_rest(
    cov: CovarianceResult, level: float = 0.95, draws: int = DRAWS, *, rng: np.random.Generator
) -> Contrasts:
    """Compare each group with the pooled rest, simultaneously over the groups.

    Parameters
    ----------
    cov, level, draws, rng
        As in `clustered_gap`.

    Returns
    -------
    Contrasts
        p-values from t with the group's clusters minus one degrees of freedom, adjusted by Holm. A group with few
        clusters is widened by its own degrees of freedom and does not widen the others.

    Raises
    ------
    ValueError
        If there are fewer than two groups or a rate is undefined.
    """
    _validate(cov, np.zeros(len(cov.rates)))
    family = groups_and_rests(cov.sizes)
    quantities = Quantities.of(cov, family)
    se = family.standard_errors(quantities.covariance)
    critical = simultaneous_critical(family, _errors(cov, cov.M, draws, rng), se, level)
    i, j = family.plus, family.minus
    df = np.minimum(np.maximum(cov.n_clusters - 1, 1), cov.df)
    low, high = difference_of(quantities, i, j, upper_quantile(upper_tail(critical, cov.df), df), df)
    value = quantities.rates[i] - quantities.rates[j]
    p = 2 * upper_tail(np.abs(value) / se, df)
    return Contrasts(value, low, high, p, holm(p), critical, _method(cov, cov.df) + "; Holm")


def clustered_difference(cov: CovarianceResult, level: float = 0.95) -> Contrasts:
    """Compare the first of two estimates with the second, given the correlation that shared clusters cause.

    Parameters
    ----------
    cov : CovarianceResult
        Of two estimates of any kind, both defined.
    level : float, in (0, 1)

    Returns
    -------
    Contrasts
        Arrays of length 1. Limits by MOVER; p from t with the fewest clusters minus one degrees of freedom.

    Raises
    ------
    ValueError
        If there are not two estimates or one is undefined.
    """
    _validate(cov, np.zeros(len(cov.rates)))
    i, j = np.array([0]), np.array([1])
    df = np.maximum(np.min(cov.n_clusters, keepdims=True) - 1, 1)
    critical = upper_quantile(tail_of(level), df)
    low, high = difference_of(Quantities.of(cov), i, j, critical, df)
    value = cov.rates[:1] - cov.rates[1:]
    variance = cov.M[0, 0] + cov.M[1, 1] - 2 * cov.M[0, 1]
    p = 2 * upper_tail(np.abs(value) / np.sqrt(max(variance, 1e-18)), df)
    limits = {"proportion": "exact limits at effective n", "positive": "limits of the logarithm", "real": "t limits"}
    return Contrasts(value, low, high, p, p, float(critical[0]), f"{_prefix(cov)}MOVER, {limits[cov.scale]}")


def join_contrasts(parts: Sequence[Contrasts], correction: str) -> Contrasts:
    """Join contrasts that were computed one by one, and adjust their p-values by Holm.

    Parameters
    ----------
    parts : sequence of Contrasts
    correction : str
        How the level of the limits was corrected, for `method`.

    Returns
    -------
    Contrasts
        `critical` is NaN: each part has its own.
    """
    columns = {
        name: np.concatenate([np.empty(0), *(getattr(part, name) for part in parts)])
        for name in ("value", "low", "high", "p_value")
    }
    method = f"{parts[0].method}, {correction}; Holm" if parts else ""
    return Contrasts(**columns, p_adjusted=holm(columns["p_value"]), critical=float("nan"), method=method)


def _prefix(cov: CovarianceResult) -> str:
    return cluster_prefix(cov.ways) or "row "


def _pair_df(cov: CovarianceResult, i: IntArray, j: IntArray) -> IntArray:
    """Return the degrees of freedom of each pair: the fewer clusters of the two groups, minus one."""
    return np.asarray(np.maximum(np.minimum(cov.n_clusters[i], cov.n_clusters[j]) - 1, 1))


def _method(cov: CovarianceResult, df: int) -> str:
    return f"{_prefix(cov)}max-t, t draws (df {df})" + (", exact limits at effective n" if cov.proportion else "")


def _validate(cov: CovarianceResult, strata: ArrayLike) -> None:
    if np.any(np.isnan(cov.rates)):
        raise ValueError("a group without cases in the denominator has no rate: leave it out with `subset`")
    labels = np.asarray(strata)
    if labels.shape != cov.rates.shape:
        raise ValueError("strata must have one entry per rate")
    if not len(labels) or np.unique(labels, return_counts=True)[1].min() < 2:
        raise ValueError(TOO_FEW_GROUPS)


@dataclass(frozen=True)
class _SimultaneousEnd:
    """The groups that decide the simultaneous end of an interval, and their critical value.

    `critical` is the critical value after selection, `full` without.
    """

    family: Family
    quantities: Quantities
    se: FloatArray
    critical: float
    full: float
    p_value: float
    df: int
    alpha: float

    @classmethod
    def of(
        cls,
        cov: CovarianceResult,
        strata: IntArray,
        alpha: float,
        draws: int,
        rng: np.random.Generator,
        *,
        log: bool = False,
    ) -> _SimultaneousEnd:
        _validate(cov, strata)
        deciding = _deciding(cov, strata)
        cov, strata = cov.subset(deciding), strata[deciding]
        family = pairs_and_rests(cov.sizes, strata)
        values, covariance = _logarithms(cov) if log else (cov.rates, cov.M)
        extended = family.extend(values)
        se = family.standard_errors(family.extend_covariance(covariance))
        errors = _errors(cov, covariance, draws, rng)
        critical = two_step(family, extended[family.plus] - extended[family.minus], se, errors, alpha, cov.df)
        p = max_t_p(family, extended, critical)
        return cls(family, Quantities.of(cov, family), se, critical.value, critical.full, p, cov.df, alpha)

    @property
    def least_favourable_se(self) -> float:
        return self.family.least_favourable(self.se)


def _errors(cov: CovarianceResult, covariance: FloatArray, draws: int, rng: np.random.Generator) -> Errors:
    """Draw the groups' errors; without clusters the groups are independent."""
    if cov.ways:
        return Errors.gaussian(covariance, draws, rng, cov.df)
    return Errors.independent(np.diag(covariance), draws, rng, df=cov.df)


def _deciding(cov: CovarianceResult, strata: IntArray) -> BoolArray:
    """Return the entries with at least 8 clusters in strata that have two of them; all entries if there are none."""
    enough = comparable(~cov.few_clusters, strata)
    return enough if enough.any() else np.ones(len(strata), dtype=bool)


def _logarithms(cov: CovarianceResult) -> tuple[FloatArray, FloatArray]:
    """Return log rates (proportions smoothed by half a case) and their covariance by the delta method."""
    rates = (cov.rates * cov.n_effective + 0.5) / (cov.n_effective + 1) if cov.proportion else cov.rates
    rates = np.maximum(rates, 1e-12)
    return np.log(rates), cov.M / np.outer(rates, rates)
