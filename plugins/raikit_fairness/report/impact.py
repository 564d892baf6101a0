"""Tables and the finding about impact ratios."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

import raikit
from raikit.format import (
    capitalised,
    case_noun,
    confidence,
    confidence_interval,
    count,
    group_cases,
    group_label,
    group_name,
    headline,
    percent,
)
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.impact_ratios import ImpactRatioEstimates
from raikit_fairness.report.columns import ColumnSpec, table_columns
from raikit_fairness.settings import IntervalSettings

_FOUR_FIFTHS = 0.8


def impact_table(
    number: int, feature: Feature, estimates: Sequence[ImpactRatioEstimates], unknown: int, settings: IntervalSettings,
    marked_below: float, selected: Any,
) -> raikit.Table:  # fmt: skip
    """Return one row per category of a feature.

    `unknown` counts the cases without a known category, and `selected` is the decision that counts.
    """
    specs: list[ColumnSpec] = [
        ("category", "Category", "text"), ("rows", capitalised(case_noun()), "integer"), ("share", "Share", "percent"),
    ]  # fmt: skip
    for ratios in estimates:
        title = ratios.name.replace("_", " ").capitalize()
        specs += [
            (ratios.name, title, "percent"), (f"{ratios.name}_ratio", f"{title}, impact ratio", "number"),
            (f"{ratios.name}_ratio_low", "low", "number"), (f"{ratios.name}_ratio_high", "high", "number"),
        ]  # fmt: skip
    first = estimates[0]
    rows = []
    for group in range(first.feature.k):
        marked = first.share[group] < marked_below
        name = first.feature.label(group) + " *" * bool(marked)
        row: list[Any] = [name, int(first.rate.n[group]), float(first.share[group])]
        for ratios in estimates:
            values = (ratios.rate.value[group], ratios.value[group], ratios.low[group], ratios.high[group])
            row += [None if np.isnan(value) else float(value) for value in values]
        rows.append(row)
    mark = ""
    if any(share < marked_below for share in first.share):
        mark = f" * under {percent(marked_below)} of the data: shown, and may be left out of the ratio."
    return raikit.Table(
        id=f"impact-{number}",
        title=f"Impact ratios by {feature.title}",
        columns=table_columns(specs),
        rows=rows,
        note=f"{confidence(settings.level)} CIs of each ratio by itself. Selected: predicted as “{selected}”. "
        f"{count(unknown)} {case_noun()} have no known category and "
        f"are left out.{mark}",
    )


def impact_findings(
    estimates: Sequence[ImpactRatioEstimates], metrics: Sequence[raikit.Metric], address: Callable[[raikit.Metric], str],
    selected: str,
) -> list[raikit.Finding]:
    """Return one finding: the category that is surest to lie below four fifths, else the lowest; never a marked one."""
    judged = [
        metric
        for metric in metrics
        if metric.name == "impact_ratio" and metric.value is not None and not metric.flags and not metric.args
    ]
    if not judged:
        return []
    upper_limits = {
        (ratios.feature.columns, ratios.feature.groups[group]): float(ratios.simultaneous_high[group])
        for ratios in estimates
        if ratios.name == "selection_rate"
        for group in range(ratios.feature.k)
    }

    def upper_limit(metric: raikit.Metric) -> float:
        group = tuple(None if value is None else str(value) for value in (metric.group or {}).values())
        return upper_limits[tuple(metric.over or ()), group]

    proven = [metric for metric in judged if upper_limit(metric) < _FOUR_FIFTHS]
    lowest = min(proven, key=upper_limit) if proven else min(judged, key=lambda metric: metric.value or 0.0)
    # The category is chosen because its ratio is low in this sample, so the upper end holds for all categories at once.
    return [_impact_finding(lowest, judged, proven, max(lowest.high or 0.0, upper_limit(lowest)), address, selected)]


def _impact_finding(
    lowest: raikit.Metric, judged: Sequence[raikit.Metric], proven: Sequence[raikit.Metric], high: float,
    address: Callable[[raikit.Metric], str], selected: str,
) -> raikit.Finding:  # fmt: skip
    group = lowest.group or {}
    who, cases = group_name(group), capitalised(group_cases(group))
    interval = confidence_interval(lowest.low, high, "ratio", level=lowest.level, value=lowest.value)
    all_above = all((metric.low or 0.0) >= _FOUR_FIFTHS for metric in judged)
    kind: Literal["worth_knowing", "fine", "undecided"] = "worth_knowing" if proven else "fine" if all_above else "undecided"
    short = {
        "worth_knowing": headline(
            f"{cases} get “{selected}” less than four fifths as often", f"Impact ratio is below four fifths for {who}",
            f"Impact ratio is below four fifths for {group_label(group)}", "An impact ratio is below four fifths",
        ),
        "fine": "No impact ratio is below four fifths",
        "undecided": "An impact ratio below four fifths cannot be excluded",
    }[kind]  # fmt: skip
    below = {
        "worth_knowing": f"surely below four fifths, even among {count(len(judged))} categories",
        "fine": "not below four fifths", "undecided": "not surely below four fifths",
    }[kind]  # fmt: skip
    more = f"{count(len(proven) - 1)} more of {count(len(judged))} categories"
    named = "" if proven else f" ({who})"
    return raikit.Finding(
        sentence=f"The lowest impact ratio is {lowest.value:.2f}, of {who}: it is {below}."
        if not proven else f"The impact ratio of {who} is {lowest.value:.2f}, {below}.",
        evidence=f"impact ratio {lowest.value:.2f}{named}, {interval}; four-fifths rule 0.80; n = {count(lowest.n)}",
        kind=kind, headline=short, facts=[("Also below four fifths", more)] if len(proven) > 1 else [],
        severity="warn" if proven else "note", what="Impact ratio", who=who, group=lowest.group,
        certainty=interval, metrics=[address(lowest)], value=lowest.value, low=lowest.low, high=high,
        scope="the lowest of all categories",
    )  # fmt: skip
