"""Waivers hold until their last day, and one that nothing needs is a warning."""

from __future__ import annotations

from datetime import date

import pytest
from gate_builders import measured, metric

from raikit.config.schema import GateConfig, WaiverConfig
from raikit.gate.verdict import judge

RULE = {"rules": [{"metric": "a.gap", "min": 0.95}]}


def waived(until, today=date(2026, 6, 1)):
    config = GateConfig.model_validate({**RULE, "waivers": [
        {"metric": "a.gap", "reason": "known", "who": "Ann", "until": until}]})
    return judge(config, [measured(metric(0.89, 0.91))], today=today)


def test_a_waiver_holds_to_its_last_day_and_no_longer():
    held = waived("2026-06-01")
    assert (held.rules[0].status, held.exit_code) == ("waived", 0)
    assert held.rules[0].reason.startswith("waived until 2026-06-01 by Ann: known; ")
    ended = waived("2026-05-31")
    assert (ended.rules[0].status, ended.exit_code) == ("fail", 1)
    assert ended.rules[0].reason.startswith("the waiver of Ann ended on 2026-05-31; ")


def test_a_waiver_that_nothing_needs_is_a_warning():
    config = GateConfig.model_validate({"rules": [{"metric": "a.gap", "min": 0.5}], "waivers": [
        {"metric": "a.gap", "reason": "r", "who": "w", "until": "2030-01-01"}]})
    judged = judge(config, [measured(metric(0.89, 0.91))])
    assert judged.warnings == ["the waiver for a.gap is not needed: nothing that it names is broken"]


@pytest.mark.parametrize("blank", [" ", "\u200b\u2060", "\u3164", "\u2800", "...", "\u202e"])
@pytest.mark.parametrize("key", ["reason", "who"])
def test_a_waiver_says_who_and_why_in_signs_that_can_be_seen(blank, key):
    written = {"metric": "a.b", "reason": "known", "who": "ana", "until": "2026-12-31"}
    WaiverConfig.model_validate(written)
    with pytest.raises(ValueError, match="must say something"):
        WaiverConfig.model_validate(written | {key: blank})
