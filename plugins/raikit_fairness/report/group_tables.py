"""Tidy tables of the groups and of the disparities between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import raikit
from raikit.format import capitalised, case_noun, class_text
from raikit_fairness.estimates.disparities import Disparity
from raikit_fairness.estimates.features import Feature
from raikit_fairness.report.columns import ColumnSpec, table_columns


def group_table(
    metrics: Sequence[raikit.Metric], features: Sequence[Feature], names: Sequence[str], percent: bool, *,
    simultaneous: bool = False,
) -> raikit.Table:  # fmt: skip
    """Return one row per feature and group: cases, clusters, effective cases, and each of `names` with its interval.

    Effective cases are the equally weighted independent cases that would be as informative for the first of `names`.
    """
    metric_of = {
        (metric.name, tuple(metric.over or ()), tuple((metric.group or {}).values())): metric
        for metric in metrics
        if metric.group and not metric.args
    }
    rows = []
    for feature in features:
        for position, group in enumerate(feature.groups):
            size, *shown = (metric_of.get((name, feature.columns, group)) for name in ("count", *names))
            first = shown[0] if shown else None
            row: list[Any] = [
                feature.title, feature.label(position), size.n if size else None, first.n_clusters if first else None,
                round(first.effective_n) if first and first.effective_n else None,
            ]  # fmt: skip
            for metric in shown:
                row += [metric.value, metric.low, metric.high] if metric else [None, None, None]
            rows.append(row)
    note = "CIs hold for all groups of a feature at once (Sidak)." if simultaneous else (
        "CIs hold for each group by itself, without correction for the number of groups."
    )  # fmt: skip
    return raikit.Table(id="by_group", title="Groups", columns=_group_columns(names, percent), rows=rows, note=note)


def _group_columns(names: Sequence[str], percent: bool) -> list[raikit.Column]:
    columns: list[ColumnSpec] = [
        ("feature", "Feature", "text"), ("group", "Group", "text"), ("rows", capitalised(case_noun()), "integer"),
        ("clusters", "Clusters", "integer"), ("effective", f"Effective {case_noun()}", "integer"),
    ]  # fmt: skip
    for name in names:
        title = name.replace("_", " ").capitalize()
        for end, suffix in (("", ""), ("_low", ", low"), ("_high", ", high")):
            columns.append((name + end, title + suffix, "percent" if percent else "number"))
    return table_columns(columns)


def disparity_table(disparities: Sequence[Disparity]) -> raikit.Table:
    """Return one row per disparity, the surest gaps first."""
    adjustments = (disparity.metric.adjustment for disparity in disparities if disparity.metric.adjustment)
    correction = next(adjustments, "Holm").split(" over ")[0]
    columns = table_columns([
        ("feature", "Over", "text"), ("metric", "Disparity", "text"), ("value", "Value", "number"),
        ("low", "Low", "number"), ("high", "High", "number"), ("judged", "Judged groups only", "number"),
        ("judged_low", "low", "number"), ("judged_high", "high", "number"), ("p", "p", "p"),
        ("p_adjusted", f"p, {correction}", "p"), ("detectable", "Detectable", "number"),
        ("excluded", "Undefined for", "text"),
    ])  # fmt: skip
    methods = dict.fromkeys(disparity.metric.method for disparity in disparities if disparity.metric.method)
    return raikit.Table(
        id="disparities",
        title="Disparities",
        columns=columns,
        rows=[_disparity_row(disparity) for disparity in sorted(disparities, key=_order)],
        note="p: hypothesis that all groups are alike. "
        f"{correction}: over all features and intersections of the same disparity. Detectable: with 80% power, over the "
        f"judged groups. Methods: {'; '.join(methods)}.",
    )


def _disparity_row(disparity: Disparity) -> list[Any]:
    metric, judged = disparity.metric, disparity.metric.judged
    args = {**metric.args, **({"class": class_text(metric.args["class"])} if "class" in metric.args else {})}
    name = metric.name + "".join(f", {key} {value}" for key, value in args.items())
    excluded = [disparity.feature.in_words(group) for group in metric.excluded]
    judged_cells = [judged.value, judged.low, judged.high] if judged else [None, None, None]
    return [
        disparity.feature.title, name, metric.value, metric.low, metric.high, *judged_cells, metric.p_value,
        metric.p_adjusted, metric.minimum_detectable, ", ".join(excluded) or metric.reason,
    ]  # fmt: skip


def _order(disparity: Disparity) -> tuple[bool, bool, float]:
    """Sort differences by their lower ends, the largest first; then ratios, the smallest first; undefined ones last."""
    metric = disparity.metric
    is_ratio = metric.name.endswith("_ratio")
    return metric.value is None, is_ratio, (metric.value or 0.0) if is_ratio else -(metric.low or 0.0)
