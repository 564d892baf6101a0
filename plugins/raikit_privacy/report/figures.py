"""Figures of this pillar, as Vega-Lite specs with their data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

import raikit
from raikit_privacy.words import number, percent

if TYPE_CHECKING:
    from raikit_privacy.estimates.budget import Budget
    from raikit_privacy.estimates.features import Feature, FloatArray
    from raikit_privacy.finetuning import Reported

_MOST_POINTS = 200


def spending(budget: Budget, spent: Iterable[tuple[int, float]]) -> raikit.Figure:
    """Epsilon after each epoch, below its target."""
    data: list[dict[str, Any]] = [{"epoch": 0, "epsilon": 0.0}, *({"epoch": epoch, "epsilon": eps} for epoch, eps in spent)]
    target, last = number(budget.target), data[-1]
    line = {"mark": {"type": "line", "point": True, "color": "var(--ink)"}, "encoding": {
        "x": {"field": "epoch", "type": "quantitative", "title": "epochs", "axis": {"format": "d", "tickMinStep": 1}},
        "y": {"field": "epsilon", "type": "quantitative", "title": "ε spent"},
    }}
    limit = {"mark": {"type": "rule", "strokeDash": [4, 4], "color": "var(--ink-2)"}, "encoding": {"y": {"datum": target}}}
    return raikit.Figure(
        id=f"spending-{target}", title=f"Privacy budget spent, of ε = {target}",
        subtitle=f"ε after each epoch at δ = {budget.delta:.2g}; dashed: the target",
        alt=f"Line: epsilon grows from 0 to {last['epsilon']:.2f} in {last['epoch']} epochs and stays at or below its "
            f"target of {target}.",
        spec={"height": 190, "layer": [limit, line]}, data=data,
    )


def accuracy_by_group(report: Reported, feature: Feature) -> raikit.Figure:
    """Accuracy of the audited and the private model in each group, the costliest group first."""
    from raikit_privacy.estimates import costs

    pairs, found = report.outcome.pairs, report.by_group[feature.column]
    both = [("audited", costs.accuracies(pairs, pairs.open, feature, report.level)),
            ("private", costs.accuracies(pairs, pairs.private, feature, report.level))]
    order = [int(i) for i in np.argsort(-np.nan_to_num(found.value, nan=-2.0), kind="stable") if found.n[i]]
    data = [
        {"group": feature.groups[i] if feature.groups[i] is not None else "(missing)", "model": name,
         "accuracy": float(model.value[i]), "low": float(model.low[i]), "high": float(model.high[i]), "rows": int(found.n[i])}
        for i in order for name, model in both
    ]
    names = [str(row["group"]) for row in data[::2]]
    first, last = order[0], order[-1]
    return raikit.Figure(
        id=f"accuracy-{report.target}-{feature.column}",
        title=f"Accuracy with and without privacy, by {feature.column.replace('_', ' ')}",
        subtitle=f"ring: audited model, disc: private at ε = {report.target}; {report.level * 100:g} % simultaneous "
                 "intervals",
        alt=f"Accuracy of both models for each {feature.column}. Privacy costs most for {feature.name(first)} "
            f"({percent(both[0][1].value[first])} to {percent(both[1][1].value[first])}) and least for "
            f"{feature.name(last)} ({percent(both[0][1].value[last])} to {percent(both[1][1].value[last])}).",
        spec=_two_models(names), data=data,
    )


def _two_models(names: list[str]) -> dict[str, Any]:
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
    """True against false positive rate on logarithmic axes, where a low false positive rate can be seen."""
    keep = np.unique(np.concatenate([np.linspace(0, len(false) - 1, _MOST_POINTS).astype(int),
                                     np.searchsorted(false, np.geomspace(1e-3, 1, 60)).clip(max=len(false) - 1)]))
    shown = [i for i in keep if false[i] > 0 and true[i] > 0]
    data = [{"false_positive_rate": float(false[i]), "true_positive_rate": float(true[i])} for i in shown]
    least = min([1e-2, *(min(row.values()) for row in data)])
    scale = {"type": "log", "domain": [least, 1], "nice": False}
    axis = {"format": "~%", "values": [0.001, 0.01, 0.1, 1]}
    curve = {"mark": {"type": "line", "interpolate": "step-after", "color": "var(--ink)"}, "encoding": {
        "x": {"field": "false_positive_rate", "type": "quantitative", "scale": scale, "axis": axis,
              "title": "non-members taken for members"},
        "y": {"field": "true_positive_rate", "type": "quantitative", "scale": scale, "axis": axis, "title": "members recognised"},
    }}
    chance = {"mark": {"type": "rule", "strokeDash": [4, 4], "color": "var(--ink-2)"}, "encoding": {
        "x": {"datum": least}, "x2": {"datum": 1}, "y": {"datum": least}, "y2": {"datum": 1}}}
    value = area.value or 0.0
    return raikit.Figure(
        id="roc", title="How well a row's loss tells whether it was trained on",
        subtitle="every threshold of the loss; logarithmic axes; dashed: guessing",
        alt="ROC curve of the loss-threshold attack on logarithmic axes, beside the diagonal of guessing. The area "
            f"under it is {value:.3f} ({area.low or 0:.3f} to {area.high or 0:.3f}); 0.5 is guessing.",
        spec={"height": 300, "layer": [chance, curve]}, data=data,
    )


def area_by_group(metrics: list[raikit.Metric], level: float) -> raikit.Figure | None:
    """Area under the ROC curve of each group with its interval, the most exposed first; None without two groups."""
    known = sorted((m for m in metrics if m.value is not None), key=lambda m: -(m.value or 0.0))
    if len(known) < 2:
        return None
    rows = [(" ".join(f"{column}: {'(missing)' if value is None else value}" for column, value in (m.group or {}).items()), m)
            for m in known]
    data = [{"group": name, "area": m.value, "low": m.low, "high": m.high, "rows": m.n} for name, m in rows]
    y = {"field": "group", "type": "nominal", "sort": [name for name, _ in rows], "title": None, "axis": {"labelLimit": 200}}
    scale = {"zero": False, "nice": True}
    return raikit.Figure(
        id="exposure", title="Who is recognised as trained on, by group",
        subtitle=f"area under the ROC curve; {level * 100:g} % intervals, simultaneous within a feature; dashed: "
                 "guessing",
        alt=f"Area under the ROC curve of the attack for {len(rows)} groups, from {rows[0][0]} "
            f"({known[0].value or 0:.3f}) down to {rows[-1][0]} ({known[-1].value or 0:.3f}); 0.5 is guessing.",
        spec={"height": {"step": 26}, "layer": [
            {"mark": {"type": "rule", "strokeDash": [4, 4], "color": "var(--ink-2)"}, "encoding": {"x": {"datum": 0.5}}},
            {"mark": "rule", "encoding": {"y": y, "x": {"field": "low", "type": "quantitative", "scale": scale, "title": None},
                                          "x2": {"field": "high"}}},
            {"mark": {"type": "point", "filled": True}, "encoding": {
                "y": y, "x": {"field": "area", "type": "quantitative", "scale": scale}}},
        ]}, data=data,
    )
