"""The check ``privacy.dp_finetuning``: what private training costs, overall and for each group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic import Field, field_validator

import raikit
from raikit_privacy.checks.options import TrainingOptions


class PrivateFineTuning(raikit.Check):
    """Trains a second model with differential privacy and measures what that costs, overall and for each group.

    DP-SGD (Opacus) from weights that have seen no case: Poisson sampling, clipping of each case's gradient, Gaussian noise.
    If it is not known what the initial weights have seen, nothing is trained and nothing is claimed. The accountant counts
    the steps that were made. The audited model is not changed. Accuracy is compared on the same cases, and the costs of
    groups with one another. The guarantee is for one case added or removed, and for the weights alone.

    Notes
    -----
    Before it trains, and now and then while it does, the check compares clipping with one gradient per case on some of the
    training cases: lengths, clipped sum, and whether a case is the same alone and among others. Models whose cases see each
    other are refused, and those that a case changes. Models that book-keeping gets wrong are trained one case at a time,
    which is slower. A dependence that shows in none of the cases compared, or below rounding (1e-4 in single precision), is
    not found. Code that raikit did not write is therefore a condition of every guarantee, which sentence and record name.

    Noise and sampling follow from the run's seed. That makes a measurement that can be repeated, not a model that may be
    released, so the private model is discarded. The losses of its training are not recorded: epsilon does not cover them.
    An interrupted run keeps checkpoints, in a folder with a notice that they are not private, until it is resumed.

    References
    ----------
    .. [1] Abadi et al., "Deep Learning with Differential Privacy", CCS 2016.
    .. [2] Bagdasaryan, Poursaeed and Shmatikov, "Differential Privacy Has Disparate Impact on Model Accuracy", NeurIPS 2019.
    """

    name = "privacy.dp_finetuning"
    pillar = "privacy"
    cost = "quick"
    requires = raikit.Requires(
        columns={"target", "prediction"}, capabilities={"labels", "scores", "gradients", "trainable"},
        tasks={"binary", "multiclass"}, splits={"train"}, min_rows=20,
    )
    produces = (
        "privacy.epsilon", "privacy.delta", "privacy.noise_multiplier", "privacy.membership_tpr_ceiling",
        "privacy.accuracy", "privacy.accuracy_cost", "privacy.accuracy_cost_difference",
    )

    class Options(TrainingOptions):
        """Options of ``privacy.dp_finetuning``."""

        twin: bool = Field(
            False,
            description="Also train a model in the same way but without noise, which separates the cost of noise from that "
            "of the rest of the recipe.",
        )
        repeats: int = Field(
            1, ge=1, le=100,
            description="Private trainings for each budget, each with other initial weights, sampling and noise: 1, or at least "
            "3. From 3 on, intervals cover the randomness of trainings that do not fail; they are wide below 5. No rule is "
            "decided on the accuracy of one training.",
        )
        test_rows: int = Field(
            4000, ge=20, description="Most cases on which models are compared: whole clusters, drawn at random."
        )
        min_group: int = Field(
            30, ge=1, description="Groups with fewer cases are marked. They may prove a gap; a pass is judged without them."
        )

        @field_validator("repeats")
        @classmethod
        def _shows_randomness(cls, value: int) -> int:
            if value == 2:
                raise ValueError("must be 1, or at least 3: two trainings do not show how much trainings differ")
            return value

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Train private models for each budget and compare it with the audited one.

        Raises
        ------
        RuntimeError
            If the training, or the model's `fresh`, changed the audited model.
        """
        from raikit_privacy.estimates import training
        from raikit_privacy.estimates.clipping import NotPrivateError
        from raikit_privacy.estimates.starting_weights import examine_starting_weights
        from raikit_privacy.estimates.training_report import TrainingReport
        from raikit_privacy.estimates.trials import Trials
        from raikit_privacy.report import figures, finetuning, promises, scope

        assert ctx.model is not None
        digest = training.weights_digest(ctx.model)
        start = examine_starting_weights(ctx, self.options.public_weights)
        training.require_unchanged(ctx.model, digest, "The model's `fresh`")
        if start.problem is not None:
            return self._unknown_start(start.problem)
        trials = Trials(self.options, ctx, training.ComparisonCases.sample(ctx, self.options.test_rows), start)
        try:
            outcomes = [trials.run(target) for target in sorted(self.options.epsilons)]
        except NotPrivateError as error:
            trials.discard()
            return self._untrainable(error.problems)
        trials.discard()
        training.require_unchanged(ctx.model, digest, "Private training")
        reports = [TrainingReport(ctx, trials, outcome, self.address) for outcome in outcomes]
        metrics = ctx.levels.measure_all(
            [metric for report in reports for metric in report.metrics],
            lambda level: [
                metric
                for outcome in outcomes
                for metric in TrainingReport(replace(ctx, confidence=level), trials, outcome, self.address).metrics
            ],
        )
        return raikit.CheckResult(
            metrics=metrics,
            findings=[
                *scope.scope_findings(ctx, trials),
                *(finding for report in reports for finding in finetuning.training_findings(report)),
            ],
            figures=[figure for report in reports for figure in figures.training_figures(report)],
            tables=[finetuning.settings_table(trials, outcomes), scope.uncovered_table(ctx, trials),
                    promises.promises_table(ctx, reports)],
        )

    def compare(
        self, candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins
    ) -> list[raikit.Comparison]:
        """Refuse to compare an epsilon with one at another delta."""
        from raikit_privacy.estimates.run_comparison import compare_epsilons

        return compare_epsilons(candidate, baseline, margins)

    def _unknown_start(self, problem: str) -> raikit.CheckResult:
        """Return undefined metrics for a model whose initial weights may have seen the training cases."""
        from raikit_privacy.estimates.training_report import undefined_metrics
        from raikit_privacy.report.finetuning import unknown_start_finding

        metrics = undefined_metrics(self.options.epsilons, problem)
        finding = unknown_start_finding(problem, [self.address(metric) for metric in metrics])
        return raikit.CheckResult(metrics=metrics, findings=[finding])

    def _untrainable(self, problems: Sequence[str]) -> raikit.CheckResult:
        """Return undefined metrics for a model that cannot be trained privately, and a remedy."""
        from raikit_privacy.estimates.training_report import undefined_metrics
        from raikit_privacy.report.finetuning import untrainable_finding

        reason = f"The guarantee would not hold for this model: {'; '.join(problems)}"
        metrics = undefined_metrics(self.options.epsilons, reason)
        finding = untrainable_finding(reason, [self.address(metric) for metric in metrics])
        return raikit.CheckResult(metrics=metrics, findings=[finding])
