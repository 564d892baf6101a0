"""Every metric of every view in the groups of every feature, and the disparities: what the check and `assess` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import raikit
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.disparities import (
    Disparity,
    GapEstimator,
    adjust_p_values,
    measure_disparities,
    odds_disparities,
    reference_contrasts,
    rest_contrasts,
)
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.group_estimates import Draws, Estimates
from raikit_fairness.estimates.group_metrics import count_metrics, metrics_by_group
from raikit_fairness.estimates.task_metrics import TargetView, ViewEstimates, estimate_view
from raikit_fairness.settings import IntervalSettings

_ODDS_RATES = {"true_positive_rate", "false_positive_rate"}
_MOST_NAMES = 12  # groups that an error names


@dataclass(frozen=True)
class FeatureMeasurements:
    """What one view gives over one feature, each by the name of the metric.

    Parameters
    ----------
    estimates : dict of str to Estimates
    reference : int or None
        The group that others are compared with.
    disparities : dict of str to Disparity
    to_rest, to_reference : dict of str to list of Metric
        Each group against all others, and against the reference.
    """

    estimates: dict[str, Estimates]
    reference: int | None = None
    disparities: dict[str, Disparity] = field(default_factory=dict)
    to_rest: dict[str, list[raikit.Metric]] = field(default_factory=dict)
    to_reference: dict[str, list[raikit.Metric]] = field(default_factory=dict)


class GroupEvaluation:
    """Metrics and disparities, collected on the way through the features.

    Parameters
    ----------
    settings : IntervalSettings
    seed : int
    reference : dict of str to str
        A group by column that the others are compared with.
    names : sequence of str, optional
        Metrics to estimate; absent: all.
    """

    def __init__(
        self,
        settings: IntervalSettings,
        seed: int,
        reference: dict[str, str] | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        self.settings, self.seed, self.reference, self.names = settings, seed, reference or {}, names
        self.metrics: list[raikit.Metric] = []
        self.disparities: list[Disparity] = []

    @property
    def all_metrics(self) -> list[raikit.Metric]:
        """Return the groups' own metrics, then the disparities."""
        return [*self.metrics, *(disparity.metric for disparity in self.disparities)]

    def run(
        self,
        cells: Cells,
        scored: Cells | None,
        views: Sequence[TargetView],
        full: bool,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Evaluate all features, then all of them again within each control group.

        Parameters
        ----------
        cells : Cells
        scored : Cells or None
            Single cases with their scores.
        views : sequence of TargetView
        full : bool
            Whether intersections get all metrics, too.
        progress : callable, optional
            Called with the number of features done and of all.
        """
        self._check_reference(cells.features)
        self._evaluate(cells, scored, views, {}, full, progress)
        control = cells.control
        for group in range(control.k if control else 0):
            assert control is not None
            given = {"given": control.condition(group)}
            part = scored.within_control(group) if scored is not None else None
            unreported = [replace(view, reported=False) for view in views]
            self._evaluate(cells.within_control(group), part, unreported, given, full)
        adjust_p_values(self.disparities, self.settings.correction)

    def _evaluate(
        self,
        cells: Cells,
        scored: Cells | None,
        views: Sequence[TargetView],
        args: dict[str, Any],
        full: bool,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        for number, feature in enumerate(cells.features):
            with_scores = (scored, scored.features[number]) if scored is not None else None
            draws = Draws(self.seed, (*feature.columns, *args.values()), self.settings.draws)
            self.metrics += count_metrics(cells, feature, args)
            for view in views:
                single = len(feature.columns) == 1
                estimates = estimate_view(
                    view, cells, feature, with_scores, draws, full=full or single, names=self.names
                )  # fmt: skip
                self._add_view(cells, feature, view, estimates, {**view.args, **args}, draws)
            if progress is not None:
                progress(number + 1, len(cells.features))

    def _add_view(
        self, cells: Cells, feature: Feature, view: TargetView, view_estimates: ViewEstimates, args: dict[str, Any],
        draws: Draws,
    ) -> None:  # fmt: skip
        gaps = GapEstimator(self.settings, draws)
        measured = FeatureMeasurements(view_estimates.by_name, self._reference(feature))
        disparities = measured.disparities
        for measure in view_estimates.measures:
            estimates = view_estimates.by_name[measure.name]
            self.metrics += metrics_by_group(measure, estimates, feature, args, view.positive, self.settings)
            measured.to_rest[measure.name] = rest_contrasts(measure, estimates, feature, args, gaps)
            self.metrics += measured.to_rest[measure.name]
            if measured.reference is not None:
                contrasts = reference_contrasts(measure, estimates, feature, args, measured.reference, self.settings)
                measured.to_reference[measure.name] = contrasts
                self.metrics += contrasts
            for disparity in measure_disparities(measure, estimates, feature, args, gaps, view.positive):
                disparities[disparity.metric.name] = disparity
        if view_estimates.odds is not None and (self.names is None or set(self.names) >= _ODDS_RATES):
            for disparity in odds_disparities(view_estimates.odds, feature, args, gaps, view.positive):
                disparities[disparity.metric.name] = disparity
        self.disparities += disparities.values()
        if view.reported:
            self.report(cells, feature, view, measured)

    def _reference(self, feature: Feature) -> int | None:
        """Return the group that the reference values of all columns make up, if it occurs."""
        if not set(feature.columns) <= set(self.reference):
            return None
        group = tuple(self.reference[column] for column in feature.columns)
        return feature.groups.index(group) if group in feature.groups else None

    def _check_reference(self, features: Sequence[Feature]) -> None:
        """Raise if a reference is no group of its column. Within a control group it need not occur."""
        for feature in features:
            group = self.reference.get(feature.columns[0]) if len(feature.columns) == 1 else None
            if group is not None and (group,) not in feature.groups:
                names = ", ".join("missing" if value is None else value for value, *_ in feature.groups[:_MOST_NAMES])
                raise raikit.ConfigError(f"reference: {feature.title} has no group {group!r}; it has {names}.")

    def report(self, cells: Cells, feature: Feature, view: TargetView, measured: FeatureMeasurements) -> None:
        """Prepare findings and figures; this class makes none, a subclass may."""
