"""The check of the pillar "explainability": what it requires, produces and composes. Estimation is imported when it runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field

import raikit

if TYPE_CHECKING:
    import pandas as pd

    from raikit_explain.estimates.explanation import Explanations, ExplanationSettings


class Attributions(raikit.Check):
    """Which inputs decisions rest on: Integrated Gradients on all inputs together, checked by leaving inputs out.

    A sample of cases, stratified by decided class and by right and wrong, is explained with Captum's Integrated
    Gradients [1]_ [2]_: the log-odds of the decided class (regression: the predicted value), against the same model
    without any input. An input's share of a decision is the absolute sum of its attributions, divided by that of all
    inputs. Independently of gradients, exact Shapley values [3]_ [4]_ over all combinations of inputs divide the same
    change, and each input is removed from the cases that have it. Every interval is over cases and respects clusters. None is
    over trainings: the same model trained again may rest on other inputs.

    Attributions describe the model, not the world. A share says how much an input changes a decision, not whether it
    changes it for the better.

    References
    ----------
    .. [1] Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", ICML 2017.
    .. [2] Kokhlikyan et al., "Captum: A unified and generic model interpretability library for PyTorch", 2020.
    .. [3] Shapley, "A value for n-person games", 1953.
    .. [4] Lundberg and Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017.
    """

    name = "explainability.attributions"
    pillar = "explainability"
    cost = "quick"
    requires = raikit.Requires(
        columns={"target", "prediction"}, capabilities={"gradients"}, tasks={"binary", "multiclass", "regression"}
    )
    produces = (
        "explainability.modality_share",
        "explainability.modality_shapley",
        "explainability.modality_removal",
        "explainability.completeness_error",
        "explainability.completeness_violation_rate",
    )

    class Options(raikit.CheckOptions):
        """Options of ``explainability.attributions``."""

        rows: int = Field(
            128, ge=8,
            description="Cases of the audited split that are explained, drawn at random: at least a few of every decided "
            "class, right and wrong, weighted back to the whole split.",
        )
        examples: int = Field(
            6, ge=0, le=60,
            description="Cases that are drawn as figures, apart from the sample: the surest wrong and right decisions and "
            "those nearest to another one. Figures show inputs of single cases; 0 shows none, and neither does --redact.",
        )
        tolerance: float = Field(
            0.01, gt=0, lt=1,
            description="Completeness error of a case, as a share of the explained change, above which its integral has not "
            "converged and is computed again with twice the steps.",
        )
        agreement: float = Field(
            0.05, gt=0, lt=1,
            description="Difference of the last two estimates of a case, as a share of its attributions' absolute sum, above "
            "which its integral has not converged either: a sum can be right because errors cancel.",
        )
        max_steps: int = Field(
            256, ge=16, le=4096, description="Most steps of an integral; it starts with 4. A case that still has not converged is "
            "marked.",
        )
        max_megabytes: int = Field(
            1024, ge=16, description="Most memory for gradients and for what backward passes keep; one case goes through the "
            "model in any case.",
        )

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Explain a sample of decisions, measure the shares of inputs and draw examples.

        Raises
        ------
        ValueError
            If there is no model or no data.
        """
        from raikit_explain.estimates import explanation, measures, sampling
        from raikit_explain.report import figures, findings, tables

        if ctx.model is None or ctx.data is None:
            raise ValueError("There are no inputs to explain decisions by. The check needs a model and its data.")
        regression = ctx.task == "regression"
        frame = sampling.with_outcome(ctx)
        sample = sampling.draw(frame, ctx, self.options.rows, ctx.rng)
        examples = sampling.choose_examples(frame, ctx, 0 if ctx.redact else self.options.examples)
        settings = explanation.ExplanationSettings(
            self.options.tolerance, self.options.max_steps, agreement=self.options.agreement,
            megabytes=self.options.max_megabytes)
        if regression:
            settings = explanation.regression_settings(ctx, sample.frame, settings)
        done, total = len(sample.frame), len(sample.frame) + len(examples)
        explanations = explanation.explain(
            ctx, sample.frame, settings, progress=lambda done: ctx.progress(done, total))
        measure = partial(
            measures.measure, sample, explanations, tolerance=settings.tolerance, regression=regression)
        measured = measure(level=ctx.confidence)
        ctx.levels.measure_all(measured.metrics, lambda level: measure(level=level).metrics)
        facts = findings.Facts(measured, self.address, settings.tolerance, regression, settings.unit)
        share_figure = figures.share_figure(measured)
        outcome_table = tables.outcome_table(measured, regression)
        example_figures = self._example_figures(ctx, examples, settings, lambda more: ctx.progress(done + more, total))
        return raikit.CheckResult(
            metrics=measured.metrics, findings=findings.findings(facts),
            tables=[outcome_table] if outcome_table else [],
            figures=[*([share_figure] if share_figure else []), *example_figures],
            artifacts=[self._evidence(ctx, explanations, sample.frame)],
        )

    def _example_figures(
        self, ctx: raikit.CheckContext, cases: pd.DataFrame, settings: ExplanationSettings, progress: Callable[[int], None]
    ) -> list[raikit.Figure]:
        """Explain and draw the examples."""
        from raikit_explain.estimates import explanation
        from raikit_explain.report import examples

        if not len(cases) or ctx.model is None:
            return []
        explanations = explanation.explain(ctx, cases, settings, keep_inputs=True, progress=progress)
        return [
            examples.figure(
                number + 1, {str(name): value for name, value in case.items()}, explanations.examples[number], ctx.model,
                unit=settings.unit, change=float(explanations.change[number]), error=float(explanations.error[number]),
                tolerance=settings.tolerance,
            )
            for number, case in enumerate(cases.to_dict("records"))
        ]

    def _evidence(
        self, ctx: raikit.CheckContext, explanations: Explanations, cases: pd.DataFrame
    ) -> raikit.Artifact:
        """Write the values behind every mean, without inputs."""
        explanations.frame(cases).to_parquet(ctx.workdir / "attributions.parquet", index=False)
        return raikit.Artifact(path="attributions.parquet", title="Contributions of each input, case by case",
                               media_type="application/vnd.apache.parquet")
