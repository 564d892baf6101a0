"""Alternative decisions about the same test cases: gaps before and after, fairness gained, accuracy lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import raikit
from raikit import stats
from raikit.arrays import BoolArray, FloatArray
from raikit.format import case_noun, stored_group
from raikit_fairness import measures
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.disparities import Disparity, GapEstimator, measure_disparities, odds_disparities
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.group_estimates import ClusteredEstimates, Draws
from raikit_fairness.estimates.paired_changes import Change, gap_change, group_changes, mean_change
from raikit_fairness.estimates.rates import OddsEstimates
from raikit_fairness.settings import IntervalSettings


@dataclass(frozen=True)
class Criterion:
    """A rate that is to be equal in all groups; `strata` are the cases that it is taken over."""

    name: str
    words: str
    strata: tuple[str, ...]


# By Fairlearn's names of constraints.
CRITERIA = {
    criterion.name: criterion
    for criterion in (
        Criterion("demographic_parity", "selection rate", ("all",)),
        Criterion("true_positive_rate_parity", "true positive rate", ("positive",)),
        Criterion("equalized_odds", "true or false positive rate", ("positive", "negative")),
    )
}


@dataclass(frozen=True)
class Stratum:
    """The cases that a rate of decisions is taken over.

    Parameters
    ----------
    rate : str
        Name of the rate in words.
    select : callable
        From the truth of all cases to a mask of those in the stratum.
    """

    rate: str
    select: Callable[[BoolArray], BoolArray]


STRATA = {
    "all": Stratum("selection rate", lambda truth: truth | True),
    "positive": Stratum("true positive rate", lambda truth: truth),
    "negative": Stratum("false positive rate", lambda truth: ~truth),
}


@dataclass(frozen=True)
class GroupPair:
    """Two groups, and the rate in which they were furthest apart on validation cases.

    Parameters
    ----------
    higher, lower : int
        Positions in the feature.
    stratum : {"all", "positive", "negative"}
    """

    higher: int
    lower: int
    stratum: str


@dataclass(frozen=True)
class AlternativeDecisions:
    """Cases with two decisions about each.

    Parameters
    ----------
    cells : Cells
        Single cases; the audited decisions are its predictions.
    positive : int
        Position of the positive class.
    before, after : ndarray, shape (m,)
        Decision about each case, or the probability of the positive one.
    """

    cells: Cells
    positive: int
    before: FloatArray
    after: FloatArray

    @property
    def truth(self) -> BoolArray:
        """Return which cases are truly positive."""
        truth: BoolArray = self.cells.truth == self.positive
        return truth

    def correct(self, decisions: FloatArray) -> FloatArray:
        """Return the probability that each case is decided correctly."""
        return np.where(self.truth, decisions, 1 - decisions)


@dataclass(frozen=True)
class Tradeoff:
    """Gain and cost of the alternative decisions, for one feature and criterion.

    Parameters
    ----------
    feature : Feature
        Groups that take part; cases of other groups have the code -1.
    criterion : Criterion
    before, after : Disparity
    pair : GroupPair or None
    gain : Change or None
        None, with `reason`, where no pair of groups could be fixed.
    cost : Change
        Accuracy lost, over the cases that take part.
    accuracy : Change
        Afterwards.
    accuracy_before : Change
    by_group : list of Change
        Accuracy lost in each group.
    unfit : dict of group to str
        Groups that take no part, with the reason.
    reason : str
    """

    feature: Feature
    criterion: Criterion
    before: Disparity
    after: Disparity
    pair: GroupPair | None
    gain: Change | None
    cost: Change
    accuracy: Change
    accuracy_before: Change
    by_group: list[Change]
    unfit: dict[tuple[str | None, ...], str]
    reason: str = ""


def compare_decisions(
    decisions: AlternativeDecisions,
    feature: Feature,
    criterion: Criterion,
    pair: GroupPair | None,
    settings: IntervalSettings,
    draws: Draws,
    unfit: dict[tuple[str | None, ...], str] | None = None,
) -> Tradeoff:
    """Compare the decisions before and after in the groups of a feature."""
    cases = feature.code >= 0
    lost = decisions.correct(decisions.before) - decisions.correct(decisions.after)
    gain, reason = _gain(decisions, feature, pair, settings.level)
    before, after = (
        _gap(decisions, feature, criterion, one, settings, draws) for one in (decisions.before, decisions.after)
    )
    return Tradeoff(
        feature,
        criterion,
        before,
        after,
        pair,
        gain,
        cost=mean_change(decisions.cells, lost, cases, settings.level),
        accuracy=_accuracy(decisions, decisions.after, cases, settings.level),
        accuracy_before=_accuracy(decisions, decisions.before, cases, settings.level),
        by_group=group_changes(decisions.cells, lost, np.asarray(feature.code), feature.k, settings.level),
        unfit=unfit or {},
        reason=reason,
    )


def _gap(
    decisions: AlternativeDecisions, feature: Feature, criterion: Criterion, decided: FloatArray,
    settings: IntervalSettings, draws: Draws,
) -> Disparity:  # fmt: skip
    """Estimate the largest difference over groups in the rate of a criterion; a rate is a mean of probabilities."""
    # These gaps get other names, so the rules of the policy do not match them yet.
    gaps = GapEstimator(replace(settings, levels=raikit.Levels()), draws)
    if criterion.name == "equalized_odds":
        return odds_disparities(_odds(decisions, feature, decided), feature, {}, gaps, "positive")[0]
    measure = measures.SELECTION_RATE if criterion.name == "demographic_parity" else measures.TPR
    cases = STRATA[criterion.strata[0]].select(decisions.truth)
    estimates = _rate(decisions, feature, decided, cases, criterion.name)
    return measure_disparities(measure, estimates, feature, {}, gaps, "positive")[0]


def furthest_pair(cells: Cells, positive: int, feature: Feature, criterion: Criterion, min_group: int) -> GroupPair | None:
    """Return the two groups that the audited decisions of some cases put furthest apart.

    Groups with `min_group` cases are compared; all groups, if fewer than two have as many. None if no two groups differ.
    """
    decided = (cells.prediction == positive).astype(float)
    decisions = AlternativeDecisions(cells, positive, decided, decided)
    pairs: list[tuple[float, GroupPair]] = []
    for stratum in criterion.strata:
        rate = _rate(decisions, feature, decided, STRATA[stratum].select(decisions.truth), stratum)
        large = rate.defined & (rate.n >= min_group)
        groups = np.flatnonzero(large if large.sum() > 1 else rate.defined)
        if len(groups) > 1:
            value = rate.value[groups]
            higher, lower = int(groups[np.argmax(value)]), int(groups[np.argmin(value)])
            if higher != lower:
                pairs.append((float(value.max() - value.min()), GroupPair(higher, lower, stratum)))
    return max(pairs, key=lambda item: item[0])[1] if pairs else None


def _gain(
    decisions: AlternativeDecisions, feature: Feature, pair: GroupPair | None, level: float
) -> tuple[Change | None, str]:
    if pair is None:
        return None, f"no two groups of validation {case_noun()} differ, so no pair could be fixed in advance"
    stratum = STRATA[pair.stratum]
    cases = stratum.select(decisions.truth)
    sides = feature.code == pair.higher, feature.code == pair.lower
    for group, side in zip((pair.higher, pair.lower), sides, strict=True):
        if not (decisions.cells.w[side & cases] > 0).any():
            return None, f"no test {case_noun(1)} of {feature.label(group)} is in the denominator of the {stratum.rate}"
    return gap_change(decisions.cells, decisions.before, decisions.after, cases, sides, level), ""


def _accuracy(decisions: AlternativeDecisions, decided: FloatArray, cases: BoolArray, level: float) -> Change:
    """Estimate accuracy, or its expectation, with exact limits at the effective number of cases."""
    cells = decisions.cells
    cov = stats.rate_covariance(
        decisions.correct(decided), np.ones(len(cells)), np.where(cases, 0, -1), cells.clusters, cells.w, 1,
        scale="proportion",
    )  # fmt: skip
    result = stats.clustered_rate_interval(cov, level)
    return Change(
        float(result.value[0]),
        float(result.low[0]),
        float(result.high[0]),
        int(cells.n[cases].sum()),
        int(cov.n_clusters[0]) if cov.ways else None,
        result.method.strip(),
        bool(cov.ways and cov.few_clusters[0]),
    )


def _rate(
    decisions: AlternativeDecisions, feature: Feature, decided: FloatArray, cases: BoolArray, key: str
) -> ClusteredEstimates:
    cells = decisions.cells
    cov = stats.rate_covariance(
        decided * cases, cases, feature.code, cells.clusters, cells.w, feature.k, scale="proportion"
    )
    inside = cases & (feature.code >= 0)
    n = np.bincount(feature.code[inside], cells.n[inside], minlength=feature.k).astype(np.int64)
    total = float(cells.w[inside].sum())
    overall = float(cells.w[inside] @ decided[inside]) / total if total > 0 else float("nan")
    return ClusteredEstimates(cov, n, overall, key=key)


def _odds(decisions: AlternativeDecisions, feature: Feature, decided: FloatArray) -> OddsEstimates:
    cells, k = decisions.cells, feature.k
    code = np.where(feature.code < 0, -1, feature.code + k * ~decisions.truth)
    joint = stats.rate_covariance(
        decided, np.ones(len(cells)), code, cells.clusters, cells.w, 2 * k, scale="proportion"
    )
    sides = []
    for stratum, groups in (("positive", range(k)), ("negative", range(k, 2 * k))):
        rate = _rate(decisions, feature, decided, STRATA[stratum].select(decisions.truth), f"odds {stratum}")
        sides.append(replace(rate, cov=joint.subset(list(groups))))
    return OddsEstimates(sides[0], sides[1], joint)


def gap_metrics(
    tradeoff: Tradeoff, names: tuple[str, str], settings: IntervalSettings, subject: str
) -> list[raikit.Metric]:
    """Return the gap after and the gain, named by what was done (``mitigated``, ``mitigation``)."""
    place: dict[str, Any] = {
        "args": {"constraint": tradeoff.criterion.name}, "over": list(tradeoff.feature.columns), "subject": subject,
    }  # fmt: skip
    metric = tradeoff.after.metric
    unfit = [stored_group(dict(zip(tradeoff.feature.columns, group, strict=True))) for group in tradeoff.unfit]
    after = metric.model_copy(
        update={"name": f"{names[0]}_difference", "excluded": [*metric.excluded, *unfit], **place}
    )
    if tradeoff.gain is None:
        gain = raikit.Metric.undefined(
            f"{names[1]}_gain", tradeoff.reason, direction="higher", unit="points", **place
        )  # fmt: skip
    else:
        gain = _metric(f"{names[1]}_gain", tradeoff.gain, "higher", "points", settings, place)
    return [after, gain]


def cost_metrics(
    tradeoff: Tradeoff, names: tuple[str, str], settings: IntervalSettings, place: dict[str, Any]
) -> list[raikit.Metric]:
    """Return accuracy after, and accuracy lost."""
    return [
        _metric(f"{names[0]}_accuracy", tradeoff.accuracy, "higher", "rate", settings, place),
        _metric(f"{names[1]}_cost", tradeoff.cost, "lower", "points", settings, place),
    ]


def cost_metrics_by_group(
    tradeoff: Tradeoff, names: tuple[str, str], settings: IntervalSettings, place: dict[str, Any]
) -> list[raikit.Metric]:
    """Return the accuracy lost in each group, intervals simultaneous over groups."""
    metrics = []
    name, feature = f"{names[1]}_cost", tradeoff.feature
    for group, change in enumerate(tradeoff.by_group):
        here = {**place, "over": list(feature.columns), "group": feature.group(group)}
        if not change.n or np.isnan(change.value):
            metrics.append(raikit.Metric.undefined(name, f"no test {case_noun()}", direction="lower", **here))
            continue
        flags = ["small_group"] if change.n < settings.min_group else []
        several = len(tradeoff.by_group) > 1
        metrics.append(_metric(name, change, "lower", "points", settings, here, flags, several))
    return metrics


def _metric(
    name: str, change: Change, direction: Any, unit: str, settings: IntervalSettings, place: dict[str, Any],
    flags: Sequence[str] = (), simultaneous: bool = False,
) -> raikit.Metric:  # fmt: skip
    return raikit.Metric(
        name, change.value, low=min(change.low, change.value), high=max(change.high, change.value), level=settings.level,
        n=change.n, n_clusters=change.n_clusters, method=change.method, direction=direction, unit=unit,
        flags=[*flags, *(["few_clusters"] if change.few_clusters else [])], simultaneous=simultaneous, **place,
    )  # fmt: skip
