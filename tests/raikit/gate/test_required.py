"""Required checks must have run, in a suitable version."""

from __future__ import annotations

import pytest
from gate_builders import measured, metric, policy

from raikit.config.schema import RequiredConfig
from raikit.gate.required import judge_required
from raikit.gate.verdict import judge


@pytest.mark.parametrize(
    ("required", "status", "says"),
    [
        ("a.check", "pass", "ran (raikit 1.2)"),
        ({"check": "a.check", "version": ">=1.2,<2"}, "pass", "ran"),
        ({"check": "a.check", "version": ">=2"}, "missing", "does not fit >=2"),
        ("b.other", "missing", "no installed plugin provides it"),
        ("c.skipped", "missing", "was skipped (why)"),
    ],
)
def test_a_required_check_must_have_run_in_a_version_that_fits(required, status, says):
    checks = [measured(metric(0, 1)), measured(name="c.skipped", status="skipped", reason="why")]
    gate = judge(policy(required=[required]), checks)
    assert (gate.rules[0].kind, gate.rules[0].status) == ("required", status)
    assert says in gate.rules[0].reason
    assert gate.rules[0].sentence == f"Required check: {gate.rules[0].metric}"
    assert gate.exit_code == (0 if status == "pass" else 3)


@pytest.mark.parametrize("version", ["not a version", "", "1.0.0.post.x.y"])
def test_a_version_that_a_changed_record_made_up_fits_nothing(version):
    check = measured(metric(0, 1)).model_copy(update={"plugin_version": version})
    assert judge_required(RequiredConfig(check="a.check", version=">=0.1"), [check]).status == "missing"


def test_a_requirement_that_a_changed_record_made_up_is_met_by_nothing():
    required = RequiredConfig.model_construct(check="a.check", version=">=)x(")
    assert judge_required(required, [measured(metric(0, 1))]).status == "missing"
