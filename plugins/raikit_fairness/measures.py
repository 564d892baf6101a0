"""The metrics by group and the names of their disparities, as Fairlearn and scikit-learn name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from raikit.format import case_noun, class_text


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
        Whether each group is compared with the rest and with a reference.
    empty : str
        Why a group has no value, see `why_empty`.
    unit : str or None
    about_model : bool
        Whether the gap is one of the model; else it is one of the data, and has no direction.
    args : mapping
        Arguments of its addresses.
    """

    name: str
    direction: Literal["lower", "higher"] | None
    difference: str | None
    ratio: str | None
    rest: bool = True
    empty: str = "no {cases}"
    unit: str | None = "rate"
    about_model: bool = True
    args: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def why_empty(self, positive: Any) -> str:
        """Return why a group has no value, to be followed by its name; `positive` is the class that it is about."""
        return self.empty.format(positive=class_text(positive), case=case_noun(1), cases=case_noun())


def _measure(name: str, direction: Literal["lower", "higher"] | None, *, ratio: bool = True, **more: Any) -> Measure:
    """Return a metric whose disparities are named after it."""
    return Measure(name, direction, f"{name}_difference", f"{name}_ratio" if ratio else None, **more)


_NO_POSITIVE, _NO_NEGATIVE = "no {case} has target {positive}", "every {case} has target {positive}"

BASE_RATE = _measure("base_rate", None, about_model=False)
SELECTION_RATE = Measure("selection_rate", None, "demographic_parity_difference", "demographic_parity_ratio")
ACCURACY = _measure("accuracy", "higher")
TPR = Measure("true_positive_rate", "higher", "equal_opportunity_difference", "equal_opportunity_ratio",
              empty=_NO_POSITIVE)
FPR = _measure("false_positive_rate", "lower", empty=_NO_NEGATIVE)
# Its difference is that of the true positive rate. Its distance to the rest has the other sign, so that it is measured.
FNR = Measure("false_negative_rate", "lower", None, "false_negative_rate_ratio", empty=_NO_POSITIVE)
PRECISION = _measure("precision", "higher", empty="no {case} is predicted {positive}")  # its difference is predictive parity
BALANCED_ACCURACY = _measure("balanced_accuracy", "higher", empty="a class is missing")
F1 = _measure("f1", "higher", empty="no {case} has target {positive} or is predicted so")

ROC_AUC = _measure("roc_auc", "higher", empty="a class is missing", unit=None)
AVERAGE_PRECISION = _measure("average_precision", "higher", empty=_NO_POSITIVE, unit=None)
LOG_LOSS = _measure("log_loss", "lower", unit="nats")
BRIER = _measure("brier_score", "lower", unit=None)
ECE = _measure("expected_calibration_error", "lower", unit=None)
MEAN_SCORE = _measure("mean_score", None, unit=None)

MACRO = MappingProxyType({"average": "macro"})
MACRO_F1 = _measure("f1", "higher", args=MACRO)

MAE = _measure("mean_absolute_error", "lower", unit=None)
RMSE = _measure("root_mean_squared_error", "lower", unit=None)
SIGNED = _measure("mean_signed_error", None, ratio=False, unit=None)
MEAN_PREDICTION = _measure("mean_prediction", None, ratio=False, unit=None)

RATES = (BASE_RATE, SELECTION_RATE, ACCURACY, TPR, FPR, FNR, PRECISION)
BINARY = (*RATES, BALANCED_ACCURACY, F1)
BINARY_SCORES = (ROC_AUC, AVERAGE_PRECISION, LOG_LOSS, BRIER, ECE, MEAN_SCORE)
ONE_CLASS = (*(measure for measure in RATES if measure is not ACCURACY), F1)
ONE_CLASS_SCORES = (ROC_AUC, AVERAGE_PRECISION, MEAN_SCORE)
MULTICLASS = (ACCURACY, BALANCED_ACCURACY, MACRO_F1)
MULTICLASS_SCORES = (ROC_AUC, LOG_LOSS, BRIER)
REGRESSION = (MAE, RMSE, SIGNED, MEAN_PREDICTION)
WITHOUT_TRUTH = (SELECTION_RATE, MEAN_SCORE)
EVERY = (*BINARY, *BINARY_SCORES, *REGRESSION)

ODDS = ("equalized_odds_difference", "equalized_odds_ratio")


def metric_names(measures: Sequence[Measure]) -> list[str]:
    """Return every metric name that `measures` can give, and the patterns of comparisons with the rest or a reference."""
    names = [measure.name for measure in measures]
    for measure in measures:
        names += [name for name in (measure.difference, measure.ratio) if name]
        if measure.rest:
            names.append(f"{measure.name}_difference(*to=*)[*]")
    return list(dict.fromkeys(names))
