"""The evaluation of groups with its findings, tables and figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import raikit
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.disparities import Disparity
from raikit_fairness.estimates.evaluation import GroupEvaluation
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.group_estimates import Estimates
from raikit_fairness.estimates.task_metrics import TargetView
from raikit_fairness.report.group_figures import dot_plot, heat_map, mark_groups
from raikit_fairness.report.group_findings import FindingSubject, group_findings
from raikit_fairness.report.group_tables import disparity_table, group_table
from raikit_fairness.report.topics import TABLE_MEASURES, TOPICS, Topic
from raikit_fairness.settings import IntervalSettings


class ReportedEvaluation(GroupEvaluation):
    """An evaluation whose gaps become findings and figures, too.

    Parameters
    ----------
    settings : IntervalSettings
    seed : int
    reference : dict of str to str
        A group by column that the others are compared with.
    address : callable
        From a metric to its address.
    """

    def __init__(
        self,
        settings: IntervalSettings,
        seed: int,
        reference: dict[str, str],
        address: Callable[[raikit.Metric], str],
    ) -> None:
        super().__init__(settings, seed, reference)
        self.address = address
        self.figures: list[raikit.Figure] = []
        self.subjects: dict[tuple[str, ...], list[FindingSubject]] = {}

    def result(self, task: str, cells: Cells) -> raikit.CheckResult:
        """Return the result of the check."""
        percent = task != "regression"
        simultaneous = self.settings.simultaneous
        table = group_table(
            self.metrics, cells.features, TABLE_MEASURES[task], percent, simultaneous=simultaneous
        )  # fmt: skip
        return raikit.CheckResult(
            metrics=self.all_metrics,
            findings=group_findings(self.subjects, cells, self.settings),
            tables=[table, disparity_table(self.disparities)],
            figures=self.figures,
        )

    def report(
        self, cells: Cells, feature: Feature, view: TargetView, estimates: dict[str, Estimates],
        disparities: dict[str, Disparity], contrasts: dict[str, list[raikit.Metric]],
    ) -> None:  # fmt: skip
        """Collect what findings are about, and draw it."""
        for topic in TOPICS[view.kind]:
            measure, of_measure = topic.measure, estimates[topic.measure.name]
            judging = contrasts[topic.judged_by]
            if topic.judged_by != measure.name:
                judging = _complement(judging)
            marks = mark_groups(measure, of_measure, judging, feature, self.settings)
            figure = self._draw(cells, topic, of_measure, marks, feature)
            if figure:
                self.figures.append(figure)
            difference, ratio = disparities[topic.difference], disparities.get(topic.ratio or "")
            cited = [self.address(disparity.metric) for disparity in (difference, ratio) if disparity is not None]
            self.subjects.setdefault(feature.columns, []).append(FindingSubject(
                estimates=of_measure, difference=difference, short=topic.short,
                verb=topic.verb.format(positive=view.positive), figure=figure.id if figure else None,
                counted=topic.denominator(cells, view.position), cited=cited, mean=measure.unit != "rate",
                lower_is_worse=measure.direction == "higher",
            ))  # fmt: skip

    def _draw(
        self, cells: Cells, topic: Topic, estimates: Estimates, marks: Sequence[str], feature: Feature
    ) -> raikit.Figure | None:
        id = f"{topic.measure.name}-{cells.features.index(feature)}"
        if len(feature.columns) == 1:
            return dot_plot(id, topic.title, topic.measure, estimates, marks, feature, self.settings)
        if len(feature.columns) == 2 and topic.in_heat_maps:
            return heat_map(id, topic.title, topic.measure, estimates, marks, feature)
        return None


def _complement(contrasts: Sequence[raikit.Metric]) -> list[raikit.Metric]:
    """Return the contrasts of a rate's complement."""
    return [
        metric.model_copy(update={"low": -(metric.high or 0.0), "high": -(metric.low or 0.0)}) for metric in contrasts
    ]
