"""The evaluation of groups with its headlines, and in an audit with findings, tables and figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import raikit
from raikit.format import class_text
from raikit.naming import names_in_use
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.evaluation import FeatureMeasurements, GroupEvaluation
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.task_metrics import TargetView
from raikit_fairness.report.group_figures import dot_plot, heat_map, mark_groups
from raikit_fairness.report.group_findings import group_findings
from raikit_fairness.report.group_tables import disparity_table, group_table
from raikit_fairness.report.headlines import FindingSubject, ReferenceContrast
from raikit_fairness.report.topics import TABLE_MEASURES, TOPICS, Topic
from raikit_fairness.settings import IntervalSettings


class LedEvaluation(GroupEvaluation):
    """An evaluation that knows what its headlines are about.

    Parameters
    ----------
    settings : IntervalSettings
    seed : int
    reference : dict of str to str
        A group by column that the others are compared with.
    address : callable
        From a metric to its address.
    names : sequence of str, optional
        Metrics to estimate; absent: all.
    """

    def __init__(
        self,
        settings: IntervalSettings,
        seed: int,
        reference: dict[str, str],
        address: Callable[[raikit.Metric], str],
        names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(settings, seed, reference, names)
        self.address = address
        self.figures: list[raikit.Figure] = []
        self.subjects: dict[tuple[str, ...], list[FindingSubject]] = {}

    def report(self, cells: Cells, feature: Feature, view: TargetView, measured: FeatureMeasurements) -> None:
        """Collect what findings are about."""
        for topic in [topic.directed(view.favourable) for topic in TOPICS[view.kind]]:
            if topic.difference in measured.disparities:  # `names` may leave it out
                subject = self._subject(cells, feature, view, topic, measured)
                self.subjects.setdefault(feature.columns, []).append(subject)

    def _subject(
        self, cells: Cells, feature: Feature, view: TargetView, topic: Topic, measured: FeatureMeasurements
    ) -> FindingSubject:
        measure, of_measure = topic.measure, measured.estimates[topic.measure.name]
        figure = self._draw(cells, topic, measured, feature)
        difference, ratio = measured.disparities[topic.difference], measured.disparities.get(topic.ratio or "")
        return FindingSubject(
            name=measure.name, estimates=of_measure, difference=difference, short=topic.short,
            verb=_verb(topic, view.positive), ratio=ratio, figure=figure.id if figure else None,
            counted=topic.denominator(cells, view.position), mean=measure.unit != "rate", direction=measure.direction,
            cited=[self.address(disparity.metric) for disparity in (difference, ratio) if disparity is not None],
            reference=measured.reference, contrasts=self._contrasts(topic, measured, feature),
        )  # fmt: skip

    def _contrasts(self, topic: Topic, measured: FeatureMeasurements, feature: Feature) -> list[ReferenceContrast]:
        """Return the contrasts with the reference in the topic's own measure, of the groups that can be judged."""
        judged = measured.estimates[topic.measure.name].judged(self.settings)
        if measured.reference is None or not judged[measured.reference]:
            return []
        recorded = measured.to_reference[topic.judged_by]
        own = topic.in_own_measure(recorded)
        position: dict[tuple[Any, ...], int] = {group: at for at, group in enumerate(feature.groups)}
        groups = [position[tuple((metric.group or {}).values())] for metric in recorded]
        return [
            ReferenceContrast(group, metric.value or 0.0, metric.low or 0.0, metric.high or 0.0, self.address(original))
            for group, metric, original in zip(groups, own, recorded, strict=True)
            if judged[group]
        ]

    def _draw(
        self, cells: Cells, topic: Topic, measured: FeatureMeasurements, feature: Feature
    ) -> raikit.Figure | None:
        """Draw the groups; this class draws nothing, a subclass may."""


def _verb(topic: Topic, positive: object) -> str:
    """Return what happens to a case, in the words of ``data.harms`` if it has some for this measure."""
    return names_in_use().harms.get(topic.measure.name) or topic.verb.format(positive=class_text(positive))


class ReportedEvaluation(LedEvaluation):
    """An evaluation whose gaps become findings and figures, too."""

    def result(self, task: str, cells: Cells) -> raikit.CheckResult:
        """Return the result of the check."""
        percent = task != "regression"
        simultaneous = self.settings.simultaneous
        measured = {metric.name for metric in self.metrics}
        names = [name for name in TABLE_MEASURES[task] if name in measured]  # some need the truth
        table = group_table(self.metrics, cells.features, names, percent, simultaneous=simultaneous)
        return raikit.CheckResult(
            metrics=self.all_metrics,
            findings=group_findings(self.subjects, cells, self.settings),
            tables=[table, disparity_table(self.disparities)],
            figures=self.figures,
        )

    def _draw(
        self, cells: Cells, topic: Topic, measured: FeatureMeasurements, feature: Feature
    ) -> raikit.Figure | None:
        """Draw the groups, marked against the reference if there is one, else against the rest."""
        measure, estimates, reference = topic.measure, measured.estimates[topic.measure.name], measured.reference
        judging = (measured.to_rest if reference is None else measured.to_reference)[topic.judged_by]
        marks = mark_groups(measure, estimates, topic.in_own_measure(judging), feature, self.settings)
        id, figure = f"{measure.name}-{cells.features.index(feature)}", None
        if len(feature.columns) == 1:
            figure = dot_plot(id, topic.title, measure, estimates, marks, feature, self.settings, reference)
        elif len(feature.columns) == 2 and topic.in_heat_maps:
            figure = heat_map(id, topic.title, measure, estimates, marks, feature, reference)
        if figure:
            self.figures.append(figure)
        return figure
