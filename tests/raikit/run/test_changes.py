"""What changed between runs, in the sentences of the one writer."""

import re

import pytest

from raikit import DisplayNames, Metric
from raikit.run.across import Point, RunComparison, RunHistory, Series
from raikit.run.record import CheckRecord, DataRecord, Gate, Provenance, Record, Rule
from raikit.run.statements import changes, how_compared, lede_of_changes, lede_of_history, multiplicity, verdict_changes

NAMES = DisplayNames(unit=("person", "people"), nouns={"region": "people in the {}"}, values={"region": {"N": "North", "W": "West"}},
                     classes={"1": "approved", "0": "refused"})  # fmt: skip


def metric(name, value, prefix="fairness", **fields):
    made = Metric(name, value, low=value - 0.02, high=value + 0.02, method="m", level=0.95, n=900, **{"unit": "rate", **fields})
    return made.model_copy(update={"id": made.address(prefix)})


def group(name, value, code, **fields):
    return metric(name, value, over=["region"], group={"region": code}, **{"direction": "lower", **fields})


def gap(name="demographic_parity_difference", value=0.12, compares="selection_rate"):
    return metric(name, value, over=["region"], pair=["region: N", "region: W"], compares=compares, direction="lower", unit="points")


def run(*metrics, rules=(), data="d", started="2026-03-01T10:00:00Z", **fields):
    checks = [CheckRecord(name="fairness.groups", pillar="fairness", plugin="raikit", status="ok", metrics=list(metrics))]
    return Record(name="m", verdict="pass", checks=checks, gate=Gate(verdict="pass", rules=list(rules)),
                  provenance=Provenance(started=started), data=DataRecord(labels=NAMES, positive=1, fingerprint=data, **fields))  # fmt: skip


def loss(measured, value, low, high, **fields):
    return Rule(id=str(measured.id), sentence="s", metric=str(measured.id), kind="regression", limit=0.0, bound="max", status="pass",
                value=value, low=low, high=high, level=0.95, n=900, unit="points", paired=True, baseline=measured.value, **fields)  # fmt: skip


def compared(before, after, *rules):
    return RunComparison(baseline=before, candidate=after, gate=Gate(verdict="pass", rules=list(rules)))


def one(measured, value, low, high, before=(), after=(), favourable=None, **fields):
    old, new = run(measured, *before), run(measured, *after, favourable=favourable)
    (said,) = changes(compared(old, new, loss(measured, value, low, high, **fields)))
    return said


@pytest.mark.parametrize(
    ("value", "low", "high", "kind", "headline"),
    [
        (0.08, 0.03, 0.12, "worse", "People in the North are missed more often than before"),
        (-0.08, -0.12, -0.03, "better", "People in the North are missed less often than before"),
        (0.08, -0.01, 0.17, "undecided", "No sure change in false negative rate, people in the North"),
        (0.0, 0.0, 0.0, "same", "False negative rate, people in the North is the same"),
        (0.08, None, None, "undecided", "No sure change in false negative rate, people in the North"),
    ],
)
def test_a_change_is_called_sure_only_if_its_whole_interval_is_on_one_side(value, low, high, kind, headline):
    said = one(group("false_negative_rate", 0.2, "N"), value, low, high)
    assert (said.kind, said.headline) == (kind, headline)


def test_the_evidence_has_both_values_the_change_its_interval_and_n():
    old, new = group("false_negative_rate", 0.12, "N"), group("false_negative_rate", 0.2, "N")
    (said,) = changes(compared(run(old), run(new), loss(old, -0.08, -0.12, -0.03)))
    assert said.evidence == ("False negative rate, people in the North 12.0% before, 20.0% after; better by 8.0 pp, 95% CI 3.0 to 12.0; "
                             "n = 900, the same people")  # fmt: skip
    assert (said.before, said.after, said.whom) == ("12.0%", "20.0%", "People in the North")


RATES = [group("selection_rate", 0.3, "N", direction=None), group("selection_rate", 0.42, "W", direction=None)]


@pytest.mark.parametrize(
    ("favourable", "headline", "whom"),
    [
        (1, "People in the North lost ground against people in the West", "People in the North, against people in the West"),
        (0, "People in the West lost ground against people in the North", "People in the West, against people in the North"),
        (None, "The gap in selection rate by region grew", "People in the North and people in the West"),
    ],
)
def test_who_lost_in_a_gap_of_decisions_follows_from_what_is_favourable(favourable, headline, whom):
    said = one(gap(), 0.09, 0.03, 0.15, RATES, RATES, favourable, loser="region: North against region: West")
    assert (said.headline, said.whom) == (headline, whom)


def test_a_gap_that_narrowed_names_no_loser():
    said = one(gap(), -0.09, -0.15, -0.03, RATES, RATES, 1, loser="region: North against region: West")
    assert (said.headline, said.kind) == ("The gap in selection rate by region narrowed", "better")


def test_what_a_rule_is_about_leads_and_the_same_told_twice_comes_last():
    missed, found, right = group("false_negative_rate", 0.2, "N"), group("true_positive_rate", 0.8, "N"), metric("accuracy", 0.8, "performance")
    judged = Rule(id="r", sentence="s", metric=str(right.id), status="pass")
    rules = [loss(found, 0.08, 0.07, 0.09), loss(missed, 0.08, 0.06, 0.1), loss(right, 0.01, 0.001, 0.019)]
    said = changes(compared(run(missed, found, right), run(missed, found, right, rules=[judged]), *rules))
    assert [change.id for change in said] == [right.id, missed.id, found.id]
    assert said[0].gated and said[2].retold


def test_what_was_not_compared_says_why_and_is_no_change():
    (said,) = changes(compared(run(), run(), Rule(id="x", sentence="s", metric="a.b", status="missing", reason="the baseline has not measured it")))
    assert (said.kind, said.evidence) == ("not_compared", "The baseline has not measured it")


def test_the_lede_names_the_quantity_of_a_gap_and_says_if_nothing_is_worse():
    measured = gap()
    worse = compared(run(measured, *RATES), run(measured, *RATES, favourable=1), loss(measured, 0.09, 0.03, 0.15, loser="region: North against region: West"))
    assert lede_of_changes(worse, changes(worse)) == (
        "People in the North lost ground against people in the West. Gap in selection rate by region: 12.0 pp before, 12.0 pp now."
    )
    better = compared(run(measured), run(measured), loss(measured, -0.09, -0.15, -0.03))
    assert lede_of_changes(better, changes(better)).startswith("No metric is surely worse. ")


def test_one_sentence_tells_what_many_intervals_mean_and_another_how_runs_were_compared():
    measured = metric("accuracy", 0.8, "performance")
    both = compared(run(measured), run(measured, data="e"), loss(measured, 0.1, 0.05, 0.15))
    assert multiplicity(changes(both), 0.95) == "Such an interval misses by chance in about 5.0% of comparisons."
    assert how_compared(both, changes(both)) == "The data differ. All metrics are compared on the same people."


def test_headlines_stay_short_whatever_names_are():
    long = DisplayNames(nouns={"region": "people who live in one of the many villages of the {}"})
    measured = group("false_negative_rate", 0.2, "N")
    old = run(measured)
    new = old.model_copy(update={"data": old.data.model_copy(update={"labels": long})})
    (said,) = changes(compared(old, new, loss(measured, 0.1, 0.05, 0.15)))
    assert len(said.headline.split()) <= 12
    assert not re.search("region=", said.headline)


def history(*statuses):
    measured = metric("accuracy", 0.8, "performance")
    records = [run(measured, started=f"2026-03-0{day}") for day in range(1, len(statuses) + 1)]
    points = [Point(f"r{day}", f"2026-03-0{day}", 0.8, 0.7, 0.9, 900, status) for day, status in enumerate(statuses, 1)]
    return RunHistory(names=[point.run for point in points], records=records, series=[Series(str(measured.id), points, [])])


def test_a_verdict_that_changed_is_told_with_its_day_the_newest_first():
    said = verdict_changes(history("pass", "pass", "fail", "", "inconclusive"))
    assert [change.sentence for change in said] == [
        "Accuracy cannot be decided from 5 March 2026; before, it broke it.",
        "Accuracy breaks its limit from 3 March 2026; before, it kept it.",
    ]


def test_the_lede_of_a_history_counts_the_newest_run():
    assert lede_of_history(history("pass", "fail")) == "Newest run: 1 broken, of 1 metric with a rule. One verdict changed in it."
    assert lede_of_history(history("pass")) == "Newest run: 1 kept, of 1 metric with a rule."
