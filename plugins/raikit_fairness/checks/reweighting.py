"""The check ``fairness.reweighting``: what training on rows weighed so that group and target are independent changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

import raikit
from raikit_fairness.checks.options import GapOptions
from raikit_fairness.estimates.case_counts import read_rows
from raikit_fairness.estimates.group_estimates import Draws
from raikit_fairness.estimates.tradeoff import CRITERIA, Decided, costs_by_group, costs_of, furthest, gaps_of, trade
from raikit_fairness.report import tradeoff as trade_report
from raikit_fairness.report.tradeoff import Wording

if TYPE_CHECKING:
    from raikit_fairness.estimates.case_counts import Cells, Feature, FloatArray
    from raikit_fairness.estimates.group_estimates import Settings
    from raikit_fairness.estimates.tradeoff import Criterion, Pair, Trade

WORDING = Wording(
    "Training on reweighed rows", "What does training on reweighed rows change?", ("reweighted", "reweighting"),
    ("narrows", "widens", "narrows", "costs"),
)
_OF_THE_LOOP = ("epochs", "batch_size", "learning_rate", "weight_decay", "patience")


class Reweighting(raikit.Check):
    """Trains the model once more, on rows weighed so that group and target are independent, and compares before and after.

    Each train row weighs P(group) P(target) / P(group, target). The second model begins with the same weights that had seen no
    row, has the same settings and meets the rows in the same order; the audited model is not touched. If the audited model was
    trained on reweighed rows itself, the second one is trained without, and takes its place as "before".

    Notes
    -----
    One training of each kind is compared: intervals cover the choice of test rows, not that of the seed.

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
    )
    produces: ClassVar[Sequence[str]] = [
        f"fairness.{name}" for name in ("reweighted_difference", "reweighted_accuracy", "reweighting_gain", "reweighting_cost")
    ]

    class Options(GapOptions):
        reweight: list[str] = Field(
            default_factory=list, description="Sensitive columns, crossed, that the target is made independent of; absent: all.")

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        options = self.options
        assert ctx.model is not None and ctx.data is not None
        for column in options.reweight:
            if column not in ctx.sensitive:
                raise raikit.ConfigError(f"checks.fairness.reweighting.reweight: {column!r} is none of the sensitive columns "
                                         f"({', '.join(ctx.sensitive)}).")
        if not set(_OF_THE_LOOP) <= set(ctx.model.training):
            return self._impossible()
        settings = options.settings(ctx)
        done = list(ctx.model.training.get("reweight") or [])
        columns = done or options.reweight or list(ctx.sensitive)
        weight = raikit.reweighing(ctx.data, columns)
        other = _trained(ctx, ctx.model.training, None if done else weight)
        trades = _compared(ctx, _answers(ctx, other), bool(done), settings, options.max_groups)
        subject = "model" if done else "reweighted"
        own = {at: gaps_of(one, WORDING.names, settings, subject) for at, one in enumerate(trades)}
        first = {one.feature.columns: one for one in reversed(trades)}  # accuracy is the same whatever is to be alike
        costs = costs_of(trades[0], WORDING.names, settings, {"subject": subject})
        by_group = [metric for one in trades if first[one.feature.columns] is one
                    for metric in costs_by_group(one, WORDING.names, settings, {"subject": subject})]
        picture = trade_report.figure(trades, WORDING, settings)
        return raikit.CheckResult(
            metrics=[*(metric for several in own.values() for metric in several), *costs, *by_group],
            findings=[*trade_report.findings(trades, WORDING, settings, self.address, own, ctx.cluster),
                      self._weights(weight, columns, costs, done)],
            tables=[trade_report.table(trades, WORDING, _note(ctx.model.training, columns, bool(done)))],
            figures=[picture] if picture else [],
        )

    def _weights(
        self, weight: FloatArray, columns: Sequence[str], costs: list[raikit.Metric], done: Sequence[str]
    ) -> raikit.Finding:
        """How far from independent group and target were."""
        over = " and ".join(columns)
        low, high = float(weight.min()), float(weight.max())
        even = ": they were all but independent before, so there was little to even out" if high < 1.1 and low > 0.9 else ""
        which = "The audited model was trained with them; the one that it is compared with was not." if done else \
            "The audited model was trained without them."
        return raikit.Finding(
            sentence=f"To make the target independent of {over}, {len(weight):,} train rows weigh {low:.2f} to {high:.2f}{even}. "
                     f"{which}",
            what="weights of train rows", certainty="by construction", metrics=[self.address(metric) for metric in costs],
        )

    def _impossible(self) -> raikit.CheckResult:
        reason = "how the audited model was trained is not known, so no second model can be trained alike"
        metrics = [raikit.Metric.undefined(name, reason, subject="reweighted", direction=direction)
                   for name, direction in (("reweighted_accuracy", "higher"), ("reweighting_cost", "lower"))]
        return raikit.CheckResult(metrics=metrics, findings=[raikit.Finding(
            sentence=f"No second model was trained: {reason}. A model that raikit trains (model.train) knows.",
            what="training on reweighed rows", certainty="not measured", metrics=[self.address(metric) for metric in metrics],
        )])


def _trained(ctx: raikit.CheckContext, training: Mapping[str, Any], weight: FloatArray | None) -> raikit.Model:
    """A second model, from the weights that the audited one began with."""
    assert ctx.model is not None
    seed = int(training.get("seed", 0))
    model = ctx.model.fresh(seed)
    ctx.trainer(model, ctx.data, **{key: training[key] for key in _OF_THE_LOOP}, seed=seed, row_weight=weight,
                workdir=ctx.workdir, progress=ctx.progress)
    return model


def _answers(ctx: raikit.CheckContext, model: raikit.Model) -> FloatArray:
    """Its decision about each test row, in the order of the predictions."""
    import numpy as np

    assert ctx.data is not None
    split = ctx.predictions.split
    decided: dict[Any, bool] = {}
    for batch in ctx.data.batches(split, 256):
        scores = model.scores(batch)[:, list(ctx.classes).index(ctx.positive)]
        decided.update(zip(batch.ids, (scores >= 0.5).tolist(), strict=True))
    return np.array([float(decided[name]) for name in ctx.predictions.frame(["id"])["id"]])


def _compared(
    ctx: raikit.CheckContext, other: FloatArray, audited_is_after: bool, settings: Settings, max_groups: int
) -> list[Trade]:
    test = read_rows(ctx, 1, max_groups)
    known = read_rows(replace(ctx, predictions=raikit.Predictions(ctx.predictions.path, "validation")), 1, max_groups)
    positive = list(ctx.classes).index(ctx.positive)
    audited = (test.prediction == positive).astype(float)
    rows = Decided(test, positive, *((other, audited) if audited_is_after else (audited, other)))
    return [
        trade(rows, feature, criterion, _pair(known, test, at, criterion, positive, settings), settings,
              Draws(ctx.seed, feature.columns, settings.draws))
        for at, feature in enumerate(test.features) if feature.k > 1 for criterion in CRITERIA.values()
    ]


def _pair(known: Cells, test: Cells, at: int, criterion: Criterion, positive: int, settings: Settings) -> Pair | None:
    """The two groups furthest apart on validation rows, as the test rows number them."""
    decided = (known.prediction == positive).astype(float)
    learnt = numbered_as(known.features[at], test.features[at])
    return furthest(Decided(known, positive, decided, decided), learnt, criterion, decided, settings.min_group)


def numbered_as(feature: Feature, other: Feature) -> Feature:
    """A feature of some rows with the groups, and their numbers, that it has among others; -1: not there."""
    import numpy as np

    place = {group: number for number, group in enumerate(other.groups)}
    code = np.array([place.get(group, -1) for group in feature.groups], dtype=np.int64)[feature.code]
    return replace(feature, groups=other.groups, code=code)


def _note(training: Mapping[str, Any], columns: Sequence[str], done: bool) -> str:
    which = ("for this comparison", "the audited model")[:: 1 if done else -1]
    return (
        f"Rows weigh P(group) P(target) / P(group, target) over {' and '.join(columns)} (Kamiran and Calders 2012). Before: "
        f"trained without these weights, {which[0]}; after: with them, {which[1]}. Both had at most {training['epochs']} epochs, "
        "the same settings, the same first weights and the same order of rows. Gaps: the largest difference over all groups, "
        "its interval simultaneous. Gained and lost: paired on test rows, the two groups fixed on validation rows. Intervals "
        "cover the choice of test rows, not of the seed: another seed gives another pair of models."
    )
