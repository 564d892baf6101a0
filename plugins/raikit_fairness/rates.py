"""What each metric counts: numerators and denominators over truth and prediction, Fairlearn's definitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from raikit_fairness.estimates import Clustered, Counted, Estimates

if TYPE_CHECKING:
    from raikit_fairness.cells import BoolArray, Cells, Feature, FloatArray, IntArray

    Events = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Measure:
    """One metric by group.

    Parameters
    ----------
    name : str
    direction : {"lower", "higher"} or None
    difference, ratio : str or None
        Names of its disparities; None where another metric's disparity is the same quantity, or none makes sense.
    rest : bool
        Whether each group is compared with the rest.
    empty : str
        Why a group has no value, after its name.
    unit : str or None
    about_model : bool
        Whether the gap is one of the model (else of the data, and has no direction).
    """

    name: str
    direction: Literal["lower", "higher"] | None
    difference: str | None
    ratio: str | None
    rest: bool = True
    empty: str = "no rows"
    unit: str | None = "rate"
    about_model: bool = True


BASE_RATE = Measure("base_rate", None, "base_rate_difference", "base_rate_ratio", rest=False,
                    about_model=False)
SELECTION_RATE = Measure("selection_rate", None, "demographic_parity_difference", "demographic_parity_ratio")
ACCURACY = Measure("accuracy", "higher", "accuracy_difference", "accuracy_ratio")
TPR = Measure("true_positive_rate", "higher", "equal_opportunity_difference", "equal_opportunity_ratio",
              empty="no row has target {positive}")
FPR = Measure("false_positive_rate", "lower", "false_positive_rate_difference", "false_positive_rate_ratio",
              empty="every row has target {positive}")
# its difference is that of the true positive rate, and so is its distance to the rest but for the sign
FNR = Measure("false_negative_rate", "lower", None, "false_negative_rate_ratio", rest=False,
              empty="no row has target {positive}")
PRECISION = Measure("precision", "higher", "precision_difference", "precision_ratio",
                    empty="no row is predicted {positive}")
BINARY = (BASE_RATE, SELECTION_RATE, ACCURACY, TPR, FPR, FNR, PRECISION)

MAE = Measure("mean_absolute_error", "lower", "mean_absolute_error_difference", "mean_absolute_error_ratio", unit=None)
SIGNED = Measure("mean_signed_error", None, "mean_signed_error_difference", None, unit=None)
MEAN_PREDICTION = Measure("mean_prediction", None, "mean_prediction_difference", None, unit=None)
REGRESSION = (MAE, SIGNED, MEAN_PREDICTION)

ODDS = ("equalized_odds_difference", "equalized_odds_ratio")


@dataclass(frozen=True)
class Odds:
    """True and false positive rates with what joins them: clusters reach into both."""

    tpr: Estimates
    fpr: Estimates
    joint: Any = None  # CovarianceResult of the k true positive rates, then the k false positive rates


def binary_estimates(cells: Cells, feature: Feature, positive: int) -> tuple[dict[str, Estimates], Odds]:
    """Every rate of one class (by its position) against the others, and the pair that equalized odds is about."""
    y, yhat = cells.truth == positive, cells.prediction == positive
    odds = _odds(cells, feature, y, yhat)
    found = {
        "base_rate": rate(cells, feature, y, y | ~y),
        "selection_rate": rate(cells, feature, yhat, y | ~y),
        "accuracy": rate(cells, feature, y == yhat, y | ~y),
        "true_positive_rate": odds.tpr,
        "false_positive_rate": odds.fpr,
        "false_negative_rate": odds.tpr.complement(),
        "precision": rate(cells, feature, y & yhat, yhat),
    }
    return found, odds


def accuracy_estimates(cells: Cells, feature: Feature) -> Estimates:
    """Share of rows predicted right, whatever the number of classes."""
    right = cells.truth == cells.prediction
    return rate(cells, feature, right, right | ~right)


def rate(cells: Cells, feature: Feature, numerator: BoolArray, denominator: BoolArray) -> Estimates:
    """Share of the denominator's rows that the numerator counts, in each group of a feature."""
    if cells.clusters:
        return _clustered(cells, feature.code, feature.k, numerator, denominator)[0]
    events = numerator & denominator
    n, w, w2 = (_sums(feature, part, denominator) for part in (cells.n, cells.w, cells.w2))
    return Counted(n.astype("int64"), _sums(feature, cells.w, events), w, w2, cells.weighted)


def _odds(cells: Cells, feature: Feature, y: BoolArray, yhat: BoolArray) -> Odds:
    if not cells.clusters:
        return Odds(rate(cells, feature, y & yhat, y), rate(cells, feature, ~y & yhat, ~y))
    k = feature.k
    both, joint = _clustered(cells, feature.code + k * ~y, 2 * k, yhat, y | ~y)
    sides: list[Estimates] = []
    for rows, at in ((y, slice(0, k)), (~y, slice(k, 2 * k))):
        keep = list(range(2 * k))[at]
        sides.append(Clustered(joint.subset(keep), both.n[keep], _overall(cells, yhat, rows)))
    return Odds(sides[0], sides[1], joint)


def _clustered(
    cells: Cells, code: IntArray, k: int, numerator: BoolArray, denominator: BoolArray
) -> tuple[Clustered, Any]:
    import numpy as np

    from raikit import stats

    weight = cells.w if cells.weighted else None
    cov = stats.rate_covariance(numerator & denominator, denominator, code, cells.clusters, weight, groups=k,
                                proportion=True)
    n = np.bincount(code[denominator], cells.n[denominator], minlength=k).astype(np.int64)
    return Clustered(cov, n, _overall(cells, numerator, denominator)), cov


def _overall(cells: Cells, numerator: BoolArray, denominator: BoolArray) -> float:
    total = float(cells.w[denominator].sum())
    return float(cells.w[numerator & denominator].sum()) / total if total > 0 else float("nan")


def _sums(feature: Feature, values: FloatArray | IntArray, rows: BoolArray) -> FloatArray:
    import numpy as np

    return np.bincount(feature.code[rows], values[rows], minlength=feature.k).astype(float)


def regression_estimates(cells: Cells, feature: Feature) -> dict[str, Estimates]:
    """Means of the absolute error, of the error (prediction minus truth) and of the prediction."""
    import numpy as np

    error = cells.prediction - cells.truth
    reach = float(np.ptp(np.concatenate([cells.prediction, cells.truth]))) if len(error) else 0.0
    span = (float(cells.prediction.min(initial=np.inf)), float(cells.prediction.max(initial=-np.inf)))
    return {
        "mean_absolute_error": _mean(cells, feature, np.abs(error), (0.0, reach)),
        "mean_signed_error": _mean(cells, feature, error, (-reach, reach)),
        "mean_prediction": _mean(cells, feature, cells.prediction, span),
    }


def _mean(cells: Cells, feature: Feature, values: FloatArray, bounds: tuple[float, float]) -> Estimates:
    import numpy as np

    from raikit import stats

    weight = cells.w if cells.weighted else None
    cov = stats.rate_covariance(values, np.ones(len(values)), feature.code, cells.clusters, weight, groups=feature.k,
                                proportion=False)
    n = np.bincount(feature.code, minlength=feature.k)
    return Clustered(cov, n, float(np.average(values, weights=cells.w)), bounds)


def names(measures: Sequence[Measure]) -> list[str]:
    """Every metric name that `measures` can give, and the patterns of comparisons with the rest."""
    found = [measure.name for measure in measures]
    for measure in measures:
        found += [name for name in (measure.difference, measure.ratio) if name]
        if measure.rest:
            found.append(f"{measure.name}_difference(*to=rest)[*]")
    return list(dict.fromkeys(found))
