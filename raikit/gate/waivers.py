"""Waivers: a named person accepts a broken or undecided rule until a date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from raikit.address import Pattern
from raikit.gate.rules import as_written
from raikit.run.record import Rule

if TYPE_CHECKING:
    from raikit.config.schema import WaiverConfig


def apply_waivers(rules: Sequence[Rule], waivers: Sequence[WaiverConfig], today: date) -> list[str]:
    """Apply waivers until they expire: their broken and undecided rules get the status ``waived``, in place.

    Returns
    -------
    list of str
        A warning for each waiver that is not needed.
    """
    warnings = []
    by_metric: dict[str, list[Rule]] = {}  # many rules may name one metric
    for rule in rules:
        by_metric.setdefault(rule.metric, []).append(rule)
    missing = {rule.pattern for rule in rules if rule.status == "missing"}
    for waiver in waivers:
        pattern = Pattern(waiver.metric)
        matched = [rule for metric, named in by_metric.items() if pattern.matches(metric) for rule in named]
        broken = [rule for rule in matched if rule.status in ("fail", "inconclusive")]
        for rule in broken:
            _apply(waiver, rule, today)
        # A rule without a measurement may need the waiver again as soon as it is measured.
        unmeasured = any(map(pattern.overlaps, missing))
        if not broken and not unmeasured:
            why = "nothing that it names is broken" if matched else "no rule names it"
            warnings.append(f"the waiver for {waiver.metric}{as_written(waiver)} is not needed: {why}")
    return warnings


def _apply(waiver: WaiverConfig, rule: Rule, today: date) -> None:
    rule.waiver = waiver.model_dump(mode="json")
    if today <= waiver.until:
        rule.status = "waived"
        rule.reason = f"waived until {waiver.until} by {waiver.who}: {waiver.reason}; {rule.reason}"
    elif rule.status == "fail":
        rule.reason = f"the waiver of {waiver.who} ended on {waiver.until}; {rule.reason}"
