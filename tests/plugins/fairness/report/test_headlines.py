"""The reference group leads findings, figures and the notebook, and all of them show one number first."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from raikit.errors import ConfigError
from raikit.testing import result_of, table_context
from raikit_fairness import assess
from raikit_fairness.checks.groups import GroupMetrics

WRONGLY_CALLED = {"White": 0.25, "Black": 0.45, "Other": 0.10}


def decisions(false_positives=WRONGLY_CALLED, n=600, sexes=("F", "M")):
    """Half of each group is positive, all found; the negatives of a group are called positive at its rate."""
    parts = []
    for race, rate in false_positives.items():
        positive = np.arange(n) < n // 2
        called = positive | ((np.arange(n) - n // 2) < round(rate * n / 2))
        parts.append(pd.DataFrame({"race": race, "sex": np.resize(sexes, n), "target": positive.astype(int),
                                   "prediction": called.astype(int)}))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def audited(table, sensitive=("race",), *, options=None, **roles):
    return result_of(GroupMetrics, table_context(table, sensitive=sensitive, classes=[0, 1], **roles), **(options or {}))


def assessed(table, sensitive=("race",), **options):
    return assess(table.target, table.prediction, sensitive_features=table[list(sensitive)], **options)


def test_the_difference_to_the_reference_leads_although_another_gap_is_larger():
    result = audited(decisions(), reference={"race": "White"})
    first = result.findings[0]
    assert first.value == pytest.approx(0.20)
    assert first.metrics[0] == "fairness.false_positive_rate_difference(to=White)[race=Black]"
    assert first.scope == "false positive rate, against race: White"
    assert first.sentence.startswith(
        "Cases with race: Black are wrongly labelled “1” more often than race: White: 45.0% against 25.0%. "
        "The gap is 20.0 percentage points ("
    )
    measured = {metric.id: metric for metric in result.metrics}
    assert measured["fairness.false_positive_rate_difference[race]"].value == pytest.approx(0.35), "between Black and Other"
    assert (first.low, first.high) == pytest.approx((measured[first.metrics[0]].low, measured[first.metrics[0]].high))


def test_without_a_reference_the_largest_gap_leads():
    first = audited(decisions()).findings[0]
    assert first.metrics[0] == "fairness.false_positive_rate_difference[race]"
    assert "race: Black" in first.sentence
    assert "race: Other" in first.sentence


@pytest.mark.parametrize("reference", [{}, {"race": "White"}, {"race": "White", "sex": "M"}])
@pytest.mark.parametrize("table", [
    decisions(), decisions(dict.fromkeys(WRONGLY_CALLED, 0.2)),
    pd.concat([decisions(), decisions({"Rare": 0.9}, n=20)]),  # too few cases to judge: the gap of the sentence leaves it out
])  # fmt: skip
def test_a_notebook_shows_the_numbers_of_the_audits_findings_in_their_order(table, reference):
    sensitive = ["race", "sex"]
    result = audited(table, sensitive, reference=reference)
    metrics = {metric.id: metric for metric in result.metrics}
    headlines = assessed(table, sensitive, reference=reference).headlines
    stated = [metrics[finding.metrics[0]] if finding.value is None else finding for finding in result.findings]
    assert len(stated) == len(headlines) > 0
    assert headlines.gap.tolist() == pytest.approx([number.value for number in stated])
    assert headlines.established.tolist() == [finding.severity == "warn" for finding in result.findings]


def test_a_notebook_prints_the_headline_first():
    assessment = assessed(decisions(), reference={"race": "White"})
    row = assessment.headlines.iloc[0]
    assert (row.measure, row.group, row.against) == ("false_positive_rate", "Black", "White")
    assert (row.group_value, row.against_value, row.gap) == pytest.approx((0.45, 0.25, 0.20))
    said, audited_ones = assessment.statements[0], audited(decisions(), reference={"race": "White"}).findings
    assert said.headline == "False positive rate is higher for race: Black than for race: White"
    assert said.evidence.startswith("False positive rate 45.0% vs 25.0%; gap 20.0 pp, 95% CI ")
    assert len(assessment.statements) == len(audited_ones)
    assert repr(assessment).splitlines()[:2] == [said.headline, f"  {said.evidence}"]
    assert assessment._repr_html_().index(said.headline) < assessment._repr_html_().index("<svg")


def test_a_group_that_is_better_off_leads_only_if_none_is_worse_off():
    first = audited(decisions({"White": 0.45, "Black": 0.25, "Other": 0.44}), reference={"race": "White"}).findings[0]
    assert first.sentence.startswith("Cases with race: Black are wrongly labelled “1” less often than race: White")
    assert first.value == pytest.approx(0.20)
    assert first.low > 0


def test_groups_that_differ_from_the_reference_alike_are_named_together():
    first = audited(decisions({"White": 0.1, "Black": 0.5, "Other": 0.4}), reference={"race": "White"}).findings[0]
    assert ("Also", "The same holds for race: Other.") in first.facts


def test_a_gap_between_two_other_groups_is_still_found():
    table = decisions({"White": 0.30, "Black": 0.36, "Other": 0.24})
    result = audited(table, reference={"race": "White"})
    assert result.findings[0].metrics[0] == "fairness.false_positive_rate_difference[race]"
    assert result.findings[0].sentence.startswith("Cases with race: Black are wrongly labelled “1” more often than race: Other")


def test_a_reference_from_which_nobody_surely_differs_is_said_to_be_that():
    (note,) = audited(decisions(dict.fromkeys(WRONGLY_CALLED, 0.2)), reference={"race": "White"}).findings
    assert (note.severity, note.kind, note.headline) == ("note", "fine", "No gap to cases with race: White shown by race")
    assert note.sentence.startswith("No gap to race: White is shown by race.")
    assert note.metrics[0].startswith("fairness.true_positive_rate_difference(to=White)[race=")


def test_figures_are_drawn_about_the_reference():
    result = audited(decisions(), reference={"race": "White"})
    figure = next(figure for figure in result.figures if figure.id == "false_positive_rate-0")
    assert figure.spec["layer"][0]["encoding"]["x"]["datum"] == pytest.approx(0.25)
    assert "dashed line: race: White; triangle: surely worse than race: White" in figure.subtitle
    assert {row["label"]: row["mark"] for row in figure.data} == {
        "Black": "worse", "White": "not surely worse", "Other": "not surely worse"}  # fmt: skip


def test_a_reference_of_both_columns_leads_their_intersection():
    table = decisions({"White": 0.2, "Black": 0.5})
    result = audited(table, ["race", "sex"], reference={"race": "White", "sex": "M"})
    leads = [finding.metrics[0] for finding in result.findings if "(to=" in finding.metrics[0]]
    assert any(address.startswith('fairness.false_positive_rate_difference(to="White, M")[race=Black') for address in leads)
    heat = next(figure for figure in result.figures if figure.id == "false_negative_rate-2")
    assert "surely worse than race: White, sex: M" in heat.subtitle


def test_an_option_of_the_check_takes_precedence():
    first = audited(decisions(), reference={"race": "White"}, options={"reference": {"race": "Other"}}).findings[0]
    assert first.metrics[0] == "fairness.false_positive_rate_difference(to=Other)[race=Black]"


def test_a_reference_need_not_occur_in_every_control_group():
    table = decisions()
    table["site"] = np.where(table.race == "White", "north", np.resize(["north", "south"], len(table)))
    result = audited(table, ["race", "site"], reference={"race": "White"}, options={"control": ["site"]})
    addresses = {metric.id for metric in result.metrics}
    assert any("given=" in address and "to=White" in address and "north" in address for address in addresses)
    assert not any("given=" in address and "to=White" in address and "south" in address for address in addresses)
    with pytest.raises(ConfigError, match="race has no group 'white'; it has Black, Other, White"):
        audited(table, reference={"race": "white"})


def test_errors_of_numbers_are_compared_with_the_reference_too():
    rng = np.random.default_rng(0)
    sex, truth = np.resize(["F", "M", "X"], 3000), rng.normal(size=3000)
    error = rng.normal(size=3000) * np.select([sex == "F", sex == "X"], [3.0, 0.2], 1.0)
    table = pd.DataFrame({"sex": sex, "target": truth, "prediction": truth + error})
    first = result_of(GroupMetrics, table_context(table, task="regression", sensitive=["sex"], reference={"sex": "M"})).findings[0]
    assert first.metrics[0] == "fairness.mean_absolute_error_difference(to=M)[sex=F]"
    assert "Cases with sex: F have mean absolute errors larger than those of sex: M" in first.sentence


@pytest.mark.parametrize(
    ("favourable", "who", "word", "marked"),
    [(1, "sex: F", "less", {"F"}), (0, "sex: M", "more", {"M"}), (None, "sex: M", "more", {"F", "M"})],
)
def test_the_group_that_gets_the_favourable_decision_less_often_is_worse_off(favourable, who, word, marked):
    called = np.concatenate([np.arange(1000) < 300, np.arange(1000) < 600]).astype(int)
    table = pd.DataFrame({"sex": ["F"] * 1000 + ["M"] * 1000, "prediction": called})  # its truth is unknown
    result = audited(table, ["sex"], favourable=favourable)
    first = result.findings[0]
    assert first.sentence.startswith(f"Cases with {who} are labelled “1” {word} often than")
    assert first.value is None or first.value > 0
    assert {"sex: F": "F", "sex: M": "M"}[who] == first.worse.group["sex"]
    figure = next(figure for figure in result.figures if figure.id == "selection_rate-0")
    assert {row["label"] for row in figure.data if row["mark"] == "worse"} == marked
    assert ("Surely worse than" in figure.alt) == (favourable is not None)


@pytest.mark.parametrize("favourable", [0, 1])
def test_a_notebook_leads_with_who_is_worse_off_as_an_audit_does(favourable):
    called = np.concatenate([np.arange(1000) < share for share in (300, 500, 700)]).astype(int)
    table = pd.DataFrame({"race": np.repeat(["A", "White", "C"], 1000), "prediction": called, "target": called})
    first = audited(table, reference={"race": "White"}, favourable=favourable).findings[0]
    row = assessed(table, reference={"race": "White"}, favourable=favourable).headlines.iloc[0]
    assert row.group == ("A" if favourable else "C")
    assert first.who.startswith(f"race: {row.group} against race: White")
    assert row.gap == pytest.approx(first.value)
    with pytest.raises(ConfigError, match="favourable: 'good' is not one of two labels; the labels are 0, 1"):
        assessed(table, favourable="good")
