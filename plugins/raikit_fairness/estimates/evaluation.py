"""Every metric of every view in the groups of every feature, and the disparities: what the check and `assess` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
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
        reference = self._reference(feature)
        contrasts: dict[str, list[raikit.Metric]] = {}
        disparities: dict[str, Disparity] = {}
        for measure in view_estimates.measures:
            estimates = view_estimates.by_name[measure.name]
            self.metrics += metrics_by_group(measure, estimates, feature, args, view.positive, self.settings)
            contrasts[measure.name] = rest_contrasts(measure, estimates, feature, args, gaps)
            self.metrics += contrasts[measure.name]
            if reference is not None:
                self.metrics += reference_contrasts(measure, estimates, feature, args, reference, self.settings)
            for disparity in measure_disparities(measure, estimates, feature, args, gaps, view.positive):
                disparities[disparity.metric.name] = disparity
        if view_estimates.odds is not None and (self.names is None or set(self.names) >= _ODDS_RATES):
            for disparity in odds_disparities(view_estimates.odds, feature, args, gaps, view.positive):
                disparities[disparity.metric.name] = disparity
        self.disparities += disparities.values()
        if view.reported:
            self.report(cells, feature, view, view_estimates.by_name, disparities, contrasts)

    def _reference(self, feature: Feature) -> int | None:
        """Return the group that the reference values of all columns make up, if it occurs."""
        if not set(feature.columns) <= set(self.reference):
            return None
        group = tuple(self.reference[column] for column in feature.columns)
        if group not in feature.groups and len(feature.columns) == 1:
            names = ", ".join(str(value) for value, *_ in feature.groups[:_MOST_NAMES])
            raise raikit.ConfigError(
                f"checks.fairness.reference: {feature.title} has no group {group[0]!r}; it has {names}."
            )
        return feature.groups.index(group) if group in feature.groups else None

    def report(
        self, cells: Cells, feature: Feature, view: TargetView, estimates: dict[str, Estimates],
        disparities: dict[str, Disparity], contrasts: dict[str, list[raikit.Metric]],
    ) -> None:  # fmt: skip
        """Prepare findings and figures; this class makes none, a subclass may."""
