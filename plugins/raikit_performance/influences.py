"""The influence of each case on every metric: what comparisons of two runs, and the ingredients in the record, are made of.

An influence is the case's weight times the derivative of the value by that weight; influences sum to 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import raikit
from raikit import stats
from raikit.arrays import FloatArray
from raikit_performance.averages import Measure, confusion_average, entry_weights

_TINY = np.finfo(float).eps


@dataclass(frozen=True)
class Influence:
    """Value of a metric with the influence of each entry on it.

    Parameters
    ----------
    value : float
    of_entry : ndarray, shape (n,)
    proportion : bool
        Whether the value lies between 0 and 1 and hides its variance at either end.
    largest : float
        Largest influence that one more case could have.
    table : ndarray, shape (k, k), or None
        Of labels: the derivative by the weight of each (truth, prediction).
    """

    value: float
    of_entry: FloatArray
    proportion: bool
    largest: float
    table: FloatArray | None = None


def influence_of(metric: raikit.Metric, cases: raikit.Arrays) -> Influence | None:
    """Return the influences on a metric of this pillar; None for other metrics, and where it is undefined."""
    if metric.name in _LABEL_TABLES and len(cases.classes):
        return _of_labels(_LABEL_TABLES[metric.name], metric.args, cases)
    found = _OF_SCORES.get(metric.name) if cases.scores is not None else _OF_NUMBERS.get(metric.name)
    if found is None or (metric.name in _OF_NUMBERS and len(cases.classes)):
        return None
    pair = found(cases, metric.args)
    if pair is None:
        return None
    value, influence = pair
    if metric.name in _SHARES:  # cases that all agree hide the one that is farthest from them
        w = entry_weights(cases)
        return Influence(value, influence, True, max(value, 1 - value) * float(w @ w / w.sum() ** 2))
    return Influence(value, influence, metric.name in _AREAS, float(np.abs(influence).max(initial=0.0)))


# --- of predicted labels ----------------------------------------------------------------------------------------

_Table = tuple[float, FloatArray]  # a value, and its derivative by the weight of each (truth, prediction)


def _of_labels(table: Callable[[FloatArray, Mapping[str, Any], list[Any]], _Table | None], args: Mapping[str, Any],
               cases: raikit.Arrays) -> Influence | None:
    k, w = len(cases.classes), entry_weights(cases)
    cell = cases.truth * k + cases.prediction
    found = table(np.bincount(cell, w, minlength=k * k).reshape(k, k).astype(float), args, cases.classes)
    if found is None:
        return None
    value, derivative = found
    largest = float(np.abs(derivative).max()) * (float(w @ w / w.sum()) if cases.counts is None else 1.0)
    return Influence(value, w * derivative.reshape(-1)[cell], True, largest, derivative)


def _accuracy(C: FloatArray, args: Mapping[str, Any], classes: list[Any]) -> _Table | None:
    if not C.sum() > 0:
        return None
    value = float(np.trace(C) / C.sum())
    return value, (np.eye(len(C)) - value) / C.sum()


def _recalls(C: FloatArray) -> list[_Table | None]:
    found: list[_Table | None] = []
    for c, total in enumerate(C.sum(axis=1)):
        derivative = np.zeros_like(C)
        if total > 0:
            derivative[c] = ((np.arange(len(C)) == c) - C[c, c] / total) / total
        found.append((float(C[c, c] / total), derivative) if total > 0 else None)
    return found


def _precisions(C: FloatArray) -> list[_Table | None]:
    return [None if each is None else (each[0], each[1].T) for each in _recalls(C.T)]


def _f1s(C: FloatArray) -> list[_Table | None]:
    found: list[_Table | None] = []
    for c in range(len(C)):
        total = float(C[c].sum() + C[:, c].sum())
        if not total > 0:
            found.append(None)
            continue
        value, derivative = 2 * float(C[c, c]) / total, np.zeros_like(C)
        derivative[c] -= value
        derivative[:, c] -= value
        derivative[c, c] += 2
        found.append((value, derivative / total))
    return found


def _by_class(measure: Measure, parts: Callable[[FloatArray], list[_Table | None]]) -> Callable[..., _Table | None]:
    """Return the table of one class or of an average, as `args` say."""

    def table(C: FloatArray, args: Mapping[str, Any], classes: list[Any]) -> _Table | None:
        if "class" in args:
            at = [position for position, label in enumerate(classes) if str(label) == str(args["class"])]
            return parts(C)[at[0]] if at else None
        if args.get("average") == "micro" or not C.sum() > 0:
            return _accuracy(C, args, classes)
        average = confusion_average(C, measure, args.get("average") == "weighted")
        return (average.value, average.effect / C.sum()) if average.share > 0 else None

    return table


def _of_things(measure: Measure, parts: Callable[[FloatArray], list[_Table | None]]) -> Callable[..., _Table | None]:
    """Return the table of a measure of things that are found or missed; the last class stands where there is none."""
    rows, columns = (1, 0) if measure == "recall" else (0, 1) if measure == "precision" else (1, 1)

    def table(C: FloatArray, args: Mapping[str, Any], classes: list[Any]) -> _Table | None:
        k = len(classes) - 1
        if "class" in args:
            at = [position for position, label in enumerate(classes[:k]) if str(label) == str(args["class"])]
            return parts(C)[at[0]] if at else None
        if args.get("average") != "micro":
            average = confusion_average(C, measure, args.get("average") == "weighted", k) if C.sum() > 0 else None
            return (average.value, average.effect / C.sum()) if average is not None and average.share > 0 else None
        thing = np.arange(k + 1) < k
        total = float(rows * C[thing].sum() + columns * C[:, thing].sum())
        if not total > 0:
            return None
        hit = np.diag(thing.astype(float))
        value = (rows + columns) * float((C * hit).sum()) / total
        return value, ((rows + columns) * hit - value * (rows * thing[:, None] + columns * thing)) / total

    return table


_PARTS: Mapping[Measure, Callable[[FloatArray], list[_Table | None]]] = {"precision": _precisions, "recall": _recalls, "f1": _f1s}
_LABEL_TABLES: Mapping[str, Callable[..., _Table | None]] = {
    **{f"{kind}_{measure}": _of_things(measure, parts) for kind in ("entity", "label") for measure, parts in _PARTS.items()},
    "accuracy": _accuracy, "balanced_accuracy": _by_class("recall", _recalls), "recall": _by_class("recall", _recalls),
    "precision": _by_class("precision", _precisions), "f1": _by_class("f1", _f1s),
}


# --- of scores and numbers --------------------------------------------------------------------------------------

_Pair = tuple[float, FloatArray]


def _mean(values: FloatArray, cases: raikit.Arrays) -> _Pair:
    w = entry_weights(cases)
    value = float(w @ values / w.sum())
    return value, w * (values - value) / w.sum()


def _log_loss(cases: raikit.Arrays, args: Mapping[str, Any]) -> _Pair:
    assert cases.scores is not None
    right = cases.scores[np.arange(len(cases)), cases.truth]
    return _mean(-np.log(np.clip(right, _TINY, 1 - _TINY)), cases)


def _brier(cases: raikit.Arrays, args: Mapping[str, Any]) -> _Pair:
    assert cases.scores is not None
    squares = (cases.scores - np.eye(cases.scores.shape[1])[cases.truth]) ** 2
    return _mean(squares[:, 1] if squares.shape[1] == 2 else squares.sum(axis=1), cases)


def _area(of_class: Callable[..., _Pair]) -> Callable[[raikit.Arrays, Mapping[str, Any]], _Pair | None]:
    """Return the area of a class, or the plain average over the classes that have one."""

    def area(cases: raikit.Arrays, args: Mapping[str, Any]) -> _Pair | None:
        assert cases.scores is not None
        k, support = len(cases.classes), np.bincount(cases.truth, minlength=len(cases.classes))
        wanted = [1] if k == 2 else list(range(k))
        if "class" in args:
            wanted = [at for at, label in enumerate(cases.classes) if str(label) == str(args["class"])]
        pairs = [
            of_class(cases.truth == at, cases.scores[:, at], cases.weight) for at in wanted if 0 < support[at] < len(cases)
        ]
        if not pairs:
            return None
        return sum(value for value, _ in pairs) / len(pairs), np.mean([part for _, part in pairs], axis=0)

    return area


def _error(cases: raikit.Arrays) -> FloatArray:
    return np.asarray(cases.prediction - cases.truth, dtype=float)


def _absolute_error(cases: raikit.Arrays, args: Mapping[str, Any]) -> _Pair:
    return _mean(np.abs(_error(cases)), cases)


def _agreement(cases: raikit.Arrays, args: Mapping[str, Any]) -> _Pair:
    return _mean(cases.prediction, cases)


def _root_squared_error(cases: raikit.Arrays, args: Mapping[str, Any]) -> _Pair | None:
    value, influence = _mean(_error(cases) ** 2, cases)
    return (value**0.5, influence / (2 * value**0.5)) if value > 0 else None


def _r2(cases: raikit.Arrays, args: Mapping[str, Any]) -> _Pair | None:
    w = entry_weights(cases)
    spread = (cases.truth - np.average(cases.truth, weights=w)) ** 2
    total, residual = float(w @ spread), _error(cases) ** 2
    if not total > 0:
        return None
    value = 1 - float(w @ residual) / total
    return value, -w * (residual - (1 - value) * spread) / total


_OF_SCORES: Mapping[str, Callable[[raikit.Arrays, Mapping[str, Any]], _Pair | None]] = {
    "log_loss": _log_loss, "brier_score": _brier, "roc_auc": _area(stats.auc_influence),
    "average_precision": _area(stats.average_precision_influence),
}
_OF_NUMBERS: Mapping[str, Callable[[raikit.Arrays, Mapping[str, Any]], _Pair | None]] = {
    "mean_absolute_error": _absolute_error, "root_mean_squared_error": _root_squared_error, "r2": _r2,
    "vqa_accuracy": _agreement,
}
_AREAS = {"roc_auc", "average_precision"}
_SHARES = {"vqa_accuracy"}  # means of numbers between 0 and 1
COMPARABLE = frozenset({*_LABEL_TABLES, *_OF_SCORES, *_OF_NUMBERS})


# --- the record -------------------------------------------------------------------------------------------------


def add_ingredients(metrics: list[raikit.Metric], cases: raikit.Arrays) -> list[raikit.Metric]:
    """Add to each metric that has a better direction what a later run is compared with."""
    for metric in metrics:
        if metric.value is None or metric.direction is None:
            continue
        influence = influence_of(metric, cases)
        if influence is not None:
            estimate = value_estimate(influence, cases)
            part = raikit.Ingredient(
                value=metric.value, variance=float(estimate.covariance[0, 0]), df=float(estimate.df[0]), n=cases.size
            )
            metric.ingredients = [raikit.Ingredients(higher_is_better=metric.direction == "higher", estimates=[part])]
    return metrics


def value_estimate(influence: Influence, cases: raikit.Arrays) -> stats.RunEstimates:
    """Return a value with its cluster-robust variance, of one more case with the largest influence, too."""
    one, size = np.array([influence.value]), np.array([float(cases.size)])
    entries, squares, counts = influence.of_entry, None, None
    if influence.table is not None and not cases.clusters and cases.weight is None:  # cells of alike cases are far fewer
        cell = cases.truth * len(cases.classes) + cases.prediction
        n = np.bincount(cell, cases.counts, minlength=influence.table.size).astype(float)
        occurs, unit = n > 0, influence.table.reshape(-1)
        entries, squares, counts = (part[occurs] for part in (n * unit, n * unit**2, n))
    return stats.influence_estimates(
        one, entries, np.zeros(len(entries), dtype=np.int64), cases.clusters, size, largest=np.array([influence.largest]),
        scale="proportion" if influence.proportion else "real", squares=squares, counts=counts,
    )  # fmt: skip
