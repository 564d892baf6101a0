"""Gated metrics over several runs, and tighter rules that an improved model would keep."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raikit.config.schema import RuleConfig
from raikit.errors import RunError, listed
from raikit.format import as_given, estimate, measure, significant
from raikit.gate.rules import judge_rule, limit_of
from raikit.gate.stored import stored_policy
from raikit.run.across import Point, RunHistory, Series
from raikit.run.directory import RECORD
from raikit.run.reader import Run, load_run
from raikit.run.record import Record, Rule

STRIP_WIDTH = 32  # characters
LAST_RUNS = 3  # number of runs that must pass a tighter limit


@dataclass(frozen=True)
class TighterRule:
    """A rule with a tighter limit; `end` is the worst end of its intervals in the last `runs` runs."""

    rule: RuleConfig
    tighter: RuleConfig
    end: float
    runs: int


# --- runs -------------------------------------------------------------------------------------------------------


def open_runs(paths: Iterable[Path]) -> list[Run]:
    """Read runs, or all runs in folders of runs, oldest first.

    Raises
    ------
    RunError
        If there are none, or if they belong to several audits.
    """
    folders: dict[str, Path] = {}
    for path in paths:
        if (path / RECORD).is_file() or path.name == RECORD or not path.is_dir():
            runs_there = [path.parent if path.name == RECORD else path]
        else:
            runs_there = sorted(inner.parent for inner in path.glob(f"*/{RECORD}"))
            if not runs_there:
                raise RunError(f"{path}: neither a run of raikit nor a folder of runs.")
        for folder in runs_there:
            folders.setdefault(os.path.realpath(folder), folder)  # `resolve` ends at a link that leads to itself
    runs = sorted((load_run(folder) for folder in folders.values()), key=lambda run: run.record.provenance.started)
    if len(names := {run.record.name for run in runs}) > 1:
        raise RunError(f"these runs belong to several audits ({listed(names)}); give the runs of one.")
    return runs


# --- history ----------------------------------------------------------------------------------------------------


def history(runs: Sequence[Run]) -> list[Series]:
    """Return the series of every gated metric, in the order of the newest policy that names it."""
    metrics: dict[str, None] = {}
    for run in reversed(runs):
        for rule in run.record.gate.rules:
            if rule.kind != "required" and any(other.record.find(rule.metric) for other in runs):
                metrics.setdefault(rule.metric)
    return [_series(metric, runs) for metric in metrics]


def over_time(runs: Sequence[Run]) -> RunHistory:
    """Return the gated metrics of runs with their records, for the formats of reports."""
    return RunHistory(names=[run.folder.name for run in runs], records=[run.record for run in runs], series=history(runs))


def _series(metric: str, runs: Sequence[Run]) -> Series:
    points, previous = [], ""
    for run in runs:
        data = run.record.data.fingerprint
        points.append(_point(metric, run, bool(previous) and data != previous))
        previous = data
    judged = (limits for run in reversed(runs) if (limits := _rules(metric, run.record)))
    return Series(metric, points, next(judged, []))


def _rules(metric: str, record: Record) -> list[Rule]:
    return [rule for rule in record.gate.rules if rule.kind == "rule" and rule.metric == metric]


def _point(metric: str, run: Run, other_data: bool) -> Point:
    """Return what the gate judged, else what was measured: a gap may have been judged without its smallest groups."""
    rules, measured = _rules(metric, run.record), run.record.find(metric)
    source: Any = next((rule for rule in rules if rule.value is not None), measured)
    status = next((s for s in ("fail", "inconclusive", "missing", "waived", "pass") if s in {r.status for r in rules}), "")
    at = (run.folder.name, run.record.provenance.started)
    if source is None or source.value is None:
        reason = (source.reason if source is not None else None) or "not measured"
        return Point(*at, status=status, reason=reason, other_data=other_data)
    return Point(*at, source.value, source.low, source.high, source.n, status, other_data=other_data)


def draw(series: Series) -> list[str]:
    """Draw a series as lines of text: the metric with its limits, then a line for each run."""
    low, high = span(series)
    limits = [limit_words(rule) for rule in series.limits]
    lines = [f"{series.metric}  {', '.join(dict.fromkeys(limits)) or 'no limit'}"]
    wide = max((len(point.run) for point in series.points), default=0)
    for point in series.points:
        head = f"  {point.started[:16].replace('T', ' '):<16}  {point.run:<{wide}}"
        if point.value is None or point.low is None or point.high is None:
            lines.append(f"{head}  {' '.join(point.reason.split())}")  # a plugin's text must not begin a line
            continue
        measured = estimate(point.value, point.low, point.high)
        note = "  other data than before" if point.other_data else ""
        drawn = strip(point, [rule.limit for rule in series.limits if rule.limit is not None], low, high)
        lines.append(f"{head}  {drawn}  {measured:<24} {point.status:<12}{note}".rstrip())
    if any(point.value is not None for point in series.points):
        left, right = significant(low), significant(high)
        lines.append(f"  {'':<16}  {'':<{wide}}  {left}{right:>{STRIP_WIDTH - len(left)}}")
    return lines


def limit_words(rule: Rule, unit: str | None = None) -> str:
    """Write the limit of a rule: as in the policy, or in a unit that people read."""
    limit = as_given(rule.limit or 0.0) if unit is None else measure(rule.limit, unit=unit)
    words = f"{'at most' if rule.bound == 'max' else 'at least'} {limit}"
    return words + (" (warning only)" if rule.severity == "warn" else "")


def span(series: Series) -> tuple[float, float]:
    """Return the range of all intervals and limits of a metric."""
    ends = [end for point in series.points for end in (point.value, point.low, point.high) if end is not None]
    ends += [rule.limit for rule in series.limits if rule.limit is not None]
    return (min(ends), max(ends)) if ends else (0.0, 0.0)


def strip(point: Point, limits: Sequence[float], low: float, high: float, width: int = STRIP_WIDTH) -> str:
    """Draw a point as a line of characters: ``─`` is the interval, ``●`` the value, ``│`` a limit (``┼`` inside the interval).

    Examples
    --------
    >>> strip(Point("r", "", 0.2, 0.1, 0.3), [0.4], 0.0, 0.5, width=11)
    '··──●──·│··'
    """

    def place(value: float) -> int:
        return round((value - low) / (high - low) * (width - 1)) if high > low else width // 2

    if point.value is None or point.low is None or point.high is None:
        return " " * width
    first, last = place(point.low), place(point.high)
    cells = ["─" if first <= at <= last else "·" for at in range(width)]
    for limit in limits:
        at = place(limit)
        cells[at] = "┼" if first <= at <= last else "│"
    cells[place(point.value)] = "●"
    return "".join(cells)


# --- ratchet ----------------------------------------------------------------------------------------------------


def ratchet(runs: Sequence[Run]) -> list[TighterRule]:
    """Return tighter rules that the newest runs keep with a margin.

    Parameters
    ----------
    runs : sequence of Run
        Oldest first. The rules of the newest are tightened.

    Returns
    -------
    list of TighterRule
        One for each rule that can be tightened. In each of the last three runs, the whole interval of every matched metric
        keeps the new limit by at least half the distance between the value and that end of the interval, about a standard
        error. With less, the next sample of an equally good model would often be undecided.
    """
    last = [run.record for run in runs[-LAST_RUNS:]]
    policy = stored_policy(last[-1]) if last else None
    tightened = [_tighter(rule, last) for rule in policy.rules] if policy else []
    return [rule for rule in tightened if rule is not None]


def _tighter(rule: RuleConfig, records: Sequence[Record]) -> TighterRule | None:
    has_maximum, limit = rule.max is not None, limit_of(rule)
    distances, ends, rooms = [], [], []
    for judged in (judged for record in records for judged in _judged(rule, record)):
        end = judged.high if has_maximum else judged.low
        if judged.status != "pass" or judged.value is None or end is None:
            return None
        room = abs(end - judged.value) / 2
        distances.append((limit - end if has_maximum else end - limit) - room)
        ends.append(end)
        rooms.append(room)
    step = rounded_down(min(distances, default=0.0))
    if step <= 0 or step < max(rooms):  # a smaller change than the next sample may cause is not worth it
        return None
    tight = round(limit - step if has_maximum else limit + step, 12)
    stricter = rule.model_copy(update={"max" if has_maximum else "min": tight})
    if any(judged.status != "pass" for record in records for judged in _judged(stricter, record)):
        return None
    return TighterRule(rule, stricter, max(ends) if has_maximum else min(ends), len(records))


def _judged(rule: RuleConfig, record: Record) -> list[Rule]:
    """Judge a rule as the gate does, without waivers."""
    return judge_rule(rule, record.checks, audited=0, decide_on="interval", confidence=record.confidence)


def rounded_down(distance: float) -> float:
    """Round a distance down to one significant digit.

    Examples
    --------
    >>> rounded_down(0.0368), rounded_down(27.0), rounded_down(0.3), rounded_down(-1.0)
    (0.03, 20.0, 0.3, 0.0)
    """
    if distance <= 0 or not math.isfinite(distance):
        return 0.0
    digits = -math.floor(math.log10(distance))
    return round(math.floor(round(distance * 10.0**digits, 9)) / 10.0**digits, 12)


def as_yaml(rules: Sequence[TighterRule], newest: Run) -> str:
    """Write tighter rules for ``gate.rules``, with the reasons in comments."""
    import yaml

    if not rules:
        return "# No rule can be tightened.\n"
    runs = f"the last {rules[0].runs} runs" if rules[0].runs > 1 else "one run"
    lines = [f"# From {runs}, the newest {newest.folder.name}. All other rules stay as they are.", "gate:", "  rules:"]
    for rule in rules:
        word, extreme = ("max", "highest") if rule.rule.max is not None else ("min", "lowest")
        limit, end = as_given(limit_of(rule.rule)), significant(rule.end, 4)
        lines.append(f"    # {word} was {limit}; {extreme} end of an interval: {end}")
        keys = rule.tighter.model_dump(mode="json", exclude_defaults=True)
        flow = yaml.safe_dump([keys], default_flow_style=None, sort_keys=False, allow_unicode=True, width=10_000)
        lines.append(f"    {flow.strip()}")
    return "\n".join(lines) + "\n"
