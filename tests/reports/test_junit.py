"""Test cases for build servers: red exactly where the gate was, readable by any XML parser."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest
from hostile import records
from hypothesis import HealthCheck, given, settings
from report_record import make_record

from raikit.run.record import CheckRecord, Gate, Provenance, Record, Rule
from raikit_reports.junit import render

GENTLE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def suites(record) -> dict[str, ET.Element]:
    return {suite.get("name"): suite for suite in ET.fromstring(render(record).encode())}


def case(record, name: str) -> ET.Element:
    return next(found for suite in suites(record).values() for found in suite if found.get("name") == name)


def of_status(status: str, on_inconclusive: str = "warn", severity: str = "fail") -> ET.Element:
    rule = Rule(id="r", sentence="s", metric="a.b", status=status, severity=severity, reason="because", value=1, low=0, high=2)
    config = json.dumps({"gate": {"on_inconclusive": on_inconclusive}})
    record = Record(name="m", verdict="pass", gate=Gate(verdict="pass", rules=[rule]), provenance=Provenance(config=config))
    return case(record, "s")


@given(records())
@GENTLE
def test_it_is_xml_and_red_exactly_where_the_exit_code_is(record):
    root = ET.fromstring(render(record).encode("utf-8"))
    red = len(root.findall(".//failure")) + len(root.findall(".//error"))
    assert (red > 0) == (record.gate.exit_code != 0)
    cases = root.findall(".//testcase")
    named = [(found.get("classname"), found.get("name")) for found in cases]
    assert all(place and name for place, name in named)
    assert len(cases) >= len(record.gate.rules) + len(record.checks)
    for suite in [root, *root.findall("testsuite")]:
        tags = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}
        assert {key: int(suite.get(key)) for key in tags} == {key: len(suite.findall(f".//{tag}")) for key, tag in tags.items()}


@pytest.mark.parametrize(
    ("status", "policy", "severity", "tag"),
    [
        ("pass", "fail", "fail", "system-out"),
        ("fail", "warn", "fail", "failure"),
        ("fail", "fail", "warn", "skipped"),
        ("missing", "warn", "fail", "error"),
        ("missing", "warn", "warn", "skipped"),
        ("waived", "fail", "fail", "skipped"),
        ("inconclusive", "pass", "fail", "skipped"),
        ("inconclusive", "warn", "fail", "skipped"),
        ("inconclusive", "fail", "fail", "failure"),
        ("inconclusive", "stop", "fail", "failure"),
        ("inconclusive", "fail", "warn", "skipped"),
    ],
)
def test_the_policy_says_which_status_is_red(status, policy, severity, tag):
    assert [child.tag for child in of_status(status, policy, severity)] == [tag]


def test_a_failure_says_how_much_for_whom_and_why(record):
    told = case(record, "Gap over skin tones at most 10 points").find("failure")
    for part in ("16.0 pp", "11.3 to 20.7", "all above 10", "People with dark skin"):
        assert part in told.get("message")
    assert "fairness.equalized_odds_difference[skin_tone]" in told.text


def test_a_regression_has_its_own_suite_and_tells_the_baseline(record):
    (found,) = suites(record)["regressions"]
    assert "The metric went from 7.8 pp to 13.9 pp, on the same cases." in found.find("failure").text


def test_a_waiver_is_named(record):
    found = case(record, "Attribution on faces at most 15 %").find("skipped")
    assert found.get("message") == "Waived by head of triage until 31 January 2027: retraining is under way."


def test_a_crash_brings_its_traceback_and_a_skipped_check_its_reason(record):
    crash = case(record, "robustness.corruptions").find("error")
    assert "tail.std()" in crash.text and "ZeroDivisionError" in crash.get("message")
    assert "needs a model that generates text" in case(record, "privacy.memorisation").find("skipped").get("message")
    assert case(record, "old").find("error") is not None  # a plugin that was lost


def test_a_crash_that_the_policy_allows_is_not_red():
    check = CheckRecord(name="a.b", pillar="a", plugin="p", status="error", reason="boom")
    config = json.dumps({"gate": {"allow_errors": ["a.b"]}})
    record = Record(name="m", verdict="warn", checks=[check], gate=Gate(verdict="warn"), provenance=Provenance(config=config))
    assert "allow_errors" in case(record, "a.b").find("skipped").get("message")


def test_nothing_ran_is_red():
    check = CheckRecord(name="a.b", pillar="a", plugin="p", status="skipped", reason="no score")
    record = Record(name="m", verdict="error", checks=[check], gate=Gate(verdict="error", exit_code=5))
    record.summary.answer = "Cannot say. No check ran."
    assert case(record, "The gate passed").find("error").get("message") == "Cannot say. No check ran."


def test_two_rules_of_one_name_stay_two(record):
    twice = make_record()
    twice.gate.rules *= 2
    names = [found.get("name") for found in suites(twice)["regressions"]]
    assert names == ["Gap over wards may grow by 2 points at most", "Gap over wards may grow by 2 points at most #2"]


def test_a_policy_that_cannot_be_read_is_told_from_the_exit_code():
    rule = Rule(id="r", sentence="s", metric="a.b", status="inconclusive")
    for code, tag in ((0, "skipped"), (1, "failure"), (4, "failure")):
        record = Record(name="m", verdict="pass", gate=Gate(verdict="pass", rules=[rule], exit_code=code))
        assert [child.tag for child in case(record, "s")] == [tag]
