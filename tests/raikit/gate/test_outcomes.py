"""Thousands of rules with * are matched in a time that grows with their number, and what they match has a limit."""

from __future__ import annotations

import pytest
from gate_builders import measured, metric, policy

from raikit import address
from raikit.errors import LimitError
from raikit.gate.outcomes import refuse_many_outcomes
from raikit.gate.rules import may_measure_any
from raikit.run import levels
from raikit.run.levels import LevelRequest, Levels
from raikit.run.results import Metric

RULES = 3_000


def test_rules_that_match_too_much_are_refused(monkeypatch):
    monkeypatch.setenv("RAIKIT_MAX_OUTCOMES", "5")
    checks = [measured(*(metric(0.1, 0.2, name=f"gap_{number}") for number in range(3)))]
    refuse_many_outcomes(policy({"metric": "a.*", "max": 1}), checks)
    with pytest.raises(LimitError, match=r"gate.rules: 2 rules match 6 metrics in all, more than the 5 .* set RAIKIT_MAX_OUTCOMES"):
        refuse_many_outcomes(policy({"metric": "a.*", "max": 1}, {"metric": "*", "max": 2}), checks)


def test_one_pattern_may_match_all_that_was_measured(monkeypatch):
    monkeypatch.setenv("RAIKIT_MAX_OUTCOMES", "2")
    refuse_many_outcomes(policy({"metric": "a.*", "max": 1}), [measured(*(metric(0.1, 0.2, name=f"gap_{k}") for k in range(3)))])


def test_a_pattern_and_a_name_without_one_are_not_walked_over(monkeypatch):
    """Only two patterns are; a plan asks for every rule and every name that a check declares, several times."""
    walked = []
    monkeypatch.setattr(address, "_walk", lambda *both: walked.append(both))
    produces = [f"pillar.metric_{number}" for number in range(200)]
    for number in range(RULES):
        assert may_measure_any("pillar.check", produces, address.Pattern(f"pillar.*_{number % 200}")) is True
    assert not walked


def test_each_rule_is_made_a_pattern_once(monkeypatch):
    """A cache of 128 patterns made all of them again for every metric."""
    made = []
    monkeypatch.setattr(levels, "Pattern", lambda pattern: made.append(pattern) or address.Pattern(pattern))
    requests = [LevelRequest(f"a.*{number}", 0.3, "max") for number in range(RULES)]
    for number in range(3):
        Levels(requests, prefix="a").measure(Metric(f"gap_{number}", 0.2, low=0.1, high=0.4, n=96, method="normal"), lambda _: None)
    assert len(made) == RULES
