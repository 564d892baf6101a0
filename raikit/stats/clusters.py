"""Rates, gaps and ratios of groups whose cases share clusters (a picture asked about twice, a voice heard often).

Intervals that ignore the clusters give many false alarms (benchmarks/simulate_intervals.py). Everything here follows from
the covariance of `raikit.stats.rate_covariance`, with one cluster column or two crossed ones. Degrees of freedom come from
the effective number of clusters, which is small where a few clusters hold most of a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from raikit.stats._types import BoolArray, FloatArray, IntArray
from raikit.stats.constants import DRAWS, POWER_QUANTILE
from raikit.stats.covariance_result import PER_GROUP, CovarianceResult, cluster_prefix
from raikit.stats.detectable import detectable_gap, detectable_ratio
from raikit.stats.families import Family, groups_and_rests, pairs_and_rests
from raikit.stats.gaps import Contrasts, Gap
from raikit.stats.maxt import Errors, simultaneous_critical, two_step_t
from raikit.stats.multiplicity import holm
from raikit.stats.quantiles import as_normal, as_t, tail_of, upper_quantile, upper_tail
from raikit.stats.quantities import Quantities, difference_p, differences, ratios, separate_limits
from raikit.stats.skewness import deskewed
from raikit.stats.unseen import ALL_AT, NOTHING_AT, with_unseen_cluster, with_unseen_p
from raikit.stats.validation import TOO_FEW_GROUPS, comparable

_HALVINGS = 20  # A statistic to four digits.


@dataclass(frozen=True)
class ClusteredRates:
    """Rates or means of k groups with pointwise intervals.

    Parameters
    ----------
    value, low, high : ndarray, shape (k,)
    n_effective : ndarray, shape (k,)
        Number of independent cases that would be as informative.
    few_clusters : ndarray of bool, shape (k,)
        Whether the group has fewer than 4 effective clusters, or up to three that dominate (`raikit.stats.dominance`), so that its
        interval may be shown but should decide nothing.
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
    the effective number of clusters as its sample size, so that the interval is not [0, 0]. With clusters, the variance
    is that of one more cluster like the one that moves the estimate most, and the degrees of freedom are those of the
    clusters that hold the rarer outcome (for means: of the squared contributions), minus one. The limit of a clustered
    proportion towards more of the rarer outcome is at least that of t, shifted for skewness [2]_. Above 95% a cluster that was
    not seen is added (`raikit.stats.unseen`).

    References
    ----------
    .. [1] Korn and Graubard, "Confidence intervals for proportions with small expected number of positive counts
       estimated from survey data", Survey Methodology 1998.
    .. [2] Johnson, "Modified t tests and confidence intervals for asymmetrical populations", JASA 1978; half of its shift.
    """
    k = int(np.sum(~np.isnan(cov.rates))) if simultaneous else 1
    cov, tail = with_unseen_cluster(cov, level), tail_of(level ** (1 / max(k, 1)))
    low, high = separate_limits(Quantities.of(cov), upper_quantile(tail))
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
    As `raikit.stats.gap`, with three changes. Draws have the cluster covariance. Each difference has t limits, with the
    smaller effective number of clusters of its two sides minus one degrees of freedom. Those of rates are shifted for
    skewness (`raikit.stats.skewness`), and above 95% a cluster that was not seen is added (`raikit.stats.unseen`). The lower end
    uses only groups with enough clusters and without `few_events` (if there are two), because the variances of the others are
    unreliable; the value and the upper end use all groups. Without clusters, limits of proportions are exact at the effective
    sample size, and combined by MOVER.
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
    end, cov = _SimultaneousEnd.of(cov, labels, level, draws, rng), with_unseen_cluster(cov, level)
    every = _of_each_kind(pairs_and_rests(cov.sizes, labels), cov)
    i, j = every.plus[every.pairs], every.minus[every.pairs]
    values = cov.rates[i] - cov.rates[j]
    highs = differences(Quantities.of(cov, every), i, j, upper_quantile(end.alpha))[1]
    lows = differences(end.quantities, *end.contrasts, end.critical)[0]
    widest = int(np.argmax(values))
    ceiling = 1.0 if cov.proportion else np.inf
    return Gap(
        value=float(values[widest]),
        low=max(0.0, float(lows.max())),
        high=min(ceiling, float(highs.max())),
        p_value=end.p_value,
        critical=end.critical,
        minimum_detectable=min(ceiling, end.detectable),
        worst=int(j[widest]),
        best=int(i[widest]),
        method=_method(cov),
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
    strata = np.zeros(len(cov.rates), dtype=np.int64)
    end, cov = _SimultaneousEnd.of(cov, strata, level, draws, rng, log=True), with_unseen_cluster(cov, level)
    every = _of_each_kind(pairs_and_rests(cov.sizes, strata), cov)
    i, j = every.plus[every.pairs], every.minus[every.pairs]
    lows = ratios(Quantities.of(cov, every), i, j, upper_quantile(end.alpha))[0]
    highs = ratios(end.quantities, *end.contrasts, end.critical)[1]
    return Gap(
        value=float(cov.rates.min() / cov.rates.max()),
        low=max(0.0, float(np.nanmin(lows))),
        high=min(1.0, float(np.nanmin(highs))),
        p_value=end.p_value,
        critical=end.critical,
        minimum_detectable=end.detectable,
        worst=int(np.argmin(cov.rates)),
        best=int(np.argmax(cov.rates)),
        method=_method(cov) + ", log rates, MOVER-R",
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
        p-values that agree with the limits, adjusted by Holm. Degrees of freedom are the effective number of clusters of
        the group (or of the rest, if fewer) minus one. A group with few clusters does not widen the others.

    Raises
    ------
    ValueError
        If there are fewer than two groups or a rate is undefined.
    """
    _validate(cov, np.zeros(len(cov.rates)))
    family = groups_and_rests(cov.sizes)
    at_level = with_unseen_cluster(cov, level)
    quantities = Quantities.of(at_level, family)
    se = family.standard_errors(quantities.covariance)
    critical = simultaneous_critical(family, _errors(cov, at_level.M, draws, rng), se, level)
    i, j = family.plus, family.minus
    low, high = differences(quantities, i, j, critical)
    value = quantities.rates[i] - quantities.rates[j]
    if quantities.clustered_proportion:
        plain, strict = (difference_p(Quantities.of(with_unseen_cluster(cov, each), family), i, j) for each in (NOTHING_AT, ALL_AT))
        p = with_unseen_p(plain, strict)
    else:
        p = 2 * upper_tail(np.abs(value) / se, quantities.contrast_df(i, j))
    return Contrasts(value, low, high, p, holm(p), critical, _method(cov) + "; Holm")


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
        Arrays of length 1. t limits with clusters, else by MOVER; p from t with the fewest effective clusters minus one degrees
        of freedom.

    Raises
    ------
    ValueError
        If there are not two estimates or one is undefined.
    """
    _validate(cov, np.zeros(len(cov.rates)))
    i, j = np.array([0]), np.array([1])
    quantities = Quantities.of(with_unseen_cluster(cov, level))
    df = quantities.contrast_df(i, j)
    low, high = differences(quantities, i, j, upper_quantile(tail_of(level)))
    value = cov.rates[:1] - cov.rates[1:]
    plain, strict = (_difference_p(with_unseen_cluster(cov, each)) for each in (NOTHING_AT, ALL_AT))
    p = with_unseen_p(plain, strict)
    limits = {"proportion": "exact limits at effective n", "positive": "limits of the logarithm", "real": "t limits"}
    method = "t limits" if quantities.clustered_proportion else f"MOVER, {limits[cov.scale]}"
    critical = float(upper_quantile(tail_of(level), df)[0])
    return Contrasts(value, low, high, p, p, critical, f"{_prefix(cov)}{method}")


def _difference_p(cov: CovarianceResult) -> FloatArray:
    """Return the two-sided p-value of the difference of two estimates, shape (1,)."""
    i, j = np.array([0]), np.array([1])
    value, quantities = cov.rates[:1] - cov.rates[1:], Quantities.of(cov)
    variance = cov.M[0, 0] + cov.M[1, 1] - 2 * cov.M[0, 1]
    t = deskewed(np.abs(value), np.sqrt(np.maximum(variance, 1e-18)).reshape(1), np.sign(value) * quantities.skew(i, j))
    return np.asarray(2 * upper_tail(np.maximum(t, 0.0), quantities.contrast_df(i, j)))


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


def _method(cov: CovarianceResult) -> str:
    fewest = f" (df from {cov.df.min():.3g})"
    return f"{_prefix(cov)}max-t, t limits{fewest}" if cov.ways else _independent_method(cov)


def _independent_method(cov: CovarianceResult) -> str:
    return f"{_prefix(cov)}max-t" + (", exact limits at effective n" if cov.proportion else ", t limits")


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

    `critical` is the critical value after selection, `full` without; `contrasts` are those of each kind of groups.
    """

    family: Family
    contrasts: tuple[IntArray, IntArray]
    quantities: Quantities
    se: FloatArray
    df: FloatArray
    critical: float
    full: float
    p_value: float
    alpha: float
    log: bool

    @classmethod
    def of(
        cls,
        cov: CovarianceResult,
        strata: IntArray,
        level: float,
        draws: int,
        rng: np.random.Generator,
        *,
        log: bool = False,
    ) -> _SimultaneousEnd:
        _validate(cov, strata)
        alpha, deciding = tail_of(level), _deciding(cov, strata)
        seen, strata = cov.subset(deciding), strata[deciding]
        cov = with_unseen_cluster(seen, level)
        family = pairs_and_rests(cov.sizes, strata)
        estimates, covariance = _logarithms(cov) if log else (cov.rates, cov.M)
        extended = family.extend(estimates)
        se = family.standard_errors(family.extend_covariance(covariance))
        quantities = Quantities.of(cov, family)
        df = quantities.contrast_df(family.plus, family.minus)
        errors = _errors(cov, covariance, draws, rng)
        values = extended[family.plus] - extended[family.minus]
        critical = two_step_t(family, values, se, errors, alpha, df)
        plain, strict = (
            np.asarray(critical.maxima.p_value(_largest_statistic(with_unseen_cluster(seen, each), family, df, log)))
            for each in (NOTHING_AT, ALL_AT)
        )
        p = float(with_unseen_p(plain, strict, two_sided=False))
        kinds = _of_each_kind(family, cov)
        return cls(family, (kinds.plus, kinds.minus), quantities, se, df, critical.value, critical.full, p, alpha, log)

    @property
    def detectable(self) -> float:
        """Difference, or ratio of the logarithms, that would be detected with 80% power in the least favourable group.

        For rates, the normal approximation is multiplied by what it is off for independent cases of the effective number.
        """
        family, q, critical = self.family, self.quantities, as_t(self.full, self.df)
        reach = self.family.least_favourable((critical + POWER_QUANTILE) * self.se)
        if q.scale != "proportion":
            return float(np.exp(-reach)) if self.log else reach
        n = q.n_effective[: q.groups]
        p = _common_rates(q.rates[: q.groups], n, family.strata)
        variance = ((1 - p) / p if self.log else p * (1 - p)) / n
        se = family.independent_standard_errors(variance)
        normal = family.least_favourable((critical + POWER_QUANTILE) * se)
        if self.log:
            return float(detectable_ratio(p, n, family, se, critical) ** max(reach / normal, 1e-3))
        return detectable_gap(p, n, family, se, critical) * reach / normal


def _largest_statistic(cov: CovarianceResult, family: Family, df: FloatArray, log: bool) -> float:
    """Return the largest contrast in standard errors, as a normal value at which some limit still excludes "no difference"."""
    largest, quantities = _largest_contrast(cov, family, df, log), Quantities.of(cov, family)
    if not quantities.clustered_proportion:
        return largest
    kinds = _of_each_kind(family, cov)

    def excludes(z: float) -> bool:
        low, high = (ratios if log else differences)(quantities, kinds.plus, kinds.minus, z)
        return bool(np.any(high < 1) if log else np.any(low > 0))

    if largest <= 0 or excludes(largest):
        return largest
    least, most = 0.0, largest
    for _ in range(_HALVINGS):
        middle = (least + most) / 2
        least, most = (middle, most) if excludes(middle) else (least, middle)
    return least


def _largest_contrast(cov: CovarianceResult, family: Family, df: FloatArray, log: bool) -> float:
    estimates, covariance = _logarithms(cov) if log else (cov.rates, cov.M)
    extended, se = family.extend(estimates), family.standard_errors(family.extend_covariance(covariance))
    skew = Quantities.of(cov, family).skew(family.plus, family.minus, of_ratio=log)
    return float(np.max(as_normal(deskewed(extended[family.plus] - extended[family.minus], se, skew), df)))


def _of_each_kind(family: Family, cov: CovarianceResult) -> Family:
    """Return the contrasts whose limits include the lowest and the highest: of independent groups, those of each kind."""
    if cov.ways:
        return family
    each = (getattr(cov, name) for name in PER_GROUP)
    return family.of_each_kind(*each, np.diag(cov.M), np.diag(cov.concentration))


def _common_rates(rates: FloatArray, n: FloatArray, strata: IntArray) -> FloatArray:
    """Return the common rate of each group's stratum, never 0 or 1."""
    events, trials = np.bincount(strata, rates * n), np.bincount(strata, n)
    return np.asarray(((events + 1) / (trials + 2))[strata])


def _errors(cov: CovarianceResult, covariance: FloatArray, draws: int, rng: np.random.Generator) -> Errors:
    """Draw the groups' errors; without clusters the groups are independent."""
    if cov.ways:
        return Errors.gaussian(covariance, draws, rng)
    return Errors.independent(np.diag(covariance), draws, rng)


def _deciding(cov: CovarianceResult, strata: IntArray) -> BoolArray:
    """Return the entries with enough effective clusters and events in strata that have two of them; all if there are none."""
    enough = comparable(~(cov.few_clusters | cov.few_events), strata)
    return enough if enough.any() else np.ones(len(strata), dtype=bool)


def _logarithms(cov: CovarianceResult) -> tuple[FloatArray, FloatArray]:
    """Return log rates (proportions smoothed by half a case) and their covariance by the delta method."""
    rates = (cov.rates * cov.n_effective + 0.5) / (cov.n_effective + 1) if cov.proportion else cov.rates
    rates = np.maximum(rates, 1e-12)
    return np.log(rates), cov.M / np.outer(rates, rates)
