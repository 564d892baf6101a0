"""Disparities between groups: gaps, ratios, equalized odds, and each group against the rest or a reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Literal

import numpy as np

import raikit
from raikit import stats
from raikit.arrays import BoolArray
from raikit.format import case_noun
from raikit.stats import Contrasts, Gap
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.group_estimates import CountedRates, Draws, Estimates
from raikit_fairness.estimates.group_metrics import group_flags
from raikit_fairness.estimates.ingredients import gap_ingredients
from raikit_fairness.estimates.rates import OddsEstimates
from raikit_fairness.measures import FPR, ODDS, TPR, Measure
from raikit_fairness.settings import Correction, IntervalSettings

_MOST_NAMES = 5  # groups that a reason names


@dataclass(frozen=True)
class Disparity:
    """A disparity with what a sentence about it needs.

    Parameters
    ----------
    metric : Metric
        As recorded.
    feature : Feature
    gap : Gap or None
        Over the groups that are judged; None if fewer than two are.
    worst, best : int
        Groups of `feature` with the lowest and highest value among those.
    """

    metric: raikit.Metric
    feature: Feature
    gap: Gap | None = None
    worst: int = -1
    best: int = -1


@dataclass(frozen=True)
class DisparitySpec:
    """Which disparity of which measure.

    Parameters
    ----------
    name : str
    kind : {"difference", "ratio"}
    strata : sequence of Estimates
        One, or the two of equalized odds.
    labels : sequence of str
        Names of the strata in reasons.
    compute : callable
        From the groups to keep in each stratum, at the level of the estimator, to a `Gap`.
    unit : str or None
    directed : bool
        Whether a smaller difference (a larger ratio) is better.
    empty : sequence of str
        Why a group has no value, for each stratum.
    """

    name: str
    kind: Literal["difference", "ratio"]
    strata: Sequence[Estimates]
    labels: Sequence[str]
    compute: Callable[[list[BoolArray], GapEstimator], Gap]
    unit: str | None
    directed: bool
    empty: Sequence[str]


class GapEstimator:
    """Gaps and ratios of one feature. Each is computed once, because equalized odds needs those of its two rates."""

    def __init__(self, settings: IntervalSettings, draws: Draws) -> None:
        self.settings, self.draws = settings, draws
        self._known: dict[tuple[str, int, bytes, float], Gap] = {}

    def at(self, level: float) -> GapEstimator:
        """Return an estimator at another level that has the same random numbers and knows the same gaps."""
        other = GapEstimator(self.settings.at(level), self.draws)
        other._known = self._known
        return other

    def gap(self, estimates: Estimates, keep: BoolArray) -> Gap:
        """Return the largest difference over the groups in `keep`."""
        key = "gap", id(estimates), keep.tobytes(), self.settings.level
        if key not in self._known:
            gap, most = estimates.gap(keep, self.settings, self.draws), estimates.largest_difference
            detectable = None if gap.minimum_detectable is None else min(gap.minimum_detectable, most)
            self._known[key] = replace(gap, high=min(gap.high, most), minimum_detectable=detectable)
        return self._known[key]

    def ratio(self, estimates: Estimates, keep: BoolArray, settings: IntervalSettings | None = None) -> Gap:
        """Return smallest over largest of the groups in `keep`."""
        settings = settings or self.settings
        key = "ratio", id(estimates), keep.tobytes(), settings.level
        if key not in self._known:
            # Gap and ratio test the same hypothesis. The gap's p-value is the better one: it permutes cases, not logarithms.
            p_value = self.gap(estimates, keep).p_value
            self._known[key] = estimates.ratio(keep, settings, self.draws, p_value)
        return self._known[key]


def measure_disparities(
    measure: Measure, estimates: Estimates, feature: Feature, args: dict[str, Any], gaps: GapEstimator, positive: Any
) -> list[Disparity]:
    """Return difference and ratio of one measure, as far as they have names of their own."""
    specs = []
    labels, empty = [measure.name], [measure.why_empty(positive)]
    if measure.difference:
        unit = "points" if measure.unit == "rate" else measure.unit
        specs.append(DisparitySpec(
            measure.difference, "difference", [estimates], labels, lambda keep, gaps: gaps.gap(estimates, keep[0]),
            unit, measure.about_model, empty,
        ))  # fmt: skip
    if measure.ratio:
        specs.append(DisparitySpec(
            measure.ratio, "ratio", [estimates], labels, lambda keep, gaps: gaps.ratio(estimates, keep[0]),
            "ratio", measure.about_model, empty,
        ))  # fmt: skip
    return [estimate_disparity(spec, feature, {**measure.args, **args}, gaps) for spec in specs]


def odds_disparities(
    odds: OddsEstimates, feature: Feature, args: dict[str, Any], gaps: GapEstimator, positive: Any
) -> list[Disparity]:  # fmt: skip
    """Return equalized odds: the larger difference and the smaller ratio of true and of false positive rates."""
    strata, labels = [odds.tpr, odds.fpr], ["true_positive_rate", "false_positive_rate"]
    empty = [measure.why_empty(positive) for measure in (TPR, FPR)]
    specs = [
        DisparitySpec(
            ODDS[0], "difference", strata, labels, lambda keep, gaps: _odds_gap(odds, keep, gaps), "points", True, empty
        ),
        DisparitySpec(
            ODDS[1], "ratio", strata, labels, lambda keep, gaps: _odds_ratio(odds, keep, gaps), "ratio", True, empty
        ),
    ]
    return [estimate_disparity(spec, feature, args, gaps) for spec in specs]


def _odds_gap(odds: OddsEstimates, keep: list[BoolArray], gaps: GapEstimator) -> Gap:
    settings, rng = gaps.settings, gaps.draws.rng(odds.tpr.key, "odds")
    both = np.concatenate(keep)
    if isinstance(odds.tpr, CountedRates) and isinstance(odds.fpr, CountedRates):
        sides = list(zip((odds.tpr, odds.fpr), keep, strict=True))
        strata = [rates.counts(kept) for rates, kept in sides]
        # Bonferroni over the p-values of the two rates, which are known already.
        p_value = min(1.0, 2 * min(gaps.gap(rates, kept).p_value or 0.0 for rates, kept in sides))
        normals = gaps.draws.normals(both)
        return stats.odds_gap(strata, settings.level, settings.draws, rng=rng, normals=normals, p_value=p_value)
    assert odds.joint is not None
    stratum = np.repeat([0, 1], [int(kept.sum()) for kept in keep])
    gap = stats.clustered_odds_gap(odds.joint.subset(both), stratum, settings.level, settings.draws, rng=rng)
    first = int(keep[0].sum()) * gap.stratum
    return replace(gap, worst=gap.worst - first, best=gap.best - first)


def _odds_ratio(odds: OddsEstimates, keep: list[BoolArray], gaps: GapEstimator) -> Gap:
    """Return the smaller of the two ratios.

    Notes
    -----
    The lower end is the smaller of the lower ends: only the ratio that truly is the smaller must be covered. Either ratio
    could look small by chance, so each upper end is taken at half of the error (Bonferroni, valid under any dependence).
    """
    strict = replace(gaps.settings, level=1 - (1 - gaps.settings.level) / 2)
    sides = list(zip((odds.tpr, odds.fpr), keep, strict=True))
    ratios = [gaps.ratio(rates, kept) for rates, kept in sides]
    strict_ratios = [gaps.ratio(rates, kept, strict) for rates, kept in sides]
    smaller = int(np.argmin([ratio.value for ratio in ratios]))
    return replace(
        ratios[smaller],
        low=min(ratio.low for ratio in ratios),
        high=min(ratio.high for ratio in strict_ratios),
        stratum=smaller,
        p_value=min(1.0, 2 * min(ratio.p_value or 0.0 for ratio in ratios)),
        minimum_detectable=min(ratio.minimum_detectable or 0.0 for ratio in strict_ratios),
        method=f"{ratios[smaller].method}, Bonferroni over both rates",
    )


def estimate_disparity(
    spec: DisparitySpec, feature: Feature, args: dict[str, Any], gaps: GapEstimator
) -> Disparity:  # fmt: skip
    """Estimate one disparity over every group in which it is defined and, where that differs, over those judged."""
    direction = {"difference": "lower", "ratio": "higher"}[spec.kind] if spec.directed else None
    place: dict[str, Any] = {
        "args": args, "over": list(feature.columns), "unit": spec.unit, "direction": direction,
        "excluded": _groups_outside(spec, feature), "excluded_reason": _reasons_outside(spec, feature),
    }  # fmt: skip
    settings, defined = gaps.settings, [stratum.defined & feature.compared for stratum in spec.strata]
    if reason := _undefined_reason(spec, feature, defined):
        return Disparity(raikit.Metric.undefined(spec.name, reason, **place), feature)
    judged = [stratum.judged(settings) & feature.compared for stratum in spec.strata]
    gap = spec.compute(defined, gaps)
    all_judged = all((a == b).all() for a, b in zip(defined, judged, strict=True))
    judged_gap = gap if all_judged else None
    if not all_judged and not _undefined_reason(spec, feature, judged):
        judged_gap = spec.compute(judged, gaps)
    metric = raikit.Metric(
        spec.name, gap.value, low=min(gap.low, gap.value), high=max(gap.high, gap.value), level=settings.level,
        n=int(sum(stratum.n[kept].sum() for stratum, kept in zip(spec.strata, defined, strict=True))),
        method=gap.method, simultaneous=True, p_value=gap.p_value, flags=_flags(spec, judged_gap, judged, defined, settings),
        minimum_detectable=(judged_gap or gap).minimum_detectable, n_clusters=_fewest_clusters(spec.strata, defined),
        judged=None if all_judged else _judged_part(spec, judged_gap, defined, judged, feature, settings),
        profile=_profile(spec, judged_gap, judged), ingredients=_ingredients(spec, feature, judged),
        pair=_pair(feature, gap, defined), compares=_compared(spec, gap), **place,
    )  # fmt: skip

    def ends_at(level: float) -> list[float]:
        there = gaps.at(level)
        gap_there = spec.compute(defined, there)
        judged_there = gap_there if all_judged or judged_gap is None else spec.compute(judged, there)
        return [gap_there.low, gap_there.high, judged_there.low, judged_there.high]

    settings.levels.measure(metric, ends_at)
    if judged_gap is None:
        return Disparity(metric, feature)
    return Disparity(metric, feature, judged_gap, *_ends(judged_gap, judged))


def _ends(gap: Gap, masks: Sequence[BoolArray]) -> tuple[int, int]:
    """Return the groups with the lowest and the highest value, by their positions in the feature."""
    groups = _positions(masks[gap.stratum] if len(masks) > 1 else masks[0])
    return groups[gap.worst], groups[gap.best]


def _pair(feature: Feature, gap: Gap, masks: Sequence[BoolArray]) -> list[str]:
    return [feature.name(group) for group in _ends(gap, masks)]


def _compared(spec: DisparitySpec, gap: Gap) -> str:
    """Return the measure in which the groups of a gap differ; of equalized odds, that with the larger gap."""
    return spec.labels[gap.stratum if len(spec.strata) > 1 else 0]


def _profile(spec: DisparitySpec, gap: Gap | None, judged: Sequence[BoolArray]) -> list[tuple[float, float]] | None:
    """Return successes and trials of the judged groups; for equalized odds, of the rate with the larger gap."""
    if gap is None or spec.kind != "difference":
        return None
    stratum = gap.stratum if len(spec.strata) > 1 else 0
    rates = spec.strata[stratum]
    if not isinstance(rates, CountedRates):
        return None
    events, trials = rates.counts(judged[stratum])
    return [(float(x), float(n)) for x, n in zip(events, trials, strict=True)]


def _ingredients(spec: DisparitySpec, feature: Feature, judged: Sequence[BoolArray]) -> list[raikit.Ingredients]:
    """Return the judged groups of each rate, from which a difference is compared with that of another run."""
    if spec.kind != "difference" or any(mask.sum() < 2 for mask in judged):
        return []
    return [
        gap_ingredients(label, stratum, feature, _positions(mask))
        for label, stratum, mask in zip(spec.labels, spec.strata, judged, strict=True)
    ]


def _positions(mask: BoolArray) -> list[int]:
    return [int(position) for position in mask.nonzero()[0]]


def _groups_outside(spec: DisparitySpec, feature: Feature) -> list[str]:
    """Return the groups that the quantity says nothing about: they have no value, or are only shown."""
    groups = [group for stratum in spec.strata for group in _positions(~stratum.defined | ~feature.compared)]
    return [feature.name(group) for group in dict.fromkeys(groups)]


def _reasons_outside(spec: DisparitySpec, feature: Feature) -> str:
    """Return why the quantity says nothing about some groups; empty if it is about all."""
    pairs = zip(spec.empty, spec.strata, strict=True)
    reasons = [why for why, stratum in pairs if not (stratum.defined | ~feature.compared).all()]
    shown = [] if feature.compared.all() else ["data.missing_group only shows it"]
    return " or ".join(dict.fromkeys([*reasons, *shown]))


def _undefined_reason(spec: DisparitySpec, feature: Feature, masks: Sequence[BoolArray]) -> str:
    """Return why there is no such disparity over these groups; empty if there is one."""
    if feature.k < 2:
        return f"{feature.title} has one group only"
    for label, stratum, mask in zip(spec.labels, spec.strata, masks, strict=True):
        words = label.replace("_", " ")
        if mask.sum() < 2:
            names = [feature.label(group) for group in _positions(~stratum.defined)]
            more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
            where = f" (not in {', '.join(names[:_MOST_NAMES])}{more})" if names else ""
            return f"the {words} is defined in fewer than two groups{where}"
        if spec.kind == "ratio" and not np.any(stratum.value[mask] > 0):
            return f"the {words} is 0 in every group, so the ratio is 0 / 0"
    return ""


def _flags(
    spec: DisparitySpec, gap: Gap | None, judged: Sequence[BoolArray], defined: Sequence[BoolArray], settings: IntervalSettings
) -> list[str]:  # fmt: skip
    """Return ``few_clusters``, ``few_events`` or ``unreliable`` if that is why fewer than two groups are judged.

    Otherwise, return the end that is open. A group whose true value may be far higher than shown makes a larger difference,
    or a smaller ratio, possible.
    """
    if gap is not None:
        heavy = any((stratum.open_high & kept).any() for stratum, kept in zip(spec.strata, judged, strict=True))
        return [{"difference": "open_high", "ratio": "open_low"}[spec.kind]] * heavy
    strata = list(zip(spec.strata, defined, strict=True))
    large = [kept & (stratum.support >= settings.min_group) for stratum, kept in strata]
    decisive = any(groups.sum() >= 2 > kept.sum() for groups, kept in zip(large, judged, strict=True))
    unreliable = any(
        (stratum.intervals(settings.level).unreliable & kept).any() for stratum, kept in strata
    )  # fmt: skip
    few = any((stratum.few_clusters & kept).any() for stratum, kept in strata)
    rare = any((stratum.few_events & kept).any() for stratum, kept in strata)
    clusters = few or (decisive and not rare)
    return ["few_clusters"] * clusters + ["few_events"] * rare + ["unreliable"] * unreliable


def _fewest_clusters(strata: Sequence[Estimates], compared: Sequence[BoolArray]) -> int | None:
    """Return the fewest clusters that any of the compared groups rests on."""
    pairs = zip(strata, compared, strict=True)
    fewest = [int(stratum.n_clusters[kept].min()) for stratum, kept in pairs if stratum.n_clusters is not None]
    return min(fewest, default=None)


def _judged_part(
    spec: DisparitySpec, gap: Gap | None, defined: Sequence[BoolArray], judged: Sequence[BoolArray], feature: Feature,
    settings: IntervalSettings,
) -> dict[str, Any]:  # fmt: skip
    """Return the disparity over the judged groups alone, with the names of the others."""
    strata = spec.strata
    others = [group for every, kept in zip(defined, judged, strict=True) for group in _positions(every & ~kept)]
    left_out = [feature.name(group) for group in dict.fromkeys(others)]
    if gap is None:
        reason = f"fewer than two groups have {settings.min_group} {case_noun()} in the denominator and enough clusters"
        if any(stratum.few_events.any() for stratum in strata):
            reason += f" and {case_noun()} of the rarer outcome"
        return {"value": None, "low": None, "high": None, "left_out": left_out, "reason": reason}
    return {
        "value": gap.value, "low": min(gap.low, gap.value), "high": max(gap.high, gap.value), "left_out": left_out,
        "pair": _pair(feature, gap, judged),
        "compares": _compared(spec, gap),
        "reason": f"Under {settings.min_group} {case_noun()} in the denominator, or too few clusters or {case_noun()} of the "
                  f"rarer outcome",
    }  # fmt: skip


def rest_contrasts(
    measure: Measure, estimates: Estimates, feature: Feature, args: dict[str, Any], gaps: GapEstimator
) -> list[raikit.Metric]:
    """Return each group minus all others together, intervals simultaneous over the groups."""
    kept = estimates.defined & feature.compared
    if not measure.rest or kept.sum() < 2:
        return []
    @cache
    def contrasts_at(level: float) -> Contrasts:
        return estimates.versus_rest(kept, gaps.settings.at(level), gaps.draws)

    groups = _positions(kept)
    return _contrast_metrics(measure, estimates, feature, {**args, "to": "rest"}, groups, contrasts_at, gaps.settings)


def reference_contrasts(
    measure: Measure, estimates: Estimates, feature: Feature, args: dict[str, Any], reference: int,
    settings: IntervalSettings,
) -> list[raikit.Metric]:  # fmt: skip
    """Return each group minus the reference, intervals simultaneous over the groups."""
    kept = estimates.defined & feature.compared
    groups = [group for group in _positions(kept) if group != reference]
    if not measure.rest or not groups or not kept[reference]:
        return []
    @cache
    def contrasts_at(level: float) -> Contrasts:
        return estimates.versus(reference, kept, settings.at(level))

    to = ", ".join("missing" if value is None else value for value in feature.groups[reference])
    return _contrast_metrics(measure, estimates, feature, {**args, "to": to}, groups, contrasts_at, settings)


def _open_low(estimates: Estimates, group: int) -> list[str]:
    """Return the flag of a difference from other groups, one of whose true values may be far higher than shown."""
    others = estimates.open_high & estimates.defined & (np.arange(len(estimates.n)) != group)
    return ["open_low"] if others.any() else []


def _contrast_metrics(
    measure: Measure, estimates: Estimates, feature: Feature, args: dict[str, Any], groups: Sequence[int],
    contrasts_at: Callable[[float], Contrasts], settings: IntervalSettings,
) -> list[raikit.Metric]:  # fmt: skip
    limits, contrasts = estimates.intervals(settings.level), contrasts_at(settings.level)
    metrics, most = [], estimates.largest_difference

    def ends_at(level: float, row: int) -> tuple[float, float]:
        there = contrasts_at(level)
        return max(float(there.low[row]), -most), min(float(there.high[row]), most)

    for row, group in enumerate(groups):
        (low, high), value, p_value = ends_at(settings.level, row), float(contrasts.value[row]), float(contrasts.p_value[row])
        tested = not np.isnan(p_value)
        metric = raikit.Metric(
            f"{measure.name}_difference", value, low=min(low, value), high=max(high, value), level=settings.level,
            n=int(estimates.n[group]),
            n_clusters=None if estimates.n_clusters is None else int(estimates.n_clusters[group]),
            method=contrasts.method, simultaneous=True, p_value=p_value if tested else None,
            p_adjusted=float(contrasts.p_adjusted[row]) if tested else None,
            adjustment=f"Holm over {len(groups)} groups" if tested else None,
            flags=[*group_flags(estimates, limits, group, settings), *_open_low(estimates, group)], over=list(feature.columns),
            group=feature.group(group), args={**measure.args, **args},
            unit="points" if measure.unit == "rate" else measure.unit,
        )  # fmt: skip
        metrics.append(settings.levels.measure(metric, partial(ends_at, row=row)))
    return metrics


def adjust_p_values(disparities: Sequence[Disparity], correction: Correction) -> None:
    """Correct p-values over all features and intersections of the same quantity; written into the metrics."""
    procedures = {"holm": ("Holm", stats.holm), "benjamini-hochberg": ("Benjamini-Hochberg", stats.benjamini_hochberg)}
    name, adjust = procedures[correction]
    families: dict[tuple[str, str], list[raikit.Metric]] = {}
    for disparity in disparities:
        metric = disparity.metric
        if metric.p_value is not None:
            families.setdefault((metric.name, repr(sorted(metric.args.items()))), []).append(metric)
    for family in families.values():
        adjusted = adjust([metric.p_value or 0.0 for metric in family])
        for metric, p_value in zip(family, adjusted, strict=True):
            metric.p_adjusted = float(p_value)
            metric.adjustment = f"{name} over {len(family)} features and intersections"
