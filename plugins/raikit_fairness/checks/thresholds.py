"""The check ``fairness.thresholds``: rates and gaps at every threshold, and the scores behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

import raikit
from raikit.format import class_text
from raikit_fairness.checks.options import GapOptions


class Thresholds(raikit.Check):
    """Rates and gaps as a function of the decision threshold, with ROC and histograms of the scores by group.

    Every gap has its interval, by the procedures of ``fairness.groups``. A threshold is reported as an improvement only if
    intervals that are simultaneous over all thresholds establish it.

    References
    ----------
    .. [1] Hardt, Price and Srebro, "Equality of Opportunity in Supervised Learning", NeurIPS 2016.
    """

    name = "fairness.thresholds"
    pillar = "fairness"
    requires = raikit.Requires(
        columns={"target", "prediction", "sensitive", "score"}, capabilities={"labels", "scores"}, tasks={"binary"}
    )
    produces: ClassVar[Sequence[str]] = ["fairness.decision_threshold", "fairness.tpr_at_fpr"]

    class Options(GapOptions):
        """Options of the check."""

        thresholds: int = Field(
            21, ge=3, le=200, description="Thresholds at equal shares of the cases, beside the present one."
        )
        fprs: tuple[float, ...] = Field(
            (0.05, 0.1, 0.2), description="False positive rates at which every group's true positive rate is measured."
        )
        max_loss: float = Field(
            0.01, ge=0, le=1, description="Accuracy that another threshold may cost to be worth a finding."
        )

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Sweep the thresholds for every feature."""
        from raikit_fairness.estimates.case_counts import read_cases
        from raikit_fairness.estimates.threshold_sweep import (
            build_grid,
            sweep_feature,
            threshold_metric,
            tpr_at_fpr_metrics,
        )
        from raikit_fairness.report.threshold_figures import threshold_figures
        from raikit_fairness.report.thresholds import threshold_findings, threshold_rows, threshold_table

        options = self.options
        settings = options.settings(ctx)
        cases = read_cases(ctx, 1, options.most_groups(ctx)).of_compared()
        grid = build_grid(cases, list(ctx.classes).index(ctx.positive), options.thresholds)
        result = raikit.CheckResult(metrics=[threshold_metric(grid, len(cases))])
        swept = []
        for number in range(len(cases.features)):
            one = sweep_feature(grid, cases, number, settings, ctx.seed)
            swept.append(one)
            result.metrics += tpr_at_fpr_metrics(one, options.fprs)
            result.figures += threshold_figures(one, class_text(ctx.positive))
            ctx.progress(number + 1, len(cases.features))
        result.findings = threshold_findings(swept, options.max_loss)
        rows = [row for one in swept for row in threshold_rows(one)]
        result.tables = [threshold_table(rows, grid, settings)]
        return result
