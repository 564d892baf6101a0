"""The ways to look at a task: which metrics a binary, multiclass or numeric target has in groups, and their estimates."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from raikit_fairness import measures as m
from raikit_fairness.estimates import influence as smooth
from raikit_fairness.estimates import rates
from raikit_fairness.estimates.calibration import calibrated
from raikit_fairness.estimates.influence import Kind

if TYPE_CHECKING:
    from raikit_fairness.estimates.case_counts import Cells, Feature
    from raikit_fairness.estimates.group_estimates import Draws, Estimates
    from raikit_fairness.estimates.rates import Odds
    from raikit_fairness.measures import Measure


_MOST_NATS = 36.1  # of a probability kept 2.2e-16 away from 0


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
    view: View, cells: Cells, feature: Feature, scored: tuple[Cells, Feature] | None, draws: Draws, *, full: bool,
    wanted: Collection[str] | None = None,
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
    wanted : collection of str, optional
        Names of metrics; absent: all.
    """
    measures, odds = list(_measures(view, full, scored is not None)), None
    if wanted is not None:
        measures = [measure for measure in measures if measure.name in wanted]
    ways: dict[str, Callable[[], Estimates]] = {}
    found: dict[str, Estimates] = {}
    if view.kind == "regression":
        ways = _regression(cells, feature)
    elif view.kind == "multiclass":
        ways = {"accuracy": lambda: rates.accuracy(cells, feature), **_of_predictions(view, cells, feature)}
    else:
        found, odds = rates.of_class(cells, feature, view.at)
        ways = _of_predictions(view, cells, feature)
    if scored is not None and view.kind != "regression":
        ways |= _of_scores(view, *scored, draws)
    found |= {measure.name: ways[measure.name]() for measure in measures if measure.name in ways}
    return Estimated(measures, found, odds)


def _measures(view: View, full: bool, scored: bool) -> tuple[Measure, ...]:
    every: dict[str, tuple[tuple[Measure, ...], ...]] = {
        "regression": (m.REGRESSION, m.REGRESSION, ()),
        "multiclass": ((m.ACCURACY,), m.MULTICLASS, m.MULTICLASS_SCORES),
        "binary": (m.RATES, m.BINARY, m.BINARY_SCORES),
        "one_class": (m.ONE_CLASS[:-1], m.ONE_CLASS, m.ONE_CLASS_SCORES),
    }
    plain, more, by_score = every[view.kind]
    return (*more, *(by_score if scored else ())) if full else plain


def _of_predictions(view: View, cells: Cells, feature: Feature) -> dict[str, Callable[[], Estimates]]:
    key = f"class {view.at} " if view.kind == "one_class" else ""
    scarce = smooth.rarest_class(view.classes) if view.kind == "multiclass" else smooth.scarcer_class(view.at)
    f1, kind = (
        (smooth.macro_f1(view.classes), Kind()) if view.kind == "multiclass" else
        (smooth.f1(view.at), Kind(support=smooth.rows_in_f1(view.at)))
    )
    balanced = smooth.balanced_accuracy(view.classes)
    each = Kind(support=scarce, unseen=smooth.one_more_of_each_class(view.classes))
    return {
        "balanced_accuracy": lambda: smooth.smooth(cells, feature, balanced, each, "balanced_accuracy"),
        "f1": lambda: smooth.smooth(cells, feature, f1, kind, f"{key}f1"),
    }


def _of_scores(view: View, rows: Cells, feature: Feature, draws: Draws) -> dict[str, Callable[[], Estimates]]:
    several = view.kind == "multiclass"
    key, score = f"class {view.at} ", smooth.class_score(view.at)
    auc = smooth.macro_roc_auc(view.classes) if several else smooth.roc_auc(view.at)
    pairs = Kind() if several else Kind(support=smooth.scarcer_class(view.at), unseen=smooth.one_more_pair(view.at))
    ap, hits = smooth.average_precision(view.at), Kind(support=smooth.rows_of_class(view.at))
    squares = Kind("positive", (0.0, 2.0)) if several else Kind()

    def of(functional: Any, kind: Kind, name: str) -> Callable[[], Estimates]:
        return lambda: smooth.smooth(rows, feature, functional, kind, f"{key}{name}")

    def mean(values: Any, kind: Kind, name: str) -> Callable[[], Estimates]:
        return of(smooth.mean(values), replace(kind, linear=True, unseen=smooth.one_more_row(values)), name)

    return {
        "roc_auc": of(auc, pairs, "roc_auc"),
        "average_precision": of(ap, hits, "average_precision"),
        "mean_score": mean(score, Kind(), "mean_score"),
        "log_loss": mean(smooth.log_losses, Kind("positive", (0.0, _MOST_NATS)), "log_loss"),
        "brier_score": mean(smooth.squared_distances, squares, "brier_score"),
        "expected_calibration_error": lambda: calibrated(rows, feature, view.at, draws),
    }


def _regression(rows: Cells, feature: Feature) -> dict[str, Callable[[], Estimates]]:
    """Means of the absolute error, its root mean square, of the error (prediction minus truth), and of the prediction."""
    import numpy as np

    reach = float(np.ptp(np.concatenate([rows.prediction, rows.truth]))) if len(rows) else 0.0
    span = (float(rows.prediction.min(initial=np.inf)), float(rows.prediction.max(initial=-np.inf)))
    positive, signed, plain = Kind("positive", (0.0, reach)), Kind("real", (-reach, reach)), Kind("real", span)

    def error(part: Cells) -> Any:
        return part.prediction - part.truth

    def mean(values: Any, kind: Kind, name: str) -> Callable[[], Estimates]:
        kind = replace(kind, linear=True, unseen=smooth.one_more_row(values))
        return lambda: smooth.smooth(rows, feature, smooth.mean(values), kind, name)

    def squares(part: Cells) -> Any:
        return error(part) ** 2

    root = replace(positive, unseen=smooth.one_more_row(squares, root=True))
    return {
        "mean_absolute_error": mean(lambda part: np.abs(error(part)), positive, "mean_absolute_error"),
        "root_mean_squared_error": lambda: smooth.smooth(rows, feature, smooth.root_mean(squares), root, "rmse"),
        "mean_signed_error": mean(error, signed, "mean_signed_error"),
        "mean_prediction": mean(lambda part: part.prediction, plain, "mean_prediction"),
    }
