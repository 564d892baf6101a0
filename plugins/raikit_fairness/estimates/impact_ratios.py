"""Impact ratios: each category's rate over the highest category's, as New York City's Local Law 144 asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import raikit
from raikit import stats
from raikit.arrays import BoolArray, FloatArray
from raikit_fairness.estimates import rates
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.group_estimates import ClusteredEstimates, Rates
from raikit_fairness.settings import IntervalSettings


def above_median(cases: Cells) -> BoolArray:
    """Return which cases score above the sample median (by weight, where cases have one)."""
    assert cases.scores is not None
    order = np.argsort(cases.scores, kind="stable")
    reached = np.cumsum(cases.w[order])
    middle = int(np.searchsorted(reached, reached[-1] / 2))
    median = cases.scores[order[middle]]
    if middle + 1 < len(order) and reached[middle] == reached[-1] / 2:  # between two cases, as NumPy defines it
        median = (median + cases.scores[order[middle + 1]]) / 2
    return np.asarray(cases.scores > median)


def has_category(feature: Feature) -> BoolArray:
    """Return the cells whose category is known."""
    known = np.array([*(None not in group for group in feature.groups), False])  # the last is of cases in no group
    return np.asarray(known[feature.code])


@dataclass(frozen=True)
class ImpactRatioEstimates:
    """Rates of k categories, each over the highest one's.

    Parameters
    ----------
    name : str
        ``selection_rate`` or ``scoring_rate``.
    feature : Feature
    rate : CountedRates or ClusteredEstimates
    share : ndarray, shape (k,)
        Share of all cases with a known category, by weight.
    value, low, high : ndarray, shape (k,)
        NaN where no category has a rate above 0.
    simultaneous_high : ndarray, shape (k,)
        Upper limits that hold for the categories of all features at once (Bonferroni).
    """

    name: str
    feature: Feature
    rate: Rates
    share: FloatArray
    value: FloatArray
    low: FloatArray
    high: FloatArray
    simultaneous_high: FloatArray


def estimate_impact_ratios(
    name: str, cells: Cells, feature: Feature, event: BoolArray, settings: IntervalSettings, categories: int = 0
) -> ImpactRatioEstimates:
    """Estimate the ratios of the categories that are known.

    Parameters
    ----------
    name : str
    cells, feature, event, settings
        Cases, the feature with the categories, and whether a case counts.
    categories : int
        Categories of all features together, over which `simultaneous_high` holds; at least those of this one.

    Notes
    -----
    A ratio to the highest rate is the smallest of the ratios to every category. Only the truly highest must be covered from
    below, so the lower end is the smallest pointwise limit (a pair's own at the same tail). The upper end, the smallest of
    several upper limits, is taken at the tail divided by their number (Bonferroni).
    """
    known = has_category(feature)
    cells, feature, event = cells.take(known), feature.within(known), event[known]
    weighty = np.bincount(feature.code, cells.w, minlength=feature.k) > 0
    if not weighty.all():  # a category without weight has no rate
        kept = weighty[feature.code]
        cells, feature, event = cells.take(kept), feature.within(kept), event[kept]
    rate = rates.rate(cells, feature, event, None, name)
    share = np.bincount(feature.code, cells.w, minlength=feature.k) / max(float(cells.w.sum()), 1e-300)
    p = rate.value
    highest = float(np.nanmax(p)) if rate.defined.any() else 0.0
    if not highest > 0:
        undefined = np.full(feature.k, np.nan)
        return ImpactRatioEstimates(name, feature, rate, share, undefined, undefined, undefined, undefined)
    correlation = _correlation(rate)

    def smallest_limit(tail: float, end: int) -> FloatArray:
        limits = rate.intervals(1 - 2 * tail)
        ends = np.array(stats.ratio_limits(
            p[:, None], limits.low[:, None], limits.high[:, None], p, limits.low, limits.high, correlation
        )[end])  # fmt: skip
        np.fill_diagonal(ends, 1.0)  # a category against itself
        return np.asarray(np.nanmin(ends, axis=1))

    tail, others = (1 - settings.level) / 2, max(feature.k - 1, 1)
    low, high = smallest_limit(tail, 0), smallest_limit(tail / others, 1)
    simultaneous_high = smallest_limit(tail / (others * max(feature.k, categories)), 1)
    return ImpactRatioEstimates(name, feature, rate, share, p / highest, low, high, simultaneous_high)


def _correlation(rate: Rates) -> Any:
    """Return the correlation of the categories' rates; rates that share clusters are dependent."""
    if not isinstance(rate, ClusteredEstimates):
        return 0.0
    deviation = np.sqrt(np.maximum(np.diag(rate.cov.M), 1e-300))
    return np.clip(rate.cov.M / np.outer(deviation, deviation), -1.0, 1.0)


def impact_metrics(
    estimates: Sequence[ImpactRatioEstimates], settings: IntervalSettings, marked_below: float
) -> list[raikit.Metric]:
    """Return the ratios (and scoring rates) of every category; `marked_below` is the share that flags a category."""
    metrics = []
    for ratios in estimates:
        for group in range(ratios.feature.k):
            metrics += _category_metrics(ratios, group, settings, marked_below)
    return metrics


def _category_metrics(
    ratios: ImpactRatioEstimates, group: int, settings: IntervalSettings, marked_below: float
) -> list[raikit.Metric]:
    limits, clusters = ratios.rate.intervals(settings.level), ratios.rate.n_clusters
    place: dict[str, Any] = {"over": list(ratios.feature.columns), "group": ratios.feature.group(group)}
    evidence: dict[str, Any] = {
        "level": settings.level, "n": int(ratios.rate.n[group]),
        "flags": ["small_share"] * bool(ratios.share[group] < marked_below),
        "n_clusters": None if clusters is None else int(clusters[group]),
    }  # fmt: skip
    metrics = []
    if ratios.name == "scoring_rate":
        rate = float(ratios.rate.value[group])
        metrics.append(raikit.Metric(
            "scoring_rate", rate, low=min(float(limits.low[group]), rate), high=max(float(limits.high[group]), rate),
            method=limits.method, unit="rate", **evidence, **place,
        ))  # fmt: skip
    args = {} if ratios.name == "selection_rate" else {"of": ratios.name}
    value = float(ratios.value[group])
    if np.isnan(value):
        reason = "no category has a rate above 0"
        metrics.append(raikit.Metric.undefined("impact_ratio", reason, args=args, direction="higher", **place))
        return metrics
    metrics.append(raikit.Metric(
        "impact_ratio", value, args=args, direction="higher", unit="ratio", low=min(float(ratios.low[group]), value),
        high=max(float(ratios.high[group]), value), method=f"MOVER-R, {limits.method}, least over categories",
        **evidence, **place,
    ))  # fmt: skip
    return metrics
