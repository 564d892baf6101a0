"""How often the predicted class is right: overall, by class, and by score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import raikit
from raikit_performance.curves import score_metrics
from raikit_performance.rows import Rows, rows_of
from raikit_performance.shares import Shares, metric_of_average, metric_of_share, shares
from raikit_performance.words import ground, percent, span

if TYPE_CHECKING:
    from raikit_performance.rows import FloatArray

_NAMES = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "support", "roc_auc", "average_precision",
          "log_loss", "brier_score")


class Classification(raikit.Check):
    """Accuracy, and precision, recall and F1 of every class.

    Definitions are scikit-learn's, except that a measure with an empty denominator is undefined rather than 0 and
    left out of averages, which then name it. Limits of shares are exact; F1 is an increasing function of the share of
    rows of either kind that are both (Jaccard), so its limits are exact too. Averages over classes take theirs from
    the classes' own (MOVER).
    """

    name = "performance.classification"
    pillar = "performance"
    requires = raikit.Requires(
        columns={"target", "prediction"}, capabilities={"labels"}, tasks={"binary", "multiclass"}
    )
    produces: ClassVar[Sequence[str]] = [f"performance.{name}" for name in _NAMES]

    def run(self, ctx: raikit.CheckContext) -> raikit.CheckResult:
        rows = rows_of(ctx)
        metrics = [*label_metrics(rows), *score_metrics(rows)]
        return raikit.CheckResult(
            metrics=metrics, findings=self._findings(metrics, ctx), tables=[_by_class(metrics, rows)]
        )

    def compare(
        self, candidate: raikit.RunView, baseline: raikit.RunView, margins: raikit.Margins
    ) -> list[raikit.Comparison]:
        """Means over rows on the rows that both runs hold."""
        from raikit_performance.compare import compare

        return compare(candidate, baseline, margins)

    def _findings(self, metrics: list[raikit.Metric], ctx: raikit.CheckContext) -> list[raikit.Finding]:
        accuracy = metrics[0]
        assert accuracy.value is not None
        sentence = (f"{percent(accuracy.value)} of rows are predicted right ({span(accuracy)}; "
                    f"{ground(accuracy, ctx.cluster)}).")
        cited = [accuracy]
        recalls = [metric for metric in metrics if metric.name == "recall" and metric.value is not None]
        if len(recalls) > 1:
            lowest = min(recalls, key=lambda metric: metric.value or 0.0)
            cited.append(lowest)
            sentence += (f" Of rows of class {lowest.args['class']}, {percent(lowest.value or 0.0)} are "
                         f"({span(lowest)}; {ground(lowest, ctx.cluster)}), the least of the classes.")
        return [raikit.Finding(
            sentence=sentence, what="Rows predicted right", who="all rows", certainty=span(accuracy),
            metrics=[self.address(metric) for metric in cited],
        )]


def label_metrics(rows: Rows) -> list[raikit.Metric]:
    """Accuracy first, then measures by class and their averages."""
    import numpy as np

    k, right = len(rows.classes), rows.truth == rows.prediction
    up: dict[str, Any] = {"direction": "higher"}
    everyone = shares(right, np.zeros(rows.n, dtype=np.int64), 1, rows)
    recall, precision = shares(right, rows.truth, k, rows), shares(right, rows.prediction, k, rows)
    f1 = f1_of(rows)
    support = np.bincount(rows.truth, rows.weight, minlength=k)
    flat = np.ones(k)
    gone = {name: _undefined_classes(found, rows) for name, found in (("r", recall), ("p", precision), ("f", f1))}
    metrics = [
        metric_of_share("accuracy", everyone, 0, rows, "no rows", **up),
        metric_of_average("balanced_accuracy", recall, flat, rows, excluded=gone["r"], **up),
    ]
    for name, found, missing in (("precision", precision, gone["p"]), ("f1", f1, gone["f"])):
        for kind, weight in (("macro", flat), ("weighted", support.astype(float))):
            args = {"average": kind}
            metrics.append(metric_of_average(name, found, weight, rows, excluded=missing, args=args, **up))
    metrics.append(metric_of_share("f1", everyone, 0, rows, "no rows", args={"average": "micro"}, **up))
    for at, label in enumerate(rows.classes):
        metrics += _of_class(at, label, rows, (precision, recall, f1))
    return metrics


def _of_class(at: int, label: Any, rows: Rows, found: tuple[Shares, Shares, Shares]) -> list[raikit.Metric]:
    reasons = (f"no row is predicted {label}", f"no row has target {label}", f"no row has target or prediction {label}")
    args = {"class": label}
    metrics = [
        metric_of_share(name, part, at, rows, reason, args=args, direction="higher")
        for name, part, reason in zip(("precision", "recall", "f1"), found, reasons, strict=True)
    ]
    support = int(found[1].n[at])
    return [*metrics, raikit.Metric.exact("support", support, n=support, args=args, unit="rows")]


def f1_of(rows: Rows) -> Shares:
    """F1 of every class: ``2 J / (1 + J)`` with J the share of hits among rows that are or are called the class."""
    import numpy as np

    wrong = np.flatnonzero(rows.truth != rows.prediction)
    group = np.concatenate([rows.truth, rows.prediction[wrong]])
    chosen = np.concatenate([np.arange(rows.n), wrong])
    hit = np.concatenate([rows.truth == rows.prediction, np.zeros(len(wrong), dtype=bool)])
    return shares(hit, group, len(rows.classes), rows, chosen).through(_f1_of_jaccard, "through F1 = 2 J / (1 + J)")


def _f1_of_jaccard(j: FloatArray) -> FloatArray:
    return 2 * j / (1 + j)


def _undefined_classes(found: Shares, rows: Rows) -> list[str]:
    import numpy as np

    return [str(rows.classes[int(at)]) for at in np.flatnonzero(np.isnan(found.value))]


def _by_class(metrics: Sequence[raikit.Metric], rows: Rows) -> raikit.Table:
    """One row per class; the weakest first."""
    by_class: dict[str, dict[str, raikit.Metric]] = {str(label): {} for label in rows.classes}
    for metric in metrics:
        if "class" in metric.args and metric.name in ("precision", "recall", "f1", "support"):
            by_class[str(metric.args["class"])][metric.name] = metric
    columns = [raikit.Column(name="class", title="Class"), raikit.Column(name="rows", title="Rows", format="integer")]
    for name, title in (("precision", "Precision"), ("recall", "Recall"), ("f1", "F1")):
        columns += [raikit.Column(name=name + end, title=title + head, format="percent")
                    for end, head in (("", ""), ("_low", ", low"), ("_high", ", high"))]
    body = []
    for label, found in by_class.items():
        cells: list[Any] = [label, found["support"].n]
        for name in ("precision", "recall", "f1"):
            cells += [found[name].value, found[name].low, found[name].high]
        body.append(cells)
    body.sort(key=lambda cells: (cells[8] is None, cells[8]))
    return raikit.Table(id="by_class", title="Measures by class", columns=columns, rows=body,
                        note="Intervals are of each class by itself.")
