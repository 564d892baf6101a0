"""Rates, gaps and ratios of groups whose rows share clusters (a picture asked about twice, a voice heard often).

Row-wise intervals on such rows give 19 to 98 % false alarms where 2.5 % were meant. Here everything follows from the
covariance of `raikit.stats.covariance.rate_covariance` and t draws: one cluster column or two crossed ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import BoolArray, FloatArray, IntArray, tail_of
from raikit.stats.covariance import MIN_CLUSTERS, CovarianceResult, Scale, influence_covariance, rate_covariance
from raikit.stats.gaps import Contrasts, Gap, max_t_p
from raikit.stats.maxt import (
    Errors,
    Family,
    groups_and_rests,
    pairs_and_rests,
    simultaneous_critical,
    two_step,
)
from raikit.stats.mover import difference_limits, ratio_limits
from raikit.stats.multiplicity import holm
from raikit.stats.rates import limits_at

__all__ = [
    "MIN_CLUSTERS",
    "ClusteredRates",
    "CovarianceResult",
    "clustered_difference",
    "clustered_gap",
    "clustered_group_vs_rest",
    "clustered_odds_gap",
    "clustered_rate_interval",
    "clustered_ratio",
    "influence_covariance",
    "joined",
    "rate_covariance",
]
_POWER = 0.8416212335729143  # normal quantile of 80 % power


@dataclass(frozen=True)
class ClusteredRates:
    """Rates or means of k groups with pointwise intervals.

    Parameters
    ----------
    value, low, high : ndarray, shape (k,)
    n_effective : ndarray, shape (k,)
        Independent rows that would be as informative.
    few_clusters : ndarray of bool, shape (k,)
        Fewer than 8 clusters: show, flag, never decide.
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
    """Interval of each group's rate (or mean) by itself, or of all at once.

    Parameters
    ----------
    cov : CovarianceResult
    level : float, in (0, 1)
    simultaneous : bool
        Sidak over the groups that are defined.

    Returns
    -------
    ClusteredRates
        NaN where a rate is undefined.

    Notes
    -----
    Proportions: Clopper-Pearson at the effective sample size, shrunk by (normal / t quantile)^2 [1]_; a rate of 0
    keeps the number of clusters as its sample size, so the interval is never [0, 0]. Means: t on clusters - 1.

    References
    ----------
    .. [1] Korn and Graubard, "Confidence intervals for proportions with small expected number of positive counts
       estimated from survey data", Survey Methodology 1998.
    """
    k = int(np.sum(~np.isnan(cov.rates))) if simultaneous else 1
    tail = tail_of(level ** (1 / max(k, 1)))
    df = np.maximum(cov.n_clusters - 1, 1)
    low, high = _limits(_Quantities.of(cov), _t(tail, df), df)
    kind = {"proportion": "Korn-Graubard exact limits", "positive": "t limits of the logarithm", "real": "t limits"}[
        cov.scale
    ]
    method = f"{_WAYS[cov.ways]} {kind}" + (f", Sidak over {k} groups" if k > 1 else "")
    return ClusteredRates(cov.rates, low, high, cov.n_effective, cov.few_clusters, method)


def clustered_gap(cov: CovarianceResult, level: float = 0.95, draws: int = 20_000, *, rng: np.random.Generator) -> Gap:
    """Largest difference of the rates (or means) of groups of clustered rows.

    Parameters
    ----------
    cov : CovarianceResult
        Every rate defined; leave groups out with `cov.subset`.
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
    As `raikit.stats.gap`, with two changes: draws are multivariate t from the cluster covariance, and the lower end
    looks only at groups with at least 8 clusters (if there are two), because the covariance of the others is not to
    be trusted; the value and the upper end look at all. Limits of proportions are exact ones at the effective sample
    size, joined by MOVER with the correlation of the two rates; means use t limits.
    """
    return clustered_odds_gap(cov, np.zeros(len(cov.rates), dtype=np.int64), level, draws, rng=rng)


def clustered_odds_gap(
    cov: CovarianceResult, strata: ArrayLike, level: float = 0.95, draws: int = 20_000, *, rng: np.random.Generator
) -> Gap:
    """Largest difference within any stratum, all strata one family (equalized odds).

    Parameters
    ----------
    cov : CovarianceResult
        Rates of all (group, stratum) combinations from *one* call of `rate_covariance`, so that a cluster
        which reaches into both strata is accounted for.
    strata : array_like of int, shape (k,)
        Stratum of each entry of `cov`; each stratum with at least two entries.
    level, draws, rng
        As in `clustered_gap`.

    Returns
    -------
    Gap
        `worst` and `best` index `cov`; `stratum` is the value in `strata`.
    """
    labels = np.asarray(strata)
    plan = _Plan.of(cov, labels, tail_of(level), draws, rng)
    every = pairs_and_rests(cov.sizes, labels)
    quantities, pairs = _Quantities.of(cov, every), every.pairs
    i, j = every.plus[pairs], every.minus[pairs]
    differences = cov.rates[i] - cov.rates[j]
    df = np.maximum(np.minimum(cov.n_clusters[i], cov.n_clusters[j]) - 1, 1)
    highs = _difference(quantities, i, j, _t(plan.alpha, df), df)[1]
    lows = _difference(plan.quantities, plan.family.plus, plan.family.minus, plan.critical, plan.df)[0]
    widest = int(np.argmax(differences))
    ceiling = 1.0 if cov.proportion else np.inf
    return Gap(
        value=float(differences[widest]),
        low=max(0.0, float(lows.max())),
        high=min(ceiling, float(highs.max())),
        p_value=plan.p_value,
        critical=plan.critical,
        minimum_detectable=min(ceiling, (plan.full + _POWER) * plan.least_favourable_se()),
        worst=int(j[widest]),
        best=int(i[widest]),
        method=_method(cov, plan.df),
        stratum=int(labels[i[widest]]),
    )


def clustered_ratio(
    cov: CovarianceResult, level: float = 0.95, draws: int = 20_000, *, rng: np.random.Generator
) -> Gap:
    """Smallest over largest rate (or positive mean) of groups of clustered rows.

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
    _check(cov, np.zeros(len(cov.rates)))
    if np.any(cov.rates < 0) or not np.any(cov.rates > 0):
        raise ValueError("a ratio needs rates that are not negative and not all 0")
    alpha = tail_of(level)
    strata = np.zeros(len(cov.rates), dtype=np.int64)
    plan = _Plan.of(cov, strata, alpha, draws, rng, log=True)
    every = pairs_and_rests(cov.sizes, strata)
    i, j = every.plus[every.pairs], every.minus[every.pairs]
    df = np.maximum(np.minimum(cov.n_clusters[i], cov.n_clusters[j]) - 1, 1)
    lows = _ratio(_Quantities.of(cov, every), i, j, _t(alpha, df), df)[0]
    highs = _ratio(plan.quantities, plan.family.plus, plan.family.minus, plan.critical, plan.df)[1]
    return Gap(
        value=float(cov.rates.min() / cov.rates.max()),
        low=max(0.0, float(np.nanmin(lows))),
        high=min(1.0, float(np.nanmin(highs))),
        p_value=plan.p_value,
        critical=plan.critical,
        minimum_detectable=float(np.exp(-(plan.full + _POWER) * plan.least_favourable_se())),
        worst=int(np.argmin(cov.rates)),
        best=int(np.argmax(cov.rates)),
        method=_method(cov, plan.df) + ", log rates, MOVER-R",
    )


def clustered_group_vs_rest(
    cov: CovarianceResult, level: float = 0.95, draws: int = 20_000, *, rng: np.random.Generator
) -> Contrasts:
    """Each group minus the pooled rest, simultaneous over the groups.

    Parameters
    ----------
    cov, level, draws, rng
        As in `clustered_gap`.

    Returns
    -------
    Contrasts
        p-values from t on the group's clusters less one, adjusted by Holm. A group with few clusters is widened by
        its own degrees of freedom and does not widen the others.
    """
    from scipy.special import stdtr

    _check(cov, np.zeros(len(cov.rates)))
    family = groups_and_rests(cov.sizes)
    quantities = _Quantities.of(cov, family)
    se = family.standard_errors(quantities.covariance)
    critical = simultaneous_critical(family, _errors(cov, cov.M, draws, rng), se, level)
    i, j = family.plus, family.minus
    df = np.minimum(np.maximum(cov.n_clusters - 1, 1), cov.df)
    low, high = _difference(quantities, i, j, _t(stdtr(cov.df, -critical), df), df)
    value = quantities.rates[i] - quantities.rates[j]
    p = np.asarray(2 * stdtr(df, -np.abs(value) / se))
    return Contrasts(value, low, high, p, holm(p), critical, _method(cov, cov.df) + "; Holm")


def clustered_difference(cov: CovarianceResult, level: float = 0.95) -> Contrasts:
    """Difference of the first of two estimates to the second, with the correlation that shared clusters give them.

    Parameters
    ----------
    cov : CovarianceResult
        Of two estimates of any kind, both defined.
    level : float, in (0, 1)

    Returns
    -------
    Contrasts
        Arrays of length 1. Limits by MOVER; p from t on the fewest clusters less one.
    """
    from scipy.special import stdtr

    _check(cov, np.zeros(len(cov.rates)))
    i, j = np.array([0]), np.array([1])
    df = np.maximum(np.min(cov.n_clusters, keepdims=True) - 1, 1)
    critical = _t(tail_of(level), df)
    low, high = _difference(_Quantities.of(cov), i, j, critical, df)
    value = cov.rates[:1] - cov.rates[1:]
    variance = cov.M[0, 0] + cov.M[1, 1] - 2 * cov.M[0, 1]
    p = np.asarray(2 * stdtr(df, -np.abs(value) / np.sqrt(max(variance, 1e-18))))
    limits = {"proportion": "exact limits at effective n", "positive": "limits of the logarithm", "real": "t limits"}
    return Contrasts(value, low, high, p, p, float(critical[0]), f"{_WAYS[cov.ways]} MOVER, {limits[cov.scale]}")


def joined(parts: Sequence[Contrasts], correction: str) -> Contrasts:
    """Contrasts that were made one by one, at a level that `correction` describes; p-values by Holm."""
    columns = {
        name: np.concatenate([np.empty(0), *(getattr(part, name) for part in parts)])
        for name in ("value", "low", "high", "p_value")
    }
    method = f"{parts[0].method}, {correction}; Holm" if parts else ""
    return Contrasts(**columns, p_adjusted=holm(columns["p_value"]), critical=float("nan"), method=method)


_WAYS = {0: "row", 1: "one-way cluster", 2: "two-way cluster"}


def _method(cov: CovarianceResult, df: int) -> str:
    return f"{_WAYS[cov.ways]} max-t, t draws (df {df})" + (", exact limits at effective n" if cov.proportion else "")


def _check(cov: CovarianceResult, strata: ArrayLike) -> None:
    if np.any(np.isnan(cov.rates)):
        raise ValueError("a group without rows in the denominator has no rate: leave it out with `subset`")
    labels = np.asarray(strata)
    if labels.shape != cov.rates.shape:
        raise ValueError("strata must have one entry per rate")
    if not len(labels) or np.unique(labels, return_counts=True)[1].min() < 2:
        raise ValueError("fewer than two groups in which the rate is defined, so there is nothing to compare")


def _t(tail: ArrayLike, df: ArrayLike) -> FloatArray:
    """Upper quantile of Student's t."""
    from scipy.special import stdtrit

    return np.asarray(-stdtrit(df, tail))


@dataclass(frozen=True)
class _Quantities:
    """Rates, variances and effective sizes of groups and, with a family, of their pooled rests."""

    rates: FloatArray
    covariance: FloatArray
    n_effective: FloatArray
    scale: Scale

    @classmethod
    def of(cls, cov: CovarianceResult, family: Family | None = None) -> _Quantities:
        if family is None or not len(family.rest_of):
            return cls(cov.rates, cov.M, cov.n_effective, cov.scale)
        rates, covariance = family.extend(cov.rates), family.extend_covariance(cov.M)
        k = len(cov.rates)
        others = family.strata[family.rest_of][:, None] == family.strata
        others[np.arange(len(family.rest_of)), family.rest_of] = False
        p, variance = rates[k:], np.diag(covariance)[k:]
        with np.errstate(divide="ignore", invalid="ignore"):
            n = np.where((p > 0) & (p < 1), p * (1 - p) / variance, np.max(others * cov.n_effective, axis=1))
        n = np.minimum(n, others @ cov.n_rows)
        return cls(rates, covariance, np.append(cov.n_effective, n), cov.scale)


def _limits(
    q: _Quantities, critical: ArrayLike, df: ArrayLike, at: IntArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Limits of each quantity (or of those at `at`) at `critical` standard errors of t on `df`."""
    from scipy.special import ndtri, stdtr

    critical = np.asarray(critical, dtype=float)
    rates, variance, n_effective = q.rates, np.diag(q.covariance), q.n_effective
    if at is not None:
        rates, variance, n_effective = rates[at], variance[at], n_effective[at]
    if q.scale == "real":
        half = critical * np.sqrt(variance)
        return rates - half, rates + half
    if q.scale == "positive":
        half = critical * np.sqrt(variance)
        reach = half / np.maximum(rates, 1e-300)
        # beyond two units of the logarithm it would promise orders of magnitude, and a value of 0 has none
        return rates * np.exp(-reach), np.maximum(rates * np.exp(np.minimum(reach, 2.0)), rates + half * (reach > 2))
    tail = stdtr(df, -critical)
    n = n_effective * (-ndtri(tail) / critical) ** 2
    return limits_at(np.clip(np.nan_to_num(rates), 0, 1) * n, n, tail)


def _gathered(
    q: _Quantities, i: IntArray, j: IntArray, critical: FloatArray | float, df: IntArray | int
) -> tuple[FloatArray, ...]:
    """Arguments of a MOVER limit for contrasts (i, j): estimates, limits, correlation."""
    if np.ndim(critical) == 0:
        low, high = _limits(q, critical, df)
        parts = q.rates[i], low[i], high[i], q.rates[j], low[j], high[j]
    else:
        first, second = (_limits(q, critical, df, side) for side in (i, j))
        parts = q.rates[i], *first, q.rates[j], *second
    scale = np.sqrt(np.diag(q.covariance))
    correlation = q.covariance[i, j] / np.maximum(scale[i] * scale[j], 1e-300)
    return *parts, np.clip(correlation, -1.0, 1.0)


def _difference(
    q: _Quantities, i: IntArray, j: IntArray, critical: FloatArray | float, df: IntArray | int
) -> tuple[FloatArray, FloatArray]:
    return difference_limits(*_gathered(q, i, j, critical, df))


def _ratio(
    q: _Quantities, i: IntArray, j: IntArray, critical: FloatArray | float, df: IntArray | int
) -> tuple[FloatArray, FloatArray]:
    p1, l1, u1, p2, l2, u2, r = _gathered(q, i, j, critical, df)
    return ratio_limits(p1, np.maximum(l1, 0), u1, p2, np.maximum(l2, 0), u2, r)


@dataclass(frozen=True)
class _Plan:
    """What the simultaneous end needs: the groups that may decide, and their critical value."""

    family: Family
    quantities: _Quantities
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
    ) -> _Plan:
        _check(cov, strata)
        deciding = _deciding(cov, strata)
        cov, strata = cov.subset(deciding), strata[deciding]
        family = pairs_and_rests(cov.sizes, strata)
        values, covariance = (_logarithms(cov)) if log else (cov.rates, cov.M)
        extended = family.extend(values)
        se = family.standard_errors(family.extend_covariance(covariance))
        errors = _errors(cov, covariance, draws, rng)
        found = two_step(family, extended[family.plus] - extended[family.minus], se, errors, alpha, cov.df)
        p = max_t_p(family, extended, found)
        return cls(family, _Quantities.of(cov, family), se, found.value, found.full, p, cov.df, alpha)

    def least_favourable_se(self) -> float:
        """Largest over groups of the smallest standard error of any of its contrasts."""
        smallest = np.full(len(self.quantities.rates), np.inf)
        np.minimum.at(smallest, self.family.plus, self.se)
        return float(smallest[: len(self.family.sizes)].max())


def _errors(cov: CovarianceResult, covariance: FloatArray, draws: int, rng: np.random.Generator) -> Errors:
    """Draws of the groups' errors; groups of separate rows are independent."""
    if cov.ways:
        return Errors.gaussian(covariance, draws, rng, cov.df)
    return Errors.independent(np.diag(covariance), draws, rng, df=cov.df)


def _deciding(cov: CovarianceResult, strata: IntArray) -> BoolArray:
    """Entries with at least 8 clusters in the strata that have two of them; if there are none, all entries."""
    enough = ~cov.few_clusters
    labels, position = np.unique(strata, return_inverse=True)
    enough &= (np.bincount(position, enough, minlength=len(labels)) >= 2)[position]
    return enough if enough.any() else np.ones(len(strata), dtype=bool)


def _logarithms(cov: CovarianceResult) -> tuple[FloatArray, FloatArray]:
    """Log rates (proportions smoothed by half a row) and their covariance by the delta method."""
    rates = (cov.rates * cov.n_effective + 0.5) / (cov.n_effective + 1) if cov.proportion else cov.rates
    rates = np.maximum(rates, 1e-12)
    return np.log(rates), cov.M / np.outer(rates, rates)
