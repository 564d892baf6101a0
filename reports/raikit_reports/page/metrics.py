"""All metrics of a check in one table: judged ones first, then gaps, then groups, the worst first."""

from __future__ import annotations

from dataclasses import dataclass

import raikit
from raikit import format as fmt
from raikit_reports.rules import RuleRow, label
from raikit_reports.texts import words
from raikit_reports.verdicts import Verdict

SHOWN = 300

FLAGS = {
    "small_group": "small group",
    "few_clusters": "too few clusters to decide",
    "few_events": "too few of the weighted {cases} that the value rests on",
    "unreliable": "no valid interval",
    "one_training": "of one training: how much trainings differ is not covered",
    "one_sided": "one-sided",
    "open_high": "high end not valid: tail too heavy or clusters too few",
    "open_low": "low end not valid: tail too heavy or clusters too few",
    "empty_class": "interval allows for any value of an empty class",
}


@dataclass(frozen=True)
class MetricRow:
    """A metric ready for the page."""

    name: str
    address: str
    value: str
    interval: str
    rows: str
    clusters: str
    method: str
    notes: list[str]
    verdict: Verdict | None


@dataclass(frozen=True)
class MetricTable:
    """The rows on the page, the total number of metrics, and which optional columns are needed."""

    rows: list[MetricRow]
    total: int
    clustered: bool
    judged: bool

    @property
    def left_out(self) -> int:
        """The number of rows that only `audit.json` has."""
        return self.total - len(self.rows)


def metric_table(check: raikit.CheckRecord, rules: dict[str, list[RuleRow]]) -> MetricTable:
    """Sort and prepare the metrics of `check`; `rules` are the rules of the policy by address."""
    ordered = sorted(check.metrics, key=lambda metric: _order(metric, rules))
    rows = [_row(metric, rules.get(metric.id or "", [])) for metric in ordered[:SHOWN]]
    return MetricTable(
        rows=rows,
        total=len(ordered),
        clustered=any(metric.n_clusters is not None for metric in ordered),
        judged=any(row.verdict for row in rows),
    )


def _order(metric: raikit.Metric, rules: dict[str, list[RuleRow]]) -> tuple[int, int, int, str, float]:
    judged = rules.get(metric.id or "")
    rank = judged[0].verdict.rank if judged else 9
    kind = 1 if metric.group else 0
    if metric.value is None:
        return rank, kind, 1, metric.name, 0.0
    worst_first = -metric.value if metric.direction == "lower" or (not metric.group and metric.over) else metric.value
    # Gaps are sorted by size across metrics, groups within their metric.
    return rank, kind, 0, metric.name if kind or not metric.over else "", worst_first


def _row(metric: raikit.Metric, rules: list[RuleRow]) -> MetricRow:
    exact = metric.method == "exact"
    return MetricRow(
        name=label(metric) if metric.subject == "model" else f"{label(metric)}; of the {metric.subject}",
        address=metric.id or metric.name,
        value=fmt.measure(metric.value, metric.low, metric.high, metric.unit),
        interval="computed" if exact else fmt.interval(metric.low, metric.high, metric.unit, value=metric.value),
        rows="–" if exact and metric.n == 1 else fmt.count(metric.n),
        clusters=fmt.count(metric.n_clusters),
        method="" if exact else metric.method or "",
        notes=list(_notes(metric)),
        verdict=rules[0].verdict if rules else None,
    )


def _notes(metric: raikit.Metric) -> list[str]:
    notes = [FLAGS[flag].format(cases=fmt.case_noun()) if flag in FLAGS else words(flag).lower() for flag in metric.flags]
    if metric.value is None and metric.reason:
        notes.append(metric.reason)
    if metric.judged is not None and metric.judged.value is None:
        notes.append(f"cannot be judged: {metric.judged.reason}")
    elif metric.judged is not None:
        spread = fmt.interval(metric.judged.low, metric.judged.high, metric.unit, value=metric.judged.value)
        value = fmt.measure(metric.judged.value, metric.judged.low, metric.judged.high, metric.unit)
        notes.append(f"judged without {_named(metric.judged.left_out)}: {value}, {spread}")
    if metric.excluded:
        notes.append(f"undefined for {_named(metric.excluded)}")
    if metric.condition and metric.value is not None:
        notes.append(f"provided that {metric.condition}")
    if metric.p_adjusted is not None:
        adjustment = f", {metric.adjustment}" if metric.adjustment else ", adjusted"
        notes.append(f"p {fmt.p_value(metric.p_adjusted)}{adjustment}")
    elif metric.p_value is not None:
        notes.append(f"p {fmt.p_value(metric.p_value)}")
    if smallest := detectable(metric):
        notes.append(f"would detect {smallest} or {'less' if metric.unit == 'ratio' else 'more'} (80% power)")
    return notes


def detectable(metric: raikit.Metric) -> str:
    """Return the difference or the ratio that would have been detected with 80% power; empty if none would."""
    size = metric.minimum_detectable
    if size is None or (metric.unit == "points" and size >= 1) or (metric.unit == "ratio" and size <= 0):
        return ""
    return fmt.measure(size, unit=metric.unit)


def _named(groups: list[str]) -> str:
    more = f" and {len(groups) - 4} more" if len(groups) > 4 else ""
    return "; ".join(groups[:4]) + more
