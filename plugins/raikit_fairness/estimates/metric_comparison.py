"""Compare any metric of groups on the cases of two runs, through the influence of each case; shared cases count as the same.

Plain rates on the same cases have a test with more power (`raikit_fairness.estimates.run_comparison`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

import raikit
from raikit import stats
from raikit.arrays import FloatArray, IntArray, group_codes
from raikit.format import case_noun
from raikit.stats import CaseInfluences, EstimatedChange, RunEstimates
from raikit.stats.changes import joint_change, metric_change
from raikit.stats.constants import LEAST_DF
from raikit_fairness import measures
from raikit_fairness.estimates.case_counts import Cells, cells_of_frame
from raikit_fairness.estimates.features import Feature, build_features
from raikit_fairness.estimates.functionals import Functional, rate_functional
from raikit_fairness.estimates.group_estimates import Draws, Estimates
from raikit_fairness.estimates.influence import FunctionalEstimates
from raikit_fairness.estimates.ingredients import higher_is_better
from raikit_fairness.estimates.task_metrics import TargetView, estimate_view, target_views
from raikit_fairness.settings import IntervalSettings

_MOST_GROUPS = 100_000
_ODDS = ("true_positive_rate", "false_positive_rate")
_BIASED = "expected_calibration_error"  # compared from the errors of its bins, by the harness
_PARTS = {
    **{measure.difference: (measure.name,) for measure in measures.EVERY if measure.difference},
    measures.ODDS[0]: _ODDS,
}


def can_compare(metric: raikit.Metric) -> bool:
    """Return whether a metric is a difference between groups, or the value of one group, that has influences."""
    known = _PARTS if metric.group is None else {measure.name for measure in measures.EVERY}
    return bool(
        metric.over and metric.name in known and not metric.name.startswith(_BIASED) and not {"to", "given"} & set(metric.args)
    )


@dataclass(frozen=True)
class _TwoRuns:
    """Cases of the baseline, then of the candidate, coded alike."""

    matched: raikit.MatchedCases
    cells: tuple[Cells, Cells]
    frame: pd.DataFrame
    missing: Mapping[str, str]
    features: dict[tuple[str, ...], tuple[Feature, Feature]] = field(default_factory=dict)

    @classmethod
    def of(cls, matched: raikit.MatchedCases, run: raikit.Measurements) -> _TwoRuns:
        frame = pd.concat([matched.baseline, matched.candidate], ignore_index=True)
        w = frame[run.data.weight].to_numpy(dtype=float) if run.data.weight else np.ones(len(frame))
        cells = cells_of_frame(run.data, frame, (np.ones(len(frame), dtype=np.int64), w, w**2), 0, _MOST_GROUPS, ())
        first = len(matched.baseline)
        return cls(matched, (cells.take(np.arange(first)), cells.take(np.arange(first, len(frame)))), frame, run.data.missing_group)

    def feature(self, columns: tuple[str, ...]) -> tuple[Feature, Feature]:
        """Return the groups of some columns in both runs, with the same numbers."""
        if columns not in self.features:
            coded = {column: group_codes(self.frame[column]) for column in columns}
            both = next(one for one in build_features(coded, len(columns), _MOST_GROUPS, self.missing) if one.columns == columns)
            first = len(self.matched.baseline)
            self.features[columns] = replace(both, code=both.code[:first]), replace(both, code=both.code[first:])
        return self.features[columns]


class MetricComparison:
    """Comparisons of metrics between two runs.

    Parameters
    ----------
    matched : MatchedCases
    measured : Measurements
        Of the candidate.
    margins : Margins
    settings : IntervalSettings
    """

    def __init__(
        self, matched: raikit.MatchedCases, measured: raikit.Measurements, margins: raikit.Margins, settings: IntervalSettings
    ) -> None:
        self.margins, self.settings, self.data = margins, settings, measured.data
        self.designs = [_TwoRuns.of(matched, measured)]
        if matched.shared and not matched.same_cases:
            self.designs.append(_TwoRuns.of(matched.only_shared(), measured))

    def compare(self, address: str, metric: raikit.Metric) -> raikit.Comparison:
        """Compare one metric by the design in which its change has the smaller variance: all cases, or the shared ones."""
        parts = _PARTS[metric.name] if metric.group is None else (metric.name,)
        tested = [design for runs in self.designs if (design := self._tests(metric, parts, runs)) is not None]
        margin = self.margins.of[address]
        if not tested:
            few = f"too few groups, {case_noun()} or clusters to decide in both runs"
            return raikit.Comparison.undecided(address, margin.margin, few)
        design = min(tested, key=lambda each: sum(test.spread for test in each))
        change, at = joint_change([test.change(margin, 1 - self.margins.error / len(parts) / 2) for test in design])
        best, matched = design[at], design[at].runs.matched
        return raikit.Comparison(
            metric=address, value=change.value, low=change.low, high=change.high, margin=margin.margin,
            p_value=change.p_value, paired=matched.shared > 0, method=change.method, n=best.n,
            loser=change.name_loser(best.names) if margin.test == "moved" else None, reason=matched.note or None,
            minimum_detectable=change.minimum_detectable,
        )  # fmt: skip

    def _tests(self, metric: raikit.Metric, parts: Sequence[str], runs: _TwoRuns) -> list[_MetricTest] | None:
        """Return one test for each part; None if one of them cannot be tested."""
        tests = [self._test(metric, name, runs) for name in parts]
        known = [test for test in tests if test is not None]
        return known if len(known) == len(parts) else None

    def _test(self, metric: raikit.Metric, name: str, runs: _TwoRuns) -> _MetricTest | None:
        view = self._view(metric.args.get("class"))
        features = runs.feature(tuple(metric.over or ()))
        draws = Draws(0, features[0].columns, self.settings.draws)
        found = [
            estimate_view(view, cells, feature, (cells, feature) if cells.scores is not None else None, draws, full=True,
                          names={name}).by_name.get(name)
            for cells, feature in zip(runs.cells, features, strict=True)
        ]  # fmt: skip
        first, second = found
        if first is None or second is None:
            return None
        groups = self._groups(metric, (first, second), features[0])
        if len(groups) < (2 if metric.group is None else 1):
            return None
        return _MetricTest.of(name, view, runs, features, (first, second), groups)

    def _groups(self, metric: raikit.Metric, estimates: tuple[Estimates, Estimates], feature: Feature) -> list[int]:
        """Return the groups that can be decided in both runs; of a group's own metric, that group."""
        enough = [np.asarray(each.uncertainty().df >= LEAST_DF) & each.defined for each in estimates]
        keep = enough[0] & enough[1]
        if metric.group is None:
            keep &= estimates[0].judged(self.settings) & estimates[1].judged(self.settings) & feature.compared
        return [at for at in np.flatnonzero(keep).tolist() if metric.group is None or feature.group(at) == metric.group]

    def _view(self, label: Any) -> TargetView:
        views = target_views(self.data.task, self.data.classes, self.data.positive)
        return next(view for view in views if label is None or str(view.args.get("class")) == str(label))


@dataclass(frozen=True)
class _MetricTest:
    """Estimates of one quantity in the groups of both runs, and their change."""

    runs: _TwoRuns
    estimates: tuple[RunEstimates, RunEstimates]
    loss: RunEstimates
    higher: bool
    names: list[str]
    n: int

    @classmethod
    def of(
        cls, name: str, view: TargetView, runs: _TwoRuns, features: tuple[Feature, Feature],
        found: tuple[Estimates, Estimates], groups: list[int],
    ) -> _MetricTest:  # fmt: skip
        functional = _functional(name, view, found[1])
        estimates = _run_estimates(found[0], groups), _run_estimates(found[1], groups)
        cases = [
            _influences(functional, *each, groups) for each in zip(runs.cells, features, runs.matched.units, strict=True)
        ]
        loss = stats.shared_loss(*estimates, cases[0], cases[1])
        names = [features[1].name(group) for group in groups]
        return cls(runs, estimates, loss, higher_is_better(name), names, int(found[1].n[groups].sum()))

    @property
    def spread(self) -> float:
        """Return the sum of the variances of the groups' changes."""
        return float(np.trace(self.loss.covariance))

    def change(self, margin: raikit.Margin, level: float) -> EstimatedChange:
        """Test the change at a one-sided level."""
        return metric_change(
            *self.estimates, margin.margin, moved=margin.test == "moved", higher_is_better=self.higher, level=level,
            loss=self.loss,
        )  # fmt: skip


def _functional(name: str, view: TargetView, estimates: Estimates) -> Functional:
    return estimates.functional if isinstance(estimates, FunctionalEstimates) else rate_functional(name, view.position)


def _run_estimates(estimates: Estimates, groups: list[int]) -> RunEstimates:
    uncertainty = estimates.uncertainty()
    shared = uncertainty.covariance
    covariance = np.diag(uncertainty.variance[groups]) if shared is None else shared[np.ix_(groups, groups)]
    return RunEstimates(estimates.value[groups], covariance, uncertainty.df[groups])


def _influences(
    functional: Functional, cells: Cells, feature: Feature, unit: IntArray, groups: list[int]
) -> CaseInfluences:  # fmt: skip
    influence: FloatArray = np.zeros(len(cells))
    place = np.full(feature.k, -1, dtype=np.int64)
    for position, group in enumerate(groups):
        place[group] = position
        members = feature.members[group]
        influence[members] = functional(cells.take(members))[1]
    code: IntArray = np.where(feature.code >= 0, place[feature.code], -1)
    return CaseInfluences(influence, code, unit, cells.clusters)
