"""A measurement that contradicts what was proved fails the gate without a rule."""

from __future__ import annotations

import pytest
from gate_builders import measured, metric, policy

from raikit.gate.verdict import judge


@pytest.mark.parametrize(("promised", "fails"), [(0.5, True), (1.0, False), (1.5, False), (3.0, False), (None, False)])
def test_only_an_interval_that_is_wholly_above_the_promise_contradicts_it(promised, fails):
    gate = judge(policy(), [measured(metric(1.0, 2.0, promised=promised))])
    assert gate.exit_code == (1 if fails else 0)
    assert gate.verdict == ("fail" if fails else "pass")
    if fails:
        assert gate.rules[0].reason == "THE MEASUREMENT CONTRADICTS WHAT WAS PROVED"
        assert (gate.rules[0].limit, gate.rules[0].bound) == (promised, "max")


def test_no_waiver_lets_a_false_promise_pass():
    waiver = {"metric": "a.gap[g]", "until": "2999-01-01", "reason": "none", "who": "nobody"}
    rule = {"metric": "a.gap[g]", "max": 0.5}
    assert judge(policy(rule, waivers=[waiver]), [measured(metric(1.0, 2.0))]).exit_code == 0
    assert judge(policy(rule, waivers=[waiver]), [measured(metric(1.0, 2.0, promised=0.5))]).exit_code == 1
