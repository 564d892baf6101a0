import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raikit import DisplayNames, Finding, Metric, Side, statements
from raikit.run.record import CheckRecord, DataRecord, Gate, Record, Rule, RuleFamily
from raikit.run.statements import KINDS, lede

MISSED = {"North": (0.198, 938), "South": (0.051, 950), "West": (0.023, 958)}


def metric(name, value, half=0.03, prefix="fairness", **fields):
    made = Metric(name, value, low=max(value - half, 0), high=value + half, method="m", level=0.95, **{"n": 900, **fields})
    return made.model_copy(update={"id": made.address(prefix)})


def rates(values, name="false_negative_rate", column="region", direction="lower"):
    return [metric(name, value, n=n, over=[column], group={column: group}, direction=direction, unit="rate")
            for group, (value, n) in values.items()]  # fmt: skip


def gap(value=0.175, pair=("North", "West"), compares="true_positive_rate", column="region", **fields):
    fields = {"name": "equal_opportunity_difference", "unit": "points", **fields}
    return metric(fields.pop("name"), value, over=[column], pair=[f"{column}: {group}" for group in pair], direction="lower",
                  compares=compares, **fields)  # fmt: skip


def rule(measured, status="fail", limit=0.1, bound="max", **fields):
    return Rule(id=f"{measured.id} {bound}={limit}", sentence=f"{measured.id} is at most {limit}", metric=measured.id, limit=limit,
                bound=bound, value=measured.value, low=measured.low, high=measured.high, level=0.95, n=measured.n, status=status,
                unit=measured.unit, check="fairness.groups", reason="why", **fields)  # fmt: skip


def record(metrics=(), rules=(), findings=(), labels=None, **data):
    checks = [CheckRecord(name="fairness.groups", pillar="fairness", plugin="raikit", status="ok", metrics=list(metrics),
                          findings=list(findings))]  # fmt: skip
    labels = labels or DisplayNames()
    return Record(name="m", verdict="fail", gate=Gate(verdict="fail", rules=list(rules)), checks=checks,
                  data=DataRecord(labels=labels, positive=1, **data))  # fmt: skip


NAMED = DisplayNames(columns={"region": "region"}, nouns={"region": "people in the {}"},
                     denominators={"positives": "true matches"})  # fmt: skip


def test_a_gap_of_true_positive_rates_is_told_from_the_side_of_those_who_are_missed():
    broken = gap()
    (said,) = statements(record([*rates(MISSED), broken], [rule(broken)], labels=NAMED))
    assert (said.kind, said.headline) == ("rule_broken", "True matches are missed most often for people in the North")
    assert said.evidence == "False negative rate 19.8% vs 2.3%; gap 17.5 pp, 95% CI 14.5 to 20.5; limit 10 pp; n = 938 and 958"
    assert (said.subject, said.number, said.whom, said.whom_detail) == ("Region gap", "17.5 pp", "People in the North", "938 true matches")
    assert (said.sure, said.sure_detail) == ("Sure", "95% CI 14.5 to 20.5, all above 10")
    assert said.change == "Region gap: upper end of its 95% CI at most 10 pp; now 20.5"


def test_the_lede_is_the_surest_breach_in_one_quantity():
    first, second = gap(), gap(0.4, name="demographic_parity_difference", compares="selection_rate")
    made = record([*rates(MISSED), first, second], [rule(second, p_value=0.02), rule(first, p_value=0.001)], labels=NAMED)
    told = statements(made)
    assert lede(made, told) == (
        "For people in the North, 19.8% of true matches are missed; for people in the West, 2.3%. "
        "The gap of 17.5 percentage points exceeds the limit of 10."
    )


def test_the_lede_of_an_undecided_gap_names_both_groups_too():
    made = record([*rates(MISSED), gap()], [rule(gap(), "inconclusive")], labels=NAMED)
    assert lede(made, statements(made)) == (
        "For people in the North, 19.8% of true matches are missed; for people in the West, 2.3%. "
        "Whether the gap of 17.5 percentage points exceeds the limit of 10 is undecided."
    )


def test_more_cases_decide_only_if_their_clusters_grow_alike():
    undecided = rule(gap(), "inconclusive", rows_needed=200_000, n_clusters=12)
    assert undecided.describe_needed_data() == "about 200,000 cases in all would decide, with as many more clusters; now 12"


def test_judged_groups_are_those_of_the_statement_where_the_rule_was_judged_on_them():
    small = {**MISSED, "Isle": (1.0, 3)}
    broken = gap(0.977, pair=("Isle", "West"), judged={"value": 0.175, "low": 0.145, "high": 0.205, "pair": ["region: North", "region: West"],
                                                       "compares": "true_positive_rate", "left_out": ["region: Isle"]})  # fmt: skip
    judged = rule(broken).model_copy(update={"value": 0.175, "low": 0.145, "high": 0.205})
    (said,) = statements(record([*rates(small), broken], [judged]))
    assert said.gap is not None and said.gap.worse.group == {"region": "North"}
    assert "19.8% vs 2.3%; gap 17.5 pp" in said.evidence and "97.7" not in said.evidence


@pytest.mark.parametrize(("favourable", "worse", "often"), [(1, "West", "least"), (0, "North", "most"), (None, "North", "most")])
def test_which_side_of_a_selection_rate_is_worse_follows_from_what_is_favourable(favourable, worse, often):
    selected = gap(compares="selection_rate", name="demographic_parity_difference")
    groups = rates(MISSED, "selection_rate", direction=None)
    (said,) = statements(record([*groups, selected], [rule(selected)], favourable=favourable))
    assert said.gap.worse.group == {"region": worse}
    assert said.headline == f"Cases with region: {worse} are labelled “1” {often} often"
    assert said.gap.harmful == (favourable is not None)


def test_a_measure_without_a_verb_is_named():
    errors = gap(1.2, compares="mean_absolute_error", name="mean_absolute_error_difference", unit="kg")
    groups = rates({"North": (4.1, 50), "West": (2.9, 60)}, "mean_absolute_error")
    (said,) = statements(record([*groups, errors], [rule(errors, limit=1)]))
    assert said.headline == "Mean absolute error is higher for region: North than for region: West"


def test_too_few_clusters_are_said_with_their_number_and_the_interval_is_not_shown_as_valid():
    few = gap(flags=["few_clusters"], n_clusters=6)
    made = record([*rates(MISSED), few], [rule(few, "inconclusive")], cluster=["speaker"])
    (said,) = statements(made)
    assert (said.kind, said.headline) == ("undecided", "Too few speakers to judge the gap by region")
    assert "95% CI not valid" in said.evidence and said.sure_detail == "6 speakers are too few"
    assert said.change == "Region gap: more speakers in each group; now 6"


def test_a_group_with_too_few_clusters_is_said_although_the_gap_has_an_interval():
    open_ = gap(n_clusters=6)
    groups = [one.model_copy(update={"n_clusters": 6, "flags": ["few_clusters"]}) if one.group == {"region": "North"} else one
              for one in rates(MISSED)]  # fmt: skip
    sides = {"worse": Side(group={"region": "North"}, value=0.198, clusters={"picture": 700, "speaker": 6}),
             "better": Side(group={"region": "West"}, value=0.023, clusters={"picture": 800, "speaker": 0})}  # fmt: skip
    finding = Finding(measure="false_negative_rate", metrics=[open_.id], **sides)
    judged = rule(open_, "inconclusive", rows_needed=200_000)
    (said,) = statements(record([*groups, open_], [judged], [finding], cluster=["picture", "speaker"]))
    assert said.headline == "Too few speakers to judge the gap by region"
    assert (said.sure_detail, said.change) == ("6 speakers are too few", "Region gap: more speakers in each group; now 6")
    (said,) = statements(record([*rates(MISSED), open_], [judged], [finding], cluster=["picture", "speaker"]))
    assert said.headline == "Region gap may be over its limit"
    assert said.change == "Region gap: more speakers in each group; now 6"
    many = gap(n_clusters=600)
    (said,) = statements(record([*rates(MISSED), many], [rule(many, "inconclusive", rows_needed=200_000)], [finding]))
    assert said.change == "Region gap: about 200,000 cases in all"


@pytest.mark.parametrize(("measure", "favourable"), [("false_negative_rate", 0), ("false_positive_rate", 1)])
def test_an_error_that_gives_the_favourable_outcome_harms_those_who_get_it_least(measure, favourable):
    wide = gap(compares=measure, name=f"{measure}_difference")
    sides = {"worse": Side(group={"region": "North"}, value=0.198, n=938), "better": Side(group={"region": "West"}, value=0.023, n=958)}
    finding = Finding(measure=measure, metrics=[wide.id], value=0.175, **sides)
    for rules, findings in (([rule(wide)], []), ([], [finding])):
        told = record([*rates(MISSED, measure), wide], rules, findings, favourable=favourable)
        (said,) = statements(told)
        assert (said.gap.worse.group, said.gap.higher) == ({"region": "West"}, False)
        assert said.headline.endswith("least often")
        (said,) = statements(told.model_copy(update={"data": told.data.model_copy(update={"favourable": 1 - favourable})}))
        assert said.gap.worse.group == {"region": "North"}
        words = DisplayNames(harms={measure: "are let down"})  # the owner says that it harms
        (said,) = statements(told.model_copy(update={"data": told.data.model_copy(update={"labels": words})}))
        assert said.headline == "Cases with region: North are let down most often"


def test_a_ratio_names_both_ends_and_the_rates_it_is_of_and_two_of_them_are_told_apart():
    selected = gap(0.12, compares="selection_rate", name="demographic_parity_ratio", unit="ratio", pair=("West", "North"))
    found = gap(0.82, name="equal_opportunity_ratio", unit="ratio", pair=("North", "West"))
    groups = [*rates(MISSED), *rates(MISSED, "selection_rate", direction=None),
              *rates({group: (1 - value, n) for group, (value, n) in MISSED.items()}, "true_positive_rate", direction="higher")]  # fmt: skip
    limits = [rule(one, limit=0.85, bound="min") for one in (selected, found)]
    first, second = statements(record([*groups, selected, found], limits, favourable=0, labels=NAMED))
    assert first.evidence.startswith("Selection rate 2.3% vs 19.8%; ratio 0.120,") and first.evidence.endswith("n = 958 and 938")
    assert (first.whom, first.subject) == ("People in the North, against people in the West", "Region ratio of selection rates")
    assert first.detail == "Limit at least 0.85, ratio of selection rates"
    assert second.evidence.startswith("True positive rate 80.2% vs 97.7%; ratio 0.820,")
    assert second.subject == "Region ratio of true positive rates"


def test_people_of_a_denominator_are_among_a_group_and_a_group_that_is_missing_has_no_cases_of_its_own():
    named = DisplayNames(unit=("person", "people"), nouns={"region": "people in the {}"}, missing={"region": "no region"},
                         denominators={"positives": "people who reoffended"})  # fmt: skip
    (said,) = statements(record([*rates(MISSED), gap()], [rule(gap())], labels=named))
    assert said.headline == "People who reoffended are missed most often among people in the North"
    missing = {None: (0.198, 938), "South": (0.051, 950), "West": (0.023, 958)}
    broken = gap(pair=("missing", "West"))
    (said,) = statements(record([*rates(missing), broken], [rule(broken)], labels=named))
    assert said.gap is not None and not said.headline.startswith("People who")


@pytest.mark.parametrize(("check", "status", "headline"), [
    ("performance.classification", "pass", "Classification was measured, as required"),
    ("fairness.groups", "pass", "Groups were measured, as required"),
    ("privacy.membership_inference", "missing", "Membership inference was not measured"),
])  # fmt: skip
def test_a_required_check_was_measured_or_not(check, status, headline):
    required = Rule(id=f"required {check}", sentence=f"Required check: {check}", metric=check, kind="required", status=status)
    (said,) = statements(record(rules=[required]))
    assert said.headline == headline


def test_a_level_that_many_rules_ask_for_is_explained_once():
    broken = gap()
    judged = rule(broken).model_copy(update={
        "level": 0.98, "reason": "Even the low end is above 0.1; at 98%, because 5 rules and regressions are judged together"})  # fmt: skip
    made = record([*rates(MISSED), broken], [judged])
    made.gate.family = RuleFamily(size=5, error=0.05, level=0.98)
    (said,) = statements(made)
    assert said.sure_detail == "98% CI 14.5 to 20.5, all above 10, as 5 rules are judged together"
    assert said.facts[:2] == [("Decision", "Even the low end is above 0.1"),
                              ("Confidence level", "98%, because 5 rules are judged together")]  # fmt: skip


def test_headlines_of_one_check_that_are_the_same_are_told_apart():
    names = ("false_positive_rate_difference", "accuracy_difference", "accuracy_ratio")
    one, other, ratio = (metric(name, 0.1, over=["region"], unit="ratio" if "ratio" in name else "points")
                         for name in names)  # fmt: skip
    elsewhere = metric("accuracy_difference", 0.1, over=["age"], unit="points")
    told = [
        ((one, elsewhere), ["Differs by region", "Differs by age"]),
        ((other, ratio), ["Differs (gap)", "Differs (ratio)"]),
        ((one, other), ["Differs (false positive rate)", "Differs (accuracy)"]),
    ]
    for pair, expected in told:
        findings = [Finding(headline="Differs", kind="worth_knowing", metrics=[each.id]) for each in pair]
        assert [said.headline for said in statements(record(pair, findings=findings))] == expected


def test_a_finding_about_the_number_of_a_rule_lends_it_its_facts_and_is_not_repeated():
    broken, other = gap(), gap(0.12, name="accuracy_difference", compares="accuracy")
    beside = Finding(sentence="All of it.", metrics=[broken.id], facts=[("Context", "Since May")], figures=["f"])
    alone = Finding(headline="Accuracy differs by region", kind="worth_knowing", metrics=[other.id])
    first, second = statements(record([*rates(MISSED), broken, other], [rule(broken)], [beside, alone]))
    assert {("In full", "All of it."), ("Context", "Since May")} <= set(first.facts) and first.figures == ["f"]
    assert (second.headline, second.kind) == ("Accuracy differs by region", "worth_knowing")
    assert second.evidence.endswith("12.0 pp, 95% CI 9.0 to 15.0; n = 900")


def test_a_finding_may_bring_both_sides_itself():
    sides = {"worse": Side(group={"region": "North"}, value=0.3, n=40), "better": Side(group={"region": "West"}, value=0.1, n=50)}
    finding = Finding(measure="false_positive_rate", value=0.2, low=0.1, high=0.3, metrics=["fairness.equal_opportunity_difference[region]"], **sides)
    (said,) = statements(record([gap()], findings=[finding]))
    assert said.headline == "Cases with region: North are wrongly labelled “1” most often"
    assert said.evidence == "False positive rate 30% vs 10%; gap 20.0 pp, 95% CI 10.0 to 30.0; n = 40 and 50"


def test_a_group_and_its_reference_are_a_pair_although_there_are_more_groups():
    contrast = metric("false_negative_rate_difference", 0.175, over=["region"], group={"region": "North"}, args={"to": "West"})
    sides = {"worse": Side(group={"region": "North"}, value=0.198), "better": Side(group={"region": "West"}, value=0.023)}
    finding = Finding(measure="false_negative_rate", metrics=[contrast.id], **sides)
    (said,) = statements(record([*rates(MISSED), contrast], findings=[finding], labels=NAMED))
    assert said.headline == "People in the North are missed more often than West"


def test_a_rule_about_a_group_and_its_reference_names_both():
    contrast = metric("false_negative_rate_difference", 0.175, over=["region"], group={"region": "North"}, args={"to": "West"},
                      unit="points")  # fmt: skip
    made = record([*rates(MISSED), contrast], [rule(contrast)], labels=NAMED)
    (said,) = statements(made)
    assert said.headline == "People in the North are missed more often than West"
    assert said.evidence.startswith("False negative rate 19.8% vs 2.3%; gap 17.5 pp")
    assert said.subject == "False negative rate difference, people in the North against West"
    assert lede(made, [said]).startswith("For people in the North, 19.8% of true matches are missed; for people in the West, 2.3%.")


def test_a_rule_about_a_group_and_the_rest_names_the_group():
    contrast = metric("false_negative_rate_difference", 0.175, over=["region"], group={"region": "North"}, args={"to": "rest"},
                      unit="points")  # fmt: skip
    (said,) = statements(record([*rates(MISSED), contrast], [rule(contrast)], labels=NAMED))
    assert said.subject == "False negative rate difference, people in the North against the rest"


def test_a_gap_of_one_label_names_the_label():
    args = {"label": "toxic"}
    groups = [one.model_copy(update={"args": args, "id": None}) for one in rates(MISSED)]
    broken = gap(args=args)
    (said,) = statements(record([*groups, broken], [rule(broken)], labels=NAMED))
    assert said.headline == "True matches are missed most for people in the North (label toxic)"
    assert said.subject == "Region gap, label toxic"


def test_a_headline_of_an_intersection_falls_back_to_few_words():
    words = DisplayNames(unit=("query", "queries"), columns={"skin": "skin tone"},
                         nouns={"skin": "drawings with {} skin", "accent": "queries in a {} accent"})  # fmt: skip
    ends = {"dark": (0.5, 40), "light": (0.1, 60), "medium": (0.2, 60)}
    over = ["skin", "accent"]
    groups = [metric("false_negative_rate", value, n=n, over=over, group={"skin": skin, "accent": "West Midlands"}, unit="rate",
                     direction="lower") for skin, (value, n) in ends.items()]  # fmt: skip
    pair = [f"skin: {skin}, accent: West Midlands" for skin in ("light", "dark")]
    broken = gap(0.4).model_copy(update={"over": over, "pair": pair})
    (said,) = statements(record([*groups, broken], [rule(broken)], labels=words))
    assert said.headline == "False negative rate is highest for dark skin, West Midlands accent"
    assert said.whom == "Queries in a West Midlands accent and with drawings with dark skin"


def test_older_findings_with_nothing_but_a_sentence_still_have_a_headline():
    said = statements(record(findings=[Finding(sentence=" ".join(["word"] * 40), severity="warn"), Finding(sentence="A note.")]))
    assert [one.kind for one in said] == ["worth_knowing", "method"]
    assert all(0 < len(one.headline.split()) <= 12 for one in said)


@pytest.mark.parametrize("wrong", [{}, {"headline": "word " * 13}, {"sentence": "x", "worse": Side(group={"a": "b"})}])
def test_a_finding_that_says_nothing_or_too_much_is_refused(wrong):
    with pytest.raises(ValueError, match="headline|both sides"):
        Finding(**wrong)


@given(name=st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs")), min_size=1, max_size=40), words=st.integers(1, 30),
       status=st.sampled_from(["fail", "inconclusive", "pass", "missing", "waived"]))  # fmt: skip
def test_headlines_and_ledes_are_short_whatever_groups_are_called(name, words, status):
    group, column = " ".join([name] * words), "column " + name
    measured = gap(pair=(group, "b"), column=column)
    values = {group: (0.198, 10), "b": (0.02, 20)}
    made = record([*rates(values, column=column), measured], [rule(measured, status)])
    told = statements(made)
    assert all(len(one.headline.split()) <= 12 and one.kind in KINDS for one in told)
    if words * len(name.split()) < 4:
        first = lede(made, told)
        assert len(first.split()) <= 35
        assert len(re.findall(r"[0-9][0-9.,]*%?", first.replace(group, "").replace(column, ""))) <= 5


def test_a_bad_finding_about_a_number_that_keeps_its_limit_is_told_beside_the_rule():
    accuracy = metric("accuracy", 0.95, prefix="performance", unit="rate")
    finding = Finding(headline="The model may be no better than guessing", kind="undecided", metrics=[accuracy.id])
    kept = record([accuracy], [rule(accuracy, "pass", 0.9, "min")], [finding])
    assert [(one.kind, one.headline) for one in statements(kept)] == [
        ("undecided", "The model may be no better than guessing"), ("fine", "Accuracy keeps its limit")]
    broken = record([accuracy], [rule(accuracy, "fail", 0.99, "min")], [finding])
    assert [one.kind for one in statements(broken)] == ["rule_broken"]


def test_a_metric_is_called_by_its_title():
    titled = metric("modality_share", 0.4, prefix="explainability", args={"input": "image"}, title="share of the decision, picture")
    (said,) = statements(record([titled], [rule(titled)]))
    assert said.subject == "Share of the decision, picture"


def test_a_gap_of_a_private_copy_finds_its_groups_and_not_those_of_the_model():
    cost = {"North": (0.3, 40), "West": (0.1, 50)}
    own = [one.model_copy(update={"subject": "dp_model"}) for one in rates(cost, "accuracy_cost")]
    other = rates({"North": (0.9, 4), "West": (0.1, 5)}, "accuracy_cost")
    broken = gap(0.2, name="accuracy_cost_difference", compares="accuracy_cost", subject="dp_model")
    (said,) = statements(record([*other, *own, broken], [rule(broken)]))
    assert said.gap is not None and (said.gap.worse.value, said.gap.worse.n) == (0.3, 40)
