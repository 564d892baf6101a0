"""Gated metrics over several runs, and the tighter rules that a model which has improved could keep."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.errors import RunError, listed
from raikit.format import as_given, significant
from raikit.run.directory import RECORD
from raikit.run.reader import Run, load_run
from raikit.run.record import Record, Rule

if TYPE_CHECKING:
    from raikit.config.schema import GateConfig, RuleConfig

STRIP = 32  # characters
LOOKS_BACK = 3  # runs that a tighter limit must have let pass


@dataclass(frozen=True)
class Point:
    """A metric in one run; without a value, why."""

    run: str
    started: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    status: str = ""
    reason: str = ""
    other_data: bool = False


@dataclass(frozen=True)
class Series:
    """A metric over all runs, oldest first; `limits` are those of the newest run that judged it."""

    metric: str
    points: list[Point]
    limits: list[Rule]


@dataclass(frozen=True)
class Proposal:
    """A rule as it is and as it could be; `end` is the worst end of its intervals in the last `runs` runs."""

    rule: RuleConfig
    tighter: RuleConfig
    end: float
    runs: int


# --- runs -------------------------------------------------------------------------------------------------------


def open_runs(paths: Iterable[Path]) -> list[Run]:
    """Read runs, or all runs of folders that hold some; oldest first.

    Raises
    ------
    RunError
        If there are none, or if they are of several audits, which have no history in common.
    """
    folders: dict[Path, Path] = {}
    for path in paths:
        if (path / RECORD).is_file() or path.name == RECORD or not path.is_dir():
            found = [path.parent if path.name == RECORD else path]
        else:
            found = sorted(inner.parent for inner in path.glob(f"*/{RECORD}"))
            if not found:
                raise RunError(f"{path}: neither a run of raikit nor a folder that holds runs.")
        for folder in found:
            folders.setdefault(folder.resolve(), folder)
    runs = sorted((load_run(folder) for folder in folders.values()), key=lambda run: run.record.provenance.started)
    if len(names := {run.record.name for run in runs}) > 1:
        raise RunError(f"these runs are of several audits ({listed(names)}); name those of one.")
    return runs


# --- history ----------------------------------------------------------------------------------------------------


def history(runs: Sequence[Run]) -> list[Series]:
    """Every gated metric, in the order of the newest policy that names it."""
    metrics: dict[str, None] = {}
    for run in reversed(runs):
        for rule in run.record.gate.rules:
            if rule.kind != "required" and any(other.record.find(rule.metric) for other in runs):
                metrics.setdefault(rule.metric)
    return [_series(metric, runs) for metric in metrics]


def _series(metric: str, runs: Sequence[Run]) -> Series:
    points, before = [], ""
    for run in runs:
        data = run.record.data.fingerprint
        points.append(_point(metric, run, bool(before) and data != before))
        before = data
    judged = (limits for run in reversed(runs) if (limits := _rules(metric, run.record)))
    return Series(metric, points, next(judged, []))


def _rules(metric: str, record: Record) -> list[Rule]:
    return [rule for rule in record.gate.rules if rule.kind == "rule" and rule.metric == metric]


def _point(metric: str, run: Run, other_data: bool) -> Point:
    """What the gate judged where it judged it: a gap may have been judged without its smallest groups."""
    rules, measured = _rules(metric, run.record), run.record.find(metric)
    source: Any = next((rule for rule in rules if rule.value is not None), measured)
    status = next((s for s in ("fail", "inconclusive", "missing", "waived", "pass") if s in {r.status for r in rules}), "")
    at = (run.folder.name, run.record.provenance.started)
    if source is None or source.value is None:
        reason = (source.reason if source is not None else None) or "not measured"
        return Point(*at, status=status, reason=reason, other_data=other_data)
    return Point(*at, source.value, source.low, source.high, source.n, status, other_data=other_data)


def draw(series: Series) -> list[str]:
    """Lines of text: the metric with its limits, then a line for each run."""
    low, high = span(series)
    limits = [_limit_words(rule) for rule in series.limits]
    lines = [f"{series.metric}  {', '.join(dict.fromkeys(limits)) or 'no limit of its own'}"]
    wide = max((len(point.run) for point in series.points), default=0)
    for point in series.points:
        head = f"  {point.started[:16].replace('T', ' '):<16}  {point.run:<{wide}}"
        if point.value is None or point.low is None or point.high is None:
            lines.append(f"{head}  {' '.join(point.reason.split())}")  # a plugin's words begin no line of their own
            continue
        told = f"{significant(point.value)} [{significant(point.low)}, {significant(point.high)}]"
        note = "  other data than before" if point.other_data else ""
        drawn = strip(point, [rule.limit for rule in series.limits if rule.limit is not None], low, high)
        lines.append(f"{head}  {drawn}  {told:<24} {point.status:<12}{note}".rstrip())
    if any(point.value is not None for point in series.points):
        lines.append(f"  {'':<16}  {'':<{wide}}  {significant(low):<{STRIP // 2}}{significant(high):>{STRIP - STRIP // 2}}")
    return lines


def _limit_words(rule: Rule) -> str:
    words = f"{'at most' if rule.bound == 'max' else 'at least'} {as_given(rule.limit or 0.0)}"
    return words + (" (warning only)" if rule.severity == "warn" else "")


def span(series: Series) -> tuple[float, float]:
    """What all intervals and limits of a metric lie in."""
    ends = [end for point in series.points for end in (point.value, point.low, point.high) if end is not None]
    ends += [rule.limit for rule in series.limits if rule.limit is not None]
    return (min(ends), max(ends)) if ends else (0.0, 0.0)


def strip(point: Point, limits: Sequence[float], low: float, high: float, width: int = STRIP) -> str:
    """One line of characters: ``─`` the interval, ``●`` the value, ``│`` a limit (``┼`` inside the interval).

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


def ratchet(runs: Sequence[Run]) -> list[Proposal]:
    """Tighter limits that the newest runs keep with room.

    Parameters
    ----------
    runs : sequence of Run
        Oldest first. The rules are those of the newest.

    Returns
    -------
    list of Proposal
        For each rule that can be tightened. The whole interval of every metric that it matches lies within the new limit
        in each of the last three runs (or as many as there are), and in none of them was it short of that limit by less
        than half the distance between the value and that end, about a standard error: else the next sample of an equally
        good model would often be undecided. Never a looser rule.
    """
    last = [run.record for run in runs[-LOOKS_BACK:]]
    policy = _policy(last[-1]) if last else None
    found = [_tighter(rule, last) for rule in policy.rules] if policy else []
    return [proposal for proposal in found if proposal is not None]


def _policy(record: Record) -> GateConfig:
    from raikit.config.schema import GateConfig

    return GateConfig.model_validate(json.loads(record.provenance.config or "{}").get("gate", {}))


def _limit(rule: RuleConfig) -> float:
    limit = rule.max if rule.max is not None else rule.min
    assert limit is not None
    return limit


def _tighter(rule: RuleConfig, records: Sequence[Record]) -> Proposal | None:
    has_maximum, limit = rule.max is not None, _limit(rule)
    distances, ends, rooms = [], [], []
    for row in (row for record in records for row in _judged(rule, record)):
        end = row.high if has_maximum else row.low
        if row.status != "pass" or row.value is None or end is None:
            return None
        room = abs(end - row.value) / 2
        distances.append((limit - end if has_maximum else end - limit) - room)
        ends.append(end)
        rooms.append(room)
    step = rounded_down(min(distances, default=0.0))
    if step <= 0 or step < max(rooms):  # less than what the next sample moves it by is not worth a change
        return None
    tight = round(limit - step if has_maximum else limit + step, 12)
    stricter = rule.model_copy(update={"max" if has_maximum else "min": tight})
    if any(row.status != "pass" for record in records for row in _judged(stricter, record)):
        return None
    return Proposal(rule, stricter, max(ends) if has_maximum else min(ends), len(records))


def _judged(rule: RuleConfig, record: Record) -> list[Rule]:
    """The gate's own rows, so that nothing here can be laxer than it; no waivers."""
    from raikit.config.schema import GateConfig
    from raikit.gate.rules import judge

    return judge(GateConfig(rules=[rule]), record.checks).rules


def rounded_down(distance: float) -> float:
    """A distance to one significant digit, towards zero.

    Examples
    --------
    >>> rounded_down(0.0368), rounded_down(27.0), rounded_down(0.3), rounded_down(-1.0)
    (0.03, 20.0, 0.3, 0.0)
    """
    if distance <= 0 or not math.isfinite(distance):
        return 0.0
    digits = -math.floor(math.log10(distance))
    return round(math.floor(round(distance * 10.0**digits, 9)) / 10.0**digits, 12)


def as_yaml(proposals: Sequence[Proposal], newest: Run) -> str:
    """What to put into ``gate.rules`` instead of the rules of the same metric, with why in comments."""
    import yaml

    if not proposals:
        return "# No rule can be tightened.\n"
    runs = f"the last {proposals[0].runs} runs" if proposals[0].runs > 1 else "one run"
    lines = [f"# From {runs}, the newest {newest.folder.name}. Rules that are not here stay as they are.", "gate:", "  rules:"]
    for proposal in proposals:
        word, extreme = ("max", "highest") if proposal.rule.max is not None else ("min", "lowest")
        limit, end = as_given(_limit(proposal.rule)), significant(proposal.end, 4)
        lines.append(f"    # {word} was {limit}; {extreme} end of an interval: {end}")
        keys = proposal.tighter.model_dump(mode="json", exclude_defaults=True)
        flow = yaml.safe_dump([keys], default_flow_style=None, sort_keys=False, allow_unicode=True, width=10_000)
        lines.append(f"    {flow.strip()}")
    return "\n".join(lines) + "\n"
