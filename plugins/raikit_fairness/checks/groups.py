"""The check ``fairness.groups``: metrics of every group, and the disparities between groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

import raikit
from raikit_fairness import measures, names
from raikit_fairness.checks.options import GapOptions
from raikit_fairness.settings import Correction


class GroupMetrics(raikit.Check):
    """Rates of every group of every sensitive feature and their intersections, and the disparities between groups.

    Definitions are Fairlearn's; a rate with an empty denominator is undefined and says so. A group's own interval is
    exact. A gap's lower end is simultaneous over all pairs of groups (max-t), its upper end pointwise. Cases that share
    clusters are not taken to be independent. Without a target selection rates and mean scores are compared.

    References
    ----------
    .. [1] Agarwal et al., "A Reductions Approach to Fair Classification", ICML 2018.
    .. [2] Romano, Shaikh and Wolf, "A practical two-step method for testing moment inequalities", Econometrica 2014.
    """

    name = "fairness.groups"
    pillar = "fairness"
    requires = raikit.Requires(
        columns={"prediction", "sensitive"}, capabilities={"labels"},
        tasks={"binary", "multiclass", "regression"},
    )  # fmt: skip
    produces: ClassVar[Sequence[str]] = [
        f"fairness.{name}" for name in ("count", *measures.metric_names(measures.EVERY), *measures.ODDS)
    ]

    aliases: ClassVar[Mapping[str, str]] = names.aliases()

    class Options(GapOptions):
        """Options of the check."""

        intersections: int = Field(2, ge=1, le=5, description="Most sensitive features crossed with each other.")
        max_groups: int | None = Field(
            None, ge=2,
            description="More groups of one feature stop the check, and an intersection is left out; absent: data.max_groups.",
        )  # fmt: skip
        simultaneous: bool = Field(
            False, description="Whether groups' own intervals hold for all groups of a feature at once (Sidak)."
        )
        correction: Correction = Field("holm", description="Correction of p-values over features and intersections.")
        metrics: Literal["rates", "all"] = Field(
            "rates", description="Metrics of intersections: rates only, or all metrics, as single features have."
        )
        control: list[str] = Field(
            default_factory=list, description="Sensitive columns to compare within and not over (conditional parity)."
        )
        reference: dict[str, str] = Field(
            default_factory=dict, description="A group by column that the others are compared with; absent: data.reference."
        )

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Evaluate the groups of every feature."""
        from raikit_fairness.estimates.case_counts import count_cells, has_scores, has_truth, read_cases
        from raikit_fairness.estimates.features import describe_left_out
        from raikit_fairness.estimates.task_metrics import target_views
        from raikit_fairness.report.group_report import ReportedEvaluation
        from raikit_fairness.report.wording import not_crossed

        options = self.options
        reference = {**ctx.reference, **options.reference}
        _check_columns([*options.control, *options.reference], ctx.sensitive)
        settings = replace(
            options.settings(ctx), simultaneous=options.simultaneous, correction=options.correction
        )  # fmt: skip
        grouping = options.intersections, options.most_groups(ctx), options.control
        cells = count_cells(ctx, *grouping)
        scored = read_cases(ctx, *grouping) if has_scores(ctx) else None
        names = None if has_truth(ctx) else [measure.name for measure in measures.WITHOUT_TRUTH]
        evaluation = ReportedEvaluation(settings, ctx.seed, reference, self.address, names)
        views = target_views(ctx.task, ctx.classes, ctx.positive, ctx.favourable)
        evaluation.run(cells, scored, views, options.metrics == "all", ctx.progress)
        result = evaluation.result(ctx.task, cells)
        left_out = describe_left_out(cells.features, options.intersections, options.most_groups(ctx))
        result.findings += not_crossed(left_out)
        return result

    def compare(
        self, candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins
    ) -> list[raikit.Comparison]:
        """Compare with the baseline: which group lost against which, paired on the cases that both runs hold."""
        from raikit_fairness.estimates.run_comparison import compare_runs

        return compare_runs(candidate, baseline, margins, self.options.min_group, self.options.draws, seed=0)


def _check_columns(columns: Sequence[str], sensitive: Sequence[str]) -> None:
    for column in columns:
        if column not in sensitive:
            known = ", ".join(sensitive)
            raise raikit.ConfigError(f"checks.fairness: {column!r} is not among the sensitive columns ({known}).")
