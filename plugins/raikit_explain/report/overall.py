"""Pictures over all explained cases: which parts of inputs matter, for whom other ones do, and what falls on protected ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import raikit
from raikit.format import (
    capitalised,
    case_noun,
    column_text,
    confidence,
    count,
    group_cases,
    group_label,
    headline,
    joined,
    p_value,
    sample_size,
)
from raikit_explain.estimates.group_shares import ShareDifference
from raikit_explain.estimates.overall import LEAST_WORD, MOST_PARTS, Overall
from raikit_explain.estimates.parts import Part
from raikit_explain.names import input_name
from raikit_explain.report.wording import ends, gap, share

_MOST_ROWS = 40
_BARS: dict[str, Any] = {
    "layer": [
        {"mark": {"type": "bar", "color": "var(--q2)"}, "encoding": {"x": {
            "field": "share, %", "type": "quantitative", "axis": {"title": "Share of the decision, %"}}}},
        {"mark": {"type": "rule"}, "encoding": {"x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}}},
    ],
    "encoding": {"y": {"field": "part", "type": "nominal", "sort": None, "axis": {
        "title": None, "labelFontSize": 12, "labelLimit": 190}}},
}


def figure(overall: Overall, *, redact: bool) -> raikit.Figure | None:
    """Draw the parts with the largest mean shares; no words of texts with `redact`."""
    n = len(overall.parts.shares)
    places = [place for place, cases in enumerate(overall.parts.cases)
              if not overall.is_word(place) or (cases >= LEAST_WORD and not redact)][:MOST_PARTS]
    rows = [row for place in places if (row := _row(overall, place)) is not None]
    if len(rows) < 2:
        return None
    return raikit.Figure(
        id="parts", title="What matters inside the inputs", spec=_BARS, data=rows,
        subtitle=f"Mean share of the decision over {sample_size(n)}, %; line: {confidence(overall.measures.level)} CI, each by "
                 f"itself.{_words_left_out(overall)}",
        alt=f"Bars of the mean share of the decision of {count(len(rows))} parts of inputs, the largest first.")


def _row(overall: Overall, place: int) -> dict[str, Any] | None:
    mean = overall.mean(overall.parts.shares[:, place], overall.measures.level)
    if mean is None:
        return None
    value, low, high = (round(100 * end, 2) for end in (mean.value, mean.low, mean.high))
    return {"part": _part_name(overall, overall.parts.parts[place]), "share, %": value, "low": low, "high": high,
            "cases with it": int(overall.parts.cases[place])}


def _words_left_out(overall: Overall) -> str:
    return f" Words that fewer than {LEAST_WORD} {case_noun()} have are left out." if "text" in overall.modalities.values() else ""


def _part_name(overall: Overall, part: Part) -> str:
    name, word = part
    label = column_text(word) if overall.modalities.get(name) == "tabular" else word
    return label if len(overall.measures.explanations.inputs) == 1 else f"{input_name(name)}: {label}"


def _thing(overall: Overall, name: str) -> str:
    """Return what an input or a part is called in a sentence."""
    return f"the {input_name(name)}" if len(overall.measures.explanations.inputs) > 1 else f"“{column_text(name)}”"


def findings(overall: Overall, differences: Sequence[ShareDifference], addresses: Sequence[str]) -> list[raikit.Finding]:
    """Say for whom decisions rest on other things, and how much falls on what is protected."""
    found = _protected(overall, addresses)
    if not differences:
        return found
    first, level = differences[0], overall.measures.level
    shown = [difference for difference in differences if difference.p <= 1 - level]
    who = group_cases({first.column: first.group})
    more = "more" if first.share > first.rest else "less"
    said = headline(f"Decisions on {who} rest {more} on {_thing(overall, first.thing)}",
                    "Decisions on one group rest on other things")
    return [*found, raikit.Finding(
        kind="worth_knowing" if shown else "fine",
        headline=said if shown else "No group is shown whose decisions rest on other things",
        evidence=_evidence(overall, first, named=not shown), what="shares by group", who=group_label({first.column: first.group}),
        certainty=f"adjusted p {p_value(first.p)}",
        facts=[*[(capitalised(group_label({other.column: other.group})), f"{_evidence(overall, other)}.") for other in shown[1:6]],
               ("Many tests", f"Holm over {count(len(differences))} differences; adjusted p {p_value(first.p)}."),
               ("Comparison", "Each group with the other groups of its column that have the input."),
               ("Meaning", "A difference says what the model looks at. It does not say that it is wrong.")])]


def _evidence(overall: Overall, of: ShareDifference, *, named: bool = False) -> str:
    """Write both shares with their gap, the larger minus the smaller; `named` with the group, where no headline has it."""
    whose = f", {group_label({of.column: of.group})}" if named else ""
    sign = 1 if of.share >= of.rest else -1
    low, high = sorted((sign * of.low, sign * of.high))
    value = sign * (of.share - of.rest)
    return (f"Share of {_thing(overall, of.thing)}{whose}: {share(of.share, of.n)}, other groups {share(of.rest, of.n)}; "
            f"gap {gap(value, of.n)}, {ends(low, high, of.n, level=overall.measures.level, value=value)}; n = {count(of.n)}")


def _protected(overall: Overall, addresses: Sequence[str]) -> list[raikit.Finding]:
    metric = next((metric for metric in overall.protected_metrics(overall.measures.level) if metric.value is not None), None)
    if metric is None or metric.value is None:
        return []
    named = joined([f"“{column_text(word)}”" for word in overall.protected[:5]])
    ci = ends(metric.low, metric.high, metric.n or 0, level=overall.measures.level, value=metric.value)
    return [raikit.Finding(
        kind="worth_knowing" if metric.value > 0 else "fine",
        headline="Decisions rest in part on protected words or columns" if metric.value > 0
        else "Nothing of the decisions rests on protected words or columns",
        evidence=f"Share of the decision {share(metric.value, metric.n or 0)}, {ci}; n = {count(metric.n or 0)}",
        what="protected attributes", who=named, metrics=list(addresses), certainty=sample_size(metric.n),
        facts=[("Protected", f"{named}."),
               ("If all parts counted alike", f"{share(overall.parts.if_alike(overall.protected), metric.n or 0)}."),
               ("Beyond this", "Other words and columns may stand in for them, which no share shows.")])]


def table(overall: Overall, differences: Sequence[ShareDifference]) -> raikit.Table | None:
    """Return the differences between groups, the surest first; None if there are none."""
    if not differences:
        return None
    columns = [raikit.Column(name=name, title=title, format=form) for name, title, form in (
        ("group", "Group", "text"), ("thing", "Input or part", "text"), ("n", capitalised(case_noun()), "integer"),
        ("share", "Share", "percent"), ("rest", "Other groups", "percent"), ("low", "Difference, lower", "percent"),
        ("high", "Difference, upper", "percent"), ("p", "Adjusted p", "p"))]
    rows = [[group_label({of.column: of.group}), _thing(overall, of.thing).removeprefix("the "), of.n, of.share, of.rest, of.low,
             of.high, of.p] for of in differences[:_MOST_ROWS]]
    left = f" The first {count(_MOST_ROWS)} of {count(len(differences))}." if len(differences) > _MOST_ROWS else ""
    return raikit.Table(
        id="shares_by_group", title="Share of the decision by group", columns=columns, rows=rows,
        note=f"Each group with the other groups of its column; {confidence(overall.measures.level)} intervals, each by itself; "
             f"p by Holm over {count(len(differences))} differences.{left}")
