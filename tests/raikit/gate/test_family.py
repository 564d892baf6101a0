"""What can fail a build is one family: its error rate is the build's, and every interval shown is the one that decided."""

from __future__ import annotations

import numpy as np
import pytest
from gate_builders import measured
from scipy.special import ndtri, stdtrit

from raikit.config.schema import GateConfig
from raikit.gate.family import corrected_error, levels_of
from raikit.gate.regressions import Regressions
from raikit.gate.verdict import judge
from raikit.run.results import Metric
from raikit.stats import holm

SE = 0.02


def rules(number, limit=0.1, **more):
    return [{"metric": f"a.m{at}", "max": limit, **more} for at in range(number)]


def audit(values, config, confidence=0.95):
    """Measure normal estimates as a check does, and judge them."""
    levels = levels_of(config, confidence).of("a")
    metrics = []
    for at, value in enumerate(values):
        def ends(level, value=value):
            reach = -float(ndtri((1 - level) / 2)) * SE
            return value - reach, value + reach

        low, high = ends(confidence)
        metric = Metric(f"m{at}", float(value), low=low, high=high, level=confidence, n=100, method="normal")
        metrics.append(levels.measure(metric, ends))
        metrics[-1].id = f"a.m{at}"
    return judge(config, [measured(*metrics)], confidence=confidence)


@pytest.mark.parametrize("seed", range(20))
def test_one_error_separates_what_holms_method_rejects(seed):
    rng = np.random.default_rng(seed)
    p = rng.uniform(size=int(rng.integers(1, 12))) ** 4
    corrected = corrected_error(p.tolist(), 0.05)
    assert ((p <= corrected) == (holm(p) <= 0.05)).all()


@pytest.mark.parametrize(("confidence", "error"), [(0.95, 0.05), (0.99, 0.01)])
def test_twenty_true_rules_fail_no_more_builds_than_the_confidence_says(confidence, error):
    """Each rule is true, at its limit. Judged one by one they fail 1 - 0.975^20 = 40% of builds (10% at 99%)."""
    builds, rng = 2000, np.random.default_rng(5)
    policies = [GateConfig.model_validate({"rules": rules(20), "error_rate": rate}) for rate in ("build", "rule")]
    values = 0.1 + SE * rng.standard_normal((builds, 20))
    suspects = values[values.max(axis=1) - 0.1 > -float(ndtri((1 - confidence) / 2)) * SE]  # all others fail no rule
    failed, alone = (sum(audit(row, policy, confidence).exit_code == 1 for row in suspects) / builds for policy in policies)
    se = (error * (1 - error) / builds) ** 0.5
    assert failed <= error + 2 * se
    assert failed >= error / 3  # and hardly fewer: the correction is Holm's, not a refusal
    assert alone == pytest.approx(1 - (1 - (1 - confidence) / 2) ** 20, abs=4 * (0.24 / builds) ** 0.5)


def test_every_interval_beside_a_verdict_is_the_one_that_decided():
    config, rng, seen = GateConfig.model_validate({"rules": rules(12)}), np.random.default_rng(1), set()
    for _ in range(60):
        gate = audit(0.1 + SE * rng.normal(1, 2, 12), config)
        for row in gate.rules:
            seen.add((row.status, row.level > 0.951))
            beyond, kept = row.low > row.limit, row.high <= row.limit
            assert (beyond, kept) == {"fail": (True, False), "pass": (False, True), "inconclusive": (False, False)}[row.status]
            if row.status == "fail":
                assert (1 - row.level) / 2 <= (1 - gate.family.level) / 2 + 1e-9
    assert seen == {("fail", True), ("pass", False), ("inconclusive", False), ("inconclusive", True)}


def test_what_would_fail_alone_but_not_in_the_family_says_so():
    config = GateConfig.model_validate({"rules": rules(20)})
    row = audit([0.145, *[0.05] * 19], config).rules[0]
    assert row.status == "inconclusive"
    assert row.low <= 0.1
    assert row.level > 0.99
    assert "because 20 rules and regressions are judged together; the rule alone would fail at 95%" in row.reason
    assert audit([0.145], GateConfig.model_validate({"rules": rules(1)})).rules[0].status == "fail"
    assert audit([0.2, *[0.05] * 19], config).rules[0].status == "fail"


def test_the_family_stands_in_the_record():
    gate = audit([0.2, *[0.05] * 19], GateConfig.model_validate({"rules": rules(20)}))
    assert (gate.family.size, gate.family.error) == (20, 0.05)
    assert gate.family.level == pytest.approx(1 - 2 * 0.05 / 19)  # after one has failed, 19 are left
    assert audit([0.2], GateConfig.model_validate({"rules": rules(1), "error_rate": "rule"})).family is None


def test_what_only_warns_and_what_cannot_err_are_not_in_the_family():
    config = GateConfig.model_validate({"rules": [*rules(1), *rules(20, severity="warn")[1:], {"metric": "a.count", "max": 0}]})
    gate = audit([0.145, *[0.145] * 19], config)
    assert gate.family.size == 1
    assert {row.status for row in gate.rules[:20]} == {"fail"}
    exact = Metric.exact("count", 3, id="a.count")
    gate = judge(GateConfig.model_validate({"rules": [{"metric": "a.count", "max": 0}]}), [measured(exact)])
    assert (gate.rules[0].status, gate.family) == ("fail", None)


def test_no_rule_fails_at_more_than_its_own_error():
    """A single rule does not get all of the build's 5%: at its own level, 2.5%, its interval contains the limit."""
    row = audit([0.1 + 1.8 * SE], GateConfig.model_validate({"rules": rules(1)})).rules[0]
    assert (row.status, row.level) == ("inconclusive", 0.95)
    strict = GateConfig.model_validate({"rules": rules(1, confidence=0.999)})
    row = audit([0.1 + 3 * SE], strict).rules[0]
    assert (row.status, row.level) == ("inconclusive", 0.999)
    assert audit([0.1 + 3.5 * SE], strict).rules[0].status == "fail"


def test_a_family_that_needs_a_level_that_was_not_measured_is_undecided():
    """As for a check without `ctx.levels`, or a run that is judged again by a stricter policy."""
    metrics = [Metric(f"m{at}", 0.3, low=0.2, high=0.4, level=0.95, n=9, method="m", id=f"a.m{at}") for at in range(20)]
    gate = judge(GateConfig.model_validate({"rules": rules(20)}), [measured(*metrics)])
    assert {(row.status, row.low) for row in gate.rules} == {("inconclusive", None)}
    assert "need 99.5%, at which it was not measured; run the audit again with this policy" in gate.rules[0].reason
    two = judge(GateConfig.model_validate({"rules": rules(2)}), [measured(*metrics)])  # 5% over two is their own 2.5%
    assert {row.status for row in two.rules} == {"fail"}


class Regression:
    """A regression of a known p-value."""

    def __init__(self, p_value):
        from raikit.run.record import Rule

        self.rule = Rule(id="r", sentence="s", metric="a.r", kind="regression", status="missing")
        self.p_value, self.own_error, self.asked = p_value, 0.05, None

    def decide(self, error, size):
        self.asked = error, size
        self.rule.status = "fail" if self.p_value <= error else "inconclusive"

    class left_out:
        reason = ""


def test_rules_and_regressions_share_one_error():
    def with_regression(p_value, number):
        claim = Regression(p_value)
        config = GateConfig.model_validate({"rules": rules(number)})
        levels = levels_of(config, 0.95).of("a")
        metrics = [
            levels.measure(Metric(f"m{at}", 0.0, low=-0.1, high=0.05, level=0.95, n=9, method="m", id=f"a.m{at}"), lambda level: (-0.1, 0.05))
            for at in range(number)
        ]
        judge(config, [measured(*metrics)], regressions=Regressions([claim.rule], [claim]))
        return claim.rule.status, claim.asked

    assert with_regression(0.04, 0) == ("fail", (0.05, 1))
    assert with_regression(0.04, 9) == ("inconclusive", (pytest.approx(0.005), 10))
    assert with_regression(0.004, 9)[0] == "fail"


def test_a_strict_rule_on_eight_clusters_passes_falsely_no_more_often_than_it_says():
    """A true value at the limit, t with 7 degrees of freedom: stretching as if it were normal passes .27% for .05%."""
    config, draws = GateConfig.model_validate({"rules": rules(1, 0.0, confidence=0.999)}), 100_000
    values = np.random.default_rng(2).standard_t(7, draws)
    levels, passed = levels_of(config, 0.95).of("a"), 0
    for value in values[values < -3.9]:  # stretched, all of these pass
        def ends(level, value=value):
            reach = -float(stdtrit(7, (1 - level) / 2))
            return value - reach, value + reach

        low, high = ends(0.95)
        metric = levels.measure(Metric("m0", float(value), low=low, high=high, level=0.95, n=100, method="t"), ends)
        metric.id = "a.m0"
        passed += judge(config, [measured(metric)]).rules[0].status == "pass"
    assert passed / draws <= 0.0005 + 2 * (0.0005 / draws) ** 0.5
    assert (values < -3.97).mean() > 0.002
