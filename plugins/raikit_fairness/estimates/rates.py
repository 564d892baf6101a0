"""Rates in groups: numerators and denominators over truth and prediction, counted, by Fairlearn's definitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raikit_fairness.estimates.group_estimates import Clustered, Counted, Estimates

if TYPE_CHECKING:
    from raikit_fairness.estimates.case_counts import BoolArray, Cells, Feature, FloatArray, IntArray


@dataclass(frozen=True)
class Odds:
    """True and false positive rates with what joins them: clusters reach into both."""

    tpr: Counted | Clustered
    fpr: Counted | Clustered
    joint: Any = None  # CovarianceResult of the k true positive rates, then the k false positive rates


def of_class(cells: Cells, feature: Feature, positive: int) -> tuple[dict[str, Estimates], Odds]:
    """Every rate of one class (by its position) against the others, and the pair that equalized odds is about."""
    y, yhat = cells.truth == positive, cells.prediction == positive
    odds = _odds(cells, feature, y, yhat, f"class {positive}")
    key = f"class {positive}"
    found: dict[str, Estimates] = {
        "base_rate": rate(cells, feature, y, None, f"{key} base_rate"),
        "selection_rate": rate(cells, feature, yhat, None, f"{key} selection_rate"),
        "accuracy": rate(cells, feature, y == yhat, None, f"{key} accuracy"),
        "true_positive_rate": odds.tpr,
        "false_positive_rate": odds.fpr,
        "false_negative_rate": odds.tpr.complement(),
        "precision": rate(cells, feature, y & yhat, yhat, f"{key} precision"),
    }
    return found, odds


def accuracy(cells: Cells, feature: Feature) -> Estimates:
    """Share of rows predicted right, whatever the number of classes."""
    return rate(cells, feature, cells.truth == cells.prediction, None, "accuracy")


def rate(
    cells: Cells, feature: Feature, numerator: BoolArray, denominator: BoolArray | None, key: str
) -> Counted | Clustered:
    """Share of the denominator's rows (None: all) that the numerator counts, in each group of a feature."""
    import numpy as np

    if cells.clusters:
        every = np.ones(len(cells), dtype=bool) if denominator is None else denominator
        return _clustered(cells, feature.code, feature.k, numerator, every, key)[0]
    events = numerator if denominator is None else numerator & denominator
    n, w, w2 = (_sums(feature, part, denominator) for part in (cells.n, cells.w, cells.w2))
    return Counted(n.astype("int64"), _sums(feature, cells.w, events), w, w2, cells.weighted, key)


def _odds(cells: Cells, feature: Feature, y: BoolArray, yhat: BoolArray, key: str) -> Odds:
    import numpy as np

    keys = f"{key} true_positive_rate", f"{key} false_positive_rate"
    if not cells.clusters:
        return Odds(rate(cells, feature, y & yhat, y, keys[0]), rate(cells, feature, ~y & yhat, ~y, keys[1]))
    k = feature.k
    code = np.where(feature.code < 0, -1, feature.code + k * ~y)
    both, joint = _clustered(cells, code, 2 * k, yhat, np.ones(len(cells), dtype=bool), key)
    sides: list[Clustered] = []
    for rows, at, name in ((y, slice(0, k), keys[0]), (~y, slice(k, 2 * k), keys[1])):
        keep = list(range(2 * k))[at]
        sides.append(Clustered(joint.subset(keep), both.n[keep], _overall(cells, yhat, rows), key=name))
    return Odds(sides[0], sides[1], joint)


def _clustered(
    cells: Cells, code: IntArray, k: int, numerator: BoolArray, denominator: BoolArray, key: str
) -> tuple[Clustered, Any]:
    import numpy as np

    from raikit import stats

    cov = stats.rate_covariance(
        numerator & denominator, denominator, code, cells.clusters, cells.w, k, scale="proportion", squares=cells.w2,
        counts=cells.n,
    )
    there = denominator & (code >= 0)
    n = np.bincount(code[there], cells.n[there], minlength=k).astype(np.int64)
    return Clustered(cov, n, _overall(cells, numerator, denominator), key=key), cov


def _overall(cells: Cells, numerator: BoolArray, denominator: BoolArray) -> float:
    total = float(cells.w[denominator].sum())
    return float(cells.w[numerator & denominator].sum()) / total if total > 0 else float("nan")


def _sums(feature: Feature, values: FloatArray | IntArray, rows: BoolArray | None) -> FloatArray:
    import numpy as np

    code = feature.code
    if code.min(initial=0) < 0:
        rows = code >= 0 if rows is None else rows & (code >= 0)
    if rows is not None:
        code, values = code[rows], values[rows]
    return np.bincount(code, values, minlength=feature.k).astype(float)
