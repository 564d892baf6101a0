"""exit_code.py and verdict.py: the worst of all rules, checks and plugins decides."""

from __future__ import annotations

import pytest
from gate_builders import AT_MOST, measured, metric, policy

from raikit.gate.verdict import judge
from raikit.run.record import PluginRecord


@pytest.mark.parametrize(
    ("asked", "code", "verdict"),
    [("pass", 0, "pass"), ("warn", 0, "warn"), ("fail", 1, "fail"), ("stop", 4, "inconclusive")],
)
def test_what_an_open_rule_means_is_the_policys_choice(asked, code, verdict):
    gate = judge(policy(AT_MOST, on_inconclusive=asked), [measured(metric(0.05, 0.2))])
    assert (gate.exit_code, gate.verdict) == (code, verdict)
    assert gate.rules[0].status == "inconclusive"


def test_a_broken_rule_that_only_warns_does_not_fail_the_build():
    gate = judge(policy({**AT_MOST, "severity": "warn"}), [measured(metric(0.2, 0.3))])
    assert (gate.rules[0].status, gate.exit_code, gate.verdict) == ("fail", 0, "warn")


def test_a_proven_breach_is_not_hidden_behind_a_crash():
    gate = judge(policy(AT_MOST), [measured(metric(0.2, 0.3)), measured(name="b.check", status="error", reason="x")])
    assert gate.exit_code == 1


def test_a_crash_is_not_hidden_behind_open_rules():
    checks = [measured(metric(0.05, 0.3)), measured(name="b.check", status="error", reason="x")]
    assert judge(policy(AT_MOST, on_inconclusive="stop"), checks).exit_code == 3
    allowed = judge(policy(AT_MOST, allow_errors=["b.check"]), checks)
    assert (allowed.exit_code, allowed.verdict) == (0, "warn")
    assert "b.check" in allowed.warnings[0]


def test_a_plugin_that_failed_to_load_counts_as_a_crash():
    broken = PluginRecord(name="x", distribution="x", status="error", reason="import failed")
    assert judge(policy(), [measured(metric(0, 1))], [broken]).exit_code == 3


def test_nothing_that_ran_is_exit_five():
    assert (
        judge(
            policy(), [measured(status="skipped", reason="x"), measured(name="b.c", status="deselected", reason="y")]
        ).exit_code
        == 5
    )
    assert judge(policy(), [measured(status="error", reason="x")]).exit_code == 3
