"""Dots with their intervals, and a heat map per intersection: Vega-Lite as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import raikit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raikit_fairness.estimates.case_counts import Feature
    from raikit_fairness.estimates.group_estimates import Estimates, Settings
    from raikit_fairness.measures import Measure

_MOST_DOTS = 40
_MOST_CELLS = 15  # of a heat map, to a side

WORSE, ALIKE, SMALL, UNDEFINED = "worse", "no worse", "too small to judge", "undefined"


def marks(
    measure: Measure, found: Estimates, rest: Sequence[raikit.Metric], feature: Feature, settings: Settings
) -> list[str]:
    """What the data tell of each group: worse than the rest beyond doubt, no worse as far as they tell, or neither.

    For a metric without a better direction "worse" is "differs".
    """
    contrast = {tuple((metric.group or {}).values()): metric for metric in rest}
    judged, defined = found.judged(settings), found.defined
    result = []
    for at, group in enumerate(feature.groups):
        against = contrast.get(group)
        if not defined[at]:
            result.append(UNDEFINED)
        elif not judged[at]:
            result.append(SMALL)
        else:
            result.append(WORSE if against and _is_worse(against, measure) else ALIKE)
    return result


def _is_worse(contrast: raikit.Metric, measure: Measure) -> bool:
    below, above = (contrast.high or 0.0) < 0, (contrast.low or 0.0) > 0
    return {"higher": below, "lower": above}.get(measure.direction or "", below or above)


def dots(
    id: str, title: str, measure: Measure, found: Estimates, mark: Sequence[str], feature: Feature, settings: Settings
) -> raikit.Figure:
    """One row per group, sorted by value, about the dashed line of all rows together."""
    rows, left_out = _rows(measure, found, mark, feature, settings)
    percent = measure.unit == "rate"
    order = [row["label"] for row in rows]
    axis: dict[str, Any] = {"format": ".0%", "tickCount": 5} if percent else {"tickCount": 5}
    y = {"field": "label", "type": "nominal", "sort": order, "title": None}
    x = {"field": "value", "type": "quantitative", "title": None, "axis": axis, "scale": {"zero": False, "nice": True}}
    at_end = {"align": "left", "dx": 10, "baseline": "middle", "fill": "var(--ink-2)"}
    layers: list[dict[str, Any]] = [
        {"mark": {"type": "rule", "strokeDash": [4, 4], "stroke": "var(--rule)", "strokeWidth": 1.5},
         "encoding": {"x": {"datum": found.overall, "type": "quantitative"}}},
        _interval(x, y, f"datum.mark !== '{SMALL}'"),
        _interval(x, y, f"datum.mark === '{SMALL}'", strokeDash=[3, 3]),
        _points(x, y, ALIKE, shape="circle", filled=True),
        _points(x, y, WORSE, shape="triangle-up", filled=True, size=110),
        _points(x, y, SMALL, shape="circle", filled=False, fill="var(--paper)", strokeWidth=1.5),
        {"mark": {"type": "text", **at_end}, "encoding": {"x": {"value": "width"}, "y": y,
                                                          "text": {"field": "shown", "type": "nominal"}}},
    ]
    worse = [row["label"] for row in rows if row["mark"] == WORSE]
    word = "Differs from" if measure.direction is None else "Worse than"
    key = (f"dashed line: all rows; triangle: {word.lower()} the rest beyond doubt; "
           f"ring: under {settings.min_group} rows")
    said = "; ".join(f"{row['label']} {row['shown']}" for row in rows[:12])
    return raikit.Figure(
        id=id, title=f"{title}, by {feature.title}",
        subtitle=f"{settings.level * 100:g} % intervals of each group by itself; {key}"
                 + (f"; {left_out} groups in the middle not drawn" if left_out else ""),
        alt=f"{title} by {feature.title}, from the highest: {said}. "
            + (f"{word} the rest beyond doubt: {', '.join(worse[:6])}." if worse else "No group differs beyond doubt."),
        spec={"height": {"step": 26}, "layer": layers}, data=rows,
    )


def _interval(x: dict[str, Any], y: dict[str, Any], test: str, **style: Any) -> dict[str, Any]:
    return {
        "transform": [{"filter": f"isValid(datum.value) && {test}"}],
        "mark": {"type": "rule", "stroke": "var(--ink)", "strokeWidth": 2, **style},
        "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y},
    }


def _points(x: dict[str, Any], y: dict[str, Any], mark: str, **style: Any) -> dict[str, Any]:
    colour = {"fill": "var(--ink)", "stroke": "var(--ink)", "size": 70, "opacity": 1}
    return {
        "transform": [{"filter": f"datum.mark === '{mark}'"}],
        "mark": {"type": "point", **colour, **style},
        "encoding": {"x": x, "y": y},
    }


def _rows(
    measure: Measure, found: Estimates, mark: Sequence[str], feature: Feature, settings: Settings
) -> tuple[list[dict[str, Any]], int]:
    """Data of a dot plot from the highest value on, undefined groups last; and how many groups there is no room for."""
    limits, value = found.intervals(settings.level), found.value
    labels = _labels(feature)
    defined = [at for at in range(feature.k) if mark[at] != UNDEFINED]
    order = sorted(defined, key=lambda at: -float(value[at])) + [at for at in range(feature.k) if mark[at] == UNDEFINED]
    half = _MOST_DOTS // 2
    kept = order if len(order) <= _MOST_DOTS else order[:half] + order[-half:]
    rows: list[dict[str, Any]] = []
    for at in kept:
        row: dict[str, Any] = {"label": labels[at], "mark": mark[at], "rows": int(found.n[at]), "value": None,
                               "low": None, "high": None, "shown": "undefined"}
        if mark[at] != UNDEFINED:
            number = float(value[at])
            shown = f"{number * 100:.1f} %" if measure.unit == "rate" else f"{number:.4g}"
            low, high = min(float(limits.low[at]), number), max(float(limits.high[at]), number)
            row |= {"value": number, "low": low, "high": high,
                    "shown": f"{shown} of {int(found.n[at]):,}" if measure.unit == "rate" else
                             f"{shown} ({int(found.n[at]):,} rows)"}
        rows.append(row)
    return rows, len(order) - len(kept)


def _labels(feature: Feature) -> list[str]:
    """Names of groups for an axis: short, and no two alike."""
    return _unlike([" · ".join(_part(value) for value in group) for group in feature.groups])


def _unlike(texts: Sequence[str]) -> list[str]:
    taken: dict[str, int] = {}
    labels = []
    for text in texts:
        taken[text] = taken.get(text, 0) + 1
        labels.append(text if taken[text] == 1 else f"{text} ({taken[text]})")
    return labels


def heat_map(
    id: str, title: str, measure: Measure, found: Estimates, mark: Sequence[str], feature: Feature
) -> raikit.Figure | None:
    """An intersection of two features with a number in every cell; None where it is too large to read."""
    names = [_side(feature, axis) for axis in (0, 1)]
    down, across = (list(side.values()) for side in names)
    if max(len(down), len(across)) > _MOST_CELLS:
        return None
    value = found.value
    known = [float(value[at]) for at in range(feature.k) if mark[at] != UNDEFINED]
    if not known:
        return None
    low, high = min(known), max(known)
    data = [_cell(at, group, names, measure, found, mark[at]) for at, group in enumerate(feature.groups)]
    steps = [low + (high - low) * part for part in (0.2, 0.4, 0.6, 0.8)] if high > low else [high + 1] * 4
    x = {"field": "across", "type": "nominal", "sort": across, "title": feature.columns[1],
         "axis": {"orient": "top", "labelAngle": 0 if sum(map(len, across)) <= 40 else -60}}
    y = {"field": "down", "type": "nominal", "sort": down, "title": feature.columns[0]}
    drawn = {"transform": [{"filter": "isValid(datum.value)"}]}
    spec = {
        "height": {"step": 30},
        "encoding": {"x": x, "y": y},
        "layer": [
            {**drawn, "mark": {"type": "rect", "stroke": "var(--paper)", "strokeWidth": 2},
             "encoding": {"color": {"field": "value", "type": "quantitative", "legend": None,
                                    "scale": {"type": "threshold", "domain": steps,
                                              "range": [f"var(--q{step})" for step in range(1, 6)]}}}},
            _frame(WORSE, strokeWidth=2.5), _frame(SMALL, strokeWidth=1.5, strokeDash=[3, 3]),
            {"mark": {"type": "text"},
             "encoding": {"text": {"field": "shown", "type": "nominal"},
                          "color": {"condition": {"test": f"isValid(datum.value) && datum.value >= {steps[2]}",
                                                  "value": "var(--paper)"}, "value": "var(--ink)"}}},
        ],
    }
    than = "differs from" if measure.direction is None else "worse than"
    highest = max((row for row in data if row["value"] is not None), key=lambda row: row["value"])
    return raikit.Figure(
        id=id, title=f"{title}, by {feature.title}", spec=spec, data=data,
        subtitle=("Percent; " if measure.unit == "rate" else "") + "a stronger tone is a higher value; framed with a "
                 f"triangle: {than} the rest beyond doubt; dashed: few rows",
        alt=f"{title} for every combination of {feature.title}: highest for {highest['down']} and {highest['across']}, "
            f"{highest['shown']}.",
    )


def _side(feature: Feature, axis: int) -> dict[str | None, str]:
    """Values along one side with their names, the missing one last."""
    known = sorted({group[axis] for group in feature.groups}, key=lambda value: (value is None, value or ""))
    return dict(zip(known, _unlike([_part(value) for value in known]), strict=True))


def _frame(mark: str, **style: Any) -> dict[str, Any]:
    return {"transform": [{"filter": f"datum.mark === '{mark}'"}],
            "mark": {"type": "rect", "fill": None, "stroke": "var(--ink)", **style}}


def _cell(
    at: int, group: tuple[str | None, ...], names: list[dict[str | None, str]], measure: Measure, found: Estimates, mark: str
) -> dict[str, Any]:
    value = None if mark == UNDEFINED else float(found.value[at])
    shown = "n/a" if value is None else f"{value * 100:.0f}" if measure.unit == "rate" else f"{value:.3g}"
    return {"down": names[0][group[0]], "across": names[1][group[1]], "value": value, "rows": int(found.n[at]), "mark": mark,
            "shown": shown + " ▲" * (mark == WORSE)}


def _part(value: str | None) -> str:
    return "(missing)" if value is None else value[:60] or "“”"
