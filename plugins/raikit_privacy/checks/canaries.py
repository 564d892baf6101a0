"""The check ``privacy.canaries``: whether private training keeps the epsilon that it claims."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

import raikit
from raikit_privacy.checks.options import TrainingOptions

_FEWEST = 10  # canaries, of which half of the training cases may be some


class Canaries(raikit.Check):
    """Audits private training in one run: guesses which inserted cases it was trained on, and bounds epsilon from below.

    Canaries are training cases with a wrong label, each of which is in the training by the toss of a coin. More right guesses
    than the claimed epsilon allows fail the gate, whatever its rules: noise, clipping, sampling or accounting is wrong. The
    number of guesses is declared before any score is seen.

    Notes
    -----
    Canaries go through the code that trains private copies, with the same settings. The attacker sees each step, and a further
    layer gives each canary weights of its own, so that a small network can be audited as a large one. Bounds that assume
    Gaussian noise are shown, and nothing is decided by them.

    References
    ----------
    .. [1] Steinke, Nasr and Jagielski, "Privacy Auditing with One (1) Training Run", NeurIPS 2023.
    .. [2] Mahloujifar, Melis and Chaudhuri, "Auditing f-Differential Privacy in One Run", ICML 2025.
    """

    name = "privacy.canaries"
    pillar = "privacy"
    cost = "slow"
    requires = raikit.Requires(
        columns={"target", "prediction"}, capabilities={"labels", "scores", "gradients", "trainable"},
        tasks={"binary", "multiclass"}, splits={"train"},
    )
    produces = ("privacy.epsilon_lower_bound", "privacy.right_guesses")

    class Options(TrainingOptions):
        """Options of ``privacy.canaries``."""

        canaries: int = Field(1000, ge=_FEWEST, le=100_000, description="Canaries; at most half of the training cases.")
        guesses: tuple[int, ...] = Field(
            (), description="Numbers of guesses; each pays for its share of the error. Absent: a fifth and four fifths of the "
            "canaries."
        )
        min_group: int = Field(50, ge=10, description="Fewest canaries of a group that is bounded by itself.")

        @field_validator("guesses")
        @classmethod
        def _are_counts(cls, values: tuple[int, ...]) -> tuple[int, ...]:
            if len(set(values)) != len(values) or not all(value > 0 for value in values):
                raise ValueError("each must be above 0, and none may be a duplicate")
            return values

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Train a private model with canaries for each budget, and compare right guesses with what the proof allows.

        Raises
        ------
        ConfigError
            If more guesses are declared than there are canaries.
        RuntimeError
            If the training, or the model's `fresh`, changed the audited model.
        """
        import torch

        from raikit_privacy.estimates.canaries import Canaries as Drawn
        from raikit_privacy.estimates.canary_audit import too_many_guesses
        from raikit_privacy.estimates.clipping import NotPrivateError
        from raikit_privacy.estimates.starting_weights import examine_starting_weights
        from raikit_privacy.estimates.training import require_unchanged, weights_digest
        from raikit_privacy.report import canaries as report

        assert ctx.model is not None and ctx.data is not None
        if (cases := ctx.data.size("train")) < 2 * _FEWEST:
            return self._not_measured(f"{cases} training cases give fewer than {_FEWEST} canaries, which show nothing")
        digest = weights_digest(ctx.model)
        if problem := examine_starting_weights(ctx, self.options.public_weights).problem:
            return self._not_measured(problem)
        canaries = Drawn.draw(ctx.data, self.options.canaries, ctx.seed)
        if problem := too_many_guesses(self.options.guesses, len(canaries)):
            raise raikit.ConfigError(f"checks.privacy.canaries.guesses: {problem}.")
        try:
            with torch.random.fork_rng(devices=[]):  # training draws, and other checks draw after it
                audits = [self._audit(ctx, canaries, number, target) for number, target in enumerate(sorted(self.options.epsilons))]
        except NotPrivateError as error:
            return self._not_measured("; ".join(error.problems))
        require_unchanged(ctx.model, digest, "Private training")
        return raikit.CheckResult(
            metrics=[metric for audit in audits for metric in audit.metrics], findings=report.findings(audits, self.address),
            tables=[report.table(audits)], figures=[report.figure(audit) for audit in audits])

    def _audit(self, ctx: raikit.CheckContext, canaries: Any, number: int, target: float) -> Any:
        from raikit_privacy.estimates.budget import default_delta, plan
        from raikit_privacy.estimates.canaries import train_with_canaries
        from raikit_privacy.estimates.canary_audit import audit
        from raikit_privacy.estimates.clipping import NotPrivateError
        from raikit_privacy.estimates.starting_weights import initial_model
        from raikit_privacy.estimates.trials import recipe_of

        assert ctx.model is not None and ctx.data is not None
        recipe = recipe_of(self.options, ctx.data.size("train"))
        delta = self.options.delta if self.options.delta is not None else default_delta(recipe.rows)
        try:
            budget = plan(target, delta, recipe.sample_rate, recipe.steps, self.options.accountant)
        except ValueError as error:
            raise NotPrivateError(str(error).rstrip(".")) from error
        parts = len(self.options.epsilons)
        trained = train_with_canaries(
            ctx, initial_model(ctx.model, ctx.seed), recipe, budget, canaries, ctx.seed + number,
            lambda done, total: ctx.progress(number * total + done, parts * total))
        return audit(ctx, budget, trained, self.options.guesses, self.options.min_group)

    def _not_measured(self, reason: str) -> raikit.CheckResult:
        from raikit_privacy.estimates.canary_audit import undefined_metrics
        from raikit_privacy.report.canaries import not_measured_finding

        metrics = undefined_metrics(self.options.epsilons, reason)
        return raikit.CheckResult(metrics=metrics, findings=[not_measured_finding(reason, [self.address(m) for m in metrics])])
