"""The tables of an assessment as a notebook or a terminal shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import pandas as pd

import raikit
from raikit.format import confidence

Words = Callable[[pd.DataFrame], pd.DataFrame]
"""From a table to the same table with columns and groups in words."""

_SHOWN = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy", "mean_absolute_error", "roc_auc")
_MOST_DOTS, _MOST_GAPS, _MOST_GROUPS, _MOST_STATEMENTS = 24, 12, 30, 8
_GAP_COLUMNS = ["feature", "metric", "value", "low", "high", "p_adjusted", "minimum_detectable"]
_GROUP_COLUMNS = ["group", "metric", "value", "low", "high", "n"]


def as_text(
    statements: Sequence[raikit.Statement], by_group: pd.DataFrame, disparities: pd.DataFrame, level: float, in_words: Words
) -> str:
    """Return what an audit states first, then the gaps, the surest first, then the groups of the single features."""
    title = f"{confidence(level)} CIs of gaps are simultaneous over all pairs of groups"
    gaps = in_words(_gaps(disparities)).to_string(index=False, float_format="%.3f", na_rep="")
    single = in_words(_single_features(by_group[by_group.metric.isin(_SHOWN)]))
    groups = single[_GROUP_COLUMNS].head(_MOST_GROUPS).to_string(index=False, float_format="%.3f")
    lead = "".join(f"{one.headline}\n  {one.evidence}\n" for one in _led(statements))
    more = f"… and {len(statements) - _MOST_STATEMENTS} more\n" if len(statements) > _MOST_STATEMENTS else ""
    return f"{lead}{more}\n{title}\n{gaps}\n\n{groups}"


def as_html(
    statements: Sequence[raikit.Statement], by_group: pd.DataFrame, disparities: pd.DataFrame, level: float, in_words: Words
) -> str:
    """Return what an audit states first, a drawing of values with their intervals, and the gaps as a table."""
    drawings = "".join(_drawing(by_group, metric, in_words) for metric in _SHOWN)
    lead = "".join(f"<li><b>{escape(one.headline)}</b><br>{escape(one.evidence)}</li>" for one in _led(statements))
    more = f"<li>… and {len(statements) - _MOST_STATEMENTS} more</li>" if len(statements) > _MOST_STATEMENTS else ""
    table = _table(in_words(_gaps(disparities)))
    note = (
        f"{confidence(level)} CIs. Those of gaps are simultaneous over all pairs of groups, those of groups hold for each "
        "group by itself. A gap is sure if low is above 0."
    )
    return (
        f'<ul>{lead}{more}</ul><div style="display:flex;flex-wrap:wrap;gap:1.5em">{drawings}</div>{table}<p>{escape(note)}</p>'
    )


def _led(statements: Sequence[raikit.Statement]) -> Sequence[raikit.Statement]:
    return statements[:_MOST_STATEMENTS]


def _table(frame: pd.DataFrame) -> str:
    return str(frame.to_html(index=False, float_format="{:.3f}".format, na_rep="", border=0, escape=True))


def _gaps(disparities: pd.DataFrame) -> pd.DataFrame:
    gaps = disparities[(disparities.group == "") & ~disparities.metric.str.contains("_ratio")]
    return gaps.sort_values("low", ascending=False, kind="stable")[_GAP_COLUMNS].head(_MOST_GAPS)


def _single_features(by_group: pd.DataFrame) -> pd.DataFrame:
    return by_group[~by_group.feature.str.contains(" and ")]


def _drawing(by_group: pd.DataFrame, metric: str, in_words: Words) -> str:
    rows = _single_features(by_group[(by_group.metric == metric) & by_group.value.notna()])
    if rows.empty:
        return ""
    try:
        import vl_convert
    except ImportError:  # the table says the same
        return ""
    spec = _dot_plot(metric, in_words(rows.nlargest(_MOST_DOTS, "n")))
    return str(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]))


def _dot_plot(metric: str, rows: pd.DataFrame) -> dict[str, Any]:
    columns = zip(rows.feature, rows.group, rows.value, rows.low, rows.high, strict=True)
    data: list[dict[str, Any]] = [
        {"label": f"{feature} · {group}"[:60], "value": value, "low": low, "high": high}
        for feature, group, value, low, high in columns
    ]
    y = {"field": "label", "type": "nominal", "sort": [row["label"] for row in data], "title": None}
    x = {"field": "value", "type": "quantitative", "title": None, "scale": {"zero": False}}
    interval = {
        "mark": {"type": "rule", "strokeWidth": 2},
        "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
    }
    value = {"mark": {"type": "point", "filled": True, "size": 70, "color": "black"}, "encoding": {"y": y, "x": x}}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json", "data": {"values": data}, "width": 260,
        "title": {"text": metric.replace("_", " "), "anchor": "start"}, "config": {"view": {"stroke": None}},
        "layer": [interval, value],
    }  # fmt: skip
