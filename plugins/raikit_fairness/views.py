"""The ways to look at a task: which metrics a binary, multiclass or numeric target has in groups, and their estimates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from raikit_fairness import measures as m
from raikit_fairness import rates, smooth
from raikit_fairness.calibrated import calibrated
from raikit_fairness.smooth import Kind

if TYPE_CHECKING:
    from raikit_fairness.cells import Cells, Feature
    from raikit_fairness.estimates import Draws, Estimates
    from raikit_fairness.measures import Measure
    from raikit_fairness.rates import Odds


@dataclass(frozen=True)
class View:
    """One way to look at truth and prediction.

    Parameters
    ----------
    kind : {"binary", "one_class", "multiclass", "regression"}
    classes : int
        Number of classes; 0 for regression.
    args : dict
        Arguments of the addresses.
    positive : object
        Label of the class that counts as positive.
    at : int
        Its position.
    spoken : bool
        Whether findings and figures are made.
    """

    kind: str
    classes: int = 0
    args: dict[str, Any] = field(default_factory=dict)
    positive: Any = None
    at: int = 0
    spoken: bool = True

    def quiet(self) -> View:
        """The same without findings and figures."""
        return replace(self, spoken=False)


def views_of(task: str, classes: Sequence[Any], positive: Any) -> list[View]:
    """The views of a task; for several classes, all of them together and then each against the others."""
    labels = list(classes)
    if task == "regression":
        return [View("regression")]
    if task == "binary":
        return [View("binary", 2, {}, positive, labels.index(positive))]
    each = [View("one_class", len(labels), {"class": label}, label, at, spoken=False) for at, label in enumerate(labels)]
    return [View("multiclass", len(labels)), *each]


@dataclass(frozen=True)
class Estimated:
    """What a view found in the groups of a feature.

    Parameters
    ----------
    measures : list of Measure
    found : dict of name to Estimates
    odds : Odds or None
    """

    measures: list[Measure]
    found: dict[str, Estimates]
    odds: Odds | None = None


def estimate(
    view: View, cells: Cells, feature: Feature, scored: tuple[Cells, Feature] | None, draws: Draws, *, full: bool
) -> Estimated:
    """Estimate every metric of a view in the groups of a feature.

    Parameters
    ----------
    view : View
    cells, feature : Cells, Feature
        Counted.
    scored : (Cells, Feature) or None
        Rows with their scores, and the same feature there.
    draws : Draws
    full : bool
        Whether to go beyond rates.
    """
    if view.kind == "regression":
        return Estimated(list(m.REGRESSION), _regression(cells, feature))
    if view.kind == "multiclass":
        found: dict[str, Estimates] = {"accuracy": rates.accuracy(cells, feature)}
        measures: list[Measure] = list(m.MULTICLASS) if full else [m.ACCURACY]
        odds = None
    else:
        found, odds = rates.of_class(cells, feature, view.at)
        every, plain = (m.BINARY, m.RATES) if view.kind == "binary" else (m.ONE_CLASS, m.ONE_CLASS[:-1])
        measures = list(every if full else plain)
    if full:
        found |= _of_predictions(view, cells, feature)
        if scored is not None:
            by_score = {"binary": m.BINARY_SCORES, "one_class": m.ONE_CLASS_SCORES, "multiclass": m.MULTICLASS_SCORES}
            measures += by_score[view.kind]
            found |= _of_scores(view, *scored, draws)
    return Estimated(measures, found, odds)


def _of_predictions(view: View, cells: Cells, feature: Feature) -> dict[str, Estimates]:
    key = f"class {view.at} " if view.kind == "one_class" else ""
    if view.kind == "multiclass":
        kind = Kind(support=smooth.rarest_class(view.classes))
        return {
            "balanced_accuracy": smooth.smooth(cells, feature, smooth.balanced_accuracy(view.classes), kind, "ba"),
            "f1": smooth.smooth(cells, feature, smooth.macro_f1(view.classes), Kind(), "macro f1"),
        }
    f1 = smooth.smooth(cells, feature, smooth.f1(view.at), Kind(support=smooth.rows_in_f1(view.at)), f"{key}f1")
    if view.kind == "one_class":
        return {"f1": f1}
    kind = Kind(support=smooth.scarcer_class(view.at))
    return {"f1": f1, "balanced_accuracy": smooth.smooth(cells, feature, smooth.balanced_accuracy(2), kind, "ba")}


def _of_scores(view: View, rows: Cells, feature: Feature, draws: Draws) -> dict[str, Estimates]:
    if view.kind == "multiclass":
        return {
            "roc_auc": smooth.smooth(rows, feature, smooth.macro_roc_auc(view.classes), Kind(), "macro roc_auc"),
            "log_loss": _mean(rows, feature, smooth.log_losses, Kind("positive", (0.0, 36.1)), "log_loss"),
            "brier_score": _mean(rows, feature, smooth.squared_distances, Kind("positive", (0.0, 2.0)), "brier"),
        }
    key, score = f"class {view.at} ", smooth.class_score(view.at)
    auc, ap = smooth.roc_auc(view.at), smooth.average_precision(view.at)
    found: dict[str, Estimates] = {
        "roc_auc": smooth.smooth(rows, feature, auc, Kind(support=smooth.scarcer_class(view.at)), f"{key}roc_auc"),
        "average_precision": smooth.smooth(rows, feature, ap, Kind(support=smooth.rows_of_class(view.at)), f"{key}ap"),
        "mean_score": _mean(rows, feature, score, Kind(), f"{key}mean_score"),
    }
    if view.kind == "binary":
        found |= {
            "log_loss": _mean(rows, feature, smooth.log_losses, Kind("positive", (0.0, 36.1)), "log_loss"),
            "brier_score": _mean(rows, feature, smooth.squared_distances, Kind(), "brier"),
            "expected_calibration_error": calibrated(rows, feature, view.at, draws),
        }
    return found


def _mean(rows: Cells, feature: Feature, values: Any, kind: Kind, key: str) -> Estimates:
    return smooth.smooth(rows, feature, smooth.mean(values), kind, key)


def _regression(rows: Cells, feature: Feature) -> dict[str, Estimates]:
    """Means of the absolute error, its root mean square, of the error (prediction minus truth), and of the prediction."""
    import numpy as np

    reach = float(np.ptp(np.concatenate([rows.prediction, rows.truth]))) if len(rows) else 0.0
    span = (float(rows.prediction.min(initial=np.inf)), float(rows.prediction.max(initial=-np.inf)))
    squares = smooth.root_mean(lambda part: (part.prediction - part.truth) ** 2)
    positive = Kind("positive", (0.0, reach))
    return {
        "mean_absolute_error": _mean(rows, feature, lambda part: np.abs(part.prediction - part.truth), positive, "mae"),
        "root_mean_squared_error": smooth.smooth(rows, feature, squares, positive, "rmse"),
        "mean_signed_error": _mean(rows, feature, lambda part: part.prediction - part.truth,
                                   Kind("real", (-reach, reach)), "signed"),
        "mean_prediction": _mean(rows, feature, lambda part: part.prediction, Kind("real", span), "mean"),
    }
