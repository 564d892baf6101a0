"""Rules in words: the gate's raw numbers give way to the row's own, everything else it says stays."""

from __future__ import annotations

import pytest
from report_record import metric

from raikit.run.record import CheckRecord, Gate, Record, Rule
from raikit_reports.rules import label, rule_rows


def one(rule: Rule, **fields) -> Record:
    measured = metric("fairness", "equalized_odds_difference", 0.16, 0.047, 1000, over=["sex"], unit="points")
    check = CheckRecord(name="fairness.groups", pillar="fairness", plugin="raikit", status="ok", metrics=[measured])
    return Record(name="m", verdict="fail", gate=Gate(verdict="fail", rules=[rule]), checks=[check], **fields)


def rule(**fields) -> Rule:
    address = "fairness.equalized_odds_difference[sex]"
    values = {
        "id": "r",
        "sentence": f"{address} is at most 0.1",
        "metric": address,
        "limit": 0.1,
        "bound": "max",
        "value": 0.16,
        "low": 0.113,
        "high": 0.207,
        "status": "fail",
        "unit": "points",
    }
    return Rule(**(values | fields))


def test_a_sentence_that_repeats_the_address_is_put_in_words():
    assert rule_rows(one(rule()))[0].title == "Equalized odds difference, sex: at most 10 pp"
    assert rule_rows(one(rule(sentence="No gap between the sexes")))[0].title == "No gap between the sexes"


@pytest.mark.parametrize(
    ("reason", "decision"),
    [
        ("the whole interval [0.113, 0.207] is above 0.1", "The whole interval is beyond the limit."),
        ("the whole interval [0.113, 0.207] is above 0.1; judged without sex = x; over all groups it is 0.2 [0.1, 0.3]",
         "The whole interval is beyond the limit. Judged without sex = x; over all groups it is 0.2 [0.1, 0.3]."),
        ("too few clusters for a valid interval", "Too few clusters for a valid interval."),
        ("", "The whole interval is beyond the limit."),
    ],
)  # fmt: skip
def test_the_decision_says_what_the_row_does_not(reason, decision):
    assert rule_rows(one(rule(reason=reason)))[0].decision == decision


def test_a_required_check_has_no_number():
    row = rule_rows(one(Rule(id="q", sentence="Required check: privacy", metric="privacy", kind="required", status="pass")))[0]
    assert (row.measured, row.interval, row.limit, row.strip) == ("ran", "", "", None)


def test_undecided_rules_say_how_much_data_would_decide():
    row = rule_rows(one(rule(status="inconclusive", rows_needed=24000)))[0]
    assert row.needed == "About 24,000 cases in all would decide."


def test_a_label_names_arguments_and_groups_as_they_are_stored():
    rest = metric("fairness", "selection_rate_difference", 0.1, 0.1, 90, args={"to": "rest"}, over=["born"], group={"born": 1900})
    assert label(rest) == "Selection rate difference (to = rest), born: 1900"


def test_the_baseline_of_a_rate_is_in_percent_and_the_loss_in_points():
    accuracy = metric("performance", "accuracy", 0.832, 0.01, 4000)
    loss = rule(
        kind="regression", metric=accuracy.id, sentence=f"{accuracy.id} is worse than in the baseline by at most 0.02",
        value=0.031, low=0.021, high=0.041, limit=0.02, baseline=0.863, paired=True,
    )  # fmt: skip
    record = one(loss)
    record.checks[0].metrics.append(accuracy)
    row = rule_rows(record)[0]
    assert row.title == "Accuracy: may get worse by at most 2 pp"
    assert (row.measured, row.against) == ("+3.1 pp", "the metric went from 86.3% to 83.2%, on the same cases")


def test_a_required_check_is_named_once():
    required = Rule(id="q", sentence="Required check: a.b", metric="a.b", kind="required", status="pass")
    assert (rule_rows(one(required))[0].title, rule_rows(one(required))[0].address) == ("Required check: a.b", "")
