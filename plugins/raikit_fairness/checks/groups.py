"""The check: count, estimate, compare, and say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

import raikit
from raikit_fairness import measures
from raikit_fairness.checks.options import GapOptions
from raikit_fairness.estimates.case_counts import Cells, Feature, count_cells, read_rows, score_columns
from raikit_fairness.estimates.disparities import Disparity
from raikit_fairness.estimates.evaluation import Study
from raikit_fairness.estimates.group_estimates import Correction, Estimates, Settings
from raikit_fairness.estimates.task_metrics import View, views_of
from raikit_fairness.report import figures, findings, tables
from raikit_fairness.report.findings import Subject

if TYPE_CHECKING:
    from raikit_fairness.measures import Measure


class Groups(raikit.Check):
    """Rates of every group of every sensitive feature and their intersections, and how far groups are apart.

    Definitions are Fairlearn's; a rate with an empty denominator is undefined and says so. A group's own interval is
    exact. A gap's lower end is simultaneous over all pairs of groups (max-t), its upper end pointwise; rows that share
    clusters are treated as such.

    References
    ----------
    .. [1] Agarwal et al., "A Reductions Approach to Fair Classification", ICML 2018.
    .. [2] Romano, Shaikh and Wolf, "A practical two-step method for testing moment inequalities", Econometrica 2014.
    """

    name = "fairness.groups"
    pillar = "fairness"
    requires = raikit.Requires(
        columns={"target", "prediction", "sensitive"}, capabilities={"labels"},
        tasks={"binary", "multiclass", "regression"},
    )
    produces: ClassVar[Sequence[str]] = [
        f"fairness.{name}" for name in ("count", *measures.names(measures.EVERY), *measures.ODDS)
    ]

    class Options(GapOptions):
        intersections: int = Field(2, ge=1, le=5, description="Most sensitive features crossed with each other.")
        max_groups: int = Field(500, ge=2, description="More groups of one feature or intersection stop the check.")
        simultaneous: bool = Field(
            False, description="Whether groups' own intervals hold for all groups of a feature at once (Sidak).")
        correction: Correction = Field("holm", description="Of p-values over features and intersections.")
        metrics: Literal["rates", "all"] = Field(
            "rates", description="What intersections get: rates only, or all metrics, as single features do.")
        control: list[str] = Field(
            default_factory=list, description="Sensitive columns to compare within and not over (conditional parity).")
        reference: dict[str, str] = Field(
            default_factory=dict, description="A group by column that the others are compared with, such as {sex: M}.")

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        options = self.options
        _refuse_unknown([*options.control, *options.reference], ctx.sensitive)
        settings = replace(options.settings(ctx), simultaneous=options.simultaneous, correction=options.correction)
        scope = options.intersections, options.max_groups, options.control
        cells = count_cells(ctx, *scope)
        rows = read_rows(ctx, *scope) if score_columns(ctx) else None
        found = _Spoken(self, settings, ctx.seed, options.reference)
        found.run(cells, rows, views_of(ctx.task, ctx.classes, ctx.positive), options.metrics == "all", ctx.progress)
        said = findings.worst_first(found.subjects, cells, cells.features, settings)
        table = tables.by_group(found.metrics, cells.features, *_shown(ctx.task), simultaneous=options.simultaneous)
        return raikit.CheckResult(
            metrics=found.every, findings=said,
            tables=[table, tables.disparities(found.disparities)], figures=found.figures,
        )


    def compare(
        self, candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins
    ) -> list[raikit.Comparison]:
        """Which group lost against which; paired on the rows that both runs hold."""
        from raikit_fairness.estimates.run_comparison import compare

        return compare(candidate, baseline, margins, self.options.min_group, self.options.draws, 0)


def _refuse_unknown(columns: Sequence[str], sensitive: Sequence[str]) -> None:
    for column in columns:
        if column not in sensitive:
            known = ", ".join(sensitive)
            raise raikit.ConfigError(f"checks.fairness: {column!r} is none of the sensitive columns ({known}).")


def _shown(task: str) -> tuple[list[str], dict[str, Any], bool]:
    if task == "regression":
        return [measure.name for measure in measures.REGRESSION], {}, False
    shown = ["selection_rate", "true_positive_rate", "false_positive_rate"] if task == "binary" else ["accuracy"]
    return shown, {}, True


class _Spoken(Study):
    """A study whose gaps are also said in words and drawn."""

    def __init__(self, check: raikit.Check, settings: Settings, seed: int, reference: dict[str, str]) -> None:
        super().__init__(settings, seed, reference)
        self.check = check
        self.figures: list[raikit.Figure] = []
        self.subjects: dict[tuple[str, ...], list[Subject]] = {}

    def speak(
        self, cells: Cells, feature: Feature, view: View, found: dict[str, Estimates], apart: dict[str, Disparity],
        rest: dict[str, list[raikit.Metric]],
    ) -> None:
        """Collect what findings are about, and draw it."""
        for topic in TOPICS[view.kind]:
            measure, estimates = topic.measure, found[topic.measure.name]
            contrasts = rest[topic.judged_by] if topic.judged_by == measure.name else _mirrored(rest[topic.judged_by])
            mark = figures.marks(measure, estimates, contrasts, feature, self.settings)
            figure = self._draw(cells, topic, estimates, mark, feature)
            if figure:
                self.figures.append(figure)
            difference, ratio = apart[topic.difference], apart.get(topic.ratio or "")
            cited = [self.check.address(one.metric) for one in (difference, ratio) if one is not None]
            self.subjects.setdefault(feature.columns, []).append(Subject(
                estimates=estimates, difference=difference, ratio=ratio, short=topic.short,
                doing=topic.doing.format(positive=view.positive), figure=figure.id if figure else None,
                counted=topic.denominator(cells, view.at), cited=cited, mean=measure.unit != "rate",
                lower_is_worse=measure.direction == "higher",
            ))

    def _draw(self, cells: Cells, topic: Topic, found: Estimates, mark: list[str], feature: Feature) -> raikit.Figure | None:
        name = f"{topic.measure.name}-{cells.features.index(feature)}"
        if len(feature.columns) == 1:
            return figures.dots(name, topic.title, topic.measure, found, mark, feature, self.settings)
        if len(feature.columns) == 2 and topic.in_heat_maps:
            return figures.heat_map(name, topic.title, topic.measure, found, mark, feature)
        return None


def _mirrored(contrasts: Sequence[raikit.Metric]) -> list[raikit.Metric]:
    """The contrasts of a rate's complement."""
    return [
        metric.model_copy(update={"low": -(metric.high or 0.0), "high": -(metric.low or 0.0)}) for metric in contrasts
    ]


@dataclass(frozen=True)
class Topic:
    """A measure that is spoken about and drawn.

    Parameters
    ----------
    measure : Measure
    difference, ratio : str
        Names of its disparities, under which it is a finding.
    judged_by : str
        Measure whose comparison with the rest says which groups are worse.
    doing, short, title : str
    in_heat_maps : bool
    """

    measure: Measure
    difference: str
    ratio: str | None
    judged_by: str
    doing: str
    short: str
    title: str
    in_heat_maps: bool = False

    def denominator(self, cells: Cells, positive: int) -> Any:
        """Rows that the measure is taken over."""
        if self.measure is measures.FNR:
            return cells.truth == positive
        if self.measure is measures.FPR:
            return cells.truth != positive
        return cells.n > 0


TOPICS = {
    "binary": [
        Topic(measures.FNR, "equal_opportunity_difference", "false_negative_rate_ratio", "true_positive_rate",
              "are missed", "the rate missed", "Missed", in_heat_maps=True),
        Topic(measures.FPR, "false_positive_rate_difference", "false_positive_rate_ratio", "false_positive_rate",
              "are wrongly called “{positive}”", "the false positive rate", "False positive rate"),
        Topic(measures.SELECTION_RATE, "demographic_parity_difference", "demographic_parity_ratio", "selection_rate",
              "are predicted “{positive}”", "the selection rate", "Selection rate"),
    ],
    "multiclass": [
        Topic(measures.ACCURACY, "accuracy_difference", "accuracy_ratio", "accuracy", "are predicted right",
              "the accuracy", "Accuracy", in_heat_maps=True),
    ],
    "regression": [
        Topic(measures.MAE, "mean_absolute_error_difference", "mean_absolute_error_ratio", "mean_absolute_error",
              "have mean absolute errors", "the mean absolute error", "Mean absolute error", in_heat_maps=True),
    ],
}
