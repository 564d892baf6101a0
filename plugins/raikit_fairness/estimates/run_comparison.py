"""Which group lost against which since the baseline.

Runs are compared case by case where both hold the same cases, else by the rates of both.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

import raikit
from raikit import stats
from raikit.arrays import BoolArray, FloatArray, Groups, IntArray, class_positions, cluster_codes, group_codes
from raikit.format import case_noun
from raikit.stats import CovarianceResult
from raikit_fairness import measures
from raikit_fairness.estimates.features import Feature, cross, without_missing
from raikit_fairness.estimates.metric_comparison import MetricComparison, can_compare
from raikit_fairness.settings import IntervalSettings

_MOST_GROUPS = 100_000


@dataclass(frozen=True)
class RateStratum:
    """Cases that a rate is taken over.

    Parameters
    ----------
    truth : bool or None
        Cases whose truth is the class (True), is not (False), or all (None).
    event : {"predicted", "correct"}
        What the rate counts: predicted as the class, or predicted correctly.
    higher_is_better : bool
    """

    truth: bool | None
    event: str
    higher_is_better: bool


_TPR, _FPR = RateStratum(True, "predicted", True), RateStratum(False, "predicted", False)
# Precision has another denominator in either run. Like every metric that is not listed here, it is compared by its interval.
STRATA: dict[str, tuple[RateStratum, ...]] = {
    str(measures.SELECTION_RATE.difference): (RateStratum(None, "predicted", True),),
    str(measures.ACCURACY.difference): (RateStratum(None, "correct", True),),
    str(measures.TPR.difference): (_TPR,),
    str(measures.FPR.difference): (_FPR,),
    measures.ODDS[0]: (_TPR, _FPR),
}


@dataclass(frozen=True)
class RunCases:
    """Cases of both runs, with the roles of their columns.

    Parameters
    ----------
    frames : (DataFrame, DataFrame)
        Baseline and candidate; the same cases in the same order if paired.
    paired : bool
    classes : list
    clusters : list of str
    weight : str or None
    note : str
    missing : mapping of column to {"show", "leave_out"}
        Columns whose missing group is not compared.
    """

    frames: tuple[pd.DataFrame, pd.DataFrame]
    paired: bool
    classes: list[Any]
    clusters: list[str]
    weight: str | None
    note: str
    missing: Mapping[str, str] = field(default_factory=dict)
    _cache: dict[Any, Any] = field(default_factory=dict)

    def cached(self, key: Any, compute: Callable[[], Any]) -> Any:
        """Return what many metrics need, computed for the first of them."""
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]

    def weights(self, run: int, repeat: int) -> FloatArray | None:
        """Return the sampling weights of one run (0 or 1), repeated for each stratum; None without weights."""
        return np.tile(self.frames[run][self.weight].to_numpy(dtype=float), repeat) if self.weight else None

    def cluster_codes(self, run: int, repeat: int) -> list[IntArray]:
        """Return the cluster codes of one run, repeated for each stratum."""
        return [np.tile(codes, repeat) for codes in cluster_codes(self.frames[run], self.clusters)[0]]

    def counts(self, run: int) -> IntArray:
        """Return the cases behind each row of one run.

        The counts of a baseline file are the last column, because a sensitive column may have their name.
        """
        frame = self.frames[run]
        return frame.iloc[:, -1].to_numpy(dtype=np.int64) if "id" not in frame else np.ones(len(frame), dtype=np.int64)


def compare_runs(
    candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins, min_group: int, draws: int, seed: int
) -> list[raikit.Comparison]:
    """Compare the disparities that `margins` names; the harness compares those that need more than cases."""
    named = {str(metric.id): metric for _, metric in candidate.record.metrics() if str(metric.id) in margins.of}
    settings = IntervalSettings(0.95, draws, min_group)
    if not baseline.is_file:
        named = {address: metric for address, metric in named.items() if can_compare(metric)}
        if not named:
            return []
        matched = raikit.match_rows(candidate, baseline, margins)
        return compare_matched(named, matched, candidate.record, margins, settings, seed)
    rates, data = {address: metric for address, metric in named.items() if _is_comparable(metric)}, candidate.record.data
    if not rates or data.cluster or data.weight or not baseline.counts:
        return []  # a baseline file's counts hold neither clusters nor weights; the harness has the ingredients
    return _compare_rates(rates, _counted_cases(candidate, baseline), margins, settings, seed)


def compare_matched(
    metrics: Mapping[str, raikit.Metric], matched: raikit.MatchedCases, measured: raikit.Measurements, margins: raikit.Margins,
    settings: IntervalSettings, seed: int,
) -> list[raikit.Comparison]:  # fmt: skip
    """Compare metrics, by address, on cases that are matched: plain rates by their own test where all cases match."""
    rates = {address: metric for address, metric in metrics.items() if _is_comparable(metric)}
    if matched.shared and not matched.same_cases:
        rates = {}  # only some cases match: none is thrown away
    others = {address: metric for address, metric in metrics.items() if address not in rates and can_compare(metric)}
    comparison = MetricComparison(matched, measured, margins, settings) if others else None
    compared = [comparison.compare(address, metric) for address, metric in others.items()] if comparison else []
    return compared + _compare_rates(rates, _matched_cases(measured.data, matched), margins, settings, seed)


def _compare_rates(
    metrics: Mapping[str, raikit.Metric], cases: RunCases, margins: raikit.Margins, settings: IntervalSettings, seed: int
) -> list[raikit.Comparison]:
    return [
        _compare_disparity(address, metric, cases, margins, settings.min_group, settings.draws, seed)
        for address, metric in metrics.items()
    ]


def _is_comparable(metric: raikit.Metric) -> bool:
    return metric.name in STRATA and metric.group is None and not {"to", "given"} & set(metric.args)


def _matched_cases(data: Any, matched: raikit.MatchedCases) -> RunCases:
    frames = (matched.baseline, matched.candidate)
    return RunCases(
        frames, matched.same_cases, list(data.classes), list(data.cluster), data.weight, matched.note, data.missing_group
    )


def _counted_cases(candidate: raikit.RunView, baseline: raikit.RunView) -> RunCases:
    """Return counts of the groups, targets and decisions of both runs, as rows that stand for many cases."""
    data = candidate.record.data
    columns = [*data.sensitive, *(["target"] if data.target is not None else []), "prediction"]
    old = pd.DataFrame(list(baseline.counts), columns=[*columns, "rows"])
    new = candidate.predictions.cells(columns)
    new.columns = pd.Index([*columns, "rows"])
    note = "against the baseline's counts, so unpaired"
    return RunCases((old, new), False, list(data.classes), [], None, note, data.missing_group)


def _compare_disparity(
    address: str, metric: raikit.Metric, cases: RunCases, margins: raikit.Margins, min_group: int, draws: int, seed: int
) -> raikit.Comparison:
    margin = margins.of[address]
    strata = STRATA[metric.name]
    judged = _judged_rates(metric, cases, strata, min_group)
    if judged.cov is None:
        empty = dict.fromkeys(("value", "low", "high", "p_value"))
        reason = f"fewer than two groups have {min_group} {case_noun()} in the denominator of both runs"
        return raikit.Comparison(
            metric=address, margin=margin.margin, paired=cases.paired, n=judged.n, reason=reason, **empty
        )
    rng = np.random.default_rng([seed, zlib.crc32(address.encode())])
    directions = [stratum.higher_is_better for stratum in strata]
    test = stats.worsening_test if margin.test == "moved" else stats.gap_increase_test
    result = test(
        judged.cov, margin.margin, higher_is_better=directions[0] if len(directions) == 1 else directions,
        strata=judged.strata, level=1 - margins.error / 2, draws=draws, rng=rng,
    )  # fmt: skip
    # The widest pair of a gap that grew need not be the one that lost.
    sides = (result.loser, result.against) if margin.test == "moved" else ()
    return raikit.Comparison(
        metric=address, value=min(result.value, result.high), low=result.low, high=result.high, p_value=result.p_value,
        margin=margin.margin, paired=cases.paired, method=result.method, n=judged.n,
        loser=" against ".join("the rest" if group < 0 else judged.names[group] for group in sides) or None,
        minimum_detectable=result.minimum_detectable, reason=cases.note or None,
    )  # fmt: skip


@dataclass(frozen=True)
class _JudgedRates:
    """Rates of both runs in every judged group of every stratum.

    `cov` is None if a stratum has fewer than two judged groups. `names` and `strata` belong to its rates, `n` counts the
    candidate's cases in all denominators.
    """

    cov: CovarianceResult | None
    names: list[str]
    strata: IntArray
    n: int


@dataclass(frozen=True)
class _Events:
    """Which cases of one run are in a stratum, and which of them have its event."""

    event: BoolArray
    inside: BoolArray


def _judged_rates(
    metric: raikit.Metric, cases: RunCases, strata: Sequence[RateStratum], min_group: int
) -> _JudgedRates:  # fmt: skip
    feature = _feature(tuple(metric.over or ()), cases)
    code = [feature.code] * 2 if cases.paired else np.split(feature.code, [len(cases.frames[0])])
    position = _class_position(cases.classes, metric.args.get("class", None))
    outcomes = cases.cached(
        ("outcomes", position), lambda: [_outcomes(frame, cases, position) for frame in cases.frames]
    )
    events = [[_select(outcome, stratum) for outcome in outcomes] for stratum in strata]
    counts = np.array([
        [
            np.bincount(code[run][one.inside] + 1, cases.counts(run)[one.inside], minlength=feature.k + 1)[1:]
            for run, one in enumerate(both)
        ]
        for both in events
    ])  # stratum, run, group  # fmt: skip
    keep = np.asarray((counts >= min_group).all(axis=1))
    names = [feature.name(group) for kept in keep for group in np.flatnonzero(kept).tolist()]
    which = np.repeat(np.arange(len(strata)), keep.sum(axis=1))
    n = int(counts[:, 1].sum())
    if min(keep.sum(axis=1)) < 2:
        return _JudgedRates(None, [], which, n)
    # Of each group of each stratum among the judged ones; the last is of cases in no group.
    place = np.full((keep.shape[0], keep.shape[1] + 1), -1, dtype=np.int64)
    place[:, :-1][keep] = np.arange(int(keep.sum()))
    groups = [np.concatenate([place[stratum][code[run]] for stratum in range(len(strata))]) for run in (0, 1)]
    covariance = _paired_covariance if cases.paired else _unpaired_covariance
    return _JudgedRates(covariance(cases, events, groups, len(names)), names, which, n)


def _feature(columns: tuple[str, ...], cases: RunCases) -> Feature:
    """Return the feature over the cases of both runs; paired runs share theirs."""
    old, new = cases.frames
    both: pd.DataFrame = new
    if not cases.paired:
        both = cases.cached("both", lambda: pd.concat([old, new], ignore_index=True))
    parts = [
        cases.cached(("group", column), partial(_compared_groups, both[column], cases.missing.get(column))) for column in columns
    ]
    feature: Feature = cases.cached(("feature", columns), lambda: cross(columns, parts, _MOST_GROUPS))
    return feature


def _compared_groups(values: pd.Series[Any], missing: str | None) -> Groups:
    """Return the groups of a column that are compared; without the missing one where it is only shown or left out."""
    groups = group_codes(values)
    return groups if missing is None else without_missing(groups)


def _class_position(classes: Sequence[Any], positive: Any) -> int:
    """Return the position of the class that a metric is about; binary: the last one is the positive one."""
    if positive is None:
        return len(classes) - 1
    return next(
        position for position, label in enumerate(classes) if label == positive or str(label) == str(positive)
    )  # fmt: skip


def _outcomes(frame: pd.DataFrame, cases: RunCases, position: int) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Return whether each case has the class, is predicted as it, and is predicted correctly."""
    prediction = class_positions(frame["prediction"], cases.classes)
    if "target" not in frame:  # then only decisions are compared
        unknown = np.zeros(len(frame), dtype=bool)
        return unknown, prediction == position, unknown
    truth = class_positions(frame["target"], cases.classes)
    return truth == position, prediction == position, truth == prediction


def _select(outcomes: tuple[BoolArray, BoolArray, BoolArray], stratum: RateStratum) -> _Events:
    truth, predicted, correct = outcomes
    inside = np.ones(len(truth), dtype=bool) if stratum.truth is None else truth if stratum.truth else ~truth
    return _Events((predicted if stratum.event == "predicted" else correct) & inside, inside)


def _paired_covariance(
    cases: RunCases, events: Sequence[Sequence[_Events]], groups: Sequence[IntArray], k: int
) -> CovarianceResult:
    repeat = len(events)
    first, second = (np.concatenate([both[run].event for both in events]) for run in (0, 1))
    inside = np.concatenate([both[1].inside for both in events])
    weight = cases.weights(1, repeat)
    clusters = cases.cluster_codes(1, repeat)
    if not clusters:
        return covariance_of_counts(groups[0], first, second, inside, weight, k)
    return stats.paired_covariance(first, second, inside, groups[0], clusters, weight, groups=k)


def covariance_of_counts(
    group: IntArray, first: BoolArray, second: BoolArray, cases: BoolArray, weight: FloatArray | None, k: int
) -> CovarianceResult:
    """Return the paired covariance from the counts of group and both decisions.

    Without clusters it equals that of single cases, and is faster.

    Parameters
    ----------
    group : ndarray of int, shape (n,)
        Negative: none.
    first, second : ndarray of bool, shape (n,)
        Both decisions.
    cases : ndarray of bool, shape (n,)
        Cases in the denominator.
    weight : ndarray, shape (n,), or None
    k : int
        Number of groups.
    """
    kept = cases & (group >= 0)
    key = (group[kept] * 2 + first[kept]) * 2 + second[kept]
    n = np.bincount(key, minlength=4 * k)
    w = w2 = n.astype(float)
    if weight is not None:
        w, w2 = (np.bincount(key, part[kept], minlength=4 * k) for part in (weight, weight**2))
    occurs = np.flatnonzero(n)
    a, b = (occurs // 2) % 2 == 1, occurs % 2 == 1
    everyone = np.ones(len(occurs), dtype=bool)
    return stats.paired_covariance(
        a, b, everyone, occurs // 4, (), w[occurs], squares=w2[occurs], counts=n[occurs], groups=k
    )


def _unpaired_covariance(
    cases: RunCases, events: Sequence[Sequence[_Events]], groups: Sequence[IntArray], k: int
) -> CovarianceResult:
    repeat = len(events)
    sides = []
    for run in (0, 1):
        event = np.concatenate([both[run].event for both in events])
        inside = np.concatenate([both[run].inside for both in events])
        sides.append(stats.rate_covariance(
            event & inside, inside, groups[run], cases.cluster_codes(run, repeat), cases.weights(run, repeat), k,
            scale="proportion", counts=np.tile(cases.counts(run), repeat),
        ))  # fmt: skip
    return stats.unpaired_covariance(sides[0], sides[1])
