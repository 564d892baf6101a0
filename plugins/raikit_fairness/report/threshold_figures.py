"""Scores and thresholds drawn: histograms and ROC by group, and what every threshold would do. Vega-Lite as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import raikit

if TYPE_CHECKING:
    from raikit_fairness.estimates.case_counts import BoolArray, Cells, Feature
    from raikit_fairness.estimates.group_estimates import Settings
    from raikit_fairness.estimates.threshold_sweep import Curves, Grid, Point

MOST_PANELS = 12
_BINS = 20
_CURVE = 40  # points of a drawn ROC curve
_BAND = (0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_SIDE = 108  # of a small panel
_SIDES = ("rate by group", "largest gap")
_NUMBER = "format(datum.value, '.1%')"
_RULE = {"type": "rule", "strokeDash": [4, 4], "stroke": "var(--rule)", "strokeWidth": 1.5, "tooltip": None}


def shown(feature: Feature, cells: Cells) -> list[int]:
    """The groups that are drawn: all, or the largest, in their order."""
    import numpy as np

    sizes = np.bincount(feature.code, cells.n, minlength=feature.k)
    return sorted(np.argsort(-sizes, kind="stable")[:MOST_PANELS].tolist())


def label(feature: Feature, at: int) -> str:
    """A group's name over its panel."""
    value = feature.groups[at][0]
    return "(missing)" if value is None else value[:24] or "“”"


def _left_out(feature: Feature, groups: Sequence[int]) -> str:
    return f"; the {len(groups)} largest of {feature.k} groups" if len(groups) < feature.k else ""


def _panels(feature: Feature, groups: Sequence[int], height: int, layers: list[dict[str, Any]]) -> dict[str, Any]:
    """A small panel for each group, three in a row."""
    names = [label(feature, at) for at in groups]
    return {
        "facet": {"field": "group", "type": "nominal", "title": None, "sort": names, "header": {"labelFontSize": 12.5}},
        "columns": 3, "spacing": {"row": 14, "column": 18}, "spec": {"width": _SIDE, "height": height, "layer": layers},
    }


def histograms(id: str, rows: Cells, feature: Feature, truth: BoolArray, threshold: float | None, positive: Any) -> raikit.Figure:
    """Scores of each group: rows of the positive class upwards, of the other downwards, as shares of the group."""
    import numpy as np

    assert rows.scores is not None
    groups = shown(feature, rows)
    place = np.minimum((rows.scores * _BINS).astype(int), _BINS - 1)
    data: list[dict[str, Any]] = []
    for at in groups:
        inside = feature.code == at
        total = float(rows.w[inside].sum()) or 1.0
        for side, sign in ((True, 1), (False, -1)):
            share = np.bincount(place[inside & (truth == side)], rows.w[inside & (truth == side)], minlength=_BINS) / total
            data += [{"group": label(feature, at), "from": number / _BINS, "to": (number + 1) / _BINS,
                      "truth": f"is {positive}" if side else f"is not {positive}", "share": round(float(part) * sign, 5)}
                     for number, part in enumerate(share) if part]
    x = {"field": "from", "type": "quantitative", "title": None, "scale": {"domain": [0, 1]},
         "axis": {"values": [0, 0.5, 1], "grid": False, "format": ".1f"}}
    y = {"field": "share", "type": "quantitative", "title": None,
         "axis": {"tickCount": 3, "labelExpr": "format(abs(datum.value), '.0%')"}}
    layers: list[dict[str, Any]] = [
        {"transform": [{"filter": f"datum.share {sign} 0"}], "mark": {"type": "rect", "fill": f"var(--q{tone})", "stroke": None},
         "encoding": {"x": x, "x2": {"field": "to"}, "y": y, "y2": {"datum": 0}}}
        for sign, tone in ((">", 5), ("<", 3))
    ]
    layers.append({"mark": {"type": "rule", "stroke": "var(--rule)", "strokeWidth": 1}, "encoding": {
        "y": {"datum": 0, "type": "quantitative"}}})
    if threshold is not None:
        layers.append({"mark": _RULE, "encoding": {"x": {"datum": threshold, "type": "quantitative"}}})
    said = "; ".join(f"{label(feature, at)}: {_mean(rows, feature.code == at, truth)}" for at in groups[:8])
    return raikit.Figure(
        id=id, title=f"Scores, by {feature.title}", spec=_panels(feature, groups, 80, layers),
        data=data, alt=f"Histograms of the score by {feature.title}. Mean score of rows that are {positive} and are not: {said}.",
        subtitle=f"Share of a group's rows; upwards (a stronger tone): is {positive}, downwards: is not"
                 + ("" if threshold is None else f"; dashed line: decided {positive} from {threshold:.3g} on")
                 + _left_out(feature, groups),
    )


def _mean(rows: Cells, inside: BoolArray, truth: BoolArray) -> str:
    assert rows.scores is not None
    parts = []
    for side in (inside & truth, inside & ~truth):
        total = float(rows.w[side].sum())
        parts.append(f"{float(rows.w[side] @ rows.scores[side]) / total:.2f}" if total > 0 else "no rows")
    return " and ".join(parts)


def roc(id: str, rows: Cells, feature: Feature, truth: BoolArray, curves: Curves, grid: Grid, settings: Settings) -> raikit.Figure:
    """ROC of each group with its pointwise band, over that of all rows; the disc is the present decision."""
    import numpy as np

    groups = [at for at in shown(feature, rows) if curves.defined(at)]
    everyone = _curve(rows, np.ones(len(rows), dtype=bool), truth)
    data: list[dict[str, Any]] = []
    for at in groups:
        name = label(feature, at)
        data += [{"group": name, "what": "all", "fpr": x, "tpr": y} for x, y in everyone]
        data += [{"group": name, "what": "own", "fpr": x, "tpr": y} for x, y in _curve(rows, feature.code == at, truth)]
        for fpr in _BAND:
            _, low, high = curves.tpr_at(fpr, at)
            data.append({"group": name, "what": "band", "fpr": fpr, "low": round(low, 4), "high": round(high, 4)})
        if grid.current is not None:
            data.append({"group": name, "what": "now", "fpr": round(float(curves.x[grid.current, at]), 4),
                         "tpr": round(float(curves.y[grid.current, at]), 4)})
    # what matters happens where few are wrongly called positive, so that end of the axis is stretched
    x = {"field": "fpr", "type": "quantitative", "title": None, "scale": {"domain": [0, 1], "type": "sqrt"},
         "axis": {"values": [0.05, 0.25, 1], "format": ".0%", "labelOverlap": False}}
    y = {"field": "tpr", "type": "quantitative", "title": None, "axis": {"values": [0, 0.5, 1], "format": ".0%"},
         "scale": {"domain": [0, 1]}}
    order = {"field": "fpr", "type": "quantitative"}
    layers: list[dict[str, Any]] = [
        {"transform": [{"filter": "datum.what === 'band'"}], "mark": {"type": "area", "fill": "var(--q2)", "interpolate": "linear"},
         "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}},
        {"transform": [{"filter": "datum.what === 'all'"}], "mark": {"type": "line", "stroke": "var(--q4)", "strokeWidth": 1,
                                                                      "strokeDash": [4, 3]},
         "encoding": {"x": x, "y": y, "order": order}},
        {"transform": [{"filter": "datum.what === 'own'"}], "mark": {"type": "line", "stroke": "var(--ink)", "strokeWidth": 2},
         "encoding": {"x": x, "y": y, "order": order}},
        {"transform": [{"filter": "datum.what === 'now'"}],
         "mark": {"type": "point", "filled": True, "fill": "var(--ink)", "stroke": "var(--paper)", "strokeWidth": 1.5, "size": 75,
                  "opacity": 1},
         "encoding": {"x": x, "y": y}},
    ]
    at_five = "; ".join(f"{label(feature, at)} {curves.tpr_at(0.05, at)[0] * 100:.0f} %" for at in groups[:8])
    return raikit.Figure(
        id=id, title=f"ROC, by {feature.title}", spec=_panels(feature, groups, _SIDE, layers),
        data=data, alt=f"ROC curves by {feature.title}. True positive rate where the false positive rate is 5 %: {at_five}.",
        subtitle=f"True positive rate by false positive rate (a stretched axis); band: {settings.level * 100:g} % at each false "
                 "positive rate; dashed: all rows" + ("" if grid.current is None else "; disc: as decided now")
                 + _left_out(feature, shown(feature, rows)),
    )


def _curve(rows: Cells, inside: BoolArray, truth: BoolArray) -> list[tuple[float, float]]:
    """A ROC curve of weighted rows, thinned to points about equally far from each other along it."""
    import numpy as np

    assert rows.scores is not None
    levels, place = np.unique(-rows.scores[inside], return_inverse=True)
    w, y = rows.w[inside], truth[inside]
    tpr, fpr = (np.cumsum(np.bincount(place, w * side, minlength=len(levels))) for side in (y, ~y))
    tpr, fpr = np.r_[0.0, tpr / max(tpr[-1], 1e-12)], np.r_[0.0, fpr / max(fpr[-1], 1e-12)]
    along = np.floor((tpr + np.sqrt(fpr)) / 2 * _CURVE)
    kept = np.flatnonzero(np.r_[True, np.diff(along) > 0, True][: len(along)] | (np.arange(len(along)) == len(along) - 1))
    return [(round(float(fpr[at]), 4), round(float(tpr[at]), 4)) for at in kept]


def explorer(id: str, grid: Grid, feature: Feature, points: Sequence[Point], settings: Settings) -> raikit.Figure:
    """Left each group's rate, right the largest gap with its band, by the share of all rows that a threshold selects.

    Where pointed at, all panels mark the same threshold.
    """
    from raikit_fairness.estimates.threshold_sweep import SWEPT

    groups = shown(feature, grid.cells)
    share = [round(value, 4) for value in grid.share]
    data: list[dict[str, Any]] = []
    for point in points:
        if point.at is None:
            continue
        place = {"measure": SWEPT[point.measure], "selected": share[point.at],
                 "threshold": float(f"{grid.thresholds[point.at]:.3g}")}
        value, limits = point.found.value, point.found.intervals(settings.level)
        data += [{**place, "side": _SIDES[0], "group": label(feature, at), "value": round(float(value[at]), 4),
                  "low": round(float(limits.low[at]), 4), "high": round(float(limits.high[at]), 4)}
                 for at in groups if value[at] == value[at]]
        if point.gap is not None:
            data.append({**place, "side": _SIDES[1], "group": "all groups", "value": round(point.gap.value, 4),
                         "low": round(min(point.gap.low, point.gap.value), 4), "high": round(point.gap.high, 4)})
    judged = {row["measure"] for row in data if row["side"] == _SIDES[1]}
    data += [{"measure": words, "side": _SIDES[1], "group": "all groups", "value": None} for words in SWEPT.values()
             if words not in judged]
    return raikit.Figure(
        id=id, title=f"What each threshold would do, by {feature.title}", spec=_explorer(grid, share), data=data,
        subtitle="By the share of all rows that a threshold decides positively. Left: a line for each group; right: the largest "
                 f"gap between groups, {settings.level * 100:g} % simultaneous"
                 + ("" if grid.current is None else "; dashed line: as decided now") + _left_out(feature, groups),
        alt=f"Rates of the groups of {feature.title} and their largest gap at {len(share)} thresholds. " + _told(grid, points),
    )


def _explorer(grid: Grid, share: Sequence[float]) -> dict[str, Any]:
    from raikit_fairness.estimates.threshold_sweep import SWEPT

    x = {"field": "selected", "type": "quantitative", "title": None, "scale": {"domain": [0, 1]},
         "axis": {"values": [0, 0.5, 1], "format": ".0%"}}
    y = {"field": "value", "type": "quantitative", "title": None, "axis": {"format": ".0%", "tickCount": 3}}
    pointed, gaps = {"filter": {"param": "at", "empty": False}}, {"filter": f"datum.side === '{_SIDES[1]}'"}
    layers: list[dict[str, Any]] = [
        {"transform": [gaps, {"filter": "isValid(datum.value)"}], "mark": {"type": "area", "fill": "var(--q2)", "tooltip": None},
         "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}},
        {"mark": {"type": "line", "stroke": "var(--ink)", "strokeWidth": 1.25, "tooltip": None},
         "encoding": {"x": x, "y": y, "detail": {"field": "group", "type": "nominal"}}},
        {"transform": [{"filter": "!isValid(datum.value)"}],
         "mark": {"type": "text", "fill": "var(--ink-2)", "fontSize": 12.5, "align": "center"},
         "encoding": {"x": {"value": 75}, "y": {"value": 40}, "text": {"value": "cannot be judged"}}},
        # one invisible mark at each threshold is what pointing finds; without pointing, the layers below draw nothing
        {"params": [{"name": "at", "select": {"type": "point", "on": "pointerover", "nearest": True, "fields": ["selected"],
                                              "clear": "pointerout"}}],
         "transform": [{"aggregate": [{"op": "max", "field": "value", "as": "value"}],
                        "groupby": ["measure", "side", "selected", "threshold"]}],
         "mark": {"type": "point", "opacity": 0},
         "encoding": {"x": x, "y": y, "tooltip": [
             {"field": "threshold", "type": "quantitative"},
             {"field": "selected", "type": "quantitative", "format": ".1%", "title": "decided positive"}]}},
        {"transform": [pointed], "mark": {"type": "point", "filled": True, "size": 30, "fill": "var(--ink)"},
         "encoding": {"x": x, "y": y}},
        {"transform": [pointed, gaps, {"calculate": _NUMBER, "as": "said"}],
         "mark": {"type": "text", "fontSize": 12.5, "align": "right", "tooltip": None},
         "encoding": {"x": {"value": 148}, "y": {"value": 9}, "text": {"field": "said", "type": "nominal"}}},
    ]
    if grid.current is not None:
        layers.insert(1, {"mark": _RULE, "encoding": {"x": {"datum": share[grid.current], "type": "quantitative"}}})
    header = {"labelAngle": 0, "labelOrient": "top", "labelAnchor": "start", "labelFontSize": 12.5, "labelPadding": 0,
              "labelBaseline": "bottom"}
    return {
        "facet": {"row": {"field": "measure", "type": "nominal", "title": None, "sort": list(SWEPT.values()), "header": header},
                  "column": {"field": "side", "type": "nominal", "title": None, "sort": list(_SIDES)}},
        "spec": {"width": 150, "height": 80, "layer": layers}, "resolve": {"scale": {"y": "independent"}},
        "spacing": {"row": 12, "column": 24},
    }


def _told(grid: Grid, points: Sequence[Point]) -> str:
    from raikit_fairness.estimates.threshold_sweep import SWEPT

    now = [point for point in points if point.at == grid.current and point.gap is not None]
    said = "; ".join(f"{SWEPT[point.measure]} {point.gap.value * 100:.1f} points" for point in now if point.gap)
    return f"Gaps as decided now: {said}." if said else "No gap can be judged."

