"""The check ``fairness.search``: which groups of all combinations of features are worse, and that none is by more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

import raikit
from raikit.format import class_text
from raikit_fairness.names import metric_by_group

Measure = Literal["accuracy", "false_negative_rate", "false_positive_rate", "selection_rate", "precision"]
_NO_LIMIT = 1 << 60
_CITED = ("worst_group_excess", "groups_flagged")


class Search(raikit.Check):
    """Which groups are worse than the rest, over all combinations of features, and a certificate that none is by more.

    Groups are flagged at a false-discovery rate. The certificate is the upper end of `worst_group_excess`: with the
    run's confidence no group that was searched is worse than all cases together by more. Both follow [1]_, with limits
    that hold for small groups.

    References
    ----------
    .. [1] Cherian and Candes, "Statistical Inference for Fairness Auditing", arXiv 2305.03712, 2023.
    """

    name = "fairness.search"
    pillar = "fairness"
    requires = raikit.Requires(
        columns={"target", "prediction", "sensitive"}, capabilities={"labels"}, tasks={"binary", "multiclass"}
    )
    produces: ClassVar[Sequence[str]] = [
        f"fairness.{name}"
        for name in ("groups_searched", "groups_not_searched", "groups_flagged", "groups_certified", "worst_group_excess")
    ]

    class Options(raikit.CheckOptions):
        """Options of the check."""

        depth: int = Field(3, ge=1, le=5, description="Most sensitive features in one group.")
        tolerance: float = Field(
            0.05, ge=0, lt=1, description="A group is flagged if it is worse than the rest by more than this."
        )
        measures: list[Annotated[Measure, BeforeValidator(metric_by_group)]] = Field(
            default_factory=list,
            description="By what a group is worse: fewer right (accuracy), more missed (false_negative_rate), more wrongly "
            "called positive (false_positive_rate), fewer selected (selection_rate; more, if data.favourable is the other "
            "class), more mistakes among the selected (precision); absent: accuracy and, for two classes, false_negative_rate.",
        )
        min_group: int = Field(30, ge=1, description="Groups with fewer cases are counted, and not searched.")
        fdr: float = Field(0.05, ge=1e-9, lt=0.5, description="Expected share of wrongly flagged among the flagged groups.")
        dependence: Literal["positive", "any"] = Field(
            "positive", description="Benjamini-Hochberg, or Benjamini-Yekutieli, which needs no assumption."
        )
        max_searched: int = Field(
            2_000, ge=2, description="Most groups searched; combinations of more features are left out beyond it."
        )
        confidence: float | None = Field(None, gt=0.5, le=1 - 1e-9, description="Level of the certificate; absent: the run's.")
        draws: int = Field(20_000, ge=1_000, description="Draws behind simultaneous limits; fewer are imprecise.")

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Search the groups for each measure and return the metrics, findings, tables and figures."""
        from raikit_fairness.estimates.case_counts import count_cells
        from raikit_fairness.estimates.subgroup_search import SearchSettings, search_metrics, search_subgroups
        from raikit_fairness.estimates.subgroups import harm_by
        from raikit_fairness.report.search import search_figures, search_findings, search_tables

        options = self.options
        cells = count_cells(ctx, 1, _NO_LIMIT).of_compared()
        positive = list(ctx.classes).index(ctx.positive) if ctx.task == "binary" else -1
        favourable = None if ctx.favourable is None else bool(ctx.favourable == ctx.positive)
        measures = self._measures(ctx)
        result = raikit.CheckResult()
        for number, measure in enumerate(measures):
            settings = SearchSettings(
                harm_by(measure, favourable), class_text(ctx.positive), options.depth, options.tolerance, options.fdr,
                options.dependence, options.confidence or ctx.confidence, options.min_group, options.max_searched, options.draws,
            )  # fmt: skip
            search = search_subgroups(cells, positive, settings, ctx.seed)
            metrics = search_metrics(search)
            cited = [self.address(metric) for name in _CITED for metric in metrics if metric.name == name]
            result.metrics += metrics
            result.findings += search_findings(search, cited)
            result.tables += search_tables(search)
            result.figures += search_figures(search)
            ctx.progress(number + 1, len(measures))
        result.findings.sort(key=lambda finding: finding.severity != "warn")
        return result

    def _measures(self, ctx: raikit.CheckContext) -> list[str]:
        measures = list(dict.fromkeys(self.options.measures))
        if ctx.task == "binary":
            return measures or ["accuracy", "false_negative_rate"]
        if others := [measure for measure in measures if measure != "accuracy"]:
            raise raikit.ConfigError(
                f"checks.fairness.search.measures: {others[0]!r} needs a target of two classes; "
                "of several only 'accuracy' can be searched by."
            )
        return ["accuracy"]
