"""The table, the figure and the findings about alternative decisions: gaps narrowed, accuracy lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import raikit
from raikit.format import (
    capitalised,
    case_noun,
    columns_text,
    confidence,
    confidence_interval,
    count,
    group_name,
    headline,
    interval,
    number,
    percent,
    points,
)
from raikit_fairness.estimates.paired_changes import Change
from raikit_fairness.estimates.tradeoff import STRATA, Tradeoff
from raikit_fairness.report.columns import ColumnSpec, table_columns
from raikit_fairness.report.layers import reference_line
from raikit_fairness.report.wording import crossed, short_points
from raikit_fairness.settings import IntervalSettings

_SIDES = ("Gap narrowed, pp", "Accuracy lost, pp")
_MOST_NAMES = 2  # names of a group may be long
_CITED = ("_gain", "_cost", "_difference")  # in the order of the sentences, which begin with the gain


@dataclass(frozen=True)
class Wording:
    """Words for the alternative decisions.

    Parameters
    ----------
    action : str
        Begins a sentence: ``Group-specific thresholds (…)``.
    title : str
        Of the table and the figure.
    names : (str, str)
        First words of its metrics: ``mitigated`` and ``mitigation``.
    narrow, widen : str
        Verbs after `action`.
    condition : str
        A sentence after each finding: what its intervals leave out.
    """

    action: str
    title: str
    names: tuple[str, str]
    narrow: str = "would narrow"
    widen: str = "would widen"
    condition: str = ""


def tradeoff_table(tradeoffs: Sequence[Tradeoff], wording: Wording, note: str) -> raikit.Table:
    """Return gap before and after, gain, accuracy before and after, and cost; each with its interval."""
    specs: list[ColumnSpec] = [
        ("feature", "Over", "text"), ("constraint", "What is to be equal", "text"), ("groups", "Groups", "integer"),
        ("rows", f"Test {case_noun()}", "integer"), *_with_limits("before", "Gap before"), *_with_limits("after", "Gap after"),
        ("pair", "Two groups fixed on validation", "text"), *_with_limits("gain", "Gap between them narrowed"),
        ("accuracy_before", "Accuracy before", "percent"), ("accuracy_after", "Accuracy after", "percent"),
        *_with_limits("cost", "Accuracy lost"), ("reason", "Why not", "text"),
    ]  # fmt: skip
    gains = [tradeoff.gain for tradeoff in tradeoffs if tradeoff.gain]
    methods = "; ".join(dict.fromkeys(gain.method for gain in gains if gain.method))
    return raikit.Table(
        id="bought",
        title=wording.title,
        columns=table_columns(specs),
        rows=[_row(tradeoff) for tradeoff in tradeoffs],
        note=f"{note} Gains and losses: {methods}." if methods else note,
    )


def _with_limits(name: str, title: str) -> list[ColumnSpec]:
    ends = (("", ""), ("_low", ", low"), ("_high", ", high"))
    return [(name + end, title + words, "percent") for end, words in ends]


def _row(tradeoff: Tradeoff) -> list[Any]:
    before, after, gain, cost = tradeoff.before.metric, tradeoff.after.metric, tradeoff.gain, tradeoff.cost
    gain_cells = [gain.value, gain.low, gain.high] if gain else [None] * 3
    return [
        tradeoff.feature.title, tradeoff.criterion.name, tradeoff.feature.k, cost.n, before.value, before.low,
        before.high, after.value, after.low, after.high, _pair(tradeoff), *gain_cells, tradeoff.accuracy_before.value,
        tradeoff.accuracy.value, cost.value, cost.low, cost.high, None if gain else tradeoff.reason,
    ]  # fmt: skip


def _pair(tradeoff: Tradeoff) -> str:
    pair, feature = tradeoff.pair, tradeoff.feature
    if pair is None:
        return ""
    rate = f" ({STRATA[pair.stratum].rate})" if len(tradeoff.criterion.strata) > 1 else ""
    return f"{feature.label(pair.higher)} and {feature.label(pair.lower)}{rate}"


# --- the figure -------------------------------------------------------------------------------------------------


def tradeoff_figure(
    tradeoffs: Sequence[Tradeoff], wording: Wording, settings: IntervalSettings
) -> raikit.Figure | None:  # fmt: skip
    """Draw gain and cost side by side, a row for each feature and criterion, about the dashed line of no change."""
    data: list[dict[str, Any]] = [
        {
            "feature": tradeoff.feature.title, "label": tradeoff.criterion.words, "side": side,
            "value": change.value * 100, "low": change.low * 100, "high": change.high * 100, "rows": change.n,
            "doubt": not change.established,
        }
        for tradeoff in tradeoffs
        for side, change in zip(_SIDES, (tradeoff.gain, tradeoff.cost), strict=True)
        if change is not None
    ]  # fmt: skip
    if not data:
        return None
    sure = [
        f"{row['feature']}, {row['label']}: {row['side'].lower()} {number(row['value'], 1)}"
        for row in data
        if not row["doubt"]
    ]
    result = f"Sure: {'; '.join(sure[:8])}." if sure else "No change is sure."
    return raikit.Figure(
        id="bought",
        title=wording.title,
        spec=_figure_spec(list(dict.fromkeys(row["feature"] for row in data))),
        data=data,
        subtitle=f"{confidence(settings.level)} CIs, paired on test {case_noun()}; full disc: sure; ring: undecided",
        alt=f"{wording.title}: for each feature the gap narrowed and the accuracy lost. {result}",
    )


def _figure_spec(features: list[Any]) -> dict[str, Any]:
    x = {"field": "value", "type": "quantitative", "title": None}
    y = {"field": "label", "type": "nominal", "title": None, "sort": None, "axis": {"labelLimit": 170}}
    disc: dict[str, Any] = {"type": "point", "filled": True, "size": 60, "opacity": 1, "fill": "var(--ink)"}
    ring = {**disc, "fill": "var(--paper)", "stroke": "var(--ink)"}
    layers: list[dict[str, Any]] = [
        reference_line(0),
        {
            "mark": {"type": "rule", "stroke": "var(--ink)", "strokeWidth": 2},
            "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y},
        },
        {"transform": [{"filter": "datum.doubt"}], "mark": ring, "encoding": {"x": x, "y": y}},
        {"transform": [{"filter": "!datum.doubt"}], "mark": disc, "encoding": {"x": x, "y": y}},
    ]
    header = {
        "labelAngle": 0, "labelAlign": "left", "labelOrient": "top", "labelAnchor": "start", "labelPadding": 0,
        "labelBaseline": "bottom",
    }  # fmt: skip
    row = {"field": "feature", "title": None, "sort": features, "header": header}
    return {
        "facet": {"row": row, "column": {"field": "side", "title": None, "sort": list(_SIDES)}},
        "spec": {"width": 130, "height": {"step": 22}, "layer": layers},
        "spacing": {"row": 10, "column": 16},
    }


# --- the findings -----------------------------------------------------------------------------------------------


def tradeoff_findings(
    tradeoffs: Sequence[Tradeoff],
    wording: Wording,
    settings: IntervalSettings,
    address: Callable[[raikit.Metric], str],
    metrics: Mapping[int, Sequence[raikit.Metric]],
    clusters: Sequence[str],
) -> list[raikit.Finding]:
    """Return one finding for each feature: what is established, or that nothing is.

    Parameters
    ----------
    tradeoffs : sequence of Tradeoff
    wording : Wording
    settings : IntervalSettings
    address : callable
        From a metric to its address.
    metrics : mapping of int to sequence of Metric
        Of each tradeoff, by its position.
    clusters : sequence of str
        Cluster columns.
    """
    findings = []
    for columns in dict.fromkeys(tradeoff.feature.columns for tradeoff in tradeoffs):
        numbers = [number for number, tradeoff in enumerate(tradeoffs) if tradeoff.feature.columns == columns]
        of_feature = [tradeoffs[number] for number in numbers]
        sure = [tradeoff for tradeoff in of_feature if tradeoff.gain is not None and tradeoff.gain.established]
        sure.sort(key=lambda tradeoff: tradeoff.gain is None or tradeoff.gain.value < 0)  # a gap that narrows is told first
        facts = [fact for tradeoff in of_feature for fact in _facts(tradeoff, clusters)]
        if unfit := of_feature[0].unfit:
            groups = [group_name(dict(zip(columns, group, strict=True))) for group in unfit]
            facts.append(("Not known", f"{_listed(groups)}: {_reasons(unfit)}."))
        if wording.condition:
            facts.append(("Not covered", wording.condition))
        own = [metric for number in sorted(numbers, key=lambda at: tradeoffs[at] not in sure) for metric in metrics[number]]
        cited = [metric for kind in _CITED for metric in own if metric.name.endswith(kind) and not metric.group]
        text = _established(sure[0], wording, settings, facts) if sure else _not_established(of_feature, wording, settings, facts)
        findings.append(raikit.Finding(
            severity="note", what=wording.title.rstrip("?"), who=columns_text(columns),
            certainty="sure" if sure else "undecided", figures=["bought"],
            metrics=[address(metric) for metric in cited], **text,
        ))  # fmt: skip
    return findings


def _established(
    tradeoff: Tradeoff, wording: Wording, settings: IntervalSettings, facts: list[tuple[str, str]]
) -> dict[str, Any]:
    """Return the texts of a finding about a gap that surely narrows or widens."""
    pair, gain, feature = tradeoff.pair, tradeoff.gain, tradeoff.feature
    assert pair is not None and gain is not None
    verb = wording.narrow if gain.value > 0 else wording.widen
    between = f"{group_name(feature.group(pair.higher))} and {group_name(feature.group(pair.lower))}"
    size, low, high = abs(gain.value), *sorted((abs(gain.low), abs(gain.high)))
    by = crossed(feature.columns)
    certainty = confidence_interval(low, high, "points", level=settings.level, value=size)
    if wording.names[0] == "mitigated":
        facts = [("Made equal", tradeoff.criterion.words), *facts]
    return {
        "kind": "worth_knowing",
        "facts": facts,
        "headline": headline(f"{wording.action} {verb} the gap by {by}", f"{wording.action} {verb} a gap"),
        "evidence": f"gap in {STRATA[pair.stratum].rate} {'narrowed' if gain.value > 0 else 'widened'} by {short_points(size)}, "
                    f"{certainty}; {_cost(tradeoff.cost)}; n = {count(gain.n)}",
        "sentence": f"{wording.action} {verb} the gap in {STRATA[pair.stratum].rate} by {points(size)}. That is the gap between "
                    f"{between}.",
    }  # fmt: skip


def _not_established(
    tradeoffs: Sequence[Tradeoff], wording: Wording, settings: IntervalSettings, facts: list[tuple[str, str]]
) -> dict[str, Any]:
    """Return the texts of a finding about gaps of which no change is sure."""
    first, by = next((one for one in tradeoffs if one.gain is not None), None), crossed(tradeoffs[0].feature.columns)
    action = wording.action[:1].lower() + wording.action[1:]
    if first is None or first.gain is None:
        evidence = tradeoffs[0].reason
    else:
        gain, verb = first.gain, "narrowed"
        if gain.value < 0:
            gain, verb = replace(gain, value=-gain.value, low=-gain.high, high=-gain.low), "widened"
        evidence = (
            f"gap in {first.criterion.words} {verb} by {short_points(gain.value)}, "
            f"{confidence_interval(gain.low, gain.high, 'points', level=settings.level, value=gain.value)}; {_cost(first.cost)}; "
            f"n = {count(gain.n)}"
        )
    return {
        "kind": "undecided",
        "facts": facts,
        "headline": headline(f"Whether {action} {wording.narrow} the gap by {by} is undecided",
                             f"{wording.action}: no change is sure", "No change of a gap is sure"),
        "evidence": evidence,
        "sentence": f"Whether {action} {wording.narrow} a gap by {by} is undecided.",
    }  # fmt: skip


def _cost(cost: Change) -> str:
    return f"accuracy {'lost' if cost.value >= 0 else 'gained'} {short_points(abs(cost.value))}"


def _facts(tradeoff: Tradeoff, clusters: Sequence[str]) -> list[tuple[str, str]]:
    """Return what is known of one criterion: the gap between two fixed groups, the largest gap, and accuracy."""
    gain, words = tradeoff.gain, capitalised(tradeoff.criterion.words)
    facts = [(words, f"Not known: {tradeoff.reason}.")]
    if gain is not None:
        few = " (too few clusters of similar size)" if gain.few_clusters else ""
        widened = replace(gain, value=-gain.value, low=-gain.high, high=-gain.low)
        change, verb = (gain, "narrowed") if gain.value >= 0 else (widened, "widened")
        facts = [(words, f"Gap {verb} by {_write_change(change)}{few}, {_evidence(gain, clusters)}.")]
    facts.append((f"{words}, largest gap", f"Over all {count(tradeoff.feature.k)} groups it {_from_to(tradeoff)}."))
    return [*facts, (f"{words}, accuracy lost", _write_change(tradeoff.cost))]


def _from_to(tradeoff: Tradeoff) -> str:
    before, after = (
        "undefined"
        if metric.value is None
        else f"{percent(metric.value)} ({interval(metric.low, metric.high, 'rate', value=metric.value)})"
        for metric in (tradeoff.before.metric, tradeoff.after.metric)
    )
    return f"goes from {before} to {after}"


def _write_change(change: Change) -> str:
    return f"{points(change.value)} ({interval(change.low, change.high, 'points', value=change.value)})"


def _evidence(change: Change, clusters: Sequence[str]) -> str:
    cases = f"{count(change.n)} test {case_noun()}"
    if change.n_clusters is None or not clusters:
        return cases
    return f"{cases}, {count(change.n_clusters)} clusters in the smaller group"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _reasons(unfit: Mapping[tuple[str | None, ...], str]) -> str:
    return "; ".join(dict.fromkeys(unfit.values()))
