"""Which classes are confused with which."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import raikit
from raikit.arrays import IntArray
from raikit.format import capitalised, case_noun, class_text, headline, percent, sample_size
from raikit_performance.findings import numbers, quoted
from raikit_performance.shares import ShareEstimates, Shares, estimate_shares, metric_of_share, simultaneous

_MOST_CLASSES = 20  # beyond this a matrix cannot be drawn or read; the largest confusions are listed
_MOST_CELLS = 200
_OFTEN = 0.05  # of the cases of a class; a confusion that is surely more frequent is worth knowing


def confusion_counts(cases: raikit.Arrays) -> IntArray:
    """Count cases by true class (rows) and predicted class (columns), shape (k, k), unweighted."""
    k = len(cases.classes)
    counts = np.bincount(cases.truth * k + cases.prediction, cases.counts, minlength=k * k)
    return counts.astype(np.int64).reshape(k, k)


def prediction_shares(cases: raikit.Arrays, counts: IntArray) -> dict[int, ShareEstimates]:
    """Count, for each class that is ever predicted, how often it is predicted for cases of each true class."""
    k = len(cases.classes)
    return {at: estimate_shares(cases.prediction == at, cases.truth, k, cases) for at in range(k) if counts[:, at].any()}


def confusion_metrics(counts: IntArray, predicted: Mapping[int, Shares], classes: Sequence[Any]) -> list[raikit.Metric]:
    """Return the cells off the diagonal, only the most frequent ones if there are many; the diagonal is the recall."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    small = len(classes) <= _MOST_CLASSES
    order = np.argsort(-wrong, axis=None, kind="stable")[: None if small else _MOST_CELLS]
    metrics = []
    for truth, prediction in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if truth == prediction or not counts[truth].any() or prediction not in predicted:
            continue
        args = {"predicted": classes[prediction], "target": classes[truth]}
        title = f"class {class_text(classes[truth])} predicted as {class_text(classes[prediction])}"
        metrics.append(metric_of_share("confusion_matrix", predicted[prediction], int(truth), "", args=args, title=title,
                                       direction="lower"))
    return metrics


def worst_confusion_finding(
    metrics: Sequence[raikit.Metric], cases: raikit.Arrays, level: float, figure: raikit.Figure | None,
    address: Callable[[raikit.Metric], str],
) -> raikit.Finding | None:
    """Name the most frequent confusion; None if no case is predicted wrong.

    It is chosen because it is frequent in this sample, so its interval holds for all confusions at once.
    """
    confused = [metric for metric in metrics if metric.value]
    if not confused:
        return None
    chosen = max(confused, key=lambda metric: metric.low or 0.0)
    truth, predicted = (cases.classes.index(chosen.args[role]) for role in ("target", "predicted"))
    k, number = len(cases.classes), len(np.unique(cases.truth)) * (len(cases.classes) - 1)
    of_prediction = estimate_shares(cases.prediction == predicted, cases.truth, k, cases)
    worst = simultaneous(chosen, of_prediction.at(level ** (1 / number)), truth)
    names = [quoted(label) for label in cases.classes]
    # With two classes this is one minus a recall, which the classification check tells.
    telling = k > 2 and (worst.low or 0.0) > _OFTEN
    size = sample_size(worst.n, worst.n_clusters, cases.cluster_names)
    return raikit.Finding(
        kind="worth_knowing" if telling else "method",
        headline=headline(f"{capitalised(case_noun())} of class {names[truth]} are most often mistaken for {names[predicted]}",
                          f"{names[truth]} is most often mistaken for {names[predicted]}", "One class is most often mistaken"),
        evidence=f"{numbers(f'Predicted {names[predicted]}', worst)}; {size} of class {names[truth]}",
        facts=[("Many pairs", "The interval holds for all pairs of classes at once, because the most frequent was picked."),
               ("Method", str(worst.method))],
        what="confusion of classes", who=f"class {class_text(chosen.args['target'])}",
        metrics=[address(worst)], figures=[figure.id] if figure else [],
        value=worst.value, low=worst.low, high=worst.high,
    )


def confusion_table(counts: IntArray, classes: Sequence[Any]) -> raikit.Table:
    """Return the cells of the matrix as rows, the most frequent confusions first."""
    truth, predicted = np.nonzero(counts)
    order = np.argsort(-counts[truth, predicted] + counts.sum() * (truth == predicted), kind="stable")[:_MOST_CELLS]
    body: list[list[Any]] = [
        [class_text(classes[t]), class_text(classes[p]), int(counts[t, p]), float(counts[t, p] / counts[t].sum())]
        for t, p in zip(truth[order], predicted[order], strict=True)
    ]
    columns = [
        raikit.Column(name="target", title="Truth"), raikit.Column(name="predicted", title="Predicted"),
        raikit.Column(name="rows", title=capitalised(case_noun()), format="integer"),
        raikit.Column(name="share", title=f"Share of {case_noun()} of that true class (unweighted)", format="percent"),
    ]
    return raikit.Table(id="confusion_matrix", title="True and predicted class, confusions first", columns=columns,
                        rows=body)


def heat_map(counts: IntArray, predicted: Mapping[int, Shares], classes: Sequence[Any]) -> raikit.Figure | None:
    """Draw the matrix in percent of each true class; None if there are too many classes to read it."""
    if len(classes) > _MOST_CLASSES:
        return None
    names = [class_text(label) for label in classes]
    data: list[dict[str, Any]] = []
    for t, p in np.ndindex(*counts.shape):
        if not counts[t].any():
            continue
        share = float(predicted[p].value[t]) if p in predicted else 0.0
        data.append({"truth": names[t], "predicted": names[p], "rows": int(counts[t, p]), "share": share,
                     "number": f"{share * 100:.0f}", "right": bool(t == p)})
    return raikit.Figure(
        id="confusion_matrix", title="Confusion matrix", subtitle=f"Percent of the {case_noun()} of each true class",
        alt=_description(data), spec=_heat_map_spec(names), data=data,
    )


def _description(cells: Sequence[Mapping[str, Any]]) -> str:
    confusions = [cell for cell in cells if not cell["right"] and cell["rows"]]
    worst = max(confusions, key=lambda cell: cell["share"], default=None)
    return f"Confusion matrix in percent of the {case_noun()} of each true class. " + (
        f"The most frequent confusion is {worst['truth']} predicted as {worst['predicted']}, {percent(worst['share'])}."
        if worst else f"No {case_noun(1)} is predicted as another class.")


def _heat_map_spec(names: Sequence[str]) -> dict[str, Any]:
    return {
        "height": {"step": 30},
        "encoding": {
            "x": {"field": "predicted", "type": "nominal", "sort": names, "title": "predicted",
                  "axis": {"orient": "top", "labelAngle": 0 if len(names) < 5 else -60}},
            "y": {"field": "truth", "type": "nominal", "sort": names, "title": "truth"},
        },
        "layer": [
            {"mark": {"type": "rect", "stroke": "var(--paper)", "strokeWidth": 2},
             "encoding": {"color": {"field": "share", "type": "quantitative", "legend": None,
                                    "scale": {"type": "threshold", "domain": [0.05, 0.2, 0.4, 0.6],
                                              "range": [f"var(--q{step})" for step in range(1, 6)]}}}},
            {"mark": {"type": "text"},
             "encoding": {"text": {"field": "number", "type": "nominal"},
                          "color": {"condition": {"test": "datum.share >= 0.4", "value": "var(--paper)"},
                                    "value": "var(--ink)"}}},
        ],
    }
