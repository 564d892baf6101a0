"""Rates in groups by Fairlearn's definitions: numerators and denominators over truth and prediction, counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raikit import stats
from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit.stats import CovarianceResult
from raikit.stats.covariance import summed_rate_covariance
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.group_estimates import ClusteredEstimates, CountedRates, Estimates, Rates


@dataclass(frozen=True)
class OddsEstimates:
    """True and false positive rates, with their joint covariance where clusters reach into both.

    Parameters
    ----------
    tpr, fpr : CountedRates or ClusteredEstimates
    joint : CovarianceResult or None
        Of the k true positive rates, then the k false positive rates; None of counted rates.
    """

    tpr: Rates
    fpr: Rates
    joint: CovarianceResult | None = None


def class_rates(cells: Cells, feature: Feature, positive: int) -> tuple[dict[str, Estimates], OddsEstimates]:
    """Estimate every rate of one class (by its position) against the others, and the pair behind equalized odds."""
    y, yhat = cells.truth == positive, cells.prediction == positive
    key = f"class {positive}"
    odds = _odds(cells, feature, y, yhat, key)
    estimates: dict[str, Estimates] = {
        "base_rate": rate(cells, feature, y, None, f"{key} base_rate"),
        "selection_rate": rate(cells, feature, yhat, None, f"{key} selection_rate"),
        "accuracy": rate(cells, feature, y == yhat, None, f"{key} accuracy"),
        "true_positive_rate": odds.tpr,
        "false_positive_rate": odds.fpr,
        "false_negative_rate": odds.tpr.complement(),
        "precision": rate(cells, feature, y & yhat, yhat, f"{key} precision"),
    }
    return estimates, odds


def accuracy(cells: Cells, feature: Feature) -> Rates:
    """Estimate the share of cases predicted right, whatever the number of classes."""
    return rate(cells, feature, cells.truth == cells.prediction, None, "accuracy")


def rate(cells: Cells, feature: Feature, numerator: BoolArray, denominator: BoolArray | None, key: str) -> Rates:
    """Estimate the share of the denominator's cases that the numerator counts, in each group of a feature.

    Parameters
    ----------
    numerator, denominator : ndarray of bool, shape (m,)
        Denominator None: all cases.
    key : str
        Name of the quantity; its random numbers depend on it.
    """
    if cells.clusters or cells.weighted:
        everyone = np.ones(len(cells), dtype=bool) if denominator is None else denominator
        return _clustered(cells, feature.code, feature.k, numerator, everyone, key)
    events = numerator if denominator is None else numerator & denominator
    n = _sums(feature, cells.n, denominator)
    return CountedRates(n.astype(np.int64), _sums(feature, cells.n, events), key)


def _odds(cells: Cells, feature: Feature, y: BoolArray, yhat: BoolArray, key: str) -> OddsEstimates:
    keys = f"{key} true_positive_rate", f"{key} false_positive_rate"
    if not (cells.clusters or cells.weighted):
        return OddsEstimates(rate(cells, feature, y & yhat, y, keys[0]), rate(cells, feature, ~y & yhat, ~y, keys[1]))
    k = feature.k
    code = np.where(feature.code < 0, -1, feature.code + k * ~y)
    both = _clustered(cells, code, 2 * k, yhat, np.ones(len(cells), dtype=bool), key)
    sides: list[ClusteredEstimates] = []
    for cases, side, name in ((y, slice(0, k), keys[0]), (~y, slice(k, 2 * k), keys[1])):
        keep = list(range(2 * k))[side]
        sides.append(ClusteredEstimates(both.cov.subset(keep), both.n[keep], _overall(cells, yhat, cases), key=name))
    return OddsEstimates(sides[0], sides[1], both.cov)


def _clustered(
    cells: Cells, code: IntArray, k: int, numerator: BoolArray, denominator: BoolArray, key: str
) -> ClusteredEstimates:
    starts = _run_starts(code, *cells.clusters)
    if 2 * len(starts) > len(cells):
        cov = stats.rate_covariance(
            numerator & denominator, denominator, code, cells.clusters, cells.w, k, scale="proportion",
            squares=cells.w2, counts=cells.n,
        )  # fmt: skip
    else:
        misses, hits = (_sums_of_runs(cells, starts, part & denominator) for part in (~numerator, numerator))
        clusters = [column[starts] for column in cells.clusters]
        cov = summed_rate_covariance(misses, hits, code[starts], clusters, k)
    inside = denominator & (code >= 0)
    n = np.bincount(code[inside], cells.n[inside], minlength=k).astype(np.int64)
    return ClusteredEstimates(cov, n, _overall(cells, numerator, denominator), key=key)


def _run_starts(*columns: IntArray) -> IntArray:
    """Return where runs of cells begin that have the same entries in all columns, such as group and clusters."""
    changes = [column[1:] != column[:-1] for column in columns]
    return np.append(0, np.flatnonzero(np.logical_or.reduce(changes)) + 1)


def _sums_of_runs(cells: Cells, starts: IntArray, counted: BoolArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return number, weight and squared weight of the counted cells of each run; without weights, the number thrice.

    Cases without weight tell nothing, so that they are no cases here.
    """
    if cells.weighted:
        counted = counted & (cells.w > 0)
    parts = [cells.n, cells.w, cells.w2] if cells.weighted else [cells.n]
    sums = [np.add.reduceat(part * counted, starts).astype(float, copy=False) for part in parts]
    return (sums[0], sums[1], sums[2]) if cells.weighted else (sums[0],) * 3


def _overall(cells: Cells, numerator: BoolArray, denominator: BoolArray) -> float:
    total = float(cells.w[denominator].sum())
    return float(cells.w[numerator & denominator].sum()) / total if total > 0 else float("nan")


def _sums(feature: Feature, values: FloatArray | IntArray, cells: BoolArray | None) -> FloatArray:
    """Sum values by group over some of the cells (None: all)."""
    code = feature.code
    if code.min(initial=0) < 0:
        cells = code >= 0 if cells is None else cells & (code >= 0)
    if cells is not None:
        code, values = code[cells], values[cells]
    return np.bincount(code, values, minlength=feature.k).astype(float)
