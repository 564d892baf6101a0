"""The check: which rows are explained, in what order, and what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

import raikit

if TYPE_CHECKING:
    import pandas as pd

    from raikit_explain.estimates.explanation import Explained, Settings


class Attributions(raikit.Check):
    """What decisions rest on: Integrated Gradients on all inputs together, checked by leaving inputs out.

    A sample of rows, stratified by decided class and by right and wrong, is explained with Captum's Integrated
    Gradients [1]_ [2]_: the log-odds of the decided class (regression: the predicted value) against the same model
    shown nothing at all. An input's share of a decision is the absolute sum of its attributions, divided by the same
    over all inputs. Independently of gradients, exact Shapley values [3]_ [4]_ over all combinations of inputs divide
    the same change; and each input is taken away from the rows that have it. Every interval is over rows, clusters
    respected.

    Attributions are what the model does, not what is true of the world; a share says how much an input moves a
    decision, not that it moves it rightly.

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
        rows: int = Field(
            128, ge=8, description="Rows of the audited split that are explained, drawn at random: at least a few of "
            "every decided class, right and wrong, weighted back to the whole split."
        )
        examples: int = Field(
            6, ge=0, le=60, description="Rows that are drawn, whatever the sample: the surest wrong and right "
            "decisions and those nearest to another one. They show inputs of single rows; 0 shows none."
        )
        tolerance: float = Field(
            0.05, gt=0, lt=1, description="Completeness error of a row, as a share of the change that it explains, "
            "above which its integral is taken again with twice the steps; the default is that of the method's authors."
        )
        max_steps: int = Field(256, ge=16, le=4096, description="Most steps of an integral; it starts with 16.")

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        from raikit_explain.estimates import explanation, measures, sampling
        from raikit_explain.report import figures, findings, tables

        if ctx.model is None or ctx.data is None:
            raise ValueError("there are no inputs to explain decisions by; the check needs a model and its data")
        regression = ctx.task == "regression"
        frame = sampling.with_outcome(ctx)
        sample = sampling.draw(frame, ctx, self.options.rows, ctx.rng)
        shown = sampling.pick(frame, ctx, self.options.examples)
        settings = explanation.Settings(self.options.tolerance, self.options.max_steps)
        if regression:
            settings = explanation.regression_settings(ctx, sample.frame, settings)
        total = len(sample.frame) + len(shown)
        explained = explanation.explain(ctx, sample.frame, settings, progress=lambda done: ctx.progress(done, total))
        found = measures.measure(sample, explained, level=ctx.confidence, tolerance=settings.tolerance,
                                 regression=regression)
        facts = findings.Facts(found, self.address, settings.tolerance, regression, settings.unit)
        shares = figures.share_figure(found)
        by_outcome = tables.outcome_table(found, regression)
        drawn = self._examples(ctx, shown, settings, len(sample.frame), total)
        return raikit.CheckResult(
            metrics=found.metrics, findings=findings.findings(facts), tables=[by_outcome] if by_outcome else [],
            figures=[*([shares] if shares else []), *drawn],
            artifacts=[self._evidence(ctx, explained, sample.frame)],
        )

    def _examples(
        self, ctx: raikit.CheckContext, shown: pd.DataFrame, settings: Settings, before: int, total: int
    ) -> list[raikit.Figure]:
        """Explain and draw the shown rows."""
        from raikit_explain.estimates import explanation
        from raikit_explain.report import examples

        if not len(shown) or ctx.model is None:
            return []
        explained = explanation.explain(ctx, shown, settings, keep=True,
                                    progress=lambda done: ctx.progress(before + done, total))
        return [
            examples.figure(
                number + 1, {str(name): value for name, value in row.items()}, explained.shown[number], ctx.model,
                unit=settings.unit, change=float(explained.change[number]), error=float(explained.error[number]),
                tolerance=settings.tolerance,
            )
            for number, row in enumerate(shown.to_dict("records"))
        ]

    def _evidence(self, ctx: raikit.CheckContext, explained: Explained, rows: pd.DataFrame) -> raikit.Artifact:
        """Leave what every mean was taken of; no inputs are in it."""
        explained.frame(rows).to_parquet(ctx.workdir / "attributions.parquet", index=False)
        return raikit.Artifact(path="attributions.parquet", title="Contributions of each input, row by row",
                               media_type="application/vnd.apache.parquet")
