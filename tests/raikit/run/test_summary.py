import pytest

from raikit.config.schema import GateConfig
from raikit.gate.verdict import judge
from raikit.run.record import CheckRecord, DataRecord, Gate, Record, Rule
from raikit.run.results import Finding, Metric
from raikit.run.summary import compose, sort_rules


def record(*rows, checks=(), **gate):
    code = {"fail": 1, "error": 3, "inconclusive": 4}.get(gate.get("verdict", "pass"), 0)
    made = Gate(rules=list(rows), exit_code=gate.pop("exit_code", code), verdict=gate.pop("verdict", "pass"), **gate)
    made = Record(
        name="m",
        verdict=made.verdict,
        gate=made,
        checks=list(checks),
        data=DataRecord(limits=["Nobody real is in it."]),
    )
    made.summary = compose(made)
    return made


def rule(status, value=0.2, limit=0.1, metric="a.gap", **fields):
    return Rule(
        id=metric,
        sentence=f"{metric} is at most {limit}",
        metric=metric,
        limit=limit,
        bound="max",
        value=value,
        status=status,
        **fields,
    )


@pytest.mark.parametrize(
    ("made", "answer"),
    [
        (record(rule("pass"), rule("pass")), "Yes. Both rules hold."),
        (record(rule("pass")), "Yes. The one rule holds."),
        (record(rule("fail"), rule("pass"), verdict="fail"), "No. One of two rules is broken."),
        (record(rule("fail"), rule("fail"), rule("pass"), verdict="fail"), "No. Two of three rules are broken."),
        (record(rule("pass"), rule("pass"), rule("pass")), "Yes. All three rules hold."),
        (record(rule("fail"), verdict="fail"), "No. The one rule is broken."),
        (record(rule("fail"), rule("fail"), verdict="fail"), "No. Both rules are broken."),
        (
            record(rule("fail"), rule("missing", None), rule("pass"), verdict="fail"),
            "No. One of three rules is broken, and one could not be judged.",
        ),
        (record(rule("fail", severity="warn"), verdict="warn"), "Yes, with one warning."),
        (record(rule("inconclusive"), verdict="warn"), "Undecided, and the policy lets it pass. The one rule could not be decided."),
        (
            record(rule("inconclusive"), rule("inconclusive"), verdict="warn"),
            "Undecided, and the policy lets it pass. None of two rules could be decided.",
        ),
        (
            record(rule("inconclusive"), rule("pass"), verdict="warn"),
            "Undecided, and the policy lets it pass. One of two rules could not be decided.",
        ),
        (
            record(rule("inconclusive"), rule("inconclusive"), verdict="inconclusive"),
            "Not decided. Two rules need more data.",
        ),
        (record(rule("missing"), verdict="error"), "Cannot say. The audit is incomplete."),
        (record(), "Measured, not judged. The policy has no rules."),
        (record(exit_code=5, verdict="error"), "Cannot say. No check ran."),
    ],
)
def test_the_answer_is_in_the_words_of_the_gate(made, answer):
    assert made.summary.answer == answer
    assert not {"safe", "fair", "compliant"} & set(answer.lower().replace(".", "").split())


def check(name="a.check", findings=(), status="ok", **fields):
    return CheckRecord(name=name, pillar="a", plugin="raikit", status=status, findings=list(findings), **fields)


def test_what_broke_a_rule_is_said_first_and_then_what_crashed():
    checks = [check(findings=[Finding(sentence="other", severity="warn")]), check("a.bad", status="error", reason="x")]
    made = record(rule("pass", metric="a.held"), rule("fail"), checks=checks, verdict="fail")
    assert made.summary.lede == "a.gap is 0.2; limit 0.1."
    assert made.summary.sentences == [made.summary.lede, "One check crashed: a.bad."]


def test_nothing_that_did_not_run_is_left_out():
    checks = [
        check("a.skipped", status="skipped", reason="no column"),
        check("a.bad", status="error", reason="ValueError: x"),
        check("a.out", status="deselected", reason="left out by --exclude"),
    ]
    said = record(checks=checks, verdict="error").summary.not_measured
    assert said == [
        "a.bad: the check crashed (ValueError: x).",
        "a.skipped: skipped (no column).",
        "a.out: left out (left out by --exclude).",
        "Nobody real is in it.",
    ]


def test_what_would_change_the_answer_names_the_way():
    made = record(
        rule("fail", value=0.16, unit="points"),
        rule("inconclusive", value=0.11, rows_needed=3000),
        rule("inconclusive", reason="the interval [0.05, 0.12] contains the limit 0.1; more than 10,000,000 cases would be needed if the true value is 0.0999"),
        rule("missing", None, reason="no measurement: a.check crashed (x)"),
        rule("missing", None, kind="required", reason="a.check was skipped (y)"),
        verdict="fail",
    )
    first, second, third, *rest = made.summary.what_would_change
    assert first == "a.gap: at most 10 pp"
    assert second == "a.gap: about 3,000 cases in all"
    assert third == "a.gap: more than 10,000,000 cases would be needed if the true value is 0.0999"
    assert rest == ["a.gap must be measured: a.check crashed (x)", "Check “gap” must have run: a.check was skipped (y)"]


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (rule("fail", low=0.12, high=0.21, unit="points", level=0.95), "a.gap: upper end of its 95% CI at most 10 pp; now 21.0"),
        (
            rule("fail", 0.77, 0.8, low=0.74, high=0.79, unit="rate", level=0.99).model_copy(update={"bound": "min"}),
            "a.gap: lower end of its 99% CI at least 80%; now 74.0",
        ),
        (rule("fail", 1083.2, 1000, low=1083.2, high=1083.2), "a.gap: at most 1,000"),
    ],
)
def test_the_whole_interval_has_to_reach_the_limit(broken, says):
    assert record(broken, verdict="fail").summary.what_would_change == [says]


def test_rules_are_sorted_worst_first_and_nearest_to_the_limit_first():
    rows = [
        rule("pass", metric="a.p"),
        rule("missing", value=None, metric="a.m"),
        rule("inconclusive", metric="a.i"),
        rule("fail", severity="warn", metric="a.w"),
        rule("fail", value=0.5, metric="a.far"),
        rule("fail", value=0.11, metric="a.near"),
    ]
    assert [row.metric for row in sort_rules(rows)] == ["a.near", "a.far", "a.w", "a.i", "a.m", "a.p"]


def test_the_gate_and_the_summary_agree_on_a_real_judgement():
    metric = Metric("gap", 0.2, low=0.15, high=0.3, n=100, method="m", level=0.95, id="a.gap")
    checks = [check(findings=[], metrics=[metric])]
    gate = judge(GateConfig.model_validate({"rules": [{"metric": "a.gap", "max": 0.1}]}), checks)
    made = Record(name="m", verdict=gate.verdict, gate=gate, checks=checks)
    assert compose(made).answer == "No. The one rule is broken."
