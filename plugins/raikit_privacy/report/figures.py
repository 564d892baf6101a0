"""Figures of this pillar, as Vega-Lite specs with their data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

import raikit
from raikit.arrays import FloatArray
from raikit.format import column_text, confidence, number, percent, value_text
from raikit_privacy.estimates import membership
from raikit_privacy.estimates.arguments import as_argument
from raikit_privacy.estimates.attack import AttackResult
from raikit_privacy.estimates.budget import Budget, spent_by_epoch
from raikit_privacy.estimates.costs import accuracies
from raikit_privacy.estimates.features import SensitiveFeature
from raikit_privacy.estimates.training_report import TrainingReport
from raikit_privacy.words import plain

_MOST_POINTS = 200


def training_figures(report: TrainingReport) -> list[raikit.Figure]:
    """Return the budget spent over epochs, and the accuracies of both models for each feature."""
    budget = report.outcome.budget
    curve = spending(budget, spent_by_epoch(budget, report.trials.recipe.steps_per_epoch))
    return [curve, *(accuracy_by_group(report, feature) for feature in report.features)]


def attack_figures(result: AttackResult) -> list[raikit.Figure]:
    """Return the ROC curve of the attack, and the areas of groups if there are at least two."""
    curve = roc(*membership.roc(result.cases.losses), result.area)
    groups = area_by_group(result.groups, result.level)
    return [curve, *([groups] if groups else [])]


def _label(column: str, group: object) -> str:
    label = value_text(column, group)
    return "(missing)" if group is None and label == "missing" else label


def spending(budget: Budget, spent: Iterable[tuple[int, float]]) -> raikit.Figure:
    """Draw epsilon after each epoch, below its target."""
    data: list[dict[str, Any]] = [{"epoch": 0, "epsilon": 0.0}, *({"epoch": epoch, "epsilon": eps} for epoch, eps in spent)]
    target, last = as_argument(budget.target), data[-1]
    line = {"mark": {"type": "line", "point": True, "color": "var(--ink)"}, "encoding": {
        "x": {"field": "epoch", "type": "quantitative", "title": "epochs", "axis": {"format": "d", "tickMinStep": 1}},
        "y": {"field": "epsilon", "type": "quantitative", "title": "ε spent"},
    }}
    limit = {"mark": {"type": "rule", "strokeDash": [4, 4], "color": "var(--ink-2)"}, "encoding": {"y": {"datum": target}}}
    return raikit.Figure(
        id=f"spending-{target}", title=f"Privacy budget spent, of ε = {target}",
        subtitle=f"ε after each epoch at δ = {plain(budget.delta)}; dashed: the target",
        alt=f"Line: epsilon grows from 0 to {last['epsilon']:.2f} in {last['epoch']} epochs and stays at or below its "
            f"target of {target}.",
        spec={"height": 190, "layer": [limit, line]}, data=data,
    )


def accuracy_by_group(report: TrainingReport, feature: SensitiveFeature) -> raikit.Figure:
    """Draw the accuracy of the audited and the private model in each group, the group with the highest cost first."""
    pairs, costs = report.outcome.pairs, report.by_group[feature.column]
    audited = accuracies(pairs, pairs.reference, feature, report.level)
    private = accuracies(pairs, pairs.private, feature, report.level)
    order = [int(i) for i in np.argsort(-np.nan_to_num(costs.value, nan=-2.0), kind="stable") if costs.n[i]]
    data = [
        {"group": _label(feature.column, feature.groups[i]), "model": name, "accuracy": float(model.value[i]),
         "low": float(model.low[i]), "high": float(model.high[i]), "rows": int(costs.n[i])}
        for i in order for name, model in (("audited", audited), ("private", private))
    ]

    def change(group: int) -> str:
        before, after = (percent(float(model.value[group])) for model in (audited, private))
        return f"{feature.text(group)} ({before} to {after})"

    return raikit.Figure(
        id=f"accuracy-{report.target}-{feature.column}",
        title=f"Accuracy with and without privacy, by {column_text(feature.column).replace('_', ' ')}",
        subtitle=f"ring: audited model, disc: private at ε = {report.target}; simultaneous {confidence(report.level)} CI",
        alt=f"Accuracy of both models for each {column_text(feature.column)}. Privacy costs most for {change(order[0])} and "
            f"least for {change(order[-1])}.",
        spec=_two_models_spec([str(row["group"]) for row in data[::2]]), data=data,
    )


def _two_models_spec(names: Sequence[str]) -> dict[str, Any]:
    across = {"y": {"field": "group", "type": "nominal", "sort": names, "title": None},
              "yOffset": {"field": "model", "sort": ["audited", "private"], "scale": {"paddingInner": 0.5}}}
    tone = {"field": "model", "type": "nominal", "legend": None,
            "scale": {"domain": ["audited", "private"], "range": ["var(--ink-2)", "var(--ink)"]}}
    filled = {"field": "model", "type": "nominal", "legend": None,
              "scale": {"domain": ["audited", "private"], "range": ["var(--paper)", "var(--ink)"]}}
    scale = {"zero": False, "nice": True}
    return {"height": {"step": 34, "for": "position"}, "layer": [
        {"mark": {"type": "rule", "strokeWidth": 2}, "encoding": {
            **across, "color": tone, "x": {"field": "low", "type": "quantitative", "title": "accuracy",
                                           "axis": {"format": ".0%"}, "scale": scale}, "x2": {"field": "high"}}},
        {"mark": {"type": "point", "size": 70, "opacity": 1, "strokeWidth": 2}, "encoding": {
            **across, "stroke": tone, "fill": filled, "x": {"field": "accuracy", "type": "quantitative", "scale": scale}}},
    ]}


def roc(false: FloatArray, true: FloatArray, area: raikit.Metric) -> raikit.Figure:
    """Draw the ROC curve on logarithmic axes, which show low false positive rates."""
    positions = np.unique(np.concatenate([np.linspace(0, len(false) - 1, _MOST_POINTS).astype(int),
                                          np.searchsorted(false, np.geomspace(1e-3, 1, 60)).clip(max=len(false) - 1)]))
    shown = [i for i in positions if false[i] > 0 and true[i] > 0]
    data = [{"false_positive_rate": float(false[i]), "true_positive_rate": float(true[i])} for i in shown]
    value, low, high = (number(end or 0.0, 3) for end in (area.value, area.low, area.high))
    return raikit.Figure(
        id="roc", title="How well the loss separates members from non-members",
        subtitle="every threshold of the loss; logarithmic axes; dashed: guessing",
        alt="ROC curve of the loss-threshold attack on logarithmic axes, beside the diagonal of guessing. The area "
            f"under it is {value} ({low} to {high}); 0.5 is guessing.",
        spec=_roc_spec(min([1e-2, *(min(row.values()) for row in data)])), data=data,
    )


def _roc_spec(least: float) -> dict[str, Any]:
    scale = {"type": "log", "domain": [least, 1], "nice": False}
    axis = {"format": "~%", "values": [0.001, 0.01, 0.1, 1]}
    curve = {"mark": {"type": "line", "interpolate": "step-after", "color": "var(--ink)"}, "encoding": {
        "x": {"field": "false_positive_rate", "type": "quantitative", "scale": scale, "axis": axis,
              "title": "false positive rate"},
        "y": {"field": "true_positive_rate", "type": "quantitative", "scale": scale, "axis": axis,
              "title": "true positive rate"},
    }}
    chance = {"mark": {"type": "rule", "strokeDash": [4, 4], "color": "var(--ink-2)"}, "encoding": {
        "x": {"datum": least}, "x2": {"datum": 1}, "y": {"datum": least}, "y2": {"datum": 1}}}
    return {"height": 300, "layer": [chance, curve]}


def area_by_group(metrics: Sequence[raikit.Metric], level: float) -> raikit.Figure | None:
    """Draw the area under the ROC curve of each group, the most exposed first; None with fewer than two groups."""
    defined = sorted((metric for metric in metrics if metric.value is not None), key=lambda metric: -(metric.value or 0.0))
    if len(defined) < 2:
        return None
    names = [
        " ".join(f"{column_text(column)}: {_label(column, value)}" for column, value in (metric.group or {}).items())
        for metric in defined
    ]
    data = [{"group": name, "area": metric.value, "low": metric.low, "high": metric.high, "rows": metric.n}
            for name, metric in zip(names, defined, strict=True)]
    first, last = (number(metric.value or 0.0, 3) for metric in (defined[0], defined[-1]))
    return raikit.Figure(
        id="exposure", title="Which groups are recognised as members",
        subtitle=f"area under the ROC curve; {confidence(level)} CI, simultaneous within a feature; dashed: guessing",
        alt=f"Area under the ROC curve of the attack for {len(names)} groups, from {names[0]} ({first}) down to {names[-1]} "
            f"({last}); 0.5 is guessing.",
        spec=_area_spec(names), data=data,
    )


def _area_spec(names: Sequence[str]) -> dict[str, Any]:
    y = {"field": "group", "type": "nominal", "sort": names, "title": None, "axis": {"labelLimit": 200}}
    scale = {"zero": False, "nice": True}
    return {"height": {"step": 26}, "layer": [
        {"mark": {"type": "rule", "strokeDash": [4, 4], "color": "var(--ink-2)"}, "encoding": {"x": {"datum": 0.5}}},
        {"mark": "rule", "encoding": {"y": y, "x": {"field": "low", "type": "quantitative", "scale": scale, "title": None},
                                      "x2": {"field": "high"}}},
        {"mark": {"type": "point", "filled": True}, "encoding": {
            "y": y, "x": {"field": "area", "type": "quantitative", "scale": scale}}},
    ]}
