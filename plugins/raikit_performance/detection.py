"""Precision, recall and F1 of what is found or missed: entities of texts, labels of cases that may have several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import raikit
from raikit.arrays import IntArray, arrays_from_frame
from raikit.format import capitalised, class_text, count, counted, sample_size
from raikit_performance.averages import estimate_average, metric_of_average
from raikit_performance.classification import f1_of_jaccard
from raikit_performance.findings import lowest_recall_finding, numbers
from raikit_performance.shares import ShareEstimates, Shares, estimate_shares, metric_of_share

_MEASURES = ("precision", "recall", "f1")


@dataclass(frozen=True)
class Kind:
    """What is found: its name in metrics and in sentences.

    Parameters
    ----------
    prefix : str
        Of the metrics: ``entity``.
    noun, nouns : str
    library : str
        Whose definitions these are; it gives 0 where a denominator is empty.
    """

    prefix: str
    noun: str
    nouns: str
    library: str

    def name(self, measure: str) -> str:
        """Return the name of a metric."""
        return f"{self.prefix}_{measure}"


class Detections:
    """Things that the truth or the prediction holds, counted once and measured at every level that is asked for.

    Parameters
    ----------
    cases : Arrays
        Its last class stands for nothing: a thing that is not there, or was not found. Truth or prediction is another class.
    kind : Kind
    """

    def __init__(self, cases: raikit.Arrays, kind: Kind) -> None:
        self.cases, self.kind = cases, kind
        self.k = len(cases.classes) - 1
        self._by_class = self._measures(self.k)
        self._micro = self._measures(1)
        self._averages = [
            estimate_average(measure, cases, weighted, self.k)
            for measure in ("precision", "recall", "f1") for weighted in (False, True)
        ]

    def _measures(self, k: int) -> dict[str, ShareEstimates]:
        """Estimate the measures of each class, or with k = 1 of all classes together."""
        cases, right = self.cases, self.cases.truth == self.cases.prediction
        truth, prediction = (self._groups(codes, k) for codes in (cases.truth, cases.prediction))
        wrong = np.flatnonzero(~right)  # of F1's denominator: what is there or found; both if it is taken for another class
        group = np.concatenate([truth, prediction[wrong]])
        positions = np.concatenate([np.arange(len(cases)), wrong])
        hit = np.concatenate([right, np.zeros(len(wrong), dtype=bool)])
        return {
            "precision": estimate_shares(right, prediction, k, cases),
            "recall": estimate_shares(right, truth, k, cases),
            "f1": estimate_shares(hit[group >= 0], group[group >= 0], k, cases, positions[group >= 0]),
        }

    def _groups(self, codes: IntArray, k: int) -> IntArray:
        return np.where(codes == self.k, -1, codes if k > 1 or self.k == 1 else 0)

    def at(self, level: float) -> list[raikit.Metric]:
        """Return micro, macro and weighted averages, then the measures of each class."""
        by_class, micro = (
            {name: _at(name, estimates, level) for name, estimates in measures.items()}
            for measures in (self._by_class, self._micro)
        )
        few = bool(micro["f1"].few_clusters[0])
        averages = [
            metric_of_average(
                average, by_class[average.measure], self.cases, few_clusters=few, name=self.kind.name(average.measure),
                args={"average": "weighted" if average.weighted else "macro"}, direction="higher",
            )
            for average in self._averages
        ]
        metrics = [
            *(self._metric(name, micro[name], 0, {"average": "micro"}) for name in _MEASURES),
            *averages,
            *(metric for at in range(self.k) for metric in self._of_class(at, by_class)),
        ]
        return [metric.model_copy(update={"counts": self.kind.noun}) for metric in metrics]

    def _of_class(self, at: int, by_class: dict[str, Shares]) -> list[raikit.Metric]:
        args = {"class": self.cases.classes[at]}
        support = int(by_class["recall"].n[at])
        measures = [self._metric(name, by_class[name], at, args) for name in _MEASURES]
        return [*measures, raikit.Metric.exact(self.kind.name("support"), support, n=support, args=args, unit="rows")]

    def _metric(self, name: str, shares: Shares, at: int, args: dict[str, Any]) -> raikit.Metric:
        missing = {"precision": "is predicted", "recall": "is in the truth", "f1": "is in the truth or predicted"}[name]
        which = f" {class_text(args['class'])}" if "class" in args else ""
        reason = f"no {self.kind.noun}{which} {missing}"
        return metric_of_share(self.kind.name(name), shares, at, reason, args=args, direction="higher")

    def findings(
        self, metrics: Sequence[raikit.Metric], level: float, address: Callable[[raikit.Metric], str]
    ) -> list[raikit.Finding]:
        """Say whether more is missed or invented, and whether some class is found less often than others."""
        precision, recall, f1 = metrics[:3]
        if f1.value is None:
            return [raikit.Finding(kind="undecided", headline=f"No {self.kind.noun} is in the truth or predicted",
                                   what=f"{self.kind.nouns} found", metrics=[address(f1)])]
        found = [self._overall(precision, recall, f1, address)]
        recalls = [metric for metric in metrics if metric.name == self.kind.name("recall") and "class" in metric.args]
        if recall.value is not None and len(known := [metric for metric in recalls if metric.value is not None]) > 1:
            every = self._by_class["recall"].at(level ** (1 / len(known)))
            found.append(lowest_recall_finding(known, every, recall, self.cases, address, self.kind.nouns))
        return found

    def _overall(
        self, precision: raikit.Metric, recall: raikit.Metric, f1: raikit.Metric, address: Callable[[raikit.Metric], str]
    ) -> raikit.Finding:
        nouns, kind = self.kind.nouns, "worth_knowing"
        if (precision.low or 0.0) > (recall.high or 1.0):
            said = f"The model misses {nouns} more often than it invents them"
        elif (recall.low or 0.0) > (precision.high or 1.0):
            said = f"The model invents {nouns} more often than it misses them"
        else:
            said, kind = f"Whether the model misses or invents more {nouns} cannot be decided", "undecided"
        clusters = sample_size(None, f1.n_clusters, self.cases.cluster_names)
        # Not the n of F1, which counts what is taken for another class twice.
        size = f"{counted(recall.n or 0, self.kind.noun, nouns)} in the truth, {count(precision.n or 0)} predicted"
        parts = [numbers(name, metric) for name, metric in (("F1", f1), ("precision", precision), ("recall", recall))
                 if metric.value is not None]
        facts = [("Sample", ", ".join(part for part in (size, clusters) if part)), ("Method", str(f1.method))]
        return raikit.Finding(
            kind=kind, headline=said, evidence="; ".join(parts), facts=facts, what=f"{nouns} found", who=f"all {nouns}",
            metrics=[address(metric) for metric in (f1, precision, recall)],
        )

    def table(self, metrics: Sequence[raikit.Metric]) -> raikit.Table:
        """Return one row for each class and average, as seqeval and scikit-learn print them, with intervals."""
        of: dict[tuple[str, str], raikit.Metric] = {}
        rows: dict[str, int | None] = {}
        for metric in metrics:
            name = class_text(metric.args["class"]) if "class" in metric.args else f"{metric.args['average']} average"
            of[name, metric.name.removeprefix(f"{self.kind.prefix}_")] = metric
            rows.setdefault(name, None)
        order = sorted(rows, key=lambda name: name.endswith(" average"))  # classes first, as they are read
        total = int(self._by_class["recall"].n.sum())
        body: list[list[Any]] = []
        for name in order:
            support = of.get((name, "support"))
            cells: list[Any] = [name, total if support is None else support.n]
            for measure in _MEASURES:
                cells += [of[name, measure].value, of[name, measure].low, of[name, measure].high]
            body.append(cells)
        columns = [raikit.Column(name="class", title=capitalised(self.kind.noun)),
                   raikit.Column(name="support", title="In the truth", format="integer")]
        for measure in _MEASURES:
            title = "F1" if measure == "f1" else measure.capitalize()
            columns += [raikit.Column(name=measure + end, title=title + head, format="percent")
                        for end, head in (("", ""), ("_low", ", low"), ("_high", ", high"))]
        return raikit.Table(id=self.kind.nouns, title=f"{capitalised(self.kind.nouns)} found", columns=columns, rows=body,
                            note=f"Intervals hold for each row by itself.{self._about_empty(metrics)}")

    def _about_empty(self, metrics: Sequence[raikit.Metric]) -> str:
        """Say what stands for a measure without a denominator, if there is one."""
        if all(metric.value is not None for metric in metrics):
            return ""
        return (f" A measure whose denominator is 0 is undefined and left out of averages; {self.kind.library} counts it as 0, "
                "which makes averages lower.")


def _at(name: str, estimates: ShareEstimates, level: float) -> Shares:
    shares = estimates.at(level)
    return shares.transform(f1_of_jaccard, "through F1 = 2 J / (1 + J)") if name == "f1" else shares


def detections(frame: pd.DataFrame, classes: Sequence[str], nothing: str, ctx: raikit.CheckContext, kind: Kind) -> Detections:
    """Return the things of a frame with the columns of predictions.parquet; `nothing` is what stands where there is none."""
    arrays = arrays_from_frame(frame, "multiclass", [*classes, nothing], cluster=ctx.cluster, weight=ctx.weight)
    return Detections(arrays, kind)
