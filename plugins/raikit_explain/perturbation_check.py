"""The check `explainability.perturbations`: what it requires, produces and composes. Estimation is imported when it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

import raikit

if TYPE_CHECKING:
    import numpy as np

    from raikit_explain.estimates.leaving_out import Explainer, Settings
    from raikit_explain.estimates.part_measures import PartMeasures
    from raikit_explain.estimates.sampling import Sample

_LEAST_CASES = 8
_MOST_CASES = 128
_MOST_SCORED = 200_000  # where scoring costs nothing but time


class Perturbations(raikit.Check):
    """Which inputs or parts of an input decisions rest on, found by leaving them out: for any model that scores.

    Of several inputs, all combinations are scored, once each: exact Shapley values [1]_ and interactions [2]_. Of a single input
    the parts are words, regions, bands of frequency or columns; all combinations are scored where they are few, else KernelSHAP
    [3]_ [4]_ draws some. What replaces a left-out part comes from the training cases: the median or the most frequent value of a
    column, the mean colour of a picture, silence, no word.

    Shares of the decision are compared between decided classes and sensitive groups, and differences between groups are tested. An
    exact test says for each case whether its explanation orders the parts better than chance, beside controls that know nothing
    of the model.

    The test and the methods leave parts out in the same way. Another replacement may give other shares, and a model may behave
    strangely on cases that do not occur.

    References
    ----------
    .. [1] Shapley, "A value for n-person games", 1953.
    .. [2] Grabisch and Roubens, "An axiomatic approach to the concept of interaction among players in cooperative games",
       International Journal of Game Theory 1999.
    .. [3] Lundberg and Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017.
    .. [4] Covert and Lee, "Improving KernelSHAP: practical Shapley value estimation using linear regression", AISTATS 2021.
    """

    name = "explainability.perturbations"
    pillar = "explainability"
    cost = "quick"
    requires = raikit.Requires(
        columns={"target", "prediction"}, capabilities={"labels"}, tasks={"binary", "multiclass", "regression"}, model=True
    )
    produces = (
        "explainability.input_removal",
        "explainability.input_shapley_share",
        "explainability.input_shapley_share_difference",
        "explainability.input_interaction",
        "explainability.column_share",
        "explainability.column_share_difference",
        "explainability.region_share",
        "explainability.region_share_difference",
        "explainability.band_share",
        "explainability.band_share_difference",
        "explainability.faithful_share",
    )

    class Options(raikit.CheckOptions):
        """Options of ``explainability.perturbations``."""

        method: Literal["exact", "kernel_shap", "shapley_value_sampling", "lime", "occlusion", "feature_ablation"] | None = Field(
            None,
            description="Absent: all combinations (`exact`) of up to ten parts, else `kernel_shap`. A model of one text, "
            "picture or sound that has gradients is then left to explainability.attributions.",
        )
        rows: int | None = Field(
            None,
            ge=_LEAST_CASES,
            description="Cases of the audited split that are explained, drawn at random: at least a few of every decided class, "
            "right and wrong, weighted back to the whole split. Absent: 128 where there are at most 128 combinations, else 64.",
        )
        coalitions: int = Field(
            256,
            ge=16,
            description="Combinations of a case that are scored at first, where they are drawn: as long as two halves of them "
            "disagree, twice and four times as many follow.",
        )
        parts: int = Field(
            24,
            ge=4,
            le=64,
            description="Most parts of one text, picture or sound: longer texts are left out in groups of neighbouring words.",
        )
        max_scored: int | None = Field(
            None,
            ge=1,
            description="Most inputs that the model scores; fewer cases are explained if need be. An endpoint (`kind: http`) gets "
            "nothing without it, because each input is a request.",
        )

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Explain a sample of decisions by leaving parts out, and measure what they rest on.

        Raises
        ------
        ValueError
            If there is no model or no data.
        SkipCheck
            If another check explains the model, or too few cases can be explained.
        """
        from raikit_explain.estimates import part_measures
        from raikit_explain.estimates.leaving_out import Explainer, baselines_of
        from raikit_explain.estimates.raw_game import Meter
        from raikit_explain.estimates.strangers import strangers
        from raikit_explain.report import part_figure, part_findings, part_tables

        if ctx.model is None or ctx.data is None:
            raise ValueError("There are no inputs to explain decisions by. The check needs a model and its data.")
        self._refuse(ctx)
        rng, settings = ctx.rng, self._settings(ctx)
        baselines, split = baselines_of(ctx, ctx.model.modalities)
        explainer = Explainer(ctx, settings, strangers(ctx, rng), Meter(self.options.max_scored or _MOST_SCORED), baselines)
        sample = self._sample(explainer, rng)
        done = len(sample.frame)
        explanations = explainer.explain(sample.frame, rng, lambda so_far: ctx.progress(so_far, done))
        measures = part_measures.measure_parts(ctx, sample, explanations, level=ctx.confidence)
        ctx.levels.measure_all(
            measures.metrics, lambda level: part_measures.measure_parts(ctx, sample, explanations, level=level).metrics
        )
        facts = part_findings.Facts(ctx, measures, self.address, explainer.strangers, split)
        figure = part_figure.figure(measures, redact=ctx.redact)
        return raikit.CheckResult(
            metrics=measures.metrics,
            findings=part_findings.findings(facts),
            tables=part_tables.tables(ctx, measures),
            figures=[figure] if figure else [],
            artifacts=[self._evidence(ctx, measures)],
        )

    def _refuse(self, ctx: raikit.CheckContext) -> None:
        """Skip what another check explains better, and what cannot be explained here."""
        assert ctx.model is not None
        if {"target.token", "target.label"} & set(ctx.predictions.columns):
            raise raikit.SkipCheck("its cases are parts of texts or labels of one case", "nothing: it does not apply")
        by_gradients = "gradients" in ctx.model.capabilities and list(ctx.model.modalities.values()) != ["tabular"]
        if by_gradients and len(ctx.model.modalities) == 1 and self.options.method is None:
            raise raikit.SkipCheck(
                "explainability.attributions explains this model by its gradients",
                "`method: kernel_shap` leaves out parts of its input, too",
            )
        if ctx.model.device == "remote" and self.options.max_scored is None:
            raise raikit.SkipCheck(
                "every combination of parts is a request to the endpoint, and no number of requests is allowed",
                f"`max_scored: NUMBER`; {self._settings(ctx).most_scored(self.options.parts, 3):,} inputs explain one long case",
            )

    def _settings(self, ctx: raikit.CheckContext) -> Settings:
        from raikit_explain.estimates.leaving_out import Settings

        media = ctx.model is not None and {"image", "audio"} & set(ctx.model.modalities.values())
        parts = min(self.options.parts, 16) if media else self.options.parts
        return Settings(self.options.method, self.options.coalitions, parts, ctx.task == "regression")

    def _sample(self, explainer: Explainer, rng: np.random.Generator) -> Sample:
        """Draw cases, as many as `max_scored` allows to explain.

        Raises
        ------
        SkipCheck
            If these are too few.
        """
        from raikit_explain.estimates import sampling
        from raikit_explain.estimates.leaving_out import numbers_of_parts

        ctx, most = explainer.ctx, explainer.meter.most
        frame = sampling.with_right(ctx)
        wanted = self.options.rows or _MOST_CASES
        trial = numbers_of_parts(explainer, sampling.draw(frame, ctx, _LEAST_CASES, ctx.rng).frame)
        if self.options.rows is None and max(map(explainer.settings.most_scored, trial, [3] * len(trial))) > _MOST_CASES:
            wanted = _MOST_CASES // 2
        fewest = min(_LEAST_CASES, len(frame))
        while True:
            sample = sampling.draw(frame, ctx, wanted, rng)
            costs = [explainer.settings.most_scored(parts, 3) for parts in numbers_of_parts(explainer, sample.frame)]
            if sum(costs) <= most:
                return sample
            if wanted <= fewest:
                raise raikit.SkipCheck(
                    f"to explain {fewest} cases it may score {sum(costs):,} inputs, and `max_scored` is {most:,}",
                    f"`max_scored: {sum(costs)}`, or fewer `coalitions`",
                )
            wanted = max(min(wanted - 1, int(len(costs) * most / sum(costs))), fewest)

    def _evidence(self, ctx: raikit.CheckContext, measures: PartMeasures) -> raikit.Artifact:
        """Write the values behind every mean, without inputs."""
        frame = measures.explanations.frame(measures.sample.frame["id"].tolist())
        frame.to_parquet(ctx.workdir / "perturbations.parquet", index=False)
        return raikit.Artifact(
            path="perturbations.parquet",
            title="Contributions of each part, case by case",
            media_type="application/vnd.apache.parquet",
        )
