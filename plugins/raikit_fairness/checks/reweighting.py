"""The check ``fairness.reweighting``: what training changes if cases are weighted so that group and target are independent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

import raikit
from raikit.format import capitalised, case_noun, columns_text, count
from raikit_fairness.checks.options import GapOptions

if TYPE_CHECKING:
    from raikit.arrays import FloatArray
    from raikit_fairness.estimates.tradeoff import Tradeoff
    from raikit_fairness.settings import IntervalSettings

CONDITION = "This is one training of each kind; other seeds may give other numbers, which the intervals do not cover."
_METHOD = ", of one training of each kind, whose randomness is not covered"
METRIC_NAMES = "reweighted", "reweighting"
_TRAINER_SETTINGS = ("epochs", "batch_size", "learning_rate", "weight_decay", "patience")
_BATCH = 256


class Reweighting(raikit.Check):
    """Trains the model once more, on cases weighted so that group and target are independent, and compares both.

    Each training case weighs P(group) P(target) / P(group, target). The second model starts from the same untrained weights,
    has the same settings and sees the cases in the same order; the audited model is not touched. If the audited model was
    trained on reweighted cases itself, the second one is trained without, and takes its place as "before".

    Notes
    -----
    One training of each kind is compared: intervals cover the choice of test cases, not that of the seed. Metrics have the flag
    ``one_training``, and no rule is decided on them.

    References
    ----------
    .. [1] Kamiran and Calders, "Data preprocessing techniques for classification without discrimination", Knowledge and
       Information Systems 2012.
    """

    name = "fairness.reweighting"
    pillar = "fairness"
    cost = "slow"
    requires = raikit.Requires(
        columns={"target", "prediction", "sensitive"}, capabilities={"labels", "scores", "trainable"}, tasks={"binary"},
        splits={"train", "validation"},
    )  # fmt: skip
    produces: ClassVar[Sequence[str]] = [
        f"fairness.{name}"
        for name in ("reweighted_difference", "reweighted_accuracy", "reweighting_gain", "reweighting_cost")
    ]

    class Options(GapOptions):
        """Options of the check."""

        reweight: list[str] = Field(
            default_factory=list,
            description="Sensitive columns, crossed, that the target is made independent of; absent: all.",
        )

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Train the second model, and compare its decisions with the audited ones."""
        options = self.options
        assert ctx.model is not None and ctx.data is not None
        for column in options.reweight:
            if column not in ctx.sensitive:
                raise raikit.ConfigError(
                    f"checks.fairness.reweighting.reweight: {column!r} is not among the sensitive columns "
                    f"({', '.join(ctx.sensitive)})."
                )
        training = ctx.model.training
        if not set(_TRAINER_SETTINGS) <= set(training):
            return self._not_measured()
        audited_columns = list(training.get("reweight") or [])  # empty: the audited model was trained without weights
        columns = audited_columns or options.reweight or list(ctx.sensitive)
        weight = raikit.reweighing(ctx.data, columns)
        other = _decisions(ctx, _train(ctx, training, None if audited_columns else weight))

        def tradeoffs_at(settings: IntervalSettings) -> list[Tradeoff]:
            return _compare(ctx, other, bool(audited_columns), settings, options.most_groups(ctx))

        return self._result(ctx, tradeoffs_at, weight, columns, bool(audited_columns))

    def _result(
        self,
        ctx: raikit.CheckContext,
        tradeoffs_at: Callable[[IntervalSettings], list[Tradeoff]],
        weight: FloatArray,
        columns: Sequence[str],
        audited_is_reweighted: bool,
    ) -> raikit.CheckResult:
        from raikit_fairness.report.tradeoff import Wording, tradeoff_figure, tradeoff_findings, tradeoff_table

        assert ctx.model is not None
        settings = self.options.settings(ctx)
        wording = Wording(
            f"Training on reweighted {case_noun()}", f"What does training on reweighted {case_noun()} change?", METRIC_NAMES,
            "narrows", "widens", CONDITION,
        )  # fmt: skip
        subject = "model" if audited_is_reweighted else "reweighted"
        tradeoffs = tradeoffs_at(settings)
        gaps, costs, by_group = _metrics(tradeoffs, settings, subject)

        def metrics_at(level: float) -> list[raikit.Metric]:
            there = settings.at(level)
            return _flat(*_metrics(tradeoffs_at(there), there, subject))

        metrics = ctx.levels.measure_all(_flat(gaps, costs, by_group), metrics_at)
        findings = tradeoff_findings(tradeoffs, wording, settings, self.address, gaps, ctx.cluster)
        note = _table_note(ctx.model.training, columns, audited_is_reweighted)
        figure = tradeoff_figure(tradeoffs, wording, settings)
        return raikit.CheckResult(
            metrics=[_of_one_training(metric) for metric in metrics],
            findings=[*findings, self._weight_finding(weight, columns, costs, audited_is_reweighted)],
            tables=[tradeoff_table(tradeoffs, wording, note)],
            figures=[figure] if figure else [],
        )

    def _weight_finding(
        self, weight: FloatArray, columns: Sequence[str], costs: list[raikit.Metric], audited_is_reweighted: bool
    ) -> raikit.Finding:
        """Report how far from independent group and target were."""
        low, high = float(weight.min()), float(weight.max())
        close = low > 0.9 and high < 1.1
        little = ": they were almost independent before, so there was little to correct" if close else ""
        with_weights = (
            "The audited model was trained with these weights; the one that it is compared with was not."
            if audited_is_reweighted
            else "The audited model was trained without these weights."
        )
        return raikit.Finding(
            kind="method",
            headline=f"How training {case_noun()} are weighted",
            evidence=f"weights {low:.2f} to {high:.2f} of {count(len(weight))} training {case_noun()}",
            sentence=f"To make the target independent of {columns_text(columns)}, {len(weight):,} training {case_noun()} weigh "
            f"{low:.2f} to {high:.2f}{little}. {with_weights}",
            what=f"weights of training {case_noun()}",
            certainty="by construction",
            metrics=[self.address(metric) for metric in costs],
        )

    def _not_measured(self) -> raikit.CheckResult:
        reason = "how the audited model was trained is not known, so no second model can be trained in the same way"
        metrics = [
            raikit.Metric.undefined(name, reason, subject="reweighted", direction=direction)
            for name, direction in (("reweighted_accuracy", "higher"), ("reweighting_cost", "lower"))
        ]
        finding = raikit.Finding(
            kind="undecided",
            headline="No second model was trained",
            evidence="how the audited model was trained is not known",
            sentence=f"No second model was trained: {reason}. It is known of a model that raikit trains (model.train).",
            what=f"training on reweighted {case_noun()}",
            certainty="not measured",
            metrics=[self.address(metric) for metric in metrics],
        )
        return raikit.CheckResult(metrics=metrics, findings=[finding])


_Gaps = dict[int, list[raikit.Metric]]


def _metrics(
    tradeoffs: Sequence[Tradeoff], settings: IntervalSettings, subject: str
) -> tuple[_Gaps, list[raikit.Metric], list[raikit.Metric]]:
    """Return the metrics of gaps by trade-off, those of costs, and costs by group."""
    from raikit_fairness.estimates.tradeoff import cost_metrics, cost_metrics_by_group, gap_metrics

    place = {"subject": subject}
    gaps = {number: gap_metrics(tradeoff, METRIC_NAMES, settings, subject) for number, tradeoff in enumerate(tradeoffs)}
    # Accuracy does not depend on the criterion, so each feature's costs are taken from its first one.
    first = {tradeoff.feature.columns: tradeoff for tradeoff in reversed(tradeoffs)}
    by_group = [
        metric
        for tradeoff in tradeoffs
        if first[tradeoff.feature.columns] is tradeoff
        for metric in cost_metrics_by_group(tradeoff, METRIC_NAMES, settings, place)
    ]
    return gaps, cost_metrics(tradeoffs[0], METRIC_NAMES, settings, place), by_group


def _flat(gaps: _Gaps, costs: list[raikit.Metric], by_group: list[raikit.Metric]) -> list[raikit.Metric]:
    return [*(metric for several in gaps.values() for metric in several), *costs, *by_group]


def _of_one_training(metric: raikit.Metric) -> raikit.Metric:
    """Return the metric with a method that says what its interval leaves out, and the flag that keeps rules from deciding on it."""
    if not metric.method:
        return metric
    return metric.model_copy(update={"method": metric.method + _METHOD, "flags": [*metric.flags, "one_training"]})


def _train(ctx: raikit.CheckContext, training: Mapping[str, Any], weight: FloatArray | None) -> raikit.Model:
    """Train a second model from the untrained weights of the audited one."""
    assert ctx.model is not None
    seed = int(training.get("seed", 0))
    model = ctx.model.fresh(seed)
    settings = {key: training[key] for key in _TRAINER_SETTINGS}
    ctx.trainer(
        model, ctx.data, **settings, seed=seed, row_weight=weight, workdir=ctx.workdir, progress=ctx.progress
    )  # fmt: skip
    return model


def _decisions(ctx: raikit.CheckContext, model: raikit.Model) -> FloatArray:
    """Return the model's decision about each test case, in the order of the predictions."""
    import numpy as np

    assert ctx.data is not None
    positive = list(ctx.classes).index(ctx.positive)
    decided: dict[Any, bool] = {}
    for batch in ctx.data.batches(ctx.predictions.split, _BATCH):
        scores = model.scores(batch)[:, positive]
        decided.update(zip(batch.ids, (scores >= 0.5).tolist(), strict=True))
    return np.array([float(decided[id]) for id in ctx.predictions.frame(["id"])["id"]])


def _compare(
    ctx: raikit.CheckContext, other: FloatArray, audited_is_after: bool, settings: IntervalSettings, max_groups: int
) -> list[Tradeoff]:
    """Compare both models for every feature and criterion; the pair of groups is fixed on validation cases."""
    from raikit_fairness.estimates.case_counts import read_cases
    from raikit_fairness.estimates.group_estimates import Draws
    from raikit_fairness.estimates.tradeoff import CRITERIA, AlternativeDecisions, compare_decisions, furthest_pair

    test = read_cases(ctx, 1, max_groups).of_compared()
    validation = read_cases(ctx, 1, max_groups, split="validation").of_compared()
    positive = list(ctx.classes).index(ctx.positive)
    audited = (test.prediction == positive).astype(float)
    before, after = (other, audited) if audited_is_after else (audited, other)
    decisions = AlternativeDecisions(test, positive, before, after)
    tradeoffs = []
    for feature, validation_feature in zip(test.features, validation.features, strict=True):
        if feature.k < 2:
            continue
        aligned = validation_feature.renumbered(feature.groups)
        for criterion in CRITERIA.values():
            pair = furthest_pair(validation, positive, aligned, criterion, settings.min_group)
            draws = Draws(ctx.seed, feature.columns, settings.draws)
            tradeoffs.append(compare_decisions(decisions, feature, criterion, pair, settings, draws))
    return tradeoffs


def _table_note(training: Mapping[str, Any], columns: Sequence[str], audited_is_reweighted: bool) -> str:
    models = "for this comparison", "the audited model"
    before, after = models if audited_is_reweighted else models[::-1]
    return (
        f"{capitalised(case_noun())} weigh P(group) P(target) / P(group, target) over {' and '.join(columns)} (Kamiran and "
        f"Calders 2012). Before: "
        f"trained without these weights, {before}; after: with them, {after}. Both had at most {training['epochs']} epochs, "
        f"the same settings, the same first weights and the same order of {case_noun()}. Gaps: the largest difference over all "
        f"groups, "
        f"its CI simultaneous. Gains and losses: paired on test {case_noun()}, the two groups fixed on validation "
        f"{case_noun()}. Intervals "
        f"cover the choice of test {case_noun()}, not of the seed: another seed gives another pair of models."
    )
