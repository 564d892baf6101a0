import re

import pytest

from raikit import CheckRecord, Finding, Metric
from raikit.testing import assert_error, assert_finding, assert_metric, assert_ok, assert_skipped


@pytest.fixture
def ok():
    metrics = [
        Metric("rate", 0.25, low=0.2, high=0.3, n=9, method="m", over=["group"], group={"group": "F"}),
        Metric.undefined("gap", "one group has no rows", over=["group"]),
    ]
    for metric in metrics:
        metric.id = metric.address("mine")
    findings = [Finding(sentence="F waits longer.", severity="warn"), Finding(sentence="M does not.")]
    return CheckRecord(name="mine.it", pillar="mine", plugin="local", status="ok", metrics=metrics, findings=findings)


@pytest.fixture
def crashed():
    return CheckRecord(
        name="mine.it", pillar="mine", plugin="local", status="error", reason="ValueError: no rows",
        traceback="Traceback\n  line 7", output="got so far",
    )  # fmt: skip


@pytest.fixture
def skipped():
    return CheckRecord(name="mine.it", pillar="mine", plugin="local", status="skipped", reason="the data has no weight")


def test_what_holds_passes_and_gives_what_was_asked_for(ok, crashed, skipped):
    assert_ok(ok)
    assert_skipped(skipped, "no weight")
    assert_error(crashed, r"^ValueError: no \w+$")
    assert assert_metric(ok, "mine.rate[group=F]", 0.25).n == 9
    assert_metric(ok, "mine.rate[group=F]", 0.2, abs=0.1)
    assert assert_metric(ok, "mine.gap[group]").reason == "one group has no rows"
    assert assert_finding(ok, "longer").severity == "warn"


@pytest.mark.parametrize(
    ("tried", "says"),
    [
        (lambda ok, crashed, skipped: assert_ok(crashed), "mine.it is error: ValueError: no rows\n--- traceback ---\nTraceback\n  line 7\n--- output ---\ngot so far"),
        (lambda ok, crashed, skipped: assert_ok(skipped), "mine.it is skipped: the data has no weight"),
        (lambda ok, crashed, skipped: assert_skipped(ok, "x"), "mine.it was not skipped. mine.it is ok"),
        (lambda ok, crashed, skipped: assert_skipped(skipped, "no score"), "skipped for a different reason: 'the data has no weight' does not match 'no score'"),
        (lambda ok, crashed, skipped: assert_error(ok, "x"), "mine.it is not an error"),
        (lambda ok, crashed, skipped: assert_error(crashed, "KeyError"), "does not match 'KeyError'\n--- traceback ---"),
        (lambda ok, crashed, skipped: assert_metric(ok, "mine.rate[group=M]"), "did not measure mine.rate[group=M]. Most similar of 2 measured: mine.rate[group=F]"),
        (lambda ok, crashed, skipped: assert_metric(ok, "mine.rate[group=F]", 0.5), "mine.rate[group=F] is 0.25 [0.2, 0.3], not 0.5 within"),
        (lambda ok, crashed, skipped: assert_metric(ok, "mine.gap[group]", 0.5), "mine.gap[group] is undefined (one group has no rows), not 0.5"),
        (lambda ok, crashed, skipped: assert_metric(crashed, "mine.gap[group]"), "ValueError: no rows"),
        (lambda ok, crashed, skipped: assert_finding(ok, "shorter"), "no finding of mine.it matches 'shorter'. Its findings:\n  warn: F waits longer.\n  note: M does not."),
    ],
)  # fmt: skip
def test_what_does_not_hold_says_what_there_is_instead(ok, crashed, skipped, tried, says):
    with pytest.raises(AssertionError, match=re.escape(says)):
        tried(ok, crashed, skipped)
