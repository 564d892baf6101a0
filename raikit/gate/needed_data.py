"""How many cases would decide a rule that its interval leaves open."""

from __future__ import annotations

import hashlib

import numpy as np

from raikit.format import significant
from raikit.gate.intervals import DecidingInterval
from raikit.run.record import CheckRecord, Rule
from raikit.run.results import Metric


def add_needed_data(rule: Rule, interval: DecidingInterval, metric: Metric, total: int) -> None:
    """Add the number of cases that would decide a rule: simulated from the groups' counts if known, else by a formula."""
    from raikit.stats.planning import MOST_CASES, rows_needed, rows_to_settle

    if not total or rule.level is None or rule.limit is None:
        return
    if metric.profile is not None and rule.bound == "max":
        events, trials = zip(*metric.profile, strict=True)
        needed = rows_to_settle(events, trials, rule.limit, rule.level, rng=_generator(rule.metric), whole=total)
    elif not np.isfinite([interval.low, interval.high]).all():
        return
    else:
        needed = rows_needed(interval.value, interval.low, interval.high, total, rule.limit, rule.level)
    rule.rows_needed, rule.rows_low, rule.rows_high = needed.rows, needed.low, needed.high
    rule.rows_assume = None if needed.rows is None else needed.assumed
    if needed.rows is None:
        rule.reason += (
            f"; more than {MOST_CASES:,} cases would be needed if the true value is {significant(needed.assumed)}"
        )


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
