"""The check ``fairness.mitigation``: what thresholds of each group's own would buy, and what they would cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

import raikit
from raikit_fairness.checks.options import GapOptions
from raikit_fairness.estimates.case_counts import read_rows
from raikit_fairness.estimates.group_estimates import Draws
from raikit_fairness.estimates.tradeoff import CRITERIA, Decided, costs_by_group, costs_of, furthest, gaps_of, trade
from raikit_fairness.report import tradeoff as trade_report
from raikit_fairness.report.tradeoff import Wording

if TYPE_CHECKING:
    from raikit_fairness.estimates.case_counts import Cells, Feature, IntArray
    from raikit_fairness.estimates.group_estimates import Settings
    from raikit_fairness.estimates.tradeoff import Criterion, Trade

SUBJECT = "mitigated"
WORDING = Wording("Thresholds of each group's own", "What would thresholds of each group's own buy?", ("mitigated", "mitigation"))


class Mitigation(raikit.Check):
    """What group-specific thresholds (Fairlearn's ThresholdOptimizer) would gain in fairness and lose in accuracy.

    The thresholds are fitted on validation rows and judged on test rows, once for each sensitive feature and constraint. Its
    decisions are partly drawn by lot; they are judged by their expectation, so no number depends on the lot. What is gained is
    the change of the gap between two groups that are fixed on validation rows too, because the change of a largest difference
    has no valid interval; gains and losses are paired on the same test rows.

    Notes
    -----
    The group has to be known when a decision is made, which law may forbid. Sampling weights take part in judging, not in
    fitting: Fairlearn fits without.

    References
    ----------
    .. [1] Hardt, Price and Srebro, "Equality of Opportunity in Supervised Learning", NeurIPS 2016.
    """

    name = "fairness.mitigation"
    pillar = "fairness"
    requires = raikit.Requires(
        columns={"target", "prediction", "sensitive", "score"}, capabilities={"labels", "scores"}, tasks={"binary"},
        splits={"validation"},
    )
    produces: ClassVar[Sequence[str]] = [
        f"fairness.{name}" for name in ("mitigated_difference", "mitigated_accuracy", "mitigation_gain", "mitigation_cost")
    ]

    class Options(GapOptions):
        constraints: tuple[Literal["demographic_parity", "true_positive_rate_parity", "equalized_odds"], ...] = Field(
            ("demographic_parity", "true_positive_rate_parity", "equalized_odds"), min_length=1,
            description="What is to be alike in all groups.")
        objective: Literal["accuracy_score", "balanced_accuracy_score"] = Field(
            "accuracy_score", description="What is made largest under a constraint.")
        grid_size: int = Field(1000, ge=10, le=100_000, description="Values of the constrained rate that are tried.")

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        options = self.options
        settings = options.settings(ctx)
        test = read_rows(ctx, 1, options.max_groups)
        known = read_rows(replace(ctx, predictions=raikit.Predictions(ctx.predictions.path, "validation")), 1, options.max_groups)
        positive = list(ctx.classes).index(ctx.positive)
        work = [(Fit.of(known, test, at, positive, ctx.positive), CRITERIA[name]) for at in range(len(test.features))
                for name in options.constraints]
        trades, metrics, rules = [], [], []
        for number, (fit, criterion) in enumerate(work):
            if fit.reason:
                metrics += _undefined(fit, criterion)
            else:
                one, said = fit.judged(criterion, options, settings, Draws(ctx.seed, fit.feature.columns, options.draws))
                trades.append(one)
                rules += said
            ctx.progress(number + 1, len(work))
        own = {at: _metrics(one, settings) for at, one in enumerate(trades)}
        picture = trade_report.figure(trades, WORDING, settings)
        return raikit.CheckResult(
            metrics=[*(metric for several in own.values() for metric in several), *metrics],
            findings=[*trade_report.findings(trades, WORDING, settings, self.address, own, ctx.cluster), *_impossible(work)],
            tables=[trade_report.table(trades, WORDING, _note(options.objective)), _rules(rules)] if trades else [],
            figures=[picture] if picture else [],
        )


@dataclass(frozen=True)
class Fit:
    """One feature with the groups that thresholds can be fitted for.

    Parameters
    ----------
    known, test : Cells
        Rows of validation and of test.
    learnt : ndarray of int
        Group of each validation row, as `feature` numbers them; -1: of none.
    feature : Feature
        Test rows; -1 where nothing is fitted for their group.
    unfit : dict of str to str
        Other groups of test rows, with the reason.
    reason : str
        Why nothing can be fitted at all; empty if something can.
    """

    known: Cells
    test: Cells
    positive: int
    learnt: IntArray
    feature: Feature
    unfit: dict[str, str]
    reason: str

    @classmethod
    def of(cls, known: Cells, test: Cells, at: int, positive: int, label: object) -> Fit:
        import numpy as np

        feature, there = test.features[at], known.features[at]
        place = {group: number for number, group in enumerate(there.groups)}
        truth = known.truth == positive
        kept, unfit = [], {}
        for number, group in enumerate(feature.groups):
            rows = there.code == place.get(group, -2)
            share = truth[rows].mean() if rows.any() else None
            if share is None:
                unfit[feature.name(number)] = "no validation row is of them"
            elif share in (0.0, 1.0):
                unfit[feature.name(number)] = f"{'every' if share else 'no'} validation row of theirs has target {label}"
            else:
                kept.append(number)
        groups = [feature.groups[number] for number in kept]
        renamed = {place[group]: number for number, group in enumerate(groups)}
        learnt = np.array([renamed.get(code, -1) for code in range(there.k)], dtype=np.int64)[there.code]
        again = np.full(feature.k, -1, dtype=np.int64)
        again[kept] = np.arange(len(kept))
        reason = "" if len(kept) > 1 else (
            f"thresholds can be fitted for fewer than two groups of {feature.title}: " + "; ".join(dict.fromkeys(unfit.values()))
            if feature.k > 1 else f"{feature.title} has one group only")
        return cls(known, test, positive, learnt, replace(feature, groups=groups, code=again[feature.code]), unfit, reason)

    def judged(
        self, criterion: Criterion, options: Mitigation.Options, settings: Settings, draws: Draws
    ) -> tuple[Trade, list[list[object]]]:
        """Fit on validation, decide about test rows, compare."""
        import numpy as np

        from raikit_fairness.estimates import threshold_optimizer as optimizer

        known, rows = self.known, np.flatnonzero(self.learnt >= 0)
        assert known.scores is not None and self.test.scores is not None
        truth = (known.truth == self.positive).astype(np.int64)
        made = optimizer.fitted(known.scores[rows], truth[rows], self.learnt[rows], criterion.name, options.objective,
                                options.grid_size)
        before = (self.test.prediction == self.positive).astype(float)
        here = np.flatnonzero(self.feature.code >= 0)
        after = before.copy()
        after[here] = optimizer.chances(made, self.test.scores[here], self.feature.code[here])
        decided = (known.prediction == self.positive).astype(float)
        pair = furthest(Decided(known, self.positive, decided, decided), replace(self.feature, code=self.learnt), criterion,
                        decided, options.min_group)
        one = trade(Decided(self.test, self.positive, before, after), self.feature, criterion, pair, settings, draws, self.unfit)
        return one, [[self.feature.title, criterion.name, self.feature.name(at), int((self.learnt == at).sum()),
                      optimizer.rule(made, at)] for at in range(self.feature.k)]


def _metrics(one: Trade, settings: Settings) -> list[raikit.Metric]:
    place = {"args": {"constraint": one.criterion.name}, "subject": SUBJECT}
    here = {**place, "over": list(one.feature.columns)}
    return [*gaps_of(one, WORDING.names, settings, SUBJECT), *costs_of(one, WORDING.names, settings, here),
            *costs_by_group(one, WORDING.names, settings, place)]


def _undefined(fit: Fit, criterion: Criterion) -> list[raikit.Metric]:
    names = (("mitigated_difference", "lower"), ("mitigated_accuracy", "higher"), ("mitigation_gain", "higher"),
             ("mitigation_cost", "lower"))
    return [
        raikit.Metric.undefined(name, fit.reason, args={"constraint": criterion.name}, over=list(fit.feature.columns),
                                subject=SUBJECT, direction=direction)
        for name, direction in names
    ]


def _impossible(work: Sequence[tuple[Fit, Criterion]]) -> list[raikit.Finding]:
    reasons = dict.fromkeys(fit.reason for fit, _ in work if fit.reason and "one group only" not in fit.reason)
    return [
        raikit.Finding(sentence=f"What mitigation would buy cannot be told: {reason}.", what=WORDING.title.rstrip("?"),
                       certainty="not measured")
        for reason in reasons
    ]


def _rules(rows: list[list[object]]) -> raikit.Table:
    titles = [("feature", "Over", "text"), ("constraint", "What is to be alike", "text"), ("group", "Group", "text"),
              ("rows", "Validation rows", "integer"), ("rule", "Decided positive if", "text")]
    columns = [raikit.Column.model_validate({"name": name, "title": title, "format": form}) for name, title, form in titles]
    return raikit.Table(id="thresholds_by_group", title="Thresholds that were fitted", columns=columns, rows=rows,
                        note="A percentage is the chance with which that rule is the one that is used.")


def _note(objective: str) -> str:
    return (
        f"Fairlearn's ThresholdOptimizer, objective {objective}: fitted on validation rows, judged on test rows by its expected "
        "decisions. Gap before and after: the largest difference over the groups that thresholds could be fitted for, its interval "
        "simultaneous. Gained and lost: paired on test rows; the two groups, and for equalized odds the rate, are those furthest "
        "apart on validation rows, fixed without looking at test rows. It needs the group of everyone who is decided about."
    )
