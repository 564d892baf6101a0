"""The check: count, estimate, compare, and say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

import raikit
from raikit_fairness import disparities, figures, findings, groups, rates, tables
from raikit_fairness.cells import Cells, Feature, count_cells
from raikit_fairness.disparities import Disparity
from raikit_fairness.estimates import Estimates, Settings
from raikit_fairness.findings import Subject

if TYPE_CHECKING:
    from raikit_fairness.rates import Measure, Odds


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
        f"fairness.{name}"
        for name in ("count", *rates.names(rates.BINARY), *rates.ODDS, *rates.names(rates.REGRESSION))
    ]

    class Options(raikit.CheckOptions):
        intersections: int = Field(2, ge=1, le=5, description="Most sensitive features crossed with each other.")
        min_group: int = Field(30, ge=1, description="Groups with fewer rows are shown, marked, and never decide.")
        max_groups: int = Field(500, ge=2, description="More groups of one feature or intersection stop the check.")
        confidence: float | None = Field(None, gt=0.5, lt=1, description="Level of the intervals; absent: the run's.")
        draws: int = Field(20_000, ge=1_000, description="Draws behind simultaneous limits; fewer are rough.")

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        options = self.options
        settings = Settings(options.confidence or ctx.confidence, options.draws, options.min_group)
        cells = count_cells(ctx, options.intersections, options.max_groups)
        views = _views(ctx)
        found = _Found(self, cells, settings, ctx.seed)
        for number, feature in enumerate(cells.features):
            found.metrics += groups.counts(cells, feature)
            for view in views:
                found.measure(feature, view)
            ctx.progress(number + 1, len(cells.features))
        disparities.adjust(found.disparities)
        said = findings.worst_first(found.subjects, cells, cells.features, settings)
        table = tables.by_group(found.metrics, cells.features, *_shown(ctx))
        return raikit.CheckResult(
            metrics=[*found.metrics, *(disparity.metric for disparity in found.disparities)], findings=said,
            tables=[table, tables.disparities(found.disparities)], figures=found.figures,
        )


@dataclass(frozen=True)
class View:
    """One way to look at truth and prediction.

    Parameters
    ----------
    kind : {"rates", "accuracy", "regression"}
    args : dict
        Arguments of the addresses.
    positive : object
        Label of the class that counts as positive.
    at : int
        Its position.
    spoken : bool
        Whether findings and figures are made.
    """

    kind: str
    args: dict[str, Any] = field(default_factory=dict)
    positive: Any = None
    at: int = 0
    spoken: bool = True


def _views(ctx: raikit.CheckContext) -> list[View]:
    if ctx.task == "regression":
        return [View("regression")]
    labels = list(ctx.classes)
    if ctx.task == "binary":
        return [View("rates", {}, ctx.positive, labels.index(ctx.positive))]
    each = [View("rates", {"class": label}, label, at, spoken=False) for at, label in enumerate(labels)]
    return [View("accuracy"), *each]


def _shown(ctx: raikit.CheckContext) -> tuple[list[str], dict[str, Any], bool]:
    if ctx.task == "regression":
        return [measure.name for measure in rates.REGRESSION], {}, False
    shown = ["selection_rate", "true_positive_rate", "false_positive_rate"] if ctx.task == "binary" else ["accuracy"]
    return shown, {}, True


class _Found:
    """What is collected on the way through features."""

    def __init__(self, check: raikit.Check, cells: Cells, settings: Settings, seed: int) -> None:
        self.check, self.cells, self.settings, self.seed = check, cells, settings, seed
        self.metrics: list[raikit.Metric] = []
        self.disparities: list[Disparity] = []
        self.figures: list[raikit.Figure] = []
        self.subjects: dict[tuple[str, ...], list[Subject]] = {feature.columns: [] for feature in cells.features}

    def measure(self, feature: Feature, view: View) -> None:
        """Estimate every measure of one view in the groups of one feature."""
        if view.kind == "regression":
            odds, measures = None, list(rates.REGRESSION)
            found = rates.regression_estimates(self.cells, feature)
        elif view.kind == "accuracy":
            found, odds, measures = {"accuracy": rates.accuracy_estimates(self.cells, feature)}, None, [rates.ACCURACY]
        else:
            found, odds = rates.binary_estimates(self.cells, feature, view.at)
            measures = [one for one in rates.BINARY if view.spoken or one is not rates.ACCURACY]
        rest = {measure.name: self._numbers(measure, found[measure.name], feature, view) for measure in measures}
        apart = {one.metric.name: one for one in self._apart(measures, found, odds, feature, view)}
        self.disparities += apart.values()
        if view.spoken:
            self._speak(feature, view, found, apart, rest)

    def _numbers(self, measure: Measure, found: Estimates, feature: Feature, view: View) -> list[raikit.Metric]:
        self.metrics += groups.by_group(measure, found, feature, view.args, view.positive, self.settings)
        rest = disparities.against_rest(measure, found, feature, view.args, self.settings, self.seed)
        self.metrics += rest
        return rest

    def _apart(
        self, measures: Sequence[Measure], found: dict[str, Estimates], odds: Odds | None, feature: Feature, view: View
    ) -> list[Disparity]:
        several, ratios = [], disparities.Ratios()
        for measure in measures:
            estimates = found[measure.name]
            several += disparities.of_measure(
                measure, estimates, feature, view.args, self.settings, self.seed, ratios
            )
        if odds is not None:
            several += disparities.of_odds(odds, feature, view.args, self.settings, self.seed, ratios)
        return several

    def _speak(
        self, feature: Feature, view: View, found: dict[str, Estimates], apart: dict[str, Disparity],
        rest: dict[str, list[raikit.Metric]],
    ) -> None:
        """Collect what findings are about, and draw it."""
        for topic in TOPICS[view.kind]:
            measure, estimates = topic.measure, found[topic.measure.name]
            contrasts = rest[topic.judged_by] if topic.judged_by == measure.name else _mirrored(rest[topic.judged_by])
            mark = figures.marks(measure, estimates, contrasts, feature, self.settings)
            figure = self._draw(topic, estimates, mark, feature)
            if figure:
                self.figures.append(figure)
            difference, ratio = apart[topic.difference], apart.get(topic.ratio or "")
            cited = [self.check.address(one.metric) for one in (difference, ratio) if one is not None]
            self.subjects[feature.columns].append(Subject(
                estimates=estimates, difference=difference, ratio=ratio, short=topic.short,
                doing=topic.doing.format(positive=view.positive), figure=figure.id if figure else None,
                counted=topic.denominator(self.cells, view.at), cited=cited, mean=measure.unit != "rate",
                lower_is_worse=measure.direction == "higher",
            ))

    def _draw(self, topic: Topic, found: Estimates, mark: list[str], feature: Feature) -> raikit.Figure | None:
        name = f"{topic.measure.name}-{self.cells.features.index(feature)}"
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
        if self.measure is rates.FNR:
            return cells.truth == positive
        if self.measure is rates.FPR:
            return cells.truth != positive
        return cells.n > 0


TOPICS = {
    "rates": [
        Topic(rates.FNR, "equal_opportunity_difference", "false_negative_rate_ratio", "true_positive_rate",
              "are missed", "the rate missed", "Missed", in_heat_maps=True),
        Topic(rates.FPR, "false_positive_rate_difference", "false_positive_rate_ratio", "false_positive_rate",
              "are wrongly called “{positive}”", "the false positive rate", "False positive rate"),
        Topic(rates.SELECTION_RATE, "demographic_parity_difference", "demographic_parity_ratio", "selection_rate",
              "are predicted “{positive}”", "the selection rate", "Selection rate"),
    ],
    "accuracy": [
        Topic(rates.ACCURACY, "accuracy_difference", "accuracy_ratio", "accuracy", "are predicted right",
              "the accuracy", "Accuracy", in_heat_maps=True),
    ],
    "regression": [
        Topic(rates.MAE, "mean_absolute_error_difference", "mean_absolute_error_ratio", "mean_absolute_error",
              "have mean absolute errors", "the mean absolute error", "Mean absolute error", in_heat_maps=True),
    ],
}
