"""A second way to decide, in a table, a figure and sentences: what would be gained, and what lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import raikit
from raikit_fairness.estimates.tradeoff import STRATA

if TYPE_CHECKING:
    from raikit_fairness.estimates.group_estimates import Settings
    from raikit_fairness.estimates.paired_changes import Change
    from raikit_fairness.estimates.tradeoff import Trade


_SIDES = ("Gap gained, points", "Accuracy lost, points")


@dataclass(frozen=True)
class Wording:
    """How a second way to decide is spoken of.

    Parameters
    ----------
    doing : str
        Begins a sentence: ``Thresholds of each group's own (…)``.
    title : str
        Of the table and the figure.
    names : (str, str)
        First words of its metrics: ``mitigated`` and ``mitigation``.
    """

    doing: str
    title: str
    names: tuple[str, str]
    verbs: tuple[str, str, str, str] = ("would narrow", "would widen", "would narrow", "would cost")


def table(trades: Sequence[Trade], wording: Wording, note: str) -> raikit.Table:
    """Gap before and after, fairness gained, accuracy before and after, accuracy lost; each with its interval."""
    three = [("", ""), ("_low", "low"), ("_high", "high")]
    titles = [("feature", "Over", "text"), ("constraint", "What is to be alike", "text"), ("groups", "Groups", "integer"),
              ("rows", "Test rows", "integer"), *_columns("before", "Gap before", three), *_columns("after", "Gap after", three),
              ("pair", "Two groups fixed on validation", "text"), *_columns("gain", "Gap between them gained", three),
              ("accuracy_before", "Accuracy before", "percent"), ("accuracy_after", "Accuracy after", "percent"),
              *_columns("cost", "Accuracy lost", three), ("reason", "Why not", "text")]
    rows = []
    for one in trades:
        before, after = one.before.metric, one.after.metric
        gain = [one.gain.value, one.gain.low, one.gain.high] if one.gain else [None] * 3
        rows.append([
            one.feature.title, one.criterion.name, one.feature.k, one.cost.n, before.value, before.low, before.high,
            after.value, after.low, after.high, _pair(one), *gain, one.accuracy[0].value, one.accuracy[1].value,
            one.cost.value, one.cost.low, one.cost.high, None if one.gain else one.reason,
        ])
    columns = [raikit.Column.model_validate({"name": name, "title": title, "format": form}) for name, title, form in titles]
    methods = "; ".join(dict.fromkeys(one.gain.method for one in trades if one.gain and one.gain.method))
    note = f"{note} Gains and losses: {methods}." if methods else note
    return raikit.Table(id="bought", title=wording.title, columns=columns, rows=rows, note=note)


def _columns(name: str, title: str, ends: Sequence[tuple[str, str]]) -> list[tuple[str, str, str]]:
    return [(name + end, f"{title}, {word}" if word else title, "percent") for end, word in ends]


def _pair(one: Trade) -> str:
    if one.pair is None:
        return ""
    rate = f" ({STRATA[one.pair.stratum][0]})" if len(one.criterion.strata) > 1 else ""
    return f"{one.feature.name(one.pair.higher)} and {one.feature.name(one.pair.lower)}{rate}"


def figure(trades: Sequence[Trade], wording: Wording, settings: Settings) -> raikit.Figure | None:
    """Gained and lost side by side, a row for each feature and criterion, about the dashed line of no change."""
    data: list[dict[str, Any]] = []
    for one in trades:
        for side, change in zip(_SIDES, (one.gain, one.cost), strict=True):
            if change is not None:
                data.append({"feature": one.feature.title, "label": one.criterion.words, "side": side, "value": change.value * 100,
                             "low": change.low * 100, "high": change.high * 100, "rows": change.n, "doubt": _open(change)})
    if not data:
        return None
    x, y = {"field": "value", "type": "quantitative", "title": None}, {"field": "label", "type": "nominal", "title": None,
                                                                       "sort": None, "axis": {"labelLimit": 170}}
    point: dict[str, Any] = {"type": "point", "filled": True, "size": 60, "opacity": 1, "fill": "var(--ink)"}
    layers: list[dict[str, Any]] = [
        {"mark": {"type": "rule", "strokeDash": [4, 4], "stroke": "var(--rule)", "strokeWidth": 1.5},
         "encoding": {"x": {"datum": 0, "type": "quantitative"}}},
        {"mark": {"type": "rule", "stroke": "var(--ink)", "strokeWidth": 2},
         "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y}},
        {"transform": [{"filter": "datum.doubt"}], "mark": {**point, "fill": "var(--paper)", "stroke": "var(--ink)"},
         "encoding": {"x": x, "y": y}},
        {"transform": [{"filter": "!datum.doubt"}], "mark": point, "encoding": {"x": x, "y": y}},
    ]
    features = list(dict.fromkeys(row["feature"] for row in data))
    header = {"labelAngle": 0, "labelAlign": "left", "labelOrient": "top", "labelAnchor": "start", "labelPadding": 0,
              "labelBaseline": "bottom"}
    spec = {
        "facet": {"row": {"field": "feature", "title": None, "sort": features, "header": header},
                  "column": {"field": "side", "title": None, "sort": list(_SIDES)}},
        "spec": {"width": 130, "height": {"step": 22}, "layer": layers}, "spacing": {"row": 10, "column": 16},
    }
    sure = [f"{row['feature']}, {row['label']}: {row['side'].lower()} {row['value']:.1f}" for row in data if not row["doubt"]]
    return raikit.Figure(
        id="bought", title=wording.title, spec=spec, data=data,
        subtitle=f"{settings.level * 100:g} % intervals, paired on test rows; full disc: beyond doubt; ring: not established",
        alt=f"{wording.title}: for each feature the gap gained and the accuracy lost. "
            + (f"Beyond doubt: {'; '.join(sure[:8])}." if sure else "No change is beyond doubt."),
    )


def _open(change: Change) -> bool:
    return change.low <= 0 <= change.high or change.few_clusters


def findings(
    trades: Sequence[Trade], wording: Wording, settings: Settings, address: Callable[[raikit.Metric], str],
    metrics: dict[int, list[raikit.Metric]], clusters: Sequence[str],
) -> list[raikit.Finding]:
    """One for each feature: what is established of it, or that nothing is."""
    said = []
    for feature in dict.fromkeys(one.feature.title for one in trades):
        these = [(at, one) for at, one in enumerate(trades) if one.feature.title == feature]
        cited = [address(metric) for at, _ in these for metric in metrics[at]
                 if metric.name.endswith(("_gain", "_cost", "_difference")) and not metric.group]
        sure = [one for _, one in these if one.gain is not None and not _open(one.gain)]
        nothing = _nothing([one for _, one in these], wording, settings)
        parts = [_changed(one, wording, settings, clusters) for one in sure] or [nothing]
        unfit = these[0][1].unfit
        if unfit:
            parts.append(f"Nothing is known for {_listed(list(unfit))}: {_reasons(unfit)}.")
        said.append(raikit.Finding(
            sentence=" ".join(parts), severity="note", what=wording.title.rstrip("?"), who=feature,
            certainty="established" if sure else "not established", metrics=cited, figures=["bought"],
        ))
    return said


def _changed(one: Trade, wording: Wording, settings: Settings, clusters: Sequence[str]) -> str:
    assert one.pair is not None and one.gain is not None
    narrow, widen, _, costs = wording.verbs
    verb, size = (narrow, one.gain.value) if one.gain.value > 0 else (widen, -one.gain.value)
    ends = sorted((abs(one.gain.low), abs(one.gain.high)))
    rate = STRATA[one.pair.stratum][0]
    loss = _points(one.cost)
    return (
        f"{wording.doing}{_to(one, wording)} {verb} the gap in {rate} between {one.feature.name(one.pair.higher)} and "
        f"{one.feature.name(one.pair.lower)} by {size * 100:.1f} points ({settings.level * 100:g} % interval "
        f"{ends[0] * 100:.1f} to {ends[1] * 100:.1f}; {_ground(one.gain, clusters)}) and {costs} {loss} of accuracy; "
        f"the largest gap over all {one.feature.k} groups {_from_to(one)}."
    )


def _to(one: Trade, wording: Wording) -> str:
    return f", to make the {one.criterion.words} alike," if wording.names[0] == "mitigated" else ""


def _from_to(one: Trade) -> str:
    before, after = (
        "undefined" if metric.value is None else
        f"{metric.value * 100:.1f} ({(metric.low or 0) * 100:.1f} to {(metric.high or 0) * 100:.1f})"
        for metric in (one.before.metric, one.after.metric))
    return f"goes from {before} to {after}"


def _points(change: Change) -> str:
    return f"{change.value * 100:.1f} points ({change.low * 100:.1f} to {change.high * 100:.1f})"


def _ground(change: Change, clusters: Sequence[str]) -> str:
    rows = f"{change.n:,} test rows"
    if change.n_clusters is None:
        return rows
    return f"{rows}, {change.n_clusters:,} clusters in the smaller group" if clusters else rows


def _nothing(these: Sequence[Trade], wording: Wording, settings: Settings) -> str:
    costs = {_points(one.cost) for one in these}
    each = "; ".join(
        f"{one.criterion.words}: {one.reason}" if one.gain is None else
        f"{one.criterion.words} {_points(one.gain)}" + (f", for {_points(one.cost)} of accuracy" if len(costs) > 1 else "")
        + (f" (fewer than {raikit.stats.MIN_CLUSTERS} clusters)" if one.gain.few_clusters else "")
        for one in these
    )
    paid = f"; accuracy lost {costs.pop()}" if len(costs) == 1 else ""
    return (f"That {wording.doing[0].lower()}{wording.doing[1:]} {wording.verbs[2]} a gap over {these[0].feature.title} is not "
            f"established (gap gained, {settings.level * 100:g} % interval: {each}{paid}).")


def _listed(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _reasons(unfit: dict[str, str]) -> str:
    return "; ".join(dict.fromkeys(unfit.values()))
