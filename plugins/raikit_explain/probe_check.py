"""The check `explainability.probes`: what it requires, produces and composes. Estimation is imported when it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

import raikit

if TYPE_CHECKING:
    import numpy as np

    from raikit_explain.estimates.probe_results import Probe
    from raikit_explain.estimates.probes import Prober

_MOST_SCORED = 200_000


class Probes(raikit.Check):
    """What would have been decided, had a case been another in one respect: for any model that scores.

    Declared terms of texts are replaced by those of another group [1]_ [2]_; effects are paired, and texts that differ in the terms
    alone are one cluster. Columns of tables are set to their other values, the sensitive ones unless others are named. Of a model
    with several inputs, each input is replaced by that of another case. For a few cases the most alike case with another decision
    is shown.

    A probe changes one respect and leaves all others as they are. Cases that come of it may not occur, and what usually goes with
    the change (a job, an address) does not change. That no effect is shown does not mean that groups are treated alike.

    References
    ----------
    .. [1] Prabhakaran, Hutchinson and Mitchell, "Perturbation Sensitivity Analysis to Detect Unintended Model Biases", EMNLP 2019.
    .. [2] Garg et al., "Counterfactual Fairness in Text Classification through Robustness", AIES 2019.
    """

    name = "explainability.probes"
    pillar = "explainability"
    cost = "quick"
    requires = raikit.Requires(
        columns={"target", "prediction"}, capabilities={"labels"}, tasks={"binary", "multiclass", "regression"}, model=True)
    produces = (
        "explainability.term_swap_effect",
        "explainability.term_flip_rate",
        "explainability.column_effect",
        "explainability.column_flip_rate",
        "explainability.replacement_flip_rate",
        "explainability.opposite_distance",
    )

    class Options(raikit.CheckOptions):
        """Options of ``explainability.probes``."""

        terms: dict[str, dict[str, list[str]]] = Field(
            default_factory=dict,
            description="Terms of texts that stand for one another, by set and group: "
            "`{pronouns: {male: [he, his], female: [she, her]}}`. All groups of a set have equally many.",
        )
        columns: list[str] | None = Field(
            None,
            description="Columns of tables that are set to their other values. Absent: the sensitive ones among the inputs.")
        rows: int = Field(256, ge=8, description="Most cases of one probe, drawn at random.")
        opposites: int = Field(
            6, ge=0, le=24,
            description="Cases for which the most alike one with another decision is shown. --redact shows none.")
        max_scored: int | None = Field(
            None, ge=1,
            description="Most inputs that the model scores. An endpoint (`kind: http`) gets nothing without it, because each input "
            "is a request.")

        @field_validator("terms")
        @classmethod
        def _stand_for_one_another(cls, terms: dict[str, dict[str, list[str]]]) -> dict[str, dict[str, list[str]]]:
            for name, groups in terms.items():
                sizes = {group: len(of_group) for group, of_group in groups.items()}
                if len(sizes) < 2 or len(set(sizes.values())) > 1 or not all(sizes.values()):
                    have = ", ".join(f"{group} has {size}" for group, size in sizes.items()) or "there is none"
                    raise ValueError(f"{name} needs two groups or more with equally many terms; {have}")
                if any(not term.strip() for of_group in groups.values() for term in of_group):
                    raise ValueError(f"{name} has a term that is empty")
            return terms

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Probe the model, and look for the nearest opposites of a few cases.

        Raises
        ------
        ValueError
            If there is no model or no data, or a column to set is none of the inputs.
        SkipCheck
            If an endpoint may not be asked.
        """
        from raikit_explain.estimates import opposites, probe_results
        from raikit_explain.estimates.probes import Prober
        from raikit_explain.estimates.raw_game import Meter
        from raikit_explain.report import probe_report

        if ctx.model is None or ctx.data is None:
            raise ValueError("There are no inputs to change. The check needs a model and its data.")
        if {"target.token", "target.label"} & set(ctx.predictions.columns):
            raise raikit.SkipCheck("its cases are parts of texts or labels of one case", "nothing: it does not apply")
        if ctx.model.device == "remote" and self.options.max_scored is None:
            raise raikit.SkipCheck(
                "every changed case is a request to the endpoint, and no number of requests is allowed", "`max_scored: NUMBER`")
        rng = ctx.rng
        prober = Prober(ctx, ctx.predictions.frame(), Meter(self.options.max_scored or _MOST_SCORED))
        probes = [*self._terms(prober, rng), *self._columns(prober, rng), *self._replacements(prober, rng)]
        nearest = opposites.nearest_opposites(ctx, max(self.options.opposites, 8), rng)

        def measure(level: float) -> list[raikit.Metric]:
            return [*probe_results.metrics(probes, level, ctx.task == "regression"), probe_results.distance(ctx, nearest, level)]

        metrics = measure(ctx.confidence)
        ctx.levels.measure_all(metrics, measure)
        facts = probe_report.Facts(ctx, probes, metrics, self.address, prober.meter.scored)
        shown = [] if ctx.redact else nearest[: self.options.opposites]
        return raikit.CheckResult(
            metrics=metrics, findings=probe_report.findings(facts, nearest), tables=probe_report.tables(facts, shown))

    def _terms(self, prober: Prober, rng: np.random.Generator) -> list[Probe]:
        from raikit_explain.estimates.opposites import in_order
        from raikit_explain.estimates.probe_results import Probe
        from raikit_explain.estimates.term_swaps import TermGroups

        data = prober.ctx.data
        texts = [item for item in getattr(data, "inputs", {}).values() if item.modality == "text"]
        if self.options.terms and not texts:
            raise ValueError("`terms` are declared, and the model reads no text.")
        probes = []
        for item in texts:
            column = in_order(prober.ctx, [item.columns[0]])[item.columns[0]]
            for name, groups in self.options.terms.items():
                outcome = prober.terms(item.name, column, TermGroups(groups), self.options.rows, rng)
                args: dict[str, Any] = {"terms": name} if len(texts) == 1 else {"terms": name, "input": item.name}
                probes.append(Probe("term", args, outcome))
        return probes

    def _columns(self, prober: Prober, rng: np.random.Generator) -> list[Probe]:
        from raikit_explain.estimates.opposites import in_order
        from raikit_explain.estimates.probe_results import Probe
        from raikit_explain.estimates.probes import MOST_VALUES, values_of

        inputs = {name: item.name for item in getattr(prober.ctx.data, "inputs", {}).values() if item.modality == "tabular"
                  for name in item.columns}
        wanted = self.options.columns
        if wanted is None:
            wanted = [name for name in prober.ctx.sensitive if name in inputs]
        if strange := [name for name in wanted if name not in inputs]:
            raise ValueError(f"`columns` names {strange[0]!r}, which is no column of a table that the model reads.")
        probes = []
        for name in wanted:
            values = values_of(in_order(prober.ctx, [name])[name])
            # Quantiles are cells of single cases; the values of a column with few are those of groups.
            if len(values) > 1 and not (prober.ctx.redact and in_order(prober.ctx, [name])[name].nunique() > MOST_VALUES):
                probes.append(Probe("column", {"column": name}, prober.column(inputs[name], name, values, self.options.rows, rng)))
        return probes

    def _replacements(self, prober: Prober, rng: np.random.Generator) -> list[Probe]:
        from raikit_explain.estimates.probe_results import Probe

        assert prober.ctx.model is not None
        names = list(prober.ctx.model.modalities)
        if len(names) < 2:
            return []
        return [Probe("replacement", {"input": name}, prober.replaced(name, self.options.rows, rng)) for name in names]
