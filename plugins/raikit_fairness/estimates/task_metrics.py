"""Which metrics a binary, multiclass or numeric target has in groups, and their estimates."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from raikit.arrays import FloatArray
from raikit_fairness import measures
from raikit_fairness.estimates import functionals, rates
from raikit_fairness.estimates.calibration import estimate_calibration
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.functionals import CaseValues, Functional
from raikit_fairness.estimates.group_estimates import Draws, Estimates
from raikit_fairness.estimates.grouped_cells import merge_like_cells
from raikit_fairness.estimates.influence import FunctionalTraits, estimate_functional
from raikit_fairness.estimates.rates import OddsEstimates
from raikit_fairness.estimates.variance_floors import (
    absent_class_variance,
    auc_ceiling,
    auc_variance_floor,
    class_df,
    effective_class_size,
    mean_variance_floor,
    recall_df,
    recall_variance_floor,
)
from raikit_fairness.measures import Measure

_LARGEST_LOG_LOSS = 36.1  # nats, of a probability kept 2.2e-16 away from 0
_Estimators = dict[str, Callable[[], Estimates]]


@dataclass(frozen=True)
class TargetView:
    """One way to look at truth and prediction, such as one class against the others.

    Parameters
    ----------
    kind : {"binary", "one_class", "multiclass", "regression"}
    classes : int
        Number of classes; 0 for regression.
    args : dict
        Arguments of the addresses.
    positive : object
        Label of the class that counts as positive.
    position : int
        Position of that class.
    reported : bool
        Whether findings and figures are made.
    favourable : bool or None
        Whether being predicted as positive is good for a person; None if that is not known.
    """

    kind: str
    classes: int = 0
    args: dict[str, Any] = field(default_factory=dict)
    positive: Any = None
    position: int = 0
    reported: bool = True
    favourable: bool | None = None


def target_views(task: str, classes: Sequence[Any], positive: Any, favourable: Any = None) -> list[TargetView]:
    """Return the views of a task; for several classes, all of them together and then each against the others.

    `favourable` is the class that is good for a person, None if that is not known.
    """
    labels = list(classes)
    if task == "regression":
        return [TargetView("regression")]
    if task == "binary":
        good = None if favourable is None else bool(favourable == positive)
        return [TargetView("binary", 2, {}, positive, labels.index(positive), favourable=good)]
    each = [
        TargetView("one_class", len(labels), {"class": label}, label, position, reported=False)
        for position, label in enumerate(labels)
    ]
    return [TargetView("multiclass", len(labels)), *each]


@dataclass(frozen=True)
class ViewEstimates:
    """Estimates of one view in the groups of a feature.

    Parameters
    ----------
    measures : list of Measure
    by_name : dict of str to Estimates
        By the name of the measure.
    odds : OddsEstimates or None
    """

    measures: list[Measure]
    by_name: dict[str, Estimates]
    odds: OddsEstimates | None = None


def estimate_view(
    view: TargetView,
    cells: Cells,
    feature: Feature,
    scored: tuple[Cells, Feature] | None,
    draws: Draws,
    *,
    full: bool,
    names: Collection[str] | None = None,
) -> ViewEstimates:
    """Estimate every metric of a view in the groups of a feature.

    Parameters
    ----------
    view : TargetView
    cells, feature : Cells, Feature
        Counted.
    scored : (Cells, Feature) or None
        Cases with their scores, and the same feature there.
    draws : Draws
    full : bool
        Whether to go beyond rates.
    names : collection of str, optional
        Names of metrics; absent: all.
    """
    selected = [
        measure for measure in _measures(view, full, scored is not None) if names is None or measure.name in names
    ]  # fmt: skip
    cells, feature = merge_like_cells(cells, feature)
    odds = None
    estimates: dict[str, Estimates] = {}
    if view.kind == "regression":
        estimators = _error_estimators(cells, feature)
    elif view.kind == "multiclass":
        estimators = {"accuracy": lambda: rates.accuracy(cells, feature), **_label_estimators(view, cells, feature)}
    else:
        estimates, odds = rates.class_rates(cells, feature, view.position)
        estimators = _label_estimators(view, cells, feature)
    if scored is not None and view.kind != "regression":
        estimators |= _score_estimators(view, *scored, draws)
    estimates |= {measure.name: estimators[measure.name]() for measure in selected if measure.name in estimators}
    return ViewEstimates(selected, estimates, odds)


def _measures(view: TargetView, full: bool, scored: bool) -> tuple[Measure, ...]:
    by_kind: dict[str, tuple[tuple[Measure, ...], ...]] = {
        "regression": (measures.REGRESSION, measures.REGRESSION, ()),
        "multiclass": ((measures.ACCURACY,), measures.MULTICLASS, measures.MULTICLASS_SCORES),
        "binary": (measures.RATES, measures.BINARY, measures.BINARY_SCORES),
        "one_class": (measures.ONE_CLASS[:-1], measures.ONE_CLASS, measures.ONE_CLASS_SCORES),
    }
    basic, every, of_scores = by_kind[view.kind]
    return (*every, *(of_scores if scored else ())) if full else basic


def _label_estimators(view: TargetView, cells: Cells, feature: Feature) -> _Estimators:
    """Return the metrics of predicted labels that are not plain rates."""
    multiclass = view.kind == "multiclass"
    key = f"class {view.position} " if view.kind == "one_class" else ""
    if multiclass:
        f1 = functionals.macro_f1(view.classes)
        f1_traits = FunctionalTraits(variance_floor=absent_class_variance(view.classes))
        support = functionals.rarest_class_size(view.classes)
    else:
        f1, f1_traits = functionals.f1(view.position), FunctionalTraits(support=functionals.f1_support(view.position))
        support = functionals.scarcer_class_size(view.position)
    balanced = functionals.balanced_accuracy(view.classes)
    balanced_traits = FunctionalTraits(
        support=support, variance_floor=recall_variance_floor(view.classes), df=recall_df(view.classes)
    )
    return {
        "balanced_accuracy": lambda: estimate_functional(cells, feature, balanced, balanced_traits, "balanced_accuracy"),
        "f1": lambda: estimate_functional(cells, feature, f1, f1_traits, f"{key}f1"),
    }


def _score_estimators(view: TargetView, cells: Cells, feature: Feature, draws: Draws) -> _Estimators:
    position, multiclass = view.position, view.kind == "multiclass"
    if multiclass:
        auc = functionals.macro_roc_auc(view.classes)
        auc_traits = FunctionalTraits(variance_floor=absent_class_variance(view.classes))
    else:
        auc = functionals.roc_auc(position)
        support = functionals.scarcer_class_size(position)
        floor, ceiling = auc_variance_floor(position), auc_ceiling(position)
        auc_traits = FunctionalTraits(support=support, variance_floor=floor, ceiling_of_cases=ceiling)
    precision_traits = FunctionalTraits(
        support=functionals.class_size(position), df=class_df(position), ceiling=effective_class_size(position)
    )
    brier_traits = FunctionalTraits("positive", (0.0, 2.0)) if multiclass else FunctionalTraits()

    def estimator(functional: Functional, traits: FunctionalTraits, name: str) -> Callable[[], Estimates]:
        return lambda: estimate_functional(cells, feature, functional, traits, f"class {position} {name}")

    def mean(values: CaseValues, traits: FunctionalTraits, name: str) -> Callable[[], Estimates]:
        return estimator(functionals.mean(values), _mean_traits(traits, values), name)

    return {
        "roc_auc": estimator(auc, auc_traits, "roc_auc"),
        "average_precision": estimator(functionals.average_precision(position), precision_traits, "average_precision"),
        "mean_score": mean(functionals.class_score(position), FunctionalTraits(), "mean_score"),
        "log_loss": mean(functionals.log_losses, FunctionalTraits("positive", (0.0, _LARGEST_LOG_LOSS)), "log_loss"),
        "brier_score": mean(functionals.squared_distances, brier_traits, "brier_score"),
        "expected_calibration_error": lambda: estimate_calibration(cells, feature, position, draws),
    }


def _mean_traits(traits: FunctionalTraits, values: CaseValues) -> FunctionalTraits:
    return replace(traits, linear=True, variance_floor=mean_variance_floor(values), one_more=values)


def _error_estimators(cells: Cells, feature: Feature) -> _Estimators:
    """Return the metrics of a numeric target; an error is prediction minus truth."""
    reach = float(np.ptp(np.concatenate([cells.prediction, cells.truth]))) if len(cells) else 0.0
    span = (float(cells.prediction.min(initial=np.inf)), float(cells.prediction.max(initial=-np.inf)))

    def error(part: Cells) -> FloatArray:
        difference: FloatArray = part.prediction - part.truth
        return difference

    def squared_error(part: Cells) -> FloatArray:
        return error(part) ** 2

    def absolute_error(part: Cells) -> FloatArray:
        return np.abs(error(part))

    def prediction(part: Cells) -> FloatArray:
        predicted: FloatArray = part.prediction
        return predicted

    def mean(values: CaseValues, traits: FunctionalTraits, name: str) -> Callable[[], Estimates]:
        traits = _mean_traits(traits, values)
        return lambda: estimate_functional(cells, feature, functionals.mean(values), traits, name)

    positive = FunctionalTraits("positive", (0.0, reach), observed=True)
    root = functionals.root_mean(squared_error)
    floor = mean_variance_floor(squared_error, root=True)
    root_traits = replace(positive, variance_floor=floor, tail=squared_error, one_more=squared_error)
    return {
        "mean_absolute_error": mean(absolute_error, replace(positive, tail=absolute_error), "mean_absolute_error"),
        "root_mean_squared_error": lambda: estimate_functional(cells, feature, root, root_traits, "rmse"),
        "mean_signed_error": mean(error, FunctionalTraits("real", (-reach, reach), observed=True), "mean_signed_error"),
        "mean_prediction": mean(prediction, FunctionalTraits("real", span, observed=True), "mean_prediction"),
    }
