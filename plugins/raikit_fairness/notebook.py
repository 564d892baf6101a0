"""An assessment as a notebook or a terminal shows it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from raikit_fairness.assessment import Assessment

_SHOWN = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy", "mean_absolute_error", "roc_auc")
_MOST_DOTS = 24
_COLUMNS = ["feature", "metric", "value", "low", "high", "p_adjusted", "minimum_detectable"]


def as_text(found: Assessment) -> str:
    """The gaps, the surest first, then the groups of the single features."""
    gaps = _gaps(found)
    head = f"{found.confidence * 100:g} % intervals of gaps are simultaneous over all pairs of groups"
    single = found.by_group[~found.by_group.feature.str.contains(" and ") & found.by_group.metric.isin(_SHOWN)]
    return (f"{head}\n{gaps[_COLUMNS].head(12).to_string(index=False, float_format='%.3f', na_rep='')}\n\n"
            f"{single[['group', 'metric', 'value', 'low', 'high', 'n']].head(30).to_string(index=False, float_format='%.3f')}")


def as_html(found: Assessment) -> str:
    """Dots with their intervals as a drawing, and the gaps as a table."""
    drawn = "".join(_drawing(found, metric) for metric in _SHOWN)
    gaps = _gaps(found)[_COLUMNS].head(12)
    table = gaps.to_html(index=False, float_format="%.3f", na_rep="", border=0, escape=True)
    note = escape(f"{found.confidence * 100:g} % intervals; gaps are simultaneous over all pairs of groups, groups each by "
                  "itself; a gap with low > 0 is real.")
    return f'<div style="display:flex;flex-wrap:wrap;gap:1.5em">{drawn}</div>{table}<p>{note}</p>'


def _gaps(found: Assessment) -> pd.DataFrame:
    gaps = found.disparities[(found.disparities.group == "") & ~found.disparities.metric.str.contains("_ratio")]
    return gaps.sort_values("low", ascending=False, kind="stable")


def _drawing(found: Assessment, metric: str) -> str:
    rows = found.by_group[(found.by_group.metric == metric) & found.by_group.value.notna()]
    rows = rows[~rows.feature.str.contains(" and ")]
    if rows.empty:
        return ""
    try:
        import vl_convert
    except ImportError:  # the tables alone say it too
        return ""
    spec = _spec(metric, rows.nlargest(_MOST_DOTS, "n"))
    return str(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]))


def _spec(metric: str, rows: pd.DataFrame) -> dict[str, Any]:
    data = [{"label": f"{row.feature} · {row.group}"[:60], "value": row.value, "low": row.low, "high": row.high}
            for row in rows.itertuples()]
    y = {"field": "label", "type": "nominal", "sort": [row["label"] for row in data], "title": None}
    x = {"field": "value", "type": "quantitative", "title": None, "scale": {"zero": False}}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json", "data": {"values": data}, "width": 260,
        "title": {"text": metric.replace("_", " "), "anchor": "start"}, "config": {"view": {"stroke": None}},
        "layer": [
            {"mark": {"type": "rule", "strokeWidth": 2},
             "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}}},
            {"mark": {"type": "point", "filled": True, "size": 70, "color": "black"}, "encoding": {"y": y, "x": x}},
        ],
    }
