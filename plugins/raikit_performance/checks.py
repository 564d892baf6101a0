"""The checks of the pillar "performance": what they require, produce and compose. Estimation is imported when they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

import raikit
from raikit_performance import names

if TYPE_CHECKING:
    import pandas as pd

    from raikit_performance.detection import Detections

_AVERAGES = ("micro", "macro", "weighted")
_NO_ENTITIES = "The tags mark no entities: none begins with B- or I-. Each token is measured by itself."


class Classification(raikit.Check):
    """Accuracy, and precision, recall and F1 of every class.

    Definitions are scikit-learn's, except that a measure with an empty denominator is undefined rather than 0 and
    left out of averages, which then name it; their interval allows for any value of that class. Limits of shares are
    exact; F1 is an increasing function of the share of cases of either kind that are both (Jaccard), so its limits are
    exact too. Plain averages over classes keep the outer ends of two intervals: MOVER over the classes' limits, and exact
    limits at the average's effective size. Weighted averages count the class shares as estimated.
    """

    name = "performance.classification"
    pillar = "performance"
    requires = raikit.Requires(columns={"target", "prediction"}, capabilities={"labels"}, tasks={"binary", "multiclass"})
    produces: ClassVar[Sequence[str]] = (
        "performance.accuracy", "performance.balanced_accuracy", "performance.precision(average=macro)",
        "performance.precision(average=weighted)", "performance.precision(class=*)", "performance.recall(class=*)",
        "performance.f1(average=macro)", "performance.f1(average=micro)", "performance.f1(average=weighted)",
        "performance.f1(class=*)", "performance.support(class=*)", "performance.roc_auc", "performance.average_precision",
        "performance.log_loss", "performance.brier_score",
    )
    aliases: ClassVar[Mapping[str, str]] = names.CLASSIFICATION

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Measure decisions, and scores where there are any."""
        from raikit_performance import classification, scores
        from raikit_performance.influences import add_ingredients
        from raikit_performance.mistakes import mistakes_table

        cases = ctx.arrays(counted=True)
        metrics = [
            metric
            for measure in (classification.LabelMeasures(cases).at, partial(scores.score_metrics, cases))
            for metric in ctx.levels.measure_all(measure(ctx.confidence), measure)
        ]
        add_ingredients(metrics, cases)
        return raikit.CheckResult(
            metrics=metrics,
            findings=classification.accuracy_findings(metrics, cases, ctx.confidence, self.address),
            tables=[classification.class_table(metrics, cases.classes), *mistakes_table(ctx)],
        )

    def compare(
        self, candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins
    ) -> list[raikit.Comparison]:
        """Compare means over cases, paired where both runs hold the same cases."""
        from raikit_performance.compare import compare

        return compare(candidate, baseline, margins)


class ConfusionMatrix(raikit.Check):
    """Which class is predicted for cases of another one, as a share of the cases that truly are of a class."""

    name = "performance.confusion_matrix"
    pillar = "performance"
    requires = raikit.Requires(columns={"target", "prediction"}, capabilities={"labels"}, tasks={"binary", "multiclass"})
    produces: ClassVar[Sequence[str]] = ("performance.confusion_matrix",)

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Count predictions by true class and measure the share of each confusion."""
        from raikit_performance import confusion
        from raikit_performance.shares import Shares

        cases = ctx.arrays(counted=True).count_alike()
        counts = confusion.confusion_counts(cases)
        estimates = confusion.prediction_shares(cases, counts)

        def shares_at(level: float) -> dict[int, Shares]:
            return {at: estimate.at(level) for at, estimate in estimates.items()}

        shares = shares_at(ctx.confidence)
        metrics = ctx.levels.measure_all(
            confusion.confusion_metrics(counts, shares, cases.classes),
            lambda level: confusion.confusion_metrics(counts, shares_at(level), cases.classes),
        )
        figure = confusion.heat_map(counts, shares, cases.classes)
        finding = confusion.worst_confusion_finding(metrics, cases, ctx.confidence, figure, self.address)
        return raikit.CheckResult(
            metrics=metrics,
            findings=[finding] if finding else [],
            figures=[figure] if figure else [],
            tables=[confusion.confusion_table(counts, cases.classes)],
        )


class Calibration(raikit.Check):
    """Reliability curve and expected calibration error.

    Binary: the score of the positive class against how often it is true. Multiclass: the largest score against how
    often that class is true (confidence calibration). Bins hold equally many cases. The plain error is above 0 even for
    a calibrated model, because it adds up absolute deviations; its lower end takes that away, and `method` says how
    much a calibrated model would show.
    """

    name = "performance.calibration"
    pillar = "performance"
    requires = raikit.Requires(columns={"target", "score"}, capabilities={"scores"}, tasks={"binary", "multiclass"})
    produces: ClassVar[Sequence[str]] = ("performance.expected_calibration_error",)
    aliases: ClassVar[Mapping[str, str]] = names.CALIBRATION

    class Options(raikit.CheckOptions):
        """Options of ``performance.calibration``."""

        bins: int = Field(10, ge=2, le=100, description="Bins of the reliability curve, equally many cases in each.")

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Measure how far mean scores are from how often they come true."""
        from raikit_performance import calibration

        cases = ctx.arrays()
        if cases.scores is None:
            raise ValueError("Calibration needs a probability for every class, and a column of scores is absent.")
        curve = calibration.reliability_curve(cases, self.options.bins, ctx.confidence)
        error = ctx.levels.measure_all(
            [calibration.calibration_error(curve, cases, ctx.confidence, ctx.rng)],
            lambda level: [calibration.calibration_error(curve, cases, level, ctx.rng)],
        )[0]
        return raikit.CheckResult(
            metrics=[error],
            findings=[calibration.calibration_finding(error, curve, ctx.classes, self.address)],
            tables=[calibration.reliability_table(curve)],
            figures=[calibration.reliability_figure(curve, error, ctx.classes)],
        )


def _produced(kind: str) -> list[str]:
    averages = [f"performance.{kind}_{name}(average={of})" for name in ("precision", "recall", "f1") for of in _AVERAGES]
    return [*averages, *(f"performance.{kind}_{name}(class=*)" for name in ("precision", "recall", "f1", "support"))]


class Entities(raikit.Check):
    """Precision, recall and F1 of named entities, as seqeval defines them: overall and by type.

    An entity is found if its first token, its last token and its type are. A measure with an empty denominator is undefined, where
    seqeval says 0, and is left out of averages, which then name it. Texts are clusters, because what is found in one text is not
    independent. Limits are those of `Classification`.

    References
    ----------
    .. [1] Nakayama, "seqeval: A Python framework for sequence labeling evaluation", 2018.
    .. [2] Tjong Kim Sang and De Meulder, "Introduction to the CoNLL-2003 Shared Task", 2003.
    """

    name = "performance.entities"
    pillar = "performance"
    requires = raikit.Requires(
        columns={"target", "prediction", "target.token"}, capabilities={"labels"}, tasks={"multiclass"}
    )
    produces: ClassVar[Sequence[str]] = _produced("entity")

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Find the entities of truth and prediction, and measure how many are right."""
        from raikit.data.entities import NO_ENTITY, entity_cases, has_entities
        from raikit_performance import detection

        if not has_entities(ctx.classes):
            return raikit.CheckResult(findings=[raikit.Finding(
                kind="method", headline="The tags mark no entities", sentence=_NO_ENTITIES, what="entities")])
        frame, types = entity_cases(_frame(ctx, "target.token"))
        kind = detection.Kind("entity", "entity", "entities", "seqeval")
        return _found(self, ctx, detection.detections(frame, types, NO_ENTITY, ctx, kind))

    def compare(
        self, candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins
    ) -> list[raikit.Comparison]:
        """Compare the entities of both runs, paired where they hold the same texts."""
        from raikit_performance.compare import compare
        from raikit_performance.parts import entity_sides

        return compare(candidate, baseline, margins, entity_sides)


class Labels(raikit.Check):
    """Precision, recall and F1 of each label, where a case may have several: by label, and averaged as scikit-learn does.

    A measure with an empty denominator is undefined, where scikit-learn says 0, and is left out of averages, which then name it.
    Cases are clusters: the labels of one case are not independent. Limits are those of `Classification`.
    """

    name = "performance.labels"
    pillar = "performance"
    requires = raikit.Requires(columns={"target", "prediction", "target.label"}, capabilities={"labels"}, tasks={"binary"})
    produces: ClassVar[Sequence[str]] = _produced("label")

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Measure which labels are given and which are missed."""
        from raikit_performance import detection
        from raikit_performance.parts import NO_LABEL, label_frame

        frame, names = label_frame(_frame(ctx, "target.label"), ctx.positive)
        frame = frame[(frame[["target", "prediction"]] != NO_LABEL).any(axis=1)].reset_index(drop=True)
        kind = detection.Kind("label", "label", "labels", "scikit-learn")
        return _found(self, ctx, detection.detections(frame, names, NO_LABEL, ctx, kind))

    def compare(
        self, candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins
    ) -> list[raikit.Comparison]:
        """Compare the labels of both runs, paired where they hold the same cases."""
        from raikit_performance.compare import compare
        from raikit_performance.parts import label_sides

        return compare(candidate, baseline, margins, label_sides)


class Answers(raikit.Check):
    """Accuracy by agreeing annotators, as the VQA challenge defines it.

    An answer that k annotators gave counts min(k / 3, 1), averaged over all ways to leave one annotator out. Answers are compared
    as they are written. Cases that share clusters are not taken to be independent; the interval allows for an error that was not
    seen.

    References
    ----------
    .. [1] Antol et al., "VQA: Visual Question Answering", ICCV 2015.
    """

    name = "performance.answers"
    pillar = "performance"
    requires = raikit.Requires(
        columns={"target", "prediction", "target.answers"}, capabilities={"labels"}, tasks={"multiclass"}
    )
    produces: ClassVar[Sequence[str]] = ("performance.vqa_accuracy",)

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Measure how far the annotators agree with the answers."""
        from raikit_performance import answers
        from raikit_performance.influences import add_ingredients

        cases = ctx.arrays()
        frame = ctx.predictions.frame(["prediction", "target.answers"])
        accuracy = answers.agreement(frame["prediction"].tolist(), frame["target.answers"].tolist())
        metrics = ctx.levels.measure_all(
            [answers.accuracy_metric(accuracy, cases, ctx.confidence)],
            lambda level: [answers.accuracy_metric(accuracy, cases, level)],
        )
        add_ingredients(metrics, answers.as_numbers(accuracy, cases))
        return raikit.CheckResult(
            metrics=metrics, findings=[answers.agreement_finding(metrics[0], cases, self.address)]
        )

    def compare(
        self, candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins
    ) -> list[raikit.Comparison]:
        """Compare the accuracies of both runs' answers, paired where they hold the same cases."""
        from raikit_performance.compare import compare
        from raikit_performance.parts import answer_sides

        return compare(candidate, baseline, margins, answer_sides)


def _frame(ctx: raikit.CheckContext, part: str) -> pd.DataFrame:
    """Return truth and prediction with the part that each case is of its text or case, clusters and weights."""
    weight = [ctx.weight] if ctx.weight else []
    return ctx.predictions.frame(["target", "prediction", part, *ctx.cluster, *weight])


def _found(check: raikit.Check, ctx: raikit.CheckContext, measures: Detections) -> raikit.CheckResult:
    from raikit_performance.influences import add_ingredients

    metrics = ctx.levels.measure_all(measures.at(ctx.confidence), measures.at)
    add_ingredients(metrics, measures.cases)
    findings = measures.findings(metrics, ctx.confidence, check.address)
    return raikit.CheckResult(metrics=metrics, findings=findings, tables=[measures.table(metrics)])


class Regression(raikit.Check):
    """Errors of numeric predictions: absolute, squared, signed (prediction minus truth), and the variance explained.

    Intervals allow for an error larger than any that was seen. Where the tails of the errors are too heavy for that, the end
    on which a pass is decided has the flag ``open_high`` (``open_low`` for R²): that errors are surely above a limit can be
    shown, that they are surely below cannot. With fewer than 1,000 effective clusters, RMSE and both ends of R² have these flags.
    """

    name = "performance.regression"
    pillar = "performance"
    requires = raikit.Requires(columns={"target", "prediction"}, tasks={"regression"})
    produces: ClassVar[Sequence[str]] = (
        "performance.mean_absolute_error", "performance.root_mean_squared_error", "performance.r2",
        "performance.mean_signed_error",
    )
    aliases: ClassVar[Mapping[str, str]] = names.REGRESSION

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        """Measure the errors."""
        from raikit_performance import regression
        from raikit_performance.influences import add_ingredients
        from raikit_performance.mistakes import mistakes_table

        cases = ctx.arrays()
        metrics = ctx.levels.measure_all(
            regression.error_metrics(cases, ctx.confidence), lambda level: regression.error_metrics(cases, level)
        )
        add_ingredients(metrics, cases)
        return raikit.CheckResult(
            metrics=metrics, findings=regression.error_findings(metrics, cases.cluster_names, self.address),
            tables=mistakes_table(ctx),
        )

    def compare(
        self, candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins
    ) -> list[raikit.Comparison]:
        """Compare means over cases, paired where both runs hold the same cases."""
        from raikit_performance.compare import compare

        return compare(candidate, baseline, margins)
