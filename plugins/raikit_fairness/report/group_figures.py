"""Figures of groups: dots with their intervals, and a heat map for each intersection. Vega-Lite as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import raikit
from raikit.format import (
    case_noun,
    column_text,
    confidence,
    count,
    group_name,
    percent,
    sample_size,
    significant,
    value_text,
)
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.group_estimates import Estimates
from raikit_fairness.measures import Measure
from raikit_fairness.report.layers import (
    NOT_SURELY_WORSE,
    SMALL,
    UNDEFINED,
    WORSE,
    interval_lines,
    points,
    reference_line,
    text_at_end,
    unique_labels,
)
from raikit_fairness.settings import IntervalSettings

_MOST_DOTS = 40
_MOST_CELLS = 15  # of a heat map, to a side
_MOST_LETTERS = 60
_MOST_NAMED = 12


def mark_groups(
    measure: Measure, estimates: Estimates, contrasts: Sequence[raikit.Metric], feature: Feature,
    settings: IntervalSettings,
) -> list[str]:  # fmt: skip
    """Return the mark of each group: surely worse, not surely worse, too small to judge, or undefined.

    `contrasts` compare it with the rest or with a reference.
    For a metric without a better direction "worse" means "different".
    """
    contrast_of = {tuple((metric.group or {}).values()): metric for metric in contrasts}
    judged, defined = estimates.judged(settings) & feature.compared, estimates.defined
    marks = []
    for position, group in enumerate(feature.groups):
        contrast = contrast_of.get(group)
        if not defined[position]:
            marks.append(UNDEFINED)
        elif not judged[position]:
            marks.append(SMALL)
        else:
            marks.append(WORSE if contrast and _is_worse(contrast, measure) else NOT_SURELY_WORSE)
    return marks


def _is_worse(contrast: raikit.Metric, measure: Measure) -> bool:
    below, above = (contrast.high or 0.0) < 0, (contrast.low or 0.0) > 0
    return {"higher": below, "lower": above}.get(measure.direction or "", below or above)


def dot_plot(
    id: str, title: str, measure: Measure, estimates: Estimates, marks: Sequence[str], feature: Feature,
    settings: IntervalSettings, reference: int | None = None,
) -> raikit.Figure:  # fmt: skip
    """Return a plot with one row per group, sorted by value, about the dashed line of the reference or of all cases."""
    rows, omitted = _dot_rows(measure, estimates, marks, feature, settings)
    axis: dict[str, Any] = {"format": ".0%", "tickCount": 5} if measure.unit == "rate" else {"tickCount": 5}
    y = {"field": "label", "type": "nominal", "sort": [row["label"] for row in rows], "title": None}
    scale = {"zero": False, "nice": True}
    x = {"field": "value", "type": "quantitative", "title": None, "axis": axis, "scale": scale}
    layers: list[dict[str, Any]] = [
        reference_line(estimates.overall if reference is None else float(estimates.value[reference])),
        interval_lines(x, y, f"datum.mark !== '{SMALL}'"),
        interval_lines(x, y, f"datum.mark === '{SMALL}'", strokeDash=[3, 3]),
        points(x, y, NOT_SURELY_WORSE, shape="circle", filled=True),
        points(x, y, WORSE, shape="triangle-up", filled=True, size=110),
        points(x, y, SMALL, shape="circle", filled=False, fill="var(--paper)", strokeWidth=1.5),
        text_at_end(y),
    ]
    worse = [row["label"] for row in rows if row["mark"] == WORSE]
    word = "Surely different from" if measure.direction is None else "Surely worse than"
    values = "; ".join(f"{row['label']} {row['shown']}" for row in _both_ends(rows))
    rest, line = ("the rest", f"all {case_noun()}") if reference is None else (group_name(feature.group(reference)),) * 2
    shown = "" if feature.compared.all() else ", or not compared"
    result = f"{word} {rest}: {', '.join(worse[:6])}." if worse else f"No group is {word.lower()} {rest}."
    middle = f"; {omitted} groups in the middle are not drawn" if omitted else ""
    return raikit.Figure(
        id=id,
        title=f"{title}, by {feature.title}",
        subtitle=f"{confidence(settings.level)} CIs of each group by itself; dashed line: {line}; triangle: "
        f"{word.lower()} {rest}; ring: under {settings.min_group} {case_noun()}{shown}{middle}",
        alt=f"{title} by {feature.title}, from the highest: {values}. {result}",
        spec={"height": {"step": 26}, "layer": layers},
        data=rows,
    )


def _both_ends(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the groups that a text names: the highest, and the lowest one that has a value."""
    first, others = list(rows[:_MOST_NAMED]), [row for row in rows[_MOST_NAMED:] if row["value"] is not None]
    return [*first, *others[-1:]]


def _dot_rows(
    measure: Measure, estimates: Estimates, marks: Sequence[str], feature: Feature, settings: IntervalSettings
) -> tuple[list[dict[str, Any]], int]:
    """Return the data from the highest value on, undefined groups last, and the number of groups left out."""
    limits, value = estimates.intervals(settings.level), estimates.value
    labels = unique_labels([" · ".join(map(_label, feature.columns, group)) for group in feature.groups])
    defined = [group for group in range(feature.k) if marks[group] != UNDEFINED]
    undefined = [group for group in range(feature.k) if marks[group] == UNDEFINED]
    order = sorted(defined, key=lambda group: -float(value[group])) + undefined
    half = _MOST_DOTS // 2
    drawn = order if len(order) <= _MOST_DOTS else order[:half] + order[-half:]
    rows: list[dict[str, Any]] = []
    for group in drawn:
        n = int(estimates.n[group])
        row: dict[str, Any] = {
            "label": labels[group], "mark": marks[group], "rows": n, "value": None, "low": None, "high": None,
            "shown": "undefined",
        }  # fmt: skip
        if marks[group] != UNDEFINED:
            number = float(value[group])
            row |= {
                "value": number,
                "low": min(float(limits.low[group]), number),
                "high": max(float(limits.high[group]), number),
                "shown": f"{percent(number)} of {count(n)}"
                if measure.unit == "rate"
                else f"{significant(number, 4)} ({sample_size(n)})",
            }
        rows.append(row)
    return rows, len(order) - len(drawn)


def heat_map(
    id: str, title: str, measure: Measure, estimates: Estimates, marks: Sequence[str], feature: Feature,
    reference: int | None = None,
) -> raikit.Figure | None:  # fmt: skip
    """Return an intersection of two features with a number in every cell; None if it is too large to read."""
    labels = [_axis_labels(feature, axis) for axis in (0, 1)]
    down, across = (list(axis.values()) for axis in labels)
    if max(len(down), len(across)) > _MOST_CELLS:
        return None
    defined = [float(estimates.value[group]) for group in range(feature.k) if marks[group] != UNDEFINED]
    if not defined:
        return None
    data = [
        {"down": labels[0][values[0]], "across": labels[1][values[1]], **_cell(measure, estimates, group, marks[group])}
        for group, values in enumerate(feature.groups)
    ]
    than = "different from" if measure.direction is None else "worse than"
    rest = "the rest" if reference is None else group_name(feature.group(reference))
    lowest, *_, highest = sorted((row for row in data if row["value"] is not None), key=lambda row: row["value"]) * 2
    return raikit.Figure(
        id=id,
        title=f"{title}, by {feature.title}",
        spec=_heat_map_spec(feature, down, across, min(defined), max(defined)),
        data=data,
        subtitle=("Percent; " if measure.unit == "rate" else "")
        + f"a stronger tone is a higher value; frame and triangle: surely {than} {rest}; dashed: few {case_noun()}",
        alt=f"{title} for every combination of {feature.title}: highest for {highest['down']} and {highest['across']}, "
        f"{highest['shown']}; lowest for {lowest['down']} and {lowest['across']}, {lowest['shown']}.",
    )


def _heat_map_spec(
    feature: Feature, down: Sequence[str], across: Sequence[str], low: float, high: float
) -> dict[str, Any]:  # fmt: skip
    steps = [low + (high - low) * part for part in (0.2, 0.4, 0.6, 0.8)] if high > low else [high + 1] * 4
    angle = 0 if sum(map(len, across)) <= 40 else -60
    x = {
        "field": "across", "type": "nominal", "sort": list(across), "title": column_text(feature.columns[1]),
        "axis": {"orient": "top", "labelAngle": angle},
    }  # fmt: skip
    y = {"field": "down", "type": "nominal", "sort": list(down), "title": column_text(feature.columns[0])}
    tones = {"type": "threshold", "domain": steps, "range": [f"var(--q{step})" for step in range(1, 6)]}
    on_dark = {"test": f"isValid(datum.value) && datum.value >= {steps[2]}", "value": "var(--paper)"}
    return {
        "height": {"step": 30},
        "encoding": {"x": x, "y": y},
        "layer": [
            {
                "transform": [{"filter": "isValid(datum.value)"}],
                "mark": {"type": "rect", "stroke": "var(--paper)", "strokeWidth": 2},
                "encoding": {"color": {"field": "value", "type": "quantitative", "legend": None, "scale": tones}},
            },
            _frame(WORSE, strokeWidth=2.5),
            _frame(SMALL, strokeWidth=1.5, strokeDash=[3, 3]),
            {
                "mark": {"type": "text"},
                "encoding": {
                    "text": {"field": "shown", "type": "nominal"},
                    "color": {"condition": on_dark, "value": "var(--ink)"},
                },
            },
        ],
    }


def _axis_labels(feature: Feature, axis: int) -> dict[str | None, str]:
    """Return the label of each value along one axis, the missing one last."""
    values = sorted({group[axis] for group in feature.groups}, key=lambda value: (value is None, value or ""))
    return dict(zip(values, unique_labels([_label(feature.columns[axis], value) for value in values]), strict=True))


def _frame(mark: str, **style: Any) -> dict[str, Any]:
    return {
        "transform": [{"filter": f"datum.mark === '{mark}'"}],
        "mark": {"type": "rect", "fill": None, "stroke": "var(--ink)", **style},
    }


def _cell(measure: Measure, estimates: Estimates, group: int, mark: str) -> dict[str, Any]:
    value = None if mark == UNDEFINED else float(estimates.value[group])
    # The cells are too small for a unit, which stands in the subtitle.
    shown = "n/a" if value is None else f"{value * 100:.0f}" if measure.unit == "rate" else significant(value)
    return {"value": value, "rows": int(estimates.n[group]), "mark": mark, "shown": shown + " ▲" * (mark == WORSE)}


def _label(column: str, value: str | None) -> str:
    label = value_text(column, value)
    return "(missing)" if value is None and label == "missing" else label[:_MOST_LETTERS] or "“”"
