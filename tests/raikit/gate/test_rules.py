"""Rules are judged on whole intervals, and those that cannot be decided say how much data would decide them."""

from __future__ import annotations

import pytest
from gate_builders import AT_MOST, measured, metric, policy

from raikit.config.schema import GateConfig
from raikit.format import significant
from raikit.gate.verdict import judge
from raikit.run.results import JudgedOver, Limits, Metric


@pytest.mark.parametrize(
    ("rule", "low", "high", "status"),
    [
        (AT_MOST, 0.02, 0.1, "pass"),
        (AT_MOST, 0.02, 0.1001, "inconclusive"),
        (AT_MOST, 0.1, 0.3, "inconclusive"),
        (AT_MOST, 0.1001, 0.3, "fail"),
        ({"metric": "a.gap", "min": 0.8}, 0.8, 0.9, "pass"),
        ({"metric": "a.gap", "min": 0.8}, 0.7, 0.9, "inconclusive"),
        ({"metric": "a.gap", "min": 0.8}, 0.7, 0.79, "fail"),
    ],
)
def test_a_rule_is_judged_on_the_whole_interval(rule, low, high, status):
    gate = judge(policy(rule), [measured(metric(low, high))])
    assert [row.status for row in gate.rules] == [status]
    assert gate.exit_code == {"pass": 0, "inconclusive": 0, "fail": 1}[status]
    assert gate.verdict == {"pass": "pass", "inconclusive": "warn", "fail": "fail"}[status]


def test_small_groups_may_prove_a_gap_but_a_pass_is_judged_without_them():
    judged = JudgedOver(value=0.05, low=0.02, high=0.08, left_out=["tiny"])
    passed = judge(policy(AT_MOST), [measured(metric(0.03, 0.6, judged=judged))]).rules[0]
    assert passed.status == "pass"
    assert (passed.value, passed.high) == (0.05, 0.08)
    assert "tiny" in passed.reason
    assert "over all groups" in passed.reason
    assert judge(policy(AT_MOST), [measured(metric(0.15, 0.6, judged=judged))]).rules[0].status == "fail"


def test_a_breach_that_groups_large_enough_show_too_is_shown_on_these():
    judged = JudgedOver(value=0.2, low=0.14, high=0.26, left_out=["tiny"])
    row = judge(policy(AT_MOST), [measured(metric(0.12, 0.8, judged=judged))]).rules[0]
    assert (row.status, row.value, row.low, row.high) == ("fail", 0.2, 0.14, 0.26)
    assert row.reason.startswith("even the low end of [0.14, 0.26] is above 0.1; judged without tiny; over all groups it is")
    assert row.not_judged == ["tiny"]


def test_a_breach_that_only_small_groups_show_is_shown_over_all():
    judged = JudgedOver(value=0.05, low=0.02, high=0.08, left_out=["tiny"])
    row = judge(policy(AT_MOST), [measured(metric(0.12, 0.8, judged=judged))]).rules[0]
    assert (row.status, row.low, row.high, row.not_judged) == ("fail", 0.12, 0.8, [])


def test_no_gap_passes_on_small_groups_alone():
    judged = JudgedOver(
        value=None, low=None, high=None, left_out=["a", "b"], reason="fewer than two groups have 30 rows"
    )
    row = judge(policy(AT_MOST), [measured(metric(0.0, 0.05, judged=judged))]).rules[0]
    assert row.status == "inconclusive"
    assert "fewer than two groups have 30 rows" in row.reason
    assert judge(policy(AT_MOST), [measured(metric(0.2, 0.3, judged=judged))]).rules[0].status == "fail"


def test_the_end_that_proves_a_breach_is_the_one_over_all_groups():
    judged = JudgedOver(value=0.15, low=0.11, high=0.3, left_out=["tiny"])
    assert judge(policy(AT_MOST), [measured(metric(0.09, 0.6, judged=judged))]).rules[0].status == "inconclusive"


@pytest.mark.parametrize(
    ("flag", "bound", "low", "high", "status"),
    [
        ("open_high", "max", 0.01, 0.02, "inconclusive"),
        ("open_high", "max", 0.2, 0.3, "fail"),
        ("open_high", "min", 0.2, 0.3, "pass"),
        ("open_high", "min", 0.01, 0.02, "inconclusive"),
        ("open_low", "max", 0.01, 0.02, "pass"),
        ("open_low", "max", 0.2, 0.3, "inconclusive"),
        ("open_low", "min", 0.2, 0.3, "inconclusive"),
        ("open_low", "min", 0.01, 0.02, "fail"),
    ],
)
def test_an_open_end_decides_nothing_but_the_other_end_does(flag, bound, low, high, status):
    row = judge(policy({"metric": "a.gap", bound: 0.1}), [measured(metric(low, high, flags=[flag]))]).rules[0]
    assert row.status == status
    assert ("tail is too heavy" in row.reason) == (status == "inconclusive")


@pytest.mark.parametrize("flag", ["few_clusters", "few_events", "unreliable"])
@pytest.mark.parametrize("ends", [(0.0, 0.01), (0.5, 0.6)])
def test_an_interval_whose_level_does_not_hold_never_decides(flag, ends):
    assert judge(policy(AT_MOST), [measured(metric(*ends, flags=[flag]))]).rules[0].status == "inconclusive"


def test_a_pattern_has_a_row_for_each_address_it_matches():
    gate = judge(policy({"metric": "a.*", "max": 0.1}), [measured(metric(0, 0.05), metric(0.2, 0.3, name="other"))])
    assert {row.metric: row.status for row in gate.rules} == {"a.gap[g]": "pass", "a.other[g]": "fail"}
    assert len({row.id for row in gate.rules}) == 2


@pytest.mark.parametrize(
    ("checks", "says"),
    [
        ([measured(status="error", reason="ZeroDivisionError: x")], "a.check crashed (ZeroDivisionError: x)"),
        ([measured(status="skipped", reason="no column")], "a.check was skipped (no column)"),
        ([measured(Metric.undefined("gap", "no positives in F", id="a.gap[g]"))], "undefined: no positives in F"),
        ([measured()], "no check measured it"),
    ],
)
def test_nothing_passes_by_absence(checks, says):
    gate = judge(policy(AT_MOST), checks)
    assert gate.rules[0].status == "missing"
    assert says in gate.rules[0].reason
    assert gate.exit_code == 3
    assert gate.verdict == "error"


@pytest.mark.parametrize(
    ("beside", "audited", "times"),
    [
        ([], 0, 1),  # all that is known
        ([], 1000, 10),  # nothing but groups: each is part of what was audited
        ([{"n": 300, "group": {"g": "y"}}], 1000, 10),
        ([{"n": 400}], 1000, 4),  # the check looked at a sample
        ([{"n": 5000, "method": "exact"}], 1000, 10),  # a count is no estimate from rows
        ([{"n": 9000, "args": {"split": "train"}}], 1000, 10),
    ],
)
def test_the_rows_that_would_settle_a_rule_on_a_group_are_those_of_the_whole(beside, audited, times):
    group = metric(0.02, 0.12, name="gap", group={"g": "x"})
    others = [Metric("b", 0.5, **({"low": 0.5, "high": 0.5, "method": "m", "over": ["g"]} | more)) for more in beside]
    alone = judge(policy(AT_MOST), [measured(group)]).rules[0].rows_needed
    needed = judge(policy(AT_MOST), [measured(group, *others)], audited=audited).rules[0].rows_needed
    assert needed == pytest.approx(alone * times, rel=0.5)  # one significant digit


def test_what_small_groups_prove_beyond_the_judged_value_can_be_planned():
    judged = JudgedOver(value=0.05, low=0.02, high=0.14, left_out=["tiny"])
    row = judge(policy(AT_MOST), [measured(metric(0.08, 0.6, judged=judged))]).rules[0]
    assert (row.status, row.rows_needed, row.rows_high) == ("inconclusive", 2000, None)


@pytest.mark.parametrize(("unit", "limit", "warned"), [("rate", 10, 1), ("points", -5, 1), ("points", 1, 0), ("s", 10, 0)])
def test_a_limit_in_percent_on_a_share_is_warned_of(unit, limit, warned):
    two = [metric(0.2, 0.3, unit=unit), metric(0.1, 0.3, name="gap2", unit=unit)]
    gate = judge(policy({"metric": "a.gap*", "max" if limit > 0 else "min": limit}), [measured(*two)])
    assert len(gate.warnings) == warned
    if warned:
        assert (gate.exit_code, gate.verdict) == (0, "warn")
        assert f"limit {limit} on a quantity" in gate.warnings[0]
        assert f"{limit / 100:g} for {limit}%" in gate.warnings[0]


def test_numbers_in_sentences_are_plain():
    large = metric(-1083.2, 999.97, name="gap")
    row = judge(policy({"metric": "a.gap", "max": 1_000_000}), [measured(large)]).rules[0]
    assert row.sentence == "a.gap[g] is at most 1,000,000"
    assert row.reason == "the whole interval [-1,083, 1,000] is at most 1,000,000"
    assert row.id == "a.gap max=1000000 :: a.gap[g]"


def test_groups_that_were_left_out_do_not_run_together():
    judged = JudgedOver(value=0.05, low=0.02, high=0.08, left_out=["age=[-inf, 33)", "region=a,b"])
    row = judge(policy(AT_MOST), [measured(metric(0.03, 0.6, judged=judged))]).rules[0]
    assert "judged without age=[-inf, 33); region=a,b; over all groups" in row.reason


def test_only_a_check_that_could_have_measured_it_is_blamed():
    others = [
        measured(status="skipped", reason="no numbers", name="a.other", produces=["a.error"]),
        measured(status="error", reason="x", name="a.check", produces=["a.gap"]),
    ]
    assert judge(policy(AT_MOST), others).rules[0].reason == "no measurement: a.check crashed (x)"


def test_an_open_rule_says_how_many_rows_would_settle_it():
    row = judge(policy(AT_MOST), [measured(metric(0.02, 0.12))]).rules[0]
    assert row.rows_needed is not None
    assert row.rows_needed > 100
    at_the_limit = judge(policy({"metric": "a.gap", "max": 0.07}), [measured(metric(0.02, 0.12))]).rules[0]
    assert at_the_limit.rows_needed is None


@pytest.mark.parametrize(("low", "high", "limit"), [(-1.0, 1.0, 0.1), (-0.2, 1.0, 0.5), (0.0, 1.0, 0.5)])
def test_an_interval_that_ends_where_differences_end_tells_no_number_of_cases(low, high, limit):
    gap = metric(low, high, unit="points").model_copy(update={"value": 0.02})
    row = judge(policy({"metric": "a.gap", "max": limit}), [measured(gap)]).rules[0]
    assert (row.status, row.rows_needed) == ("inconclusive", None)
    assert "would be needed" not in row.reason


def test_a_reason_has_no_numbers_that_are_rounding_errors():
    gap = metric(0.02, 0.12).model_copy(update={"limits": [Limits(level=0.99, low=2e-148, high=0.2)]})
    row = judge(policy({"metric": "a.gap", "max": 0.1, "confidence": 0.99}), [measured(gap)]).rules[0]
    assert "[0, 0.2]" in row.reason


def test_a_limit_that_eight_times_the_rows_would_settle_is_not_called_hopeless():
    gap = metric(0.085, 0.131).model_copy(update={"n": 4000})
    row = judge(policy({"metric": "a.gap", "max": 0.1197}), [measured(gap)]).rules[0]
    assert (row.status, row.rows_needed, row.rows_high) == ("inconclusive", 30_000, None)
    assert "(8,000 or more, if the true value is 0.108)" in row.describe_needed_data()


def test_an_open_rule_on_a_gap_of_rates_is_planned_from_the_counts_of_its_groups():
    counted = metric(0.02, 0.12, profile=[(430, 500), (405, 500)]).model_copy(update={"n": 4000})
    row = judge(policy(AT_MOST), [measured(counted)], audited=4000).rules[0]
    assert row.rows_low <= row.rows_needed <= row.rows_high
    assert row.rows_low >= 4000
    assert 0 <= row.rows_assume < 0.05  # two groups' estimates spread further than what they estimate
    assert row.describe_needed_data() == (
        f"about {row.rows_needed:,} cases in all would decide ({row.rows_low:,} to {row.rows_high:,}, "
        f"if the true value is {significant(row.rows_assume)})"
    )
    assert row == judge(policy(AT_MOST), [measured(counted)], audited=4000).rules[0]


def test_a_limit_that_no_number_of_rows_would_settle_is_said_to_be_one():
    row = judge(policy(AT_MOST), [measured(metric(0.05, 0.148))]).rules[0]
    assert (row.rows_needed, row.rows_high) == (500_000, None)  # within one standard error of the limit
    assert row.describe_needed_data() == (
        "about 500,000 cases in all would decide (100,000 or more, if the true value is 0.099)"
    )
    beyond = judge(policy(AT_MOST), [measured(metric(0.0520001, 0.148))]).rules[0]
    assert beyond.rows_needed is None
    assert "more than 10,000,000 cases would be needed if the true value is 0.1" in beyond.reason
    assert beyond.describe_needed_data() == ""


def test_more_rows_are_no_answer_to_too_few_clusters():
    row = judge(policy(AT_MOST), [measured(metric(0.02, 0.12, flags=["few_clusters"]))]).rules[0]
    assert (row.status, row.rows_needed, row.reason) == ("inconclusive", None, "too few clusters, or up to three that dominate, for a valid interval")


def test_no_rule_is_decided_on_one_training():
    row = judge(policy(AT_MOST), [measured(metric(0.02, 0.05, flags=["one_training"]))]).rules[0]
    assert (row.status, row.p_value) == ("inconclusive", None)
    assert row.reason == "the value is that of one training, and its interval leaves out how much trainings differ"


AT_999 = GateConfig.model_validate({"rules": [{"metric": "a.gap", "min": 0.888, "confidence": 0.999}]})


def test_a_rule_of_another_confidence_is_decided_on_the_interval_measured_there():
    limits = [Limits(level=0.999, low=0.8, high=0.95)]
    row = judge(AT_999, [measured(metric(0.89, 0.91, limits=limits))]).rules[0]
    assert (row.status, row.level, row.low, row.high) == ("inconclusive", 0.999, 0.8, 0.95)
    narrow = [Limits(level=0.999, low=0.889, high=0.95)]
    assert judge(AT_999, [measured(metric(0.89, 0.91, limits=narrow))]).rules[0].status == "pass"


def test_a_rule_whose_level_was_not_measured_is_undecided_and_says_what_to_do():
    row = judge(AT_999, [measured(metric(0.89, 0.91))]).rules[0]
    assert (row.status, row.low, row.high, row.level) == ("inconclusive", None, None, None)
    assert "not measured at 99.9%, the level of this rule; run the audit again with this policy" in row.reason


def test_a_gap_that_a_small_group_proves_neither_passes_nor_fails_where_its_measured_interval_does_not():
    """Stretched about the judged value, the end that the small group proves would rise from 0.12 to 0.145."""
    config = GateConfig.model_validate({"rules": [{"metric": "a.gap", "max": 0.1, "confidence": 0.99}]})
    judged = JudgedOver(value=0.04, low=0.0, high=0.08, left_out=["tiny"])
    limits = [Limits(level=0.99, low=0.07, high=0.7, judged_low=0.0, judged_high=0.105)]
    row = judge(config, [measured(metric(0.12, 0.6, judged=judged, limits=limits))]).rules[0]
    assert (row.status, row.low, row.high) == ("inconclusive", 0.07, 0.7)
    assert judge(policy(AT_MOST), [measured(metric(0.12, 0.6, judged=judged, limits=limits))]).rules[0].status == "fail"


def test_a_rule_may_be_decided_on_the_estimate():
    config = GateConfig.model_validate({"rules": [{"metric": "a.gap", "min": 0.895}], "decide_on": "estimate"})
    assert judge(config, [measured(metric(0.89, 0.91))]).rules[0].status == "pass"


def test_a_rule_names_the_groups_in_which_its_metric_is_not_defined():
    undefined = metric(0.02, 0.05, excluded=["g: X"], excluded_reason="no case has target 1")
    gate = judge(policy(AT_MOST), [measured(undefined)])
    assert (gate.rules[0].status, gate.rules[0].not_judged, gate.verdict) == ("pass", ["g: X"], "warn")
    assert gate.rules[0].reason.endswith("not defined for g: X (no case has target 1), so this rule says nothing about it")
    assert gate.warnings == ["a.gap[g]: not defined for g: X (no case has target 1), so this rule says nothing about it"]
    average = metric(0.02, 0.05, excluded=["X"], flags=["empty_class"])  # its interval allows for any value of class X
    assert judge(policy(AT_MOST), [measured(average)]).warnings == []


@pytest.mark.parametrize(
    ("rule", "direction", "warned"),
    [
        ({"metric": "a.gap", "min": -0.1}, "lower", True),
        ({"metric": "a.gap", "min": 0}, "lower", True),
        ({"metric": "a.gap", "min": 0.1}, "lower", False),
        ({"metric": "a.gap", "max": 0}, "lower", False),
        ({"metric": "a.gap", "min": -0.1}, None, False),
        ({"metric": "a.gap", "min": -0.1}, "higher", False),
    ],
)
def test_a_limit_of_a_signed_difference_is_warned_of_where_a_difference_has_no_sign(rule, direction, warned):
    warnings = judge(policy(rule), [measured(metric(0.2, 0.3, direction=direction))]).warnings
    assert any("can hardly be broken; write `max`" in warning for warning in warnings) is warned


def test_a_rule_with_other_columns_than_were_measured_is_told_those():
    (rule,) = judge(policy({"metric": "a.gap[race]", "max": 1}), [measured(metric(0.1, 0.2))]).rules
    assert rule.reason == "no measurement: no check measured it; of that name there is a.gap[g]"
    (rule,) = judge(policy({"metric": "a.other[race]", "max": 1}), [measured(metric(0.1, 0.2))]).rules
    assert rule.reason == "no measurement: no check measured it"


def test_a_name_alone_means_gaps_and_not_what_single_groups_differ_by():
    gap = Metric("accuracy_difference", 0.05, low=0.02, high=0.08, n=90, method="m", over=["sex"], id="a.accuracy_difference[sex]")
    group = Metric("accuracy_difference", -0.3, low=-0.4, high=-0.2, n=90, method="m", over=["sex"], group={"sex": "F"},
                   args={"to": "rest"}, id="a.accuracy_difference(to=rest)[sex=F]")  # fmt: skip
    for name, judged in (("a.accuracy_difference", [gap.id]), ("a.accuracy_difference(to=rest)[*]", [group.id]),
                         ("a.accuracy*", [gap.id, group.id])):  # fmt: skip
        rules = judge(policy({"metric": name, "max": 0.1}), [measured(gap, group)]).rules
        assert sorted(rule.metric for rule in rules) == sorted(judged)
    alone = judge(policy({"metric": "a.accuracy_difference", "max": 0.1}), [measured(group)]).rules
    assert [rule.metric for rule in alone] == [group.id]  # a name that has nothing else
