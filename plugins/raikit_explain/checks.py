"""The check of the pillar "explainability": what it requires, produces and composes. Estimation is imported when it runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field

import raikit
from raikit_explain.names import MethodName

if TYPE_CHECKING:
    import pandas as pd

    from raikit_explain.estimates.explanation import Explanations, ExplanationSettings
    from raikit_explain.estimates.measures import Measures
    from raikit_explain.estimates.sampling import Sample
    from raikit_explain.estimates.trust import Trust
    from raikit_explain.estimates.verdict import Word

_DRAWN = "integrated_gradients"  # the method of shares and figures


class _Steps:
    """Progress over parts of the work, each of which counts from 0."""

    def __init__(self, progress: Callable[[int, int], None], total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def next(self, size: int) -> Callable[[int], None]:
        """Return the progress of the next part, which has `size` cases."""
        before, self._done = self._done, self._done + size
        return lambda done: self._progress(before + done, max(self._total, self._done))


class Attributions(raikit.Check):
    """Which inputs decisions rest on: Integrated Gradients on all inputs together, checked by leaving inputs out.

    A sample of cases, stratified by decided class and by right and wrong, is explained with Captum's Integrated
    Gradients [1]_ [2]_: the log-odds of the decided class (regression: the predicted value), against the same model
    without any input. An input's share of a decision is the absolute sum of its attributions, divided by that of all
    inputs. Independently of gradients, exact Shapley values [3]_ [4]_ over all combinations of inputs divide the same
    change, and each input is removed from the cases that have it. Every interval is over cases and respects clusters. None is
    over trainings: the same model trained again may rest on other inputs.

    Each method is judged on cases of its own: whether its order of parts is better than random ones and than pictures that
    know nothing of the model. The word of the verdict is in a finding, under each figure, and in ``trusted_share``, which a rule
    may require; it is 0 unless the verdict is "supported by evidence". ``docs/explanations.md`` has the tests and their sources.

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
        "explainability.trusted_share",
        "explainability.passing_share",
        "explainability.control_passing_share",
        "explainability.method_correlation",
        "explainability.method_overlap",
        "explainability.sensitivity_max",
        "explainability.protected_share",
    )

    class Options(raikit.CheckOptions):
        """Options of ``explainability.attributions``."""

        rows: int = Field(
            128, ge=8,
            description="Cases of the audited split that are explained, drawn at random: at least a few of every decided "
            "class, right and wrong, weighted back to the whole split.",
        )
        examples: int = Field(
            6, ge=0, le=24,
            description="Cases that are drawn as figures, apart from the sample: the surest wrong and right decisions, those "
            "nearest to another one, and pairs with the same true class from different groups. Figures show inputs of single "
            "cases; 0 shows none, and neither does --redact.",
        )
        methods: list[MethodName] = Field(
            ["integrated_gradients"], min_length=1,
            description="Methods that are judged, by Captum's names. Figures and shares come from integrated_gradients, which is "
            "judged in any case.",
        )
        trust_rows: int | None = Field(
            None, ge=0,
            description="Cases of the audited split, drawn at random, on which each method is tested for its verdict. Absent: 16 "
            "to 64, as many as cost about three times what `rows` explanations cost. 0 gives no verdict, under 8 show nothing.",
        )
        protected: list[str] = Field(
            [], description="Words and columns that decisions should not rest on; protected_share is their share. Sensitive "
            "columns that are inputs are protected in any case.",
        )
        sensitivity: bool = Field(
            False, description="Whether to measure how much explanations change when inputs hardly do: it needs seven more "
            "explanations of each case.",
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
        import numpy as np

        from raikit_explain.estimates import explanation, measures, sampling
        from raikit_explain.estimates.trust import affordable_rows
        from raikit_explain.report import figures, findings, tables

        if ctx.model is None or ctx.data is None:
            raise ValueError("There are no inputs to explain decisions by. The check needs a model and its data.")
        regression = ctx.task == "regression"
        frame = sampling.with_outcome(ctx)
        sample = sampling.draw(frame, ctx, self.options.rows, ctx.rng)
        examples = sampling.choose_examples(frame, ctx, 0 if ctx.redact else self.options.examples)
        settings = self._settings(ctx, sample.frame)
        steps = _Steps(ctx.progress, 2 * len(sample.frame))
        explanations = explanation.explain(ctx, sample.frame, settings, progress=steps.next(len(sample.frame)))
        measure = partial(measures.measure, sample, explanations, tolerance=settings.tolerance, regression=regression)
        measured = measure(level=ctx.confidence)
        ctx.levels.measure_all(measured.metrics, lambda level: measure(level=level).metrics)
        rows = affordable_rows(explanations, len(examples)) if self.options.trust_rows is None else self.options.trust_rows
        trust = self._examine(ctx, sampling.draw_evenly(frame, ctx, rows, np.random.default_rng([ctx.seed, 1])), settings, steps)
        judged = self._judged(ctx, trust)
        everything = self._overall(ctx, measured)
        facts = findings.Facts(measured, self.address, settings.tolerance, regression, settings.unit)
        share_figure = figures.share_figure(measured)
        outcome_table = tables.outcome_table(measured, regression)
        example_figures = self._example_figures(ctx, examples, settings, trust, steps)
        return raikit.CheckResult(
            metrics=[*measured.metrics, *everything.metrics, *judged.metrics],
            findings=findings.in_order([*judged.findings, *findings.findings(facts), *everything.findings]),
            tables=[*judged.tables, *([outcome_table] if outcome_table else []), *everything.tables],
            # The page opens the first two: shares of inputs, or of parts where there is one input, and an example.
            figures=[share_figure, *example_figures, *everything.figures] if share_figure else [
                *everything.figures, *example_figures],
            artifacts=[self._evidence(ctx, explanations, sample.frame)],
        )

    def _settings(self, ctx: raikit.CheckContext, cases: pd.DataFrame) -> ExplanationSettings:
        from raikit_explain.estimates import explanation

        settings = explanation.ExplanationSettings(
            self.options.tolerance, self.options.max_steps, agreement=self.options.agreement,
            megabytes=self.options.max_megabytes)
        return explanation.regression_settings(ctx, cases, settings) if ctx.task == "regression" else settings

    def _examine(
        self, ctx: raikit.CheckContext, sample: Sample, settings: ExplanationSettings, steps: _Steps
    ) -> Trust | None:
        """Test the methods on a sample that was drawn for it; None if it is empty."""
        from raikit_explain.estimates import trust

        if not len(sample.frame):
            return None
        return trust.examine_applicable(
            ctx, sample, [_DRAWN, *self.options.methods], settings, [ctx.seed, 2], sensitivity=self.options.sensitivity,
            progress=steps.next(len(sample.frame)))

    def _overall(self, ctx: raikit.CheckContext, measures: Measures) -> raikit.CheckResult:
        """Return what matters inside inputs, for which groups other things do, and what falls on protected parts."""
        from raikit_explain.estimates.overall import Overall
        from raikit_explain.report import overall

        of = Overall.of(measures, ctx, self.options.protected)
        metrics = of.protected_metrics(ctx.confidence)
        ctx.levels.measure_all(metrics, of.protected_metrics)
        differences = of.differences()
        table, figure = overall.table(of, differences), overall.figure(of, redact=ctx.redact)
        return raikit.CheckResult(
            metrics=metrics, findings=overall.findings(of, differences, [self.address(metric) for metric in metrics]),
            tables=[table] if table else [], figures=[figure] if figure else [])

    def _judged(self, ctx: raikit.CheckContext, trust: Trust | None) -> raikit.CheckResult:
        """Return the verdicts as metrics, findings and a table."""
        from raikit_explain.estimates import trust_metrics
        from raikit_explain.report import verdicts

        if trust is None:
            return raikit.CheckResult(metrics=trust_metrics.untested([_DRAWN, *self.options.methods]))
        metrics = trust_metrics.metrics(trust, ctx.confidence)
        ctx.levels.measure_all(metrics, lambda level: trust_metrics.metrics(trust, level))
        addresses = {(metric.name, metric.args.get("method")): self.address(metric) for metric in metrics}
        return raikit.CheckResult(
            metrics=metrics, findings=verdicts.findings(trust, lambda name, method: addresses[name, method], ctx.confidence),
            tables=[verdicts.table(trust, ctx.confidence)])

    def _example_figures(
        self, ctx: raikit.CheckContext, cases: pd.DataFrame, settings: ExplanationSettings, trust: Trust | None, steps: _Steps,
    ) -> list[raikit.Figure]:
        """Explain and draw the examples, each with the word that its own explanation has earned."""
        from raikit_explain.estimates import explanation
        from raikit_explain.report import examples

        if not len(cases) or ctx.model is None:
            return []
        explanations = explanation.explain(ctx, cases, settings, keep_inputs=True, progress=steps.next(len(cases)))
        words = self._words(ctx, cases, settings, trust)
        return [
            examples.figure(
                number + 1, {str(name): value for name, value in case.items()}, explanations.examples[number], ctx.model,
                unit=settings.unit, change=float(explanations.change[number]), error=float(explanations.error[number]),
                converged=bool(explanations.converged[number]), word=words[number],
            )
            for number, case in enumerate(cases.to_dict("records"))
        ]

    def _words(
        self, ctx: raikit.CheckContext, cases: pd.DataFrame, settings: ExplanationSettings, trust: Trust | None
    ) -> list[Word]:
        """Return the word of each example; cases are tested only where the method's own word leaves it open."""
        import numpy as np

        from raikit_explain.estimates import methods, verdict
        from raikit_explain.estimates.trust import examine

        overall = verdict.NOT_TESTED if trust is None else trust.verdict(_DRAWN).word
        if trust is None or overall in (verdict.NOT_TESTED, verdict.NOT_CONVERGED):
            return [overall] * len(cases)
        found = examine(ctx, cases, {_DRAWN: methods.method(_DRAWN, settings)}, np.random.default_rng([ctx.seed, 3]),
                        scale=settings.scale, controls=False)
        return trust.words(_DRAWN, found.evidence)

    def _evidence(
        self, ctx: raikit.CheckContext, explanations: Explanations, cases: pd.DataFrame
    ) -> raikit.Artifact:
        """Write the values behind every mean, without inputs."""
        explanations.frame(cases).to_parquet(ctx.workdir / "attributions.parquet", index=False)
        return raikit.Artifact(path="attributions.parquet", title="Contributions of each input, case by case",
                               media_type="application/vnd.apache.parquet")
