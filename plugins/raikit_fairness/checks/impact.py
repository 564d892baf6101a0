"""The check ``fairness.impact_ratios``: impact ratios as New York City's Local Law 144 asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

import raikit
from raikit.format import class_text
from raikit_fairness.settings import IntervalSettings

if TYPE_CHECKING:
    from raikit_fairness.estimates.impact_ratios import ImpactRatioEstimates

_DRAWS = 20_000


class ImpactRatios(raikit.Check):
    """Selection and scoring rates by category and their ratio to the highest category's (Local Law 144).

    The scoring rate is the share of a category that scores above the sample median. Cases whose category is unknown are
    counted and left out. Categories with less than 2% of the data are shown and marked, and the rule lets an auditor leave
    them out of the ratio. Selected are those who get the favourable decision (``data.favourable``), absent the positive
    one; scores are those of the same decision. There is a table for every sensitive feature and every intersection.

    References
    ----------
    .. [1] New York City Department of Consumer and Worker Protection, Rules of the City of New York, title 6, chapter 5,
       subchapter T, section 5-301 (bias audit), 2023.
    """

    name = "fairness.impact_ratios"
    pillar = "fairness"
    requires = raikit.Requires(columns={"prediction", "sensitive"}, capabilities={"labels"}, tasks={"binary"})
    produces: ClassVar[Sequence[str]] = ["fairness.impact_ratio", "fairness.scoring_rate", "fairness.unknown_category"]

    class Options(raikit.CheckOptions):
        """Options of the check."""

        intersections: int = Field(2, ge=1, le=3, description="Most sensitive features crossed with each other.")
        max_groups: int | None = Field(
            None, ge=2,
            description="More categories of one feature stop the check, and an intersection is left out; absent: data.max_groups.",
        )  # fmt: skip
        marked_below: float = Field(0.02, ge=0, lt=1, description="Share of the data under which a category is marked.")

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Estimate the ratios of every feature and intersection."""
        from raikit_fairness.estimates.case_counts import count_cells, has_scores, read_cases
        from raikit_fairness.estimates.features import describe_left_out
        from raikit_fairness.estimates.impact_ratios import (
            above_median,
            estimate_impact_ratios,
            has_category,
            impact_metrics,
        )
        from raikit_fairness.report.impact import impact_findings, impact_table
        from raikit_fairness.report.wording import not_crossed

        options, settings = self.options, IntervalSettings(ctx.confidence, _DRAWS, min_group=1, levels=ctx.levels)
        result = raikit.CheckResult()
        estimates: list[ImpactRatioEstimates] = []
        most_groups = options.max_groups or ctx.max_groups
        cells = count_cells(ctx, options.intersections, most_groups)
        selected = ctx.positive if ctx.favourable is None else ctx.favourable
        rates = [("selection_rate", cells, cells.prediction == list(ctx.classes).index(selected))]
        if has_scores(ctx):
            cases = read_cases(ctx, options.intersections, most_groups)
            if selected != ctx.positive and cases.scores is not None:
                cases = replace(cases, scores=1 - cases.scores)
            rates.append(("scoring_rate", cases, above_median(cases)))
        categories = sum(feature.k for feature in cells.features)
        for number, feature in enumerate(cells.features):
            of_feature = [
                estimate_impact_ratios(name, source, source.features[number], event, settings, categories)
                for name, source, event in rates
            ]
            estimates += of_feature
            result.metrics += impact_metrics(of_feature, settings, options.marked_below)
            unknown = int(cells.n[~has_category(feature)].sum())
            result.metrics.append(raikit.Metric.exact(
                "unknown_category", unknown, n=int(cells.n.sum()), unit="rows", over=list(feature.columns)
            ))  # fmt: skip
            result.tables.append(impact_table(
                number, feature, of_feature, unknown, settings, options.marked_below, class_text(selected)
            ))  # fmt: skip
        left_out = describe_left_out(cells.features, options.intersections, most_groups)
        result.findings = impact_findings(estimates, result.metrics, self.address, class_text(selected))
        result.findings += not_crossed(left_out)
        return result
