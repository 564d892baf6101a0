"""Tidy tables: the groups, and how far they are apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import raikit

if TYPE_CHECKING:
    from raikit_fairness.estimates.case_counts import Feature
    from raikit_fairness.estimates.disparities import Disparity


def by_group(metrics: Sequence[raikit.Metric], features: Sequence[Feature], shown: Sequence[str], args: dict[str, Any],
             percent: bool, *, simultaneous: bool = False) -> raikit.Table:
    """One row per feature and group: rows, clusters, effective rows, and each of `shown` with its interval.

    Effective rows are the independent rows of equal weight that would be as informative for the first of `shown`.
    """
    found = {
        (metric.name, tuple(metric.over or ()), tuple((metric.group or {}).values())): metric
        for metric in metrics if metric.group and metric.args in ({}, args)
    }
    columns = [raikit.Column(name="feature", title="Feature"), raikit.Column(name="group", title="Group"),
               raikit.Column(name="rows", title="Rows", format="integer"),
               raikit.Column(name="clusters", title="Clusters", format="integer"),
               raikit.Column(name="effective", title="Effective rows", format="integer")]
    for name in shown:
        title = name.replace("_", " ").capitalize()
        columns += [raikit.Column(name=name + end, title=title + head, format="percent" if percent else "number")
                    for end, head in (("", ""), ("_low", ", low"), ("_high", ", high"))]
    rows = []
    for feature in features:
        for at, group in enumerate(feature.groups):
            cells = [found.get((name, feature.columns, group)) for name in ("count", *shown)]
            row: list[Any] = [feature.title, feature.name(at), cells[0].n if cells[0] else None,
                              cells[1].n_clusters if cells[1] else None,
                              round(cells[1].effective_n) if cells[1] and cells[1].effective_n else None]
            for cell in cells[1:]:
                row += [cell.value, cell.low, cell.high] if cell else [None, None, None]
            rows.append(row)
    return raikit.Table(id="by_group", title="Groups", columns=columns, rows=rows,
                        note="Intervals hold for all groups of a feature at once (Sidak)." if simultaneous else
                             "Intervals are of each group by itself, without correction for their number.")


def disparities(found: Sequence[Disparity]) -> raikit.Table:
    """One row per disparity, the largest gaps first."""
    correction = next((one.metric.adjustment for one in found if one.metric.adjustment), "Holm").split(" over ")[0]
    titles = [("feature", "Over", "text"), ("metric", "Disparity", "text"), ("value", "Value", "number"),
              ("low", "Low", "number"), ("high", "High", "number"), ("judged", "Judged groups only", "number"),
              ("judged_low", "low", "number"), ("judged_high", "high", "number"), ("p", "p", "p"),
              ("p_adjusted", f"p, {correction}", "p"), ("detectable", "Could have shown", "number"),
              ("excluded", "Undefined for", "text")]
    columns = [raikit.Column.model_validate({"name": name, "title": title, "format": format})
               for name, title, format in titles]
    rows = []
    for disparity in sorted(found, key=_largest_first):
        metric, judged = disparity.metric, disparity.metric.judged
        name = metric.name + "".join(f", {key} {value}" for key, value in metric.args.items())
        rows.append([disparity.feature.title, name, metric.value, metric.low, metric.high,
                     judged.value if judged else None, judged.low if judged else None, judged.high if judged else None,
                     metric.p_value, metric.p_adjusted, metric.minimum_detectable,
                     ", ".join(metric.excluded) or metric.reason])
    return raikit.Table(id="disparities", title="Disparities", columns=columns, rows=rows,
                        note=f"p: no difference between any of the groups. {correction}: over all features and intersections "
                             "of the same disparity. Could have shown: with 80 % power, over the judged groups. Methods: "
                             + "; ".join(dict.fromkeys(one.metric.method for one in found if one.metric.method)) + ".")


def _largest_first(disparity: Disparity) -> tuple[bool, bool, float]:
    metric = disparity.metric
    return metric.value is None, metric.name.endswith("_ratio"), (
        (metric.value or 0.0) if metric.name.endswith("_ratio") else -(metric.low or 0.0))
