"""Nothing disappears in silence: whatever has no result has a row, with what follows from that."""

from __future__ import annotations

from report_record import make_record

from raikit.run.record import Rule
from raikit_reports.unchecked import unchecked


def test_every_check_and_plugin_without_a_result_has_a_row(record):
    gaps = unchecked(record).missing
    silent = [check.name for check in record.checks if check.status != "ok"]
    assert {gap.source.split()[0] for gap in gaps} == {*silent, "raikit-old"}
    assert [gap.verdict.rank for gap in gaps] == sorted(gap.verdict.rank for gap in gaps)


def test_rules_that_lost_their_measurement_are_counted():
    record = make_record()
    record.gate.rules.append(Rule(id="x", sentence="x", metric="robustness.other", status="missing"))
    crashed = unchecked(record).missing[0]
    assert crashed.consequence == "2 rules have no measurement."


def test_what_has_a_row_is_not_repeated_among_what_lies_beyond_reach():
    record = make_record()
    record.summary.not_measured.append("robustness.corruptions: the check crashed (x).")
    assert "robustness.corruptions: the check crashed (x)." not in unchecked(record).limits


def test_small_and_undefined_groups_are_named(record):
    found = unchecked(record)
    assert found.unjudged == [("Fewer than 30 rows", ["skin_tone: not declared"], 0)]
    assert ("no row of the group is positive", ["True positive rate, ward: missing"], 0) in found.undefined


def test_a_small_group_is_named_without_a_gap_that_left_it_out():
    record = make_record()
    for _, metric in record.metrics():
        metric.judged = None
    assert unchecked(record).unjudged == [("Too few cases", ["skin_tone: not declared"], 0)]


def test_a_group_of_few_clusters_names_those_of_which_there_are_fewest():
    record = make_record()
    record.data.clusters = {"picture": 900, "speaker": 4}
    for _, metric in record.metrics():
        metric.judged, metric.flags = None, ["few_clusters"] if "small_group" in metric.flags else []
    assert unchecked(record).unjudged == [("Too few speakers", ["skin_tone: not declared"], 0)]


def test_the_tally_counts_every_entry(record):
    found = unchecked(record)
    assert sum(many for _, many, _ in found.tally) == found.total
