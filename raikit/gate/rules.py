"""The gate: rules held against intervals, required checks, and what follows. It knows no pillar."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from raikit.address import Pattern
from raikit.format import as_given, significant
from raikit.run.record import CheckRecord, Gate, PluginRecord, Rule, RuleStatus, Verdict
from raikit.run.results import Metric

if TYPE_CHECKING:
    import numpy as np

    from raikit.config.schema import GateConfig, RequiredConfig, RuleConfig, WaiverConfig

PASSED, FAILED, UNUSABLE, CRASHED, INSUFFICIENT, NOTHING_RAN, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

# What an interval cannot decide: too few clusters for its level to hold, or no valid interval at all.
_NEVER_DECIDES = {"few_clusters": "too few clusters for a valid interval", "unreliable": "no valid interval exists"}


@dataclass(frozen=True)
class Interval:
    """The two ends a rule is judged on: `low` may prove a breach, `high` (for a maximum) may prove a pass."""

    value: float
    low: float
    high: float


def judge(
    policy: GateConfig,
    checks: Sequence[CheckRecord],
    plugins: Sequence[PluginRecord] = (),
    audited: int = 0,
    regressions: Sequence[Rule] = (),
    today: date | None = None,
) -> Gate:
    """Hold every rule against the measurements.

    Parameters
    ----------
    policy : GateConfig
    checks : sequence of CheckRecord
    plugins : sequence of PluginRecord
        Those that failed to load count as crashes.
    audited : int
        Rows of the audited split, for the number of rows that would settle a rule.
    regressions : sequence of Rule
        Rows of the rules against a baseline (`raikit.gate.regressions.judge`).
    today : date, optional
        What waivers are held against; absent: today.

    Returns
    -------
    Gate
        One row per rule and matched address, the verdict, and the exit code by the order 1, 3, 4, 5, 0.
    """
    rows: list[Rule] = []
    for rule in policy.rules:
        rows += _rows(rule, checks, audited, policy.decide_on == "estimate")
    warnings = [*_wrong_scales(rows), *_allowed_errors(policy, checks)]
    rows += regressions
    if policy.decide_on == "estimate" and rows:
        warnings.append("decided on estimates, as the policy asks: by chance some rules fail and some pass")
    warnings += _waive(rows, policy.waivers, today or date.today())
    if any(row.status == "missing" and row.severity == "warn" for row in regressions):
        warnings.append("regressions were not judged: there is no baseline yet")
    rows += [_required(item, checks) for item in policy.required]
    gate = Gate(verdict="pass", rules=rows, warnings=warnings)
    gate.exit_code = _exit_code(policy, rows, checks, plugins)
    gate.verdict = _verdict(gate.exit_code, policy, rows, warnings)
    return gate


def _rows(rule: RuleConfig, checks: Sequence[CheckRecord], audited: int, on_estimate: bool) -> list[Rule]:
    pattern = Pattern(rule.metric)
    matched = [
        (check, metric) for check in checks for metric in check.metrics if metric.id and pattern.matches(metric.id)
    ]
    if not matched:
        return [_missing(rule, checks)]
    return [_judged(rule, check, metric, audited, on_estimate) for check, metric in matched]


def may_measure(check: CheckRecord, wanted: Pattern) -> bool:
    """Whether a check could measure what a rule names, by what it says it produces; without that, by its prefix."""
    produces = check.produces or [f"{check.name.split('.', 1)[0]}.*"]
    return any(wanted.overlaps(pattern) for pattern in produces)


def _limit(rule: RuleConfig) -> float:
    limit = rule.max if rule.max is not None else rule.min
    assert limit is not None
    return limit


def _sentence(rule: RuleConfig, metric: str) -> str:
    return f"{metric} is at {'most' if rule.max is not None else 'least'} {as_given(_limit(rule))}"


def _identity(rule: RuleConfig, metric: str) -> str:
    bound = f"{'max' if rule.max is not None else 'min'}={_limit(rule):.15g}"
    name = rule.id or f"{rule.metric} {bound}" + (f" at {rule.confidence:g}" if rule.confidence is not None else "")
    return name if metric == rule.metric else f"{name} :: {metric}"


def _missing(rule: RuleConfig, checks: Sequence[CheckRecord]) -> Rule:
    """A rule that nothing matched, with why: the check that owns such ids crashed, was skipped, or had nothing to say."""
    wanted = Pattern(rule.metric)
    silent = [check for check in checks if check.status != "ok" and may_measure(check, wanted)]
    why = "; ".join(f"{check.name} {_ended(check)}" for check in silent) or "no check measured it"
    return Rule(
        id=_identity(rule, rule.metric),
        sentence=_sentence(rule, rule.metric),
        metric=rule.metric,
        pattern=rule.metric,
        limit=_limit(rule),
        bound="max" if rule.max is not None else "min",
        severity=rule.severity,
        status="missing",
        reason=f"no measurement: {why}",
    )


def _ended(check: CheckRecord) -> str:
    words = {"error": "crashed", "skipped": "was skipped", "deselected": "was left out"}
    return f"{words.get(check.status, check.status)} ({check.reason})"


def _judged(rule: RuleConfig, check: CheckRecord, metric: Metric, audited: int, on_estimate: bool) -> Rule:
    address, limit = str(metric.id), _limit(rule)
    row = Rule(
        id=_identity(rule, address),
        sentence=_sentence(rule, address),
        metric=address,
        pattern=rule.metric,
        limit=limit,
        bound="max" if rule.max is not None else "min",
        severity=rule.severity,
        value=metric.value,
        low=metric.low,
        high=metric.high,
        level=metric.level,
        n=metric.n,
        n_clusters=metric.n_clusters,
        unit=metric.unit,
        check=check.name,
        status="missing",
    )
    if metric.value is None:
        row.reason = f"undefined: {metric.reason}"
        return row
    interval, note = _ends(metric, rule.max is not None)
    if rule.confidence is not None and metric.level is not None:
        interval, row.level = _at_level(interval, metric.level, rule.confidence), rule.confidence
        note = f"{note}; " * bool(note) + f"interval stretched from {metric.level:g} to {rule.confidence:g} confidence"
    row.value, row.low, row.high = interval.value, interval.low, interval.high
    if on_estimate:
        keeps = interval.value <= limit if rule.max is not None else interval.value >= limit
        row.status, row.reason = ("pass" if keeps else "fail"), "decided on the estimate alone, as the policy asks"
        return row
    row.status, row.reason = _decide(interval, limit, rule.max is not None, metric)
    if note and not set(metric.flags) & set(_NEVER_DECIDES):
        row.reason = f"{row.reason}; {note}"
    if row.status == "inconclusive" and not set(metric.flags) & set(_NEVER_DECIDES):
        _plan(row, interval, metric, _whole(check, metric, audited))
    return row


def _at_level(interval: Interval, level: float, wanted: float) -> Interval:
    """Stretch both ends as a normal error would, since the measurement knows one level only."""
    from scipy.special import ndtri

    stretch = float(ndtri((1 + wanted) / 2) / ndtri((1 + level) / 2))
    value = interval.value
    return Interval(value, value - stretch * (value - interval.low), value + stretch * (interval.high - value))


def _waive(rows: Sequence[Rule], waivers: Sequence[WaiverConfig], today: date) -> list[str]:
    """Let what somebody answers for be broken until the day that was said; one that has run out is no waiver."""
    warnings = []
    for waiver in waivers:
        matched = [row for row in rows if Pattern(waiver.metric).matches(row.metric)]
        broken = [row for row in matched if row.status in ("fail", "inconclusive")]
        told = waiver.model_dump(mode="json")
        for row in broken:
            row.waiver = told
            if today <= waiver.until:
                row.status = "waived"
                row.reason = f"waived until {waiver.until} by {waiver.who}: {waiver.reason}; {row.reason}"
            elif row.status == "fail":
                row.reason = f"the waiver of {waiver.who} ended on {waiver.until}; {row.reason}"
        early = [row for row in rows if row.status == "missing" and Pattern(waiver.metric).overlaps(row.pattern)]
        if not broken and not early:
            why = "no rule names it" if not matched else "nothing that it names is broken"
            warnings.append(f"the waiver for {waiver.metric} is not needed: {why}")
    return warnings


def _ends(metric: Metric, has_maximum: bool) -> tuple[Interval, str]:
    """Small groups may prove a gap, but a pass is judged without them: take the end that decides from the right set.

    The end that proves a breach is that over all groups alone: taking the worse of two such ends would err twice as often.
    """
    assert metric.value is not None and metric.low is not None and metric.high is not None
    judged = metric.judged
    if judged is None:
        return Interval(metric.value, metric.low, metric.high), ""
    note = f"over all groups it is {significant(metric.value)} [{significant(metric.low)}, {significant(metric.high)}]"
    if judged.value is None or judged.low is None or judged.high is None:
        return Interval(metric.value, metric.low, metric.high), f"{judged.reason}; {note}"
    note = f"judged without {'; '.join(judged.left_out)}; {note}"
    if has_maximum:
        return Interval(judged.value, metric.low, max(judged.high, metric.low)), note
    return Interval(judged.value, min(judged.low, metric.high), metric.high), note


def _decide(interval: Interval, limit: float, has_maximum: bool, metric: Metric) -> tuple[RuleStatus, str]:
    shown = f"[{significant(interval.low, 4)}, {significant(interval.high, 4)}]"
    for flag, why in _NEVER_DECIDES.items():
        if flag in metric.flags:
            return "inconclusive", why
    holds = interval.high <= limit if has_maximum else interval.low >= limit
    broken = interval.low > limit if has_maximum else interval.high < limit
    word = "at most" if has_maximum else "at least"
    if broken:  # first: a small group may prove a gap that the large ones, on which a pass is judged, do not show
        end, side = ("low", "above") if has_maximum else ("high", "below")
        return "fail", f"even the {end} end of {shown} is {side} {as_given(limit)}"
    if holds and metric.judged is not None and metric.judged.value is None:
        return "inconclusive", "no pass without groups that are large enough"
    if holds:
        return "pass", f"the whole interval {shown} is {word} {as_given(limit)}"
    return "inconclusive", f"the interval {shown} holds the limit {as_given(limit)}"


def _plan(row: Rule, interval: Interval, metric: Metric, whole: int) -> None:
    """Say how many rows would settle an open rule: by simulation where the groups' counts are known, else by a formula."""
    from raikit.stats import rows_needed, rows_to_settle

    if not whole or row.level is None or row.limit is None:
        return
    if metric.profile is not None and row.bound == "max":
        events, trials = zip(*metric.profile, strict=True)
        found = rows_to_settle(events, trials, row.limit, row.level, rng=_rng(row.metric), whole=whole)
    else:
        value = min(max(interval.value, interval.low), interval.high)  # small groups may have proved more than it
        found = rows_needed(value, interval.low, interval.high, whole, row.limit, row.level)
    row.rows_needed, row.rows_low, row.rows_high = found.rows, found.low, found.high
    row.rows_assume = None if found.rows is None else found.assumed
    if found.rows is None:
        row.reason += "; no practical number of rows would settle it, so near is the limit"


def _rng(address: str) -> np.random.Generator:
    """Random numbers of an address, so that judging again gives the same answer."""
    import hashlib

    import numpy as np

    return np.random.default_rng(int.from_bytes(hashlib.sha256(address.encode()).digest()[:8], "big"))


def _whole(check: CheckRecord, metric: Metric, audited: int) -> int:
    """All rows among which the metric's own were found: a group or a denominator grows only as the whole does.

    The whole is what the check looked at, which may be a sample. One that measured nothing but groups is taken to have
    looked at every audited row.
    """
    split = metric.args.get("split")
    beside = [other for other in check.metrics if other.method != "exact" and other.args.get("split") == split]
    most = max((other.n or 0 for other in beside), default=metric.n or 0)
    return max(most, audited) if split is None and all(other.group for other in beside) else most


def _wrong_scales(rows: Sequence[Rule]) -> list[str]:
    """Limits written in percent for what is a share: they hold, or are broken, whatever is measured."""
    return list(
        dict.fromkeys(
            f"{row.pattern}: limit {as_given(row.limit)} on a quantity between {'0' if row.unit == 'rate' else '-1'} and 1; "
            f"shares are written {as_given(row.limit / 100)} for {as_given(row.limit)} %"
            for row in rows
            if row.unit in ("rate", "points") and row.limit is not None and abs(row.limit) > 1
        )
    )


def _required(item: RequiredConfig, checks: Sequence[CheckRecord]) -> Rule:
    """A check that must have run, in a version that fits."""
    from packaging.specifiers import SpecifierSet

    row = Rule(
        id=f"required {item.check}",
        sentence=f"{item.check} has run",
        metric=item.check,
        pattern=item.check,
        kind="required",
        check=item.check,
        status="missing",
    )
    found = [check for check in checks if item.check in (check.name, check.pillar)]
    if not found:
        row.reason = "no installed plugin brings it"
    elif not (ran := [check for check in found if check.status == "ok"]):
        row.reason = "; ".join(f"{check.name} {_ended(check)}" for check in found)
    elif item.version and not SpecifierSet(item.version).contains(ran[0].plugin_version, prereleases=True):
        row.reason = f"version {ran[0].plugin_version} of {ran[0].plugin} does not fit {item.version}"
    else:
        row.status, row.reason = "pass", f"ran ({ran[0].plugin} {ran[0].plugin_version})"
    return row


def _allowed_errors(policy: GateConfig, checks: Sequence[CheckRecord]) -> list[str]:
    return [
        f"{check.name} crashed; gate.allow_errors lets that pass"
        for check in checks
        if check.status == "error" and check.name in policy.allow_errors
    ]


def with_crashed_formats(gate: Gate, crashed: Mapping[str, str]) -> Gate:
    """The gate of a run some of whose reports could not be written: never green, and it says why."""
    if gate.exit_code == FAILED:
        return gate.model_copy(update={"warnings": [*gate.warnings, *crashed.values()]})
    update = {"warnings": [*gate.warnings, *crashed.values()], "exit_code": CRASHED, "verdict": "error"}
    return gate.model_copy(update=update)


def _exit_code(
    policy: GateConfig, rows: Sequence[Rule], checks: Sequence[CheckRecord], plugins: Iterable[PluginRecord]
) -> int:
    from raikit.run.record import failed_plugins

    def has(status: str) -> bool:
        return any(row.status == status and row.severity == "fail" for row in rows)

    crashed = [check for check in checks if check.status == "error" and check.name not in policy.allow_errors]
    if has("fail") or (policy.on_inconclusive == "fail" and has("inconclusive")):
        return FAILED
    if crashed or has("missing") or any(failed_plugins(plugins)):
        return CRASHED
    if policy.on_inconclusive == "stop" and has("inconclusive"):
        return INSUFFICIENT
    if not any(check.status in ("ok", "error") for check in checks):
        return NOTHING_RAN
    return PASSED


def _verdict(exit_code: int, policy: GateConfig, rows: Sequence[Rule], warnings: Sequence[str]) -> Verdict:
    by_code: dict[int, Verdict] = {FAILED: "fail", CRASHED: "error", INSUFFICIENT: "inconclusive", NOTHING_RAN: "error"}
    if exit_code in by_code:
        return by_code[exit_code]
    broken = any(row.status in ("fail", "missing") for row in rows)
    undecided = policy.on_inconclusive != "pass" and any(row.status == "inconclusive" for row in rows)
    return "warn" if broken or undecided or warnings else "pass"
