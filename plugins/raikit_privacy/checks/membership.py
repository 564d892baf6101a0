"""The check ``privacy.membership_inference``: whom the loss of the audited model gives away."""

from __future__ import annotations

from dataclasses import replace

import raikit
from raikit_privacy.checks.options import AttackOptions


class MembershipInference(raikit.Check):
    """Tries to tell training cases from other cases by the audited model's loss, which is lower where it memorised.

    The loss-threshold attack is the weakest that anyone with labels and scores can mount. What it finds is a lower bound
    on the leakage, and finding nothing proves nothing. Non-members are validation cases unless the options say otherwise:
    test cases may come from other people than training cases, and an attack that separates populations does not measure
    memorisation.

    References
    ----------
    .. [1] Yeom et al., "Privacy Risk in Machine Learning: Analyzing the Connection to Overfitting", CSF 2018.
    .. [2] Carlini et al., "Membership Inference Attacks From First Principles", IEEE S&P 2022.
    """

    name = "privacy.membership_inference"
    pillar = "privacy"
    cost = "quick"
    requires = raikit.Requires(columns={"target", "prediction"}, tasks={"binary", "multiclass", "regression"}, splits={"train"})
    produces = ("privacy.membership_auc", "privacy.membership_tpr_at_fpr", "privacy.membership_advantage")

    class Options(AttackOptions):
        """Options of ``privacy.membership_inference``."""

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Try the attack on everyone and on each group."""
        from raikit_privacy.estimates.attack import AttackedCases, attack, undefined_metrics
        from raikit_privacy.report import figures, membership, promises

        split = self.options.non_member_split(ctx)
        if split is None:
            splits = " or ".join(self.options.candidate_splits())
            reason = f"there are no cases in {splits} that were not trained on"
            return raikit.CheckResult(metrics=undefined_metrics(self.options.false_positive_rates, reason))
        cases = AttackedCases.read(ctx, split)
        options = self.options.false_positive_rates, self.options.min_group, self.address
        result = attack(ctx, cases, *options)
        metrics = ctx.levels.measure_all(
            result.metrics, lambda level: attack(replace(ctx, confidence=level), cases, *options).metrics
        )
        return raikit.CheckResult(
            metrics=metrics, figures=figures.attack_figures(result), findings=membership.findings(result),
            tables=[promises.audited_table(result.area), membership.population_table(cases)],
        )
