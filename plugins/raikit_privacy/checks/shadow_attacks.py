"""The check ``privacy.shadow_attacks``: whom attacks with shadow models recognise in the audited model."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field, field_validator

import raikit
from raikit_privacy.checks.options import AttackOptions


class ShadowAttacks(raikit.Check):
    """Attacks the audited model with the help of models that were trained like it, which recognise more than the loss alone.

    Shadow models are trained as the audited model was, each on a random half of its training cases and of cases that it has not
    seen. They show how confident a model is in each case with and without having been trained on it. Only a model whose training
    raikit knows can be attacked so.

    Notes
    -----
    Intervals are simultaneous over the attacks, so that the strongest may be named. Groups are examined with the first attack of
    the list alone. What no attack finds may still be there: only private training bounds every attack.

    References
    ----------
    .. [1] Carlini et al., "Membership Inference Attacks From First Principles", IEEE S&P 2022.
    .. [2] Zarifzadeh, Liu and Shokri, "Low-Cost High-Power Membership Inference Attacks", ICML 2024.
    .. [3] Brännvall, "Exponential-Family Membership Inference: From LiRA and RMIA to BaVarIA", 2026.
    """

    name = "privacy.shadow_attacks"
    pillar = "privacy"
    cost = "slow"
    requires = raikit.Requires(
        columns={"target", "prediction"}, capabilities={"labels", "scores", "gradients", "trainable"},
        tasks={"binary", "multiclass"}, splits={"train"},
    )
    produces = ("privacy.shadow_auc", "privacy.shadow_tpr_at_fpr")

    class Options(AttackOptions):
        """Options of ``privacy.shadow_attacks``."""

        models: int = Field(16, ge=2, le=1024, description="Shadow models that are trained. An interrupted run keeps them.")
        attacks: tuple[
            Literal["bavaria", "rmia", "lira", "lira_offline", "calibrated", "quantile", "entropy", "loss"], ...
        ] = Field(
            ("bavaria", "rmia", "lira", "lira_offline", "calibrated", "quantile", "entropy", "loss"), min_length=1,
            description="Attacks that are tried. The first is the one that groups are examined with.",
        )
        false_positive_rates: tuple[float, ...] = Field(
            (0.01, 0.001), description="False positive rates at which the true positive rate is measured."
        )

        @field_validator("attacks")
        @classmethod
        def _are_different(cls, values: tuple[str, ...]) -> tuple[str, ...]:
            if len(set(values)) != len(values):
                raise ValueError("no attack may be a duplicate")
            return values

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Train shadow models and try every attack.

        Raises
        ------
        RuntimeError
            If the training of a shadow model, or the model's `fresh`, changed the audited model.
        """
        from raikit_privacy.estimates.attack import AttackedCases
        from raikit_privacy.estimates.shadow_membership import ShadowResult, measure, score_cases
        from raikit_privacy.estimates.shadow_models import AttackedPool, ShadowModels, unknown_training
        from raikit_privacy.estimates.training import require_unchanged, weights_digest
        from raikit_privacy.report import shadow_attacks

        assert ctx.model is not None
        split, options = self.options.non_member_split(ctx), self.options
        if reason := unknown_training(ctx.model) if split else "there are no cases that were not trained on":
            return self._not_measured(reason)
        assert split is not None
        digest = weights_digest(ctx.model)
        cases, pool = AttackedCases.read(ctx, split), AttackedPool.read(ctx, split)
        scores = score_cases(ctx, cases, pool, ShadowModels(ctx, pool, options.models), options.attacks)
        require_unchanged(ctx.model, digest, "Training shadow models")
        if len(reasons := [score for score in scores.values() if isinstance(score, str)]) == len(scores):
            return self._not_measured(reasons[0])

        def at(level: float) -> ShadowResult:
            return measure(replace(ctx, confidence=level), cases, options.models, scores, options.false_positive_rates,
                           options.min_group, self.address)

        result = at(ctx.confidence)
        metrics = ctx.levels.measure_all(result.metrics, lambda level: at(level).metrics)
        return raikit.CheckResult(
            metrics=metrics, findings=shadow_attacks.findings(result), figures=shadow_attacks.figures(result),
            tables=shadow_attacks.tables(result),
        )

    def _not_measured(self, reason: str) -> raikit.CheckResult:
        from raikit_privacy.estimates.shadow_membership import undefined_metrics
        from raikit_privacy.report.shadow_attacks import not_measured_finding

        metrics = undefined_metrics(self.options.attacks, self.options.false_positive_rates, reason)
        return raikit.CheckResult(metrics=metrics, findings=[not_measured_finding(reason, [self.address(m) for m in metrics])])
