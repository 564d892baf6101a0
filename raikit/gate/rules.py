"""Rules judged on intervals: a rule holds if the whole interval keeps the limit, and is broken if all of it is beyond."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from raikit.address import Pattern
from raikit.format import as_given, confidence, estimate, significant
from raikit.run.record import CheckRecord, Rule, RuleStatus
from raikit.run.results import Metric

if TYPE_CHECKING:
    from raikit.config.schema import RuleConfig

# Flags of metrics on which no rule can be decided, with the reason.
_UNDECIDABLE = {"few_clusters": "too few clusters for a valid interval", "unreliable": "no valid interval exists"}


@dataclass(frozen=True)
class DecidingInterval:
    """The interval on which a rule is decided; with judged groups, its two ends may come from different sets of groups."""

    value: float
    low: float
    high: float


def judge_rule(
    config: RuleConfig, checks: Sequence[CheckRecord], audited: int, decide_on: Literal["interval", "estimate"]
) -> list[Rule]:
    """Judge a configured rule on every metric that it matches.

    Parameters
    ----------
    config : RuleConfig
    checks : sequence of CheckRecord
    audited : int
        Number of audited cases.
    decide_on : {"interval", "estimate"}

    Returns
    -------
    list of Rule
        One per matched metric; a single one with status ``missing`` if there is none.
    """
    pattern = Pattern(config.metric)
    matched = [
        (check, metric) for check in checks for metric in check.metrics if metric.id and pattern.matches(metric.id)
    ]
    if not matched:
        return [_missing(config, checks)]
    return [_judge_metric(config, check, metric, audited, decide_on) for check, metric in matched]


def may_measure(check: CheckRecord, wanted: Pattern) -> bool:
    """Return whether a check may measure what a rule names: by its declared metrics, else by its prefix."""
    produces = check.produces or [f"{check.name.split('.', 1)[0]}.*"]
    return any(wanted.overlaps(pattern) for pattern in produces)


def describe_status(check: CheckRecord) -> str:
    """Describe in words why a check has no results."""
    words = {"error": "crashed", "skipped": "was skipped", "deselected": "was left out"}
    return f"{words.get(check.status, check.status)} ({check.reason})"


def limit_of(config: RuleConfig) -> float:
    """Return the maximum or minimum of a rule."""
    limit = config.max if config.max is not None else config.min
    assert limit is not None
    return limit


def scale_warnings(rules: Sequence[Rule]) -> list[str]:
    """Warn of limits written in percent for shares: any measurement would keep them, or none."""
    return list(
        dict.fromkeys(
            f"{rule.pattern}: limit {as_given(rule.limit)} on a quantity between {'0' if rule.unit == 'rate' else '-1'} and 1; "
            f"write {as_given(rule.limit / 100)} for {as_given(rule.limit)}%"
            for rule in rules
            if rule.unit in ("rate", "points") and rule.limit is not None and abs(rule.limit) > 1
        )
    )


# --- rules without a decision -------------------------------------------------------------------------------------


def _unjudged(config: RuleConfig, address: str) -> Rule:
    """Return a rule on an address, before it is judged."""
    limit, word = limit_of(config), "most" if config.max is not None else "least"
    bound: Literal["max", "min"] = "max" if config.max is not None else "min"
    at_level = f" at {config.confidence:g}" if config.confidence is not None else ""
    name = config.id or f"{config.metric} {bound}={limit:.15g}{at_level}"
    return Rule(
        id=name if address == config.metric else f"{name} :: {address}",
        sentence=f"{address} is at {word} {as_given(limit)}",
        metric=address,
        pattern=config.metric,
        limit=limit,
        bound=bound,
        severity=config.severity,
        status="missing",
    )


def _missing(config: RuleConfig, checks: Sequence[CheckRecord]) -> Rule:
    """Return a rule that matched no metric; the reason names the checks that might have measured one."""
    wanted = Pattern(config.metric)
    silent = [check for check in checks if check.status != "ok" and may_measure(check, wanted)]
    why = "; ".join(f"{check.name} {describe_status(check)}" for check in silent) or "no check measured it"
    rule = _unjudged(config, config.metric)
    rule.reason = f"no measurement: {why}"
    return rule


# --- decisions ----------------------------------------------------------------------------------------------------


def _judge_metric(
    config: RuleConfig, check: CheckRecord, metric: Metric, audited: int, decide_on: Literal["interval", "estimate"]
) -> Rule:
    rule, has_maximum = _unjudged(config, str(metric.id)), config.max is not None
    limit = limit_of(config)
    rule.value, rule.low, rule.high, rule.level = metric.value, metric.low, metric.high, metric.level
    rule.n, rule.n_clusters, rule.unit, rule.check = metric.n, metric.n_clusters, metric.unit, check.name
    if metric.value is None:
        rule.reason = f"undefined: {metric.reason}"
        return rule
    interval, note = _deciding_interval(metric, has_maximum)
    if config.confidence is not None and metric.level is not None:
        interval, rule.level = _at_level(interval, metric.level, config.confidence), config.confidence
        rescaled = f"{confidence(metric.level)} CI rescaled to {confidence(config.confidence)}"
        note = f"{note}; {rescaled}" if note else rescaled
    rule.value, rule.low, rule.high = interval.value, interval.low, interval.high
    if decide_on == "estimate":
        holds = interval.value <= limit if has_maximum else interval.value >= limit
        rule.status, rule.reason = ("pass" if holds else "fail"), "decided on the estimate alone, as the policy asks"
        return rule
    for flag, why in _UNDECIDABLE.items():
        if flag in metric.flags:
            rule.status, rule.reason = "inconclusive", why
            return rule
    rule.status, rule.reason = _decide(interval, limit, has_maximum, metric)
    if note:
        rule.reason = f"{rule.reason}; {note}"
    if rule.status == "inconclusive":
        _add_needed_data(rule, interval, metric, _total_cases(check, metric, audited))
    return rule


def _deciding_interval(metric: Metric, has_maximum: bool) -> tuple[DecidingInterval, str]:
    """Return the interval that decides a rule on a metric, and a note for the reason.

    A pass is judged without the groups that are too small. A breach is proven by the interval over all groups alone:
    taking the worse end of both intervals would double the error.
    """
    assert metric.value is not None and metric.low is not None and metric.high is not None
    whole, judged = DecidingInterval(metric.value, metric.low, metric.high), metric.judged
    if judged is None:
        return whole, ""
    note = f"over all groups it is {estimate(metric.value, metric.low, metric.high)}"
    if judged.value is None or judged.low is None or judged.high is None:
        return whole, f"{judged.reason}; {note}"
    note = f"judged without {'; '.join(judged.left_out)}; {note}"
    if has_maximum:
        return DecidingInterval(judged.value, metric.low, max(judged.high, metric.low)), note
    return DecidingInterval(judged.value, min(judged.low, metric.high), metric.high), note


def _at_level(interval: DecidingInterval, level: float, wanted: float) -> DecidingInterval:
    """Stretch both ends to another confidence level, as if the error were normal."""
    from scipy.special import ndtri

    stretch = float(ndtri((1 + wanted) / 2) / ndtri((1 + level) / 2))
    value = interval.value
    return DecidingInterval(value, value - stretch * (value - interval.low), value + stretch * (interval.high - value))


def _decide(
    interval: DecidingInterval, limit: float, has_maximum: bool, metric: Metric
) -> tuple[RuleStatus, str]:
    """Return the status of a rule and the reason."""
    ends = f"[{significant(interval.low, 4)}, {significant(interval.high, 4)}]"
    holds = interval.high <= limit if has_maximum else interval.low >= limit
    broken = interval.low > limit if has_maximum else interval.high < limit
    # A breach comes first: small groups may prove a gap that the groups on which a pass is judged do not show.
    if broken:
        end, side = ("low", "above") if has_maximum else ("high", "below")
        return "fail", f"even the {end} end of {ends} is {side} {as_given(limit)}"
    if holds and metric.judged is not None and metric.judged.value is None:
        return "inconclusive", "no pass without groups that are large enough"
    if holds:
        return "pass", f"the whole interval {ends} is {'at most' if has_maximum else 'at least'} {as_given(limit)}"
    return "inconclusive", f"the interval {ends} contains the limit {as_given(limit)}"


# --- the data that would decide -----------------------------------------------------------------------------------


def _add_needed_data(rule: Rule, interval: DecidingInterval, metric: Metric, total: int) -> None:
    """Add the number of cases that would decide a rule: simulated from the groups' counts if known, else by a formula."""
    from raikit.stats.planning import MOST_CASES, rows_needed, rows_to_settle

    if not total or rule.level is None or rule.limit is None:
        return
    if metric.profile is not None and rule.bound == "max":
        events, trials = zip(*metric.profile, strict=True)
        needed = rows_to_settle(events, trials, rule.limit, rule.level, rng=_generator(rule.metric), whole=total)
    else:
        # Small groups may have proven an end of the interval that is beyond the judged value.
        value = min(max(interval.value, interval.low), interval.high)
        needed = rows_needed(value, interval.low, interval.high, total, rule.limit, rule.level)
    rule.rows_needed, rule.rows_low, rule.rows_high = needed.rows, needed.low, needed.high
    rule.rows_assume = None if needed.rows is None else needed.assumed
    if needed.rows is None:
        rule.reason += (
            f"; more than {MOST_CASES:,} cases would be needed if the true value is {significant(needed.assumed)}"
        )


def _generator(address: str) -> np.random.Generator:
    """Return a random generator seeded by the address, so that judging again gives the same answer."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(address.encode()).digest()[:8], "big"))


def _total_cases(check: CheckRecord, metric: Metric, audited: int) -> int:
    """Return the number of cases among which those of a metric were found: a group grows only as all cases do.

    A check may have measured a sample. A check that measured nothing but groups is assumed to have measured all audited
    cases.
    """
    split = metric.args.get("split")
    siblings = [other for other in check.metrics if other.method != "exact" and other.args.get("split") == split]
    largest = max((other.n or 0 for other in siblings), default=metric.n or 0)
    only_groups = split is None and all(other.group for other in siblings)
    return max(largest, audited) if only_groups else largest
