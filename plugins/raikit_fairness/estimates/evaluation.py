"""Every metric of every view in the groups of every feature, and how far the groups are apart: what both ways in share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import raikit
from raikit_fairness.estimates import disparities
from raikit_fairness.estimates import group_metrics as groups
from raikit_fairness.estimates.disparities import Compared, Disparity
from raikit_fairness.estimates.group_estimates import Draws, Estimates, Settings
from raikit_fairness.estimates.task_metrics import Estimated, View, estimate

if TYPE_CHECKING:
    from raikit_fairness.estimates.case_counts import Cells, Feature


class Study:
    """Metrics and disparities, collected on the way through features.

    Parameters
    ----------
    settings : Settings
    seed : int
    reference : dict of str to str
        A group by column that the others are compared with.
    wanted : collection of str, optional
        Metrics to measure; absent: all.
    """

    def __init__(
        self, settings: Settings, seed: int, reference: dict[str, str] | None = None, wanted: Sequence[str] | None = None
    ) -> None:
        self.settings, self.seed, self.reference, self.wanted = settings, seed, reference or {}, wanted
        self.metrics: list[raikit.Metric] = []
        self.disparities: list[Disparity] = []

    @property
    def every(self) -> list[raikit.Metric]:
        """Groups' own metrics, then the disparities."""
        return [*self.metrics, *(disparity.metric for disparity in self.disparities)]

    def run(self, cells: Cells, rows: Cells | None, views: Sequence[View], full: bool, progress: Any = None) -> None:
        """Go through all features, then through them again within each control group."""
        self._study(cells, rows, views, {}, full, progress)
        for at in range(cells.control.k if cells.control else 0):
            assert cells.control is not None
            given = {"given": cells.control.name(at)}
            part = rows.given(at) if rows is not None else None
            self._study(cells.given(at), part, [view.quiet() for view in views], given, full)
        disparities.adjust(self.disparities, self.settings.correction)

    def _study(
        self, cells: Cells, rows: Cells | None, views: Sequence[View], args: dict[str, Any], full: bool, progress: Any = None
    ) -> None:
        for number, feature in enumerate(cells.features):
            scored = (rows, rows.features[number]) if rows is not None else None
            draws = Draws(self.seed, (*feature.columns, *args.values()), self.settings.draws)
            self.metrics += groups.counts(cells, feature, args)
            for view in views:
                alone = len(feature.columns) == 1
                found = estimate(view, cells, feature, scored, draws, full=full or alone, wanted=self.wanted)
                self._measure(cells, feature, view, found, {**view.args, **args}, draws)
            if progress is not None:
                progress(number + 1, len(cells.features))

    def _measure(
        self, cells: Cells, feature: Feature, view: View, estimated: Estimated, args: dict[str, Any], draws: Draws
    ) -> None:
        compared = Compared(self.settings, draws)
        rest, apart, found = {}, {}, estimated.found
        reference = self._reference(feature)
        for measure in estimated.measures:
            own = found[measure.name]
            self.metrics += groups.by_group(measure, own, feature, args, view.positive, self.settings)
            rest[measure.name] = disparities.against_rest(measure, own, feature, args, compared)
            self.metrics += rest[measure.name]
            if reference is not None:
                self.metrics += disparities.against_reference(measure, own, feature, args, reference, self.settings)
            for one in disparities.of_measure(measure, own, feature, args, compared):
                apart[one.metric.name] = one
        odds = {"true_positive_rate", "false_positive_rate"}
        if estimated.odds is not None and (self.wanted is None or odds <= set(self.wanted)):
            for one in disparities.of_odds(estimated.odds, feature, args, compared):
                apart[one.metric.name] = one
        self.disparities += apart.values()
        if view.spoken:
            self.speak(cells, feature, view, found, apart, rest)

    def _reference(self, feature: Feature) -> int | None:
        """The group that every column's reference value makes up, if it occurs."""
        if not set(feature.columns) <= set(self.reference):
            return None
        wanted = tuple(self.reference[column] for column in feature.columns)
        if wanted not in feature.groups and len(feature.columns) == 1:
            known = ", ".join(str(group[0]) for group in feature.groups[:12])
            raise raikit.ConfigError(f"checks.fairness.reference: {feature.title} has no group {wanted[0]!r}; it has {known}.")
        return feature.groups.index(wanted) if wanted in feature.groups else None

    def speak(
        self, cells: Cells, feature: Feature, view: View, found: dict[str, Estimates], apart: dict[str, Disparity],
        rest: dict[str, list[raikit.Metric]],
    ) -> None:
        """Say and draw what was found; nothing here, for who only wants numbers."""
