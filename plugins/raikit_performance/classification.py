"""How often the predicted class is right: overall and by class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import raikit
from raikit.arrays import FloatArray
from raikit.format import metric_interval, percent, sample_size
from raikit_performance.averages import Measure, metric_of_average
from raikit_performance.shares import Shares, metric_of_share, shares

_BY_CLASS = ("precision", "recall", "f1")


def label_metrics(cases: raikit.Arrays, level: float) -> list[raikit.Metric]:
    """Return accuracy first, then averages over classes, then the measures of each class."""
    k, right = len(cases.classes), cases.truth == cases.prediction
    overall = shares(right, np.zeros(len(cases), dtype=np.int64), 1, cases, level)
    by_class = {
        "precision": shares(right, cases.prediction, k, cases, level),
        "recall": shares(right, cases.truth, k, cases, level),
        "f1": f1_shares(cases, level),
    }
    return [
        metric_of_share("accuracy", overall, 0, "there are no cases", direction="higher"),
        *_averages(cases, by_class),
        metric_of_share("f1", overall, 0, "there are no cases", args={"average": "micro"}, direction="higher"),
        *(metric for at, label in enumerate(cases.classes) for metric in _class_metrics(at, label, by_class)),
    ]


def _averages(cases: raikit.Arrays, by_class: dict[str, Shares]) -> list[raikit.Metric]:
    """Return balanced accuracy, and macro and weighted averages of precision and F1."""
    measures: tuple[Measure, ...] = ("precision", "f1")
    balanced = metric_of_average(
        "recall", by_class["recall"], cases, weighted=False, name="balanced_accuracy", direction="higher"
    )
    return [balanced, *(
        metric_of_average(measure, by_class[measure], cases, weighted=kind == "weighted", args={"average": kind},
                          direction="higher")
        for measure in measures for kind in ("macro", "weighted")
    )]


def _class_metrics(at: int, label: Any, by_class: dict[str, Shares]) -> list[raikit.Metric]:
    args = {"class": label}
    reasons = {
        "precision": f"no case is predicted {label}",
        "recall": f"no case has target {label}",
        "f1": f"no case has target or prediction {label}",
    }
    metrics = [
        metric_of_share(name, by_class[name], at, reasons[name], args=args, direction="higher") for name in _BY_CLASS
    ]
    support = int(by_class["recall"].n[at])
    return [*metrics, raikit.Metric.exact("support", support, n=support, args=args, unit="rows")]


def f1_shares(cases: raikit.Arrays, level: float) -> Shares:
    """Compute F1 of every class: ``2 J / (1 + J)`` with J the share of hits among cases that are or are called the class."""
    wrong = np.flatnonzero(cases.truth != cases.prediction)
    group = np.concatenate([cases.truth, cases.prediction[wrong]])
    positions = np.concatenate([np.arange(len(cases)), wrong])
    hit = np.concatenate([cases.truth == cases.prediction, np.zeros(len(wrong), dtype=bool)])
    jaccard = shares(hit, group, len(cases.classes), cases, level, positions)
    return jaccard.transform(_f1_of_jaccard, "through F1 = 2 J / (1 + J)")


def _f1_of_jaccard(j: FloatArray) -> FloatArray:
    return 2 * j / (1 + j)


def accuracy_finding(
    metrics: Sequence[raikit.Metric], cluster_names: Sequence[str], address: Callable[[raikit.Metric], str]
) -> raikit.Finding:
    """Say how often predictions are right, and in which class least often."""
    accuracy = metrics[0]
    sentence = f"{percent(accuracy.value or 0.0)} of cases are predicted right ({_evidence(accuracy, cluster_names)})."
    cited = [accuracy]
    recalls = [metric for metric in metrics if metric.name == "recall" and metric.value is not None]
    if len(recalls) > 1:
        lowest = min(recalls, key=lambda metric: metric.value or 0.0)
        cited.append(lowest)
        sentence += (f" Recall is lowest in class {lowest.args['class']}: {percent(lowest.value or 0.0)} "
                     f"({_evidence(lowest, cluster_names)}).")
    return raikit.Finding(
        sentence=sentence, what="Cases predicted right", who="all cases", certainty=metric_interval(accuracy),
        metrics=[address(metric) for metric in cited],
    )


def _evidence(metric: raikit.Metric, cluster_names: Sequence[str]) -> str:
    return f"{metric_interval(metric)}; {sample_size(metric.n, metric.n_clusters, cluster_names)}"


def class_table(metrics: Sequence[raikit.Metric], classes: Sequence[Any]) -> raikit.Table:
    """Return one row per class, the class with the lowest F1 first."""
    by_class: dict[str, dict[str, raikit.Metric]] = {str(label): {} for label in classes}
    for metric in metrics:
        if "class" in metric.args and metric.name in (*_BY_CLASS, "support"):
            by_class[str(metric.args["class"])][metric.name] = metric
    columns = [raikit.Column(name="class", title="Class"), raikit.Column(name="rows", title="Cases", format="integer")]
    for name, title in zip(_BY_CLASS, ("Precision", "Recall", "F1"), strict=True):
        columns += [raikit.Column(name=name + end, title=title + head, format="percent")
                    for end, head in (("", ""), ("_low", ", low"), ("_high", ", high"))]
    body = []
    for label, measures in by_class.items():
        cells: list[Any] = [label, measures["support"].n]
        for name in _BY_CLASS:
            cells += [measures[name].value, measures[name].low, measures[name].high]
        body.append(cells)
    body.sort(key=lambda cells: (cells[8] is None, cells[8]))
    return raikit.Table(id="by_class", title="Measures by class", columns=columns, rows=body,
                        note="Intervals hold for each class by itself.")
