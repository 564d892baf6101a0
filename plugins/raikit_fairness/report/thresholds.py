"""The table and the findings about decision thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import raikit
from raikit.format import as_given, case_noun, confidence, count, headline, interval, points
from raikit.stats import Gap
from raikit_fairness.estimates.features import Feature
from raikit_fairness.estimates.threshold_sweep import SWEPT, FeatureSweep, Grid, Improvement
from raikit_fairness.report.columns import ColumnSpec, table_columns
from raikit_fairness.report.wording import crossed, short_points
from raikit_fairness.settings import IntervalSettings


def threshold_rows(swept: FeatureSweep) -> list[list[Any]]:
    """Return one row of the table for each threshold of a feature."""
    grid, share = swept.grid, swept.grid.share
    rows = []
    for position, threshold in enumerate(grid.thresholds.tolist()):
        gaps = [point.gap for point in swept.points if point.threshold == position]
        gap_cells = [cell for gap in gaps for cell in _gap_cells(gap)]
        loss = grid.loss(position, swept.settings.level)
        now = "now" if position == grid.current else None
        rows.append([
            swept.feature.title, threshold, now, share[position], grid.accuracy(position),
            loss.value, loss.low, loss.high, *gap_cells,
        ])  # fmt: skip
    return rows


def _gap_cells(gap: Gap | None) -> list[float | None]:
    return [None] * 3 if gap is None else [gap.value, min(gap.low, gap.value), gap.high]


def threshold_table(rows: list[list[Any]], grid: Grid, settings: IntervalSettings) -> raikit.Table:
    """Return the table of all features' thresholds."""
    specs: list[ColumnSpec] = [
        ("feature", "Over", "text"), ("threshold", "Threshold", "number"), ("now", "In use", "text"),
        ("selected", "Decided positive", "percent"), ("accuracy", "Accuracy", "percent"),
        ("loss", "Accuracy lost", "percent"), ("loss_low", "low", "percent"), ("loss_high", "high", "percent"),
    ]  # fmt: skip
    for measure, words in SWEPT.items():
        specs += [
            (measure, f"Gap in {words}", "percent"), (f"{measure}_low", "low", "percent"),
            (f"{measure}_high", "high", "percent"),
        ]  # fmt: skip
    current = "; no single threshold gives those decisions." if grid.current is None else (
        ", whose threshold is the row marked “now”."
    )  # fmt: skip
    return raikit.Table(
        id="thresholds",
        title="Gaps at every threshold",
        columns=table_columns(specs),
        rows=rows,
        note=f"A gap is the largest difference over groups with at least {settings.min_group} {case_noun()} in the denominator and "
        f"enough clusters. {confidence(settings.level)} CIs of each threshold by itself; they are wide where all clustered "
        f"{case_noun()} of a group are decided alike, which hides how they vary. Accuracy lost: against the decisions as they are, "
        f"paired on {case_noun()}{current}",
    )


def threshold_findings(swept: Sequence[FeatureSweep], max_loss: float) -> list[raikit.Finding]:
    """Return the surest improvement of each feature; then one finding on all features without any."""
    findings = []
    without: list[tuple[FeatureSweep, _Reason]] = []
    for one in swept:
        gaps = [point.gap for point in one.current_points if point.gap]
        if not gaps:
            without.append((one, "undecided"))
        elif not any(gap.low > 0 for gap in gaps):
            without.append((one, "fine"))
        elif improvements := one.improvements(max_loss):
            surest = max(improvements, key=lambda improvement: improvement.now.low - improvement.then.high)
            findings.append(_improvement_finding(one, surest))
        else:
            without.append((one, "worth_knowing"))
    return findings + _no_improvement_finding(without, max_loss)


def _improvement_finding(swept: FeatureSweep, improvement: Improvement) -> raikit.Finding:
    grid, feature, loss = swept.grid, swept.feature, improvement.loss
    now, then = improvement.now, improvement.then
    threshold, by = f"{grid.thresholds[improvement.threshold]:.3g}", crossed(feature.columns)
    at_once = _at_once(swept)
    return raikit.Finding(
        kind="worth_knowing",
        headline=headline(f"Another single threshold would narrow the gap by {by}", "Another single threshold would narrow a gap"),
        evidence=f"gap in {SWEPT[improvement.measure]} {short_points(now.value)} now, {short_points(then.value)} at a score of "
                 f"{threshold}; accuracy lost {short_points(loss.value)}; n = {count(loss.n)}",
        sentence=f"Deciding from a score of {threshold} on would bring the largest gap in {SWEPT[improvement.measure]} over "
                 f"{feature.title} from {_points_with_interval(now.value, now.low, now.high)} to "
                 f"{_points_with_interval(then.value, then.low, then.high)}.",
        facts=[("Accuracy lost", _points_with_interval(loss.value, loss.low, loss.high)), ("Intervals", at_once)],
        severity="note",
        what=f"threshold and gaps over {feature.title}",
        who=feature.title,
        certainty="sure, simultaneous over thresholds",
        figures=[f"thresholds-{swept.number}"],
    )  # fmt: skip


def _at_once(swept: FeatureSweep) -> str:
    thresholds = count(len(swept.grid.thresholds))
    return f"{confidence(swept.settings.level)} CIs that hold for all {thresholds} thresholds and {len(SWEPT)} gaps at once"


def _points_with_interval(value: float, low: float, high: float) -> str:
    return f"{points(value)} ({interval(low, high, 'points', value=value)})"


def _no_improvement_finding(without: Sequence[tuple[FeatureSweep, _Reason]], max_loss: float) -> list[raikit.Finding]:
    """Return one finding on the features without an established improvement, each with the reason if there is one."""
    if not without:
        return []
    swept = without[0][0]
    kind = min((reason for _, reason in without), key=_BY_WEIGHT.index)
    features = ", ".join(_with_reason(one.feature, reason) for one, reason in without)
    loss = f"{as_given(round(max_loss * 100, 10))} pp"
    return [
        raikit.Finding(
            kind=kind,
            headline=_HEADLINES[kind],
            evidence=f"none of {count(len(swept.grid.thresholds))} thresholds surely narrows a gap at a loss of at most {loss} of "
                     "accuracy",
            sentence="No other single threshold surely brings groups closer.",
            facts=[("Compared", features), ("Intervals", _at_once(swept))],
            severity="note",
            what="thresholds and gaps",
            certainty="undecided",
            figures=[f"thresholds-{one.number}" for one, _ in without],
        )
    ]  # fmt: skip


_Reason = Literal["worth_knowing", "undecided", "fine"]
_BY_WEIGHT: tuple[_Reason, ...] = ("worth_knowing", "undecided", "fine")
_HEADLINES = {
    "worth_knowing": "No other single threshold surely narrows a gap",
    "undecided": "Too few groups can be judged to compare thresholds",
    "fine": "No gap is shown that another threshold could narrow",
}
_REASONS = {"worth_knowing": "", "undecided": " (fewer than two groups can be judged)", "fine": " (no gap is shown today)"}


def _with_reason(feature: Feature, reason: _Reason) -> str:
    return feature.title + _REASONS[reason]
