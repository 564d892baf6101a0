"""Figures of scores and thresholds: histograms and ROC by group, and the effect of every threshold. Vega-Lite as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import raikit
from raikit.arrays import BoolArray
from raikit.format import case_noun, confidence, percent, points, value_text
from raikit_fairness.estimates.case_counts import Cells
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.threshold_sweep import SWEPT, FeatureSweep, Grid, SweepPoint

MOST_PANELS = 12
_BINS = 20
_CURVE_POINTS = 40  # of a drawn ROC curve
_BAND = (0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_PANEL_SIDE = 108
_SIDES = ("rate by group", "largest gap")
_RULE = {"type": "rule", "strokeDash": [4, 4], "stroke": "var(--rule)", "strokeWidth": 1.5, "tooltip": None}
_HEADER = {
    "labelAngle": 0, "labelOrient": "top", "labelAnchor": "start", "labelFontSize": 12.5, "labelPadding": 0,
    "labelBaseline": "bottom",
}  # fmt: skip


def threshold_figures(swept: FeatureSweep, label: Any) -> list[raikit.Figure]:
    """Return what each threshold would do, ROC and histograms; `label` is the positive class."""
    return [_explorer(swept), _roc(swept), _histograms(swept, label)]


def _drawn_groups(feature: Feature, cells: Cells) -> list[int]:
    """Return the groups that are drawn: all, or the largest, in their order."""
    sizes = feature.sums(cells.n)
    return sorted(np.argsort(-sizes, kind="stable")[:MOST_PANELS].tolist())


def _label(feature: Feature, group: int) -> str:
    """Return a group's name over its panel."""
    value = feature.groups[group][0]
    label = value_text(feature.columns[0], value)
    return "(missing)" if value is None and label == "missing" else label[:24] or "“”"


def _omitted(feature: Feature, groups: Sequence[int]) -> str:
    return f"; the {len(groups)} largest of {feature.k} groups" if len(groups) < feature.k else ""


def _panels(feature: Feature, groups: Sequence[int], height: int, layers: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a small panel for each group, three in a row."""
    names = [_label(feature, group) for group in groups]
    header = {"labelFontSize": 12.5}
    return {
        "facet": {"field": "group", "type": "nominal", "title": None, "sort": names, "header": header},
        "columns": 3, "spacing": {"row": 14, "column": 18},
        "spec": {"width": _PANEL_SIDE, "height": height, "layer": layers},
    }  # fmt: skip


# --- histograms -------------------------------------------------------------------------------------------------


def _histograms(swept: FeatureSweep, positive: Any) -> raikit.Figure:
    """Draw the scores of each group as shares of it: positive cases upwards, the others downwards."""
    grid, cases, feature = swept.grid, swept.cases, swept.case_feature
    truth = cases.truth == grid.positive
    threshold = None if grid.current is None else float(grid.thresholds[grid.current])
    groups = _drawn_groups(feature, cases)
    means = "; ".join(
        f"{_label(feature, group)}: {_mean_scores(cases, feature.code == group, truth)}" for group in groups[:8]
    )
    current = "" if threshold is None else f"; dashed line: decided {positive} from {threshold:.3g} on"
    return raikit.Figure(
        id=f"scores-{swept.number}",
        title=f"Scores, by {feature.title}",
        spec=_panels(feature, groups, 80, _histogram_layers(threshold)),
        data=_histogram_data(cases, feature, groups, truth, positive),
        alt=f"Histograms of the score by {feature.title}. Mean score of {case_noun()} that are {positive} and are not: {means}.",
        subtitle=f"Share of a group's {case_noun()}; upwards (a stronger tone): is {positive}, downwards: is not{current}"
        + _omitted(feature, groups),
    )


def _histogram_data(
    cases: Cells, feature: Feature, groups: Sequence[int], truth: BoolArray, positive: Any
) -> list[dict[str, Any]]:
    assert cases.scores is not None
    place = np.minimum((cases.scores * _BINS).astype(int), _BINS - 1)
    data: list[dict[str, Any]] = []
    for group in groups:
        members = feature.code == group
        total = float(cases.w[members].sum()) or 1.0
        for side, sign in ((True, 1), (False, -1)):
            inside = members & (truth == side)
            shares = np.bincount(place[inside], cases.w[inside], minlength=_BINS) / total
            name = f"is {positive}" if side else f"is not {positive}"
            data += [
                {
                    "group": _label(feature, group), "from": bin / _BINS, "to": (bin + 1) / _BINS, "truth": name,
                    "share": round(float(share) * sign, 5),
                }
                for bin, share in enumerate(shares)
                if share
            ]  # fmt: skip
    return data


def _histogram_layers(threshold: float | None) -> list[dict[str, Any]]:
    x = {
        "field": "from", "type": "quantitative", "title": None, "scale": {"domain": [0, 1]},
        "axis": {"values": [0, 0.5, 1], "grid": False, "format": ".1f"},
    }  # fmt: skip
    y = {
        "field": "share", "type": "quantitative", "title": None,
        "axis": {"tickCount": 3, "labelExpr": "format(abs(datum.value), '.0%')"},
    }  # fmt: skip
    layers: list[dict[str, Any]] = [
        {
            "transform": [{"filter": f"datum.share {sign} 0"}],
            "mark": {"type": "rect", "fill": f"var(--q{tone})", "stroke": None},
            "encoding": {"x": x, "x2": {"field": "to"}, "y": y, "y2": {"datum": 0}},
        }
        for sign, tone in ((">", 5), ("<", 3))
    ]
    zero = {"type": "rule", "stroke": "var(--rule)", "strokeWidth": 1}
    layers.append({"mark": zero, "encoding": {"y": {"datum": 0, "type": "quantitative"}}})
    if threshold is not None:
        layers.append({"mark": _RULE, "encoding": {"x": {"datum": threshold, "type": "quantitative"}}})
    return layers


def _mean_scores(cases: Cells, members: BoolArray, truth: BoolArray) -> str:
    """Write the mean score of positive and of other cases."""
    assert cases.scores is not None
    means = []
    for side in (members & truth, members & ~truth):
        total = float(cases.w[side].sum())
        means.append(f"{float(cases.w[side] @ cases.scores[side]) / total:.2f}" if total > 0 else f"no {case_noun()}")
    return " and ".join(means)


# --- ROC --------------------------------------------------------------------------------------------------------


def _roc(swept: FeatureSweep) -> raikit.Figure:
    """Draw the ROC of each group with its pointwise band, over that of all cases; the disc is the current decision."""
    feature, limits = swept.case_feature, swept.limits
    drawn = _drawn_groups(feature, swept.cases)
    groups = [group for group in drawn if limits.defined(group)]
    at_five = "; ".join(f"{_label(feature, group)} {percent(limits.tpr_at(0.05, group)[0])}" for group in groups[:8])
    current = "" if swept.grid.current is None else "; disc: as decided now"
    return raikit.Figure(
        id=f"roc-{swept.number}",
        title=f"ROC, by {feature.title}",
        spec=_panels(feature, groups, _PANEL_SIDE, _roc_layers()),
        data=_roc_data(swept, groups),
        alt=f"ROC curves by {feature.title}. True positive rate where the false positive rate is 5%: {at_five}.",
        subtitle=f"True positive rate by false positive rate (a stretched axis); band: {confidence(swept.settings.level)} at "
        f"each false positive rate; dashed: all {case_noun()}{current}" + _omitted(feature, drawn),
    )


def _roc_data(swept: FeatureSweep, groups: Sequence[int]) -> list[dict[str, Any]]:
    cases, feature, limits, current = swept.cases, swept.case_feature, swept.limits, swept.grid.current
    truth = cases.truth == swept.grid.positive
    everyone = roc_curve(cases, np.ones(len(cases), dtype=bool), truth)
    data: list[dict[str, Any]] = []
    for group in groups:
        name = _label(feature, group)
        own = roc_curve(cases, feature.code == group, truth)
        data += [{"group": name, "what": "all", "fpr": x, "tpr": y} for x, y in everyone]
        data += [{"group": name, "what": "own", "fpr": x, "tpr": y} for x, y in own]
        for fpr in _BAND:
            _, low, high = limits.tpr_at(fpr, group)
            data.append({"group": name, "what": "band", "fpr": fpr, "low": round(low, 4), "high": round(high, 4)})
        if current is not None:
            x, y = (round(float(side[current, group]), 4) for side in (limits.x, limits.y))
            data.append({"group": name, "what": "now", "fpr": x, "tpr": y})
    return data


def _roc_layers() -> list[dict[str, Any]]:
    # Small false positive rates matter most, so that end of the axis is stretched.
    x = {
        "field": "fpr", "type": "quantitative", "title": None, "scale": {"domain": [0, 1], "type": "sqrt"},
        "axis": {"values": [0.05, 0.25, 1], "format": ".0%", "labelOverlap": False},
    }  # fmt: skip
    y = {
        "field": "tpr", "type": "quantitative", "title": None, "axis": {"values": [0, 0.5, 1], "format": ".0%"},
        "scale": {"domain": [0, 1]},
    }  # fmt: skip
    curve = {"x": x, "y": y, "order": {"field": "fpr", "type": "quantitative"}}
    disc = {
        "type": "point", "filled": True, "fill": "var(--ink)", "stroke": "var(--paper)", "strokeWidth": 1.5, "size": 75,
        "opacity": 1,
    }  # fmt: skip
    return [
        {
            "transform": [{"filter": "datum.what === 'band'"}],
            "mark": {"type": "area", "fill": "var(--q2)", "interpolate": "linear"},
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
        },
        {
            "transform": [{"filter": "datum.what === 'all'"}],
            "mark": {"type": "line", "stroke": "var(--q4)", "strokeWidth": 1, "strokeDash": [4, 3]},
            "encoding": curve,
        },
        {
            "transform": [{"filter": "datum.what === 'own'"}],
            "mark": {"type": "line", "stroke": "var(--ink)", "strokeWidth": 2},
            "encoding": curve,
        },
        {"transform": [{"filter": "datum.what === 'now'"}], "mark": disc, "encoding": {"x": x, "y": y}},
    ]


def roc_curve(cases: Cells, members: BoolArray, truth: BoolArray) -> list[tuple[float, float]]:
    """Return the ROC curve of weighted cases, thinned to points that are about equally far apart along it.

    Parameters
    ----------
    cases : Cells
        Single cases with scores.
    members, truth : ndarray of bool
        Cases to draw, and positive cases.

    Returns
    -------
    list of (float, float)
        False and true positive rates.
    """
    assert cases.scores is not None
    levels, place = np.unique(-cases.scores[members], return_inverse=True)
    w, y = cases.w[members], truth[members]
    tpr, fpr = (np.cumsum(np.bincount(place, w * side, minlength=len(levels))) for side in (y, ~y))
    tpr, fpr = np.r_[0.0, tpr / max(tpr[-1], 1e-12)], np.r_[0.0, fpr / max(fpr[-1], 1e-12)]
    along = np.floor((tpr + np.sqrt(fpr)) / 2 * _CURVE_POINTS)
    is_last = np.arange(len(along)) == len(along) - 1
    kept = np.flatnonzero(np.r_[True, np.diff(along) > 0, True][: len(along)] | is_last)
    return [(round(float(fpr[point]), 4), round(float(tpr[point]), 4)) for point in kept]


# --- what each threshold would do -------------------------------------------------------------------------------


def _explorer(swept: FeatureSweep) -> raikit.Figure:
    """Draw each group's rate (left) and the largest gap with its band (right), by the share that a threshold selects.

    Pointing at a threshold marks it in all panels.
    """
    grid, feature = swept.grid, swept.feature
    groups = _drawn_groups(feature, grid.cells)
    share = [round(value, 4) for value in grid.share]
    current = "" if grid.current is None else "; dashed line: as decided now"
    return raikit.Figure(
        id=f"thresholds-{swept.number}",
        title=f"What each threshold would do, by {feature.title}",
        spec=_explorer_spec(grid, share),
        data=_explorer_data(swept, groups, share),
        subtitle=f"By the share of all {case_noun()} that a threshold decides positively. Left: a line for each group; right: the "
        f"largest gap between groups, {confidence(swept.settings.level)} simultaneous{current}" + _omitted(feature, groups),
        alt=f"Rates of the groups of {feature.title} and their largest gap at {len(share)} thresholds. "
        + _describe_current(swept),
    )


def _explorer_data(swept: FeatureSweep, groups: Sequence[int], share: Sequence[float]) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = []
    sizes = _sizes(swept)
    for point in swept.points:
        if point.threshold is not None:
            data += _point_data(point, swept, groups, share[point.threshold], sizes)
    judged = {row["measure"] for row in data if row["side"] == _SIDES[1]}
    data += [
        {"measure": words, "side": _SIDES[1], "group": "all groups", "value": None}
        for words in SWEPT.values()
        if words not in judged
    ]
    return data


def _sizes(swept: FeatureSweep) -> list[dict[str, Any]]:
    """Return for each group what turns its rates into costs: its cases, and the share of them that is positive."""
    cells, feature = swept.grid.cells, swept.feature
    n, total = feature.sums(cells.n), feature.sums(cells.w)
    positive = feature.sums(cells.w * (cells.truth == swept.grid.positive))
    return [
        {"n": int(n[group]), "positive": round(float(positive[group] / total[group]), 4) if total[group] else None}
        for group in range(feature.k)
    ]


def _point_data(
    point: SweepPoint, swept: FeatureSweep, groups: Sequence[int], selected: float, sizes: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:  # fmt: skip
    threshold = float(f"{swept.grid.thresholds[point.threshold]:.3g}")
    place = {"measure": SWEPT[point.measure], "selected": selected, "threshold": threshold}
    value, limits = point.rates.value, point.rates.intervals(swept.settings.level)
    data = [
        {
            **place, "side": _SIDES[0], "group": _label(swept.feature, group), "value": round(float(value[group]), 4),
            "low": round(float(limits.low[group]), 4), "high": round(float(limits.high[group]), 4), **sizes[group],
        }
        for group in groups
        if not np.isnan(value[group])
    ]  # fmt: skip
    if point.gap is not None:
        low, middle, high = min(point.gap.low, point.gap.value), point.gap.value, point.gap.high
        data.append({
            **place, "side": _SIDES[1], "group": "all groups", "value": round(middle, 4), "low": round(low, 4),
            "high": round(high, 4),
        })  # fmt: skip
    return data


def _explorer_spec(grid: Grid, share: Sequence[float]) -> dict[str, Any]:
    x = {
        "field": "selected", "type": "quantitative", "title": None, "scale": {"domain": [0, 1]},
        "axis": {"values": [0, 0.5, 1], "format": ".0%"},
    }  # fmt: skip
    y = {"field": "value", "type": "quantitative", "title": None, "axis": {"format": ".0%", "tickCount": 3}}
    layers = _rate_layers(x, y) + _pointing_layers(x, y)
    if grid.current is not None:
        current = {"x": {"datum": share[grid.current], "type": "quantitative"}}
        layers.insert(1, {"mark": _RULE, "encoding": current})
    row = {"field": "measure", "type": "nominal", "title": None, "sort": list(SWEPT.values()), "header": _HEADER}
    column = {"field": "side", "type": "nominal", "title": None, "sort": list(_SIDES)}
    return {
        "facet": {"row": row, "column": column},
        "spec": {"width": 150, "height": 80, "layer": layers}, "resolve": {"scale": {"y": "independent"}},
        "spacing": {"row": 12, "column": 24},
    }  # fmt: skip


_ONLY_GAPS = {"filter": f"datum.side === '{_SIDES[1]}'"}


def _rate_layers(x: dict[str, Any], y: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "transform": [_ONLY_GAPS, {"filter": "isValid(datum.value)"}],
            "mark": {"type": "area", "fill": "var(--q2)", "tooltip": None},
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
        },
        {
            "mark": {"type": "line", "stroke": "var(--ink)", "strokeWidth": 1.25, "tooltip": None},
            "encoding": {"x": x, "y": y, "detail": {"field": "group", "type": "nominal"}},
        },
        {
            "transform": [{"filter": "!isValid(datum.value)"}],
            "mark": {"type": "text", "fill": "var(--ink-2)", "fontSize": 12.5, "align": "center"},
            "encoding": {"x": {"value": 75}, "y": {"value": 40}, "text": {"value": "cannot be judged"}},
        },
    ]


def _pointing_layers(x: dict[str, Any], y: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the layers that mark the threshold pointed at; a static drawing shows none of them."""
    pointed = {"filter": {"param": "at", "empty": False}}
    select = {"type": "point", "on": "pointerover", "nearest": True, "fields": ["selected"], "clear": "pointerout"}
    largest = {
        "aggregate": [{"op": "max", "field": "value", "as": "value"}],
        "groupby": ["measure", "side", "selected", "threshold"],
    }  # fmt: skip
    tooltip = [
        {"field": "threshold", "type": "quantitative"},
        {"field": "selected", "type": "quantitative", "format": ".1%", "title": "decided positive"},
    ]
    return [
        # One invisible mark for each threshold is what the pointer selects.
        {
            "params": [{"name": "at", "select": select}],
            "transform": [largest],
            "mark": {"type": "point", "opacity": 0},
            "encoding": {"x": x, "y": y, "tooltip": tooltip},
        },
        {
            "transform": [pointed],
            "mark": {"type": "point", "filled": True, "size": 30, "fill": "var(--ink)"},
            "encoding": {"x": x, "y": y},
        },
        {
            "transform": [pointed, _ONLY_GAPS, {"calculate": "format(datum.value, '.1%')", "as": "shown"}],
            "mark": {"type": "text", "fontSize": 12.5, "align": "right", "tooltip": None},
            "encoding": {"x": {"value": 148}, "y": {"value": 9}, "text": {"field": "shown", "type": "nominal"}},
        },
    ]


def _describe_current(swept: FeatureSweep) -> str:
    gaps = [(point, point.gap) for point in swept.current_points if point.gap is not None]
    text = "; ".join(f"{SWEPT[point.measure]} {points(gap.value)}" for point, gap in gaps)
    return f"Gaps as decided now: {text}." if text else "No gap can be judged."
