"""How many cases would decide a rule that its interval leaves open."""

from __future__ import annotations

import hashlib

import numpy as np

from raikit.format import case_noun, significant
from raikit.gate.intervals import DecidingInterval
from raikit.run.record import CheckRecord, Rule
from raikit.run.results import Metric


def add_needed_data(rule: Rule, interval: DecidingInterval, metric: Metric, total: int) -> None:
    """Add the number of cases that would decide a rule: simulated from the groups' counts if known, else by a formula."""
    from raikit.stats.planning import MOST_CASES, rate_rows_needed, rows_needed, rows_to_settle

    if not total or rule.level is None or rule.limit is None:
        return
    if metric.profile is not None and rule.bound == "max":
        events, trials = zip(*metric.profile, strict=True)
        needed = rows_to_settle(events, trials, rule.limit, rule.level, rng=_generator(rule.metric), whole=total)
    elif not np.isfinite([interval.low, interval.high]).all() or _is_cut(interval, metric, rule.limit):
        return
    elif number := _trials(metric):
        known = interval.value, interval.low, interval.high
        needed = rate_rows_needed(*known, total, rule.limit, rule.level, trials=number)
    else:
        needed = rows_needed(interval.value, interval.low, interval.high, total, rule.limit, rule.level)
    rule.rows_needed, rule.rows_low, rule.rows_high = needed.rows, needed.low, needed.high
    rule.rows_assume = None if needed.rows is None else needed.assumed
    if needed.rows is None:
        rule.reason += (
            f"; more than {MOST_CASES:,} {case_noun()} would be needed if the true value is {significant(needed.assumed)}"
        )


def _is_cut(interval: DecidingInterval, metric: Metric, limit: float) -> bool:
    """Return whether the end that has to clear the limit is where a difference of rates ends: it then tells no standard error."""
    return metric.unit == "points" and (interval.high >= 1 if interval.value < limit else interval.low <= -1)


def _trials(metric: Metric) -> float:
    """Return the independent cases of a rate with exact limits, 0 for other metrics.

    Averages and other functions of rates also have exact limits, but not those of one rate.
    """
    method = metric.method or ""
    is_one_rate = method.endswith(("Clopper-Pearson", "Korn-Graubard exact limits"))
    if metric.unit != "rate" or not is_one_rate or method.startswith("influence"):
        return 0.0
    return float(metric.effective_n or metric.n or 0)


def _generator(address: str) -> np.random.Generator:
    """Return a random generator seeded by the address, so that judging again gives the same answer."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(address.encode()).digest()[:8], "big"))


def total_cases(check: CheckRecord, metric: Metric, audited: int) -> int:
    """Return the number of cases among which those of a metric were found: a group grows only as all cases do.

    A check may have measured a sample. A check that measured nothing but groups is assumed to have measured all audited
    cases.
    """
    split = metric.args.get("split")
    siblings = [other for other in check.metrics if other.method != "exact" and other.args.get("split") == split]
    largest = max((other.n or 0 for other in siblings), default=metric.n or 0)
    only_groups = split is None and all(other.group for other in siblings)
    return max(largest, audited) if only_groups else largest
