"""The check ``fairness.mitigation``: what group-specific thresholds would gain in fairness and lose in accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

import raikit
from raikit.format import case_noun
from raikit_fairness.checks.options import GapOptions

if TYPE_CHECKING:
    from raikit_fairness.estimates.group_thresholds import FittableGroups

Constraint = Literal["demographic_parity", "true_positive_rate_parity", "equalized_odds"]


class Mitigation(raikit.Check):
    """What group-specific thresholds (Fairlearn's ThresholdOptimizer) would gain in fairness and lose in accuracy.

    The thresholds are fitted on validation cases and judged on test cases, once for each sensitive feature and constraint.
    Some of the decisions are random. They are judged by their expectation, so no number depends on a random draw. The gain
    is the change of the gap between two groups that are fixed on validation cases too, because the change of a largest
    difference has no valid interval. Gains and losses are paired on the same test cases.

    Notes
    -----
    The group has to be known when a decision is made, which law may forbid. Sampling weights are used for the judgement,
    not for the fit, because Fairlearn fits without weights.

    References
    ----------
    .. [1] Hardt, Price and Srebro, "Equality of Opportunity in Supervised Learning", NeurIPS 2016.
    """

    name = "fairness.mitigation"
    pillar = "fairness"
    requires = raikit.Requires(
        columns={"target", "prediction", "sensitive", "score"}, capabilities={"labels", "scores"}, tasks={"binary"},
        splits={"validation"},
    )  # fmt: skip
    produces: ClassVar[Sequence[str]] = [
        f"fairness.{name}" for name in ("mitigated_difference", "mitigated_accuracy", "mitigation_gain", "mitigation_cost")
    ]

    class Options(GapOptions):
        """Options of the check."""

        constraints: tuple[Constraint, ...] = Field(
            ("demographic_parity", "true_positive_rate_parity", "equalized_odds"), min_length=1,
            description="What is to be equal in all groups.",
        )  # fmt: skip
        objective: Literal["accuracy_score", "balanced_accuracy_score"] = Field(
            "accuracy_score", description="What is maximised under a constraint."
        )
        grid_size: int = Field(1000, ge=10, le=100_000, description="Values of the constrained rate that are tried.")

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Fit thresholds for every feature and constraint, and compare them with the audited decisions."""
        from raikit_fairness.estimates.case_counts import read_cases
        from raikit_fairness.estimates.group_estimates import Draws
        from raikit_fairness.estimates.group_thresholds import (
            METRIC_NAMES,
            find_fittable,
            fit_and_compare,
            mitigation_metrics,
            undefined_metrics,
        )
        from raikit_fairness.estimates.tradeoff import CRITERIA
        from raikit_fairness.report.tradeoff import Wording, tradeoff_figure, tradeoff_findings, tradeoff_table

        options = self.options
        settings = options.settings(ctx)
        test = read_cases(ctx, 1, options.most_groups(ctx)).of_compared()
        validation = read_cases(ctx, 1, options.most_groups(ctx), split="validation").of_compared()
        positive = list(ctx.classes).index(ctx.positive)
        fittable = [
            find_fittable(validation, test, number, positive, ctx.positive) for number in range(len(test.features))
        ]
        work = [(groups, CRITERIA[name]) for groups in fittable for name in options.constraints]
        tradeoffs, undefined, rules = [], [], []
        for number, (groups, criterion) in enumerate(work):
            if groups.reason:
                undefined += undefined_metrics(groups, criterion)
            else:
                draws = Draws(ctx.seed, groups.feature.columns, options.draws)
                tradeoff, rows = fit_and_compare(
                    groups, criterion, options.objective, options.grid_size, settings, draws
                )  # fmt: skip
                tradeoffs.append(tradeoff)
                rules += rows
            ctx.progress(number + 1, len(work))
        wording = Wording("Group-specific thresholds", "What would group-specific thresholds change?", METRIC_NAMES)
        metrics = {number: mitigation_metrics(tradeoff, settings) for number, tradeoff in enumerate(tradeoffs)}
        findings = tradeoff_findings(tradeoffs, wording, settings, self.address, metrics, ctx.cluster)
        table = tradeoff_table(tradeoffs, wording, _table_note(options.objective))
        figure = tradeoff_figure(tradeoffs, wording, settings)
        return raikit.CheckResult(
            metrics=[*(metric for several in metrics.values() for metric in several), *undefined],
            findings=[*findings, *_not_measured(fittable, wording.title.rstrip("?"))],
            tables=[table, _rule_table(rules)] if tradeoffs else [],
            figures=[figure] if figure else [],
        )


def _not_measured(fittable: Sequence[FittableGroups], what: str) -> list[raikit.Finding]:
    # A feature of one group has no gap to mitigate, which needs no finding.
    several = [groups for groups in fittable if groups.feature.k + len(groups.unfit) > 1]
    reasons = dict.fromkeys(groups.reason for groups in several if groups.reason)
    return [
        raikit.Finding(
            kind="undecided", headline="Group-specific thresholds could not be fitted", evidence=reason,
            sentence=f"Mitigation was not measured: {reason}.", what=what, certainty="not measured",
        )
        for reason in reasons
    ]


def _rule_table(rows: list[list[object]]) -> raikit.Table:
    from raikit_fairness.report.columns import table_columns

    columns = table_columns([
        ("feature", "Over", "text"), ("constraint", "What is to be equal", "text"), ("group", "Group", "text"),
        ("rows", f"Validation {case_noun()}", "integer"), ("rule", "Decided positive if", "text"),
    ])  # fmt: skip
    return raikit.Table(
        id="thresholds_by_group", title="Thresholds that were fitted", columns=columns, rows=rows,
        note="A percentage is the probability that this rule is the one that is used.",
    )  # fmt: skip


def _table_note(objective: str) -> str:
    return (
        f"Fairlearn's ThresholdOptimizer, objective {objective}: fitted on validation {case_noun()}, judged on test "
        f"{case_noun()} by its "
        "expected decisions. Gap before and after: the largest difference over the groups that thresholds could be fitted "
        f"for, its CI simultaneous. Gains and losses: paired on test {case_noun()}; the two groups, and for equalized odds the "
        f"rate, "
        f"are those furthest apart on validation {case_noun()}, fixed without looking at test {case_noun()}. It needs the "
        f"group of everyone "
        "who is decided about."
    )
