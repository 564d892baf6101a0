"""How often the predicted class is right: overall and by class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import raikit
from raikit.arrays import FloatArray
from raikit.format import capitalised, case_noun, class_text
from raikit_performance.averages import AverageEstimate, Measure, estimate_average, metric_of_average
from raikit_performance.errors import two_errors_finding
from raikit_performance.findings import guessing_finding, lowest_recall_finding
from raikit_performance.shares import ShareEstimates, Shares, estimate_shares, metric_of_share

_BY_CLASS = ("precision", "recall", "f1")


class LabelMeasures:
    """What predicted classes say of a model: counted once, measured at every level that is asked for.

    Parameters
    ----------
    cases : Arrays
    """

    def __init__(self, cases: raikit.Arrays) -> None:
        cases = cases.count_alike()
        k, right = len(cases.classes), cases.truth == cases.prediction
        self._cases = cases
        self._overall = estimate_shares(right, np.zeros(len(cases), dtype=np.int64), 1, cases)
        self._by_class = {
            "precision": estimate_shares(right, cases.prediction, k, cases),
            "recall": estimate_shares(right, cases.truth, k, cases),
            "f1": estimate_overlap(cases),
        }
        kinds: tuple[tuple[Measure, bool], ...] = (
            ("recall", False), ("precision", False), ("precision", True), ("f1", False), ("f1", True))
        self._averages = [estimate_average(measure, cases, weighted) for measure, weighted in kinds]

    def at(self, level: float) -> list[raikit.Metric]:
        """Return accuracy first, then averages over classes, then the measures of each class."""
        overall = self._overall.at(level)
        by_class = {name: estimates.at(level) for name, estimates in self._by_class.items()}
        by_class["f1"] = by_class["f1"].transform(f1_of_jaccard, "through F1 = 2 J / (1 + J)")
        return [
            metric_of_share("accuracy", overall, 0, f"there are no {case_noun()}", direction="higher"),
            *(self._average(average, by_class, bool(overall.few_clusters[0])) for average in self._averages),
            metric_of_share("f1", overall, 0, f"there are no {case_noun()}", args={"average": "micro"}, direction="higher"),
            *(metric for at, label in enumerate(self._cases.classes) for metric in _class_metrics(at, label, by_class)),
        ]

    def _average(self, average: AverageEstimate, by_class: dict[str, Shares], few_clusters: bool) -> raikit.Metric:
        """Return balanced accuracy, or a macro or weighted average of precision or F1."""
        named: dict[str, Any] = {"name": "balanced_accuracy"} if average.measure == "recall" else {
            "args": {"average": "weighted" if average.weighted else "macro"}}
        return metric_of_average(
            average, by_class[average.measure], self._cases, few_clusters=few_clusters, direction="higher", **named)


def label_metrics(cases: raikit.Arrays, level: float) -> list[raikit.Metric]:
    """Return accuracy first, then averages over classes, then the measures of each class."""
    return LabelMeasures(cases).at(level)


def _class_metrics(at: int, label: Any, by_class: dict[str, Shares]) -> list[raikit.Metric]:
    args, name = {"class": label}, class_text(label)
    reasons = {
        "precision": f"no {case_noun(1)} is predicted {name}",
        "recall": f"no {case_noun(1)} has target {name}",
        "f1": f"no {case_noun(1)} has target or prediction {name}",
    }
    metrics = [
        metric_of_share(measure, by_class[measure], at, reasons[measure], args=args, direction="higher") for measure in _BY_CLASS
    ]
    support = int(by_class["recall"].n[at])
    return [*metrics, raikit.Metric.exact("support", support, n=support, args=args, unit="rows")]


def estimate_overlap(cases: raikit.Arrays) -> ShareEstimates:
    """Count, for every class, the hits among the cases that are or are called the class (Jaccard's index)."""
    wrong = np.flatnonzero(cases.truth != cases.prediction)
    group = np.concatenate([cases.truth, cases.prediction[wrong]])
    positions = np.concatenate([np.arange(len(cases)), wrong])
    hit = np.concatenate([cases.truth == cases.prediction, np.zeros(len(wrong), dtype=bool)])
    return estimate_shares(hit, group, len(cases.classes), cases, positions)


def f1_of_jaccard(j: FloatArray) -> FloatArray:
    """Return F1 from Jaccard's index, of which it is an increasing function."""
    return 2 * j / (1 + j)


def accuracy_findings(
    metrics: Sequence[raikit.Metric], cases: raikit.Arrays, level: float, address: Callable[[raikit.Metric], str]
) -> list[raikit.Finding]:
    """Say whether predictions beat the most frequent class, and whether some class is recognised less often than others."""
    accuracy = metrics[0]
    if accuracy.value is None:
        return []
    found = [guessing_finding(accuracy, cases, level, address)]
    recalls = [metric for metric in metrics if metric.name == "recall" and metric.value is not None]
    if len(recalls) > 1:
        recall = estimate_shares(cases.truth == cases.prediction, cases.truth, len(cases.classes), cases)
        every = recall.at(level ** (1 / len(recalls)))
        found.append((len(recalls) == 2 and two_errors_finding(recalls, every, cases, address))
                     or lowest_recall_finding(recalls, every, accuracy, cases, address, case_noun()))
    return found


def class_table(metrics: Sequence[raikit.Metric], classes: Sequence[Any]) -> raikit.Table:
    """Return one row per class, the class with the lowest F1 first."""
    by_class: dict[str, dict[str, raikit.Metric]] = {class_text(label): {} for label in classes}
    for metric in metrics:
        if "class" in metric.args and metric.name in (*_BY_CLASS, "support"):
            by_class[class_text(metric.args["class"])][metric.name] = metric
    size = raikit.Column(name="rows", title=capitalised(case_noun()), format="integer")
    columns = [raikit.Column(name="class", title="Class"), size]
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
