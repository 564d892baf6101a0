from __future__ import annotations

import pytest

from raikit.data.guess.profile import Profile
from raikit.data.guess.targets import positive_class, rank_targets

TWO = Profile("number", 2, 0, 100, (0, 1), whole=True, in_unit=True)
NUMBER = Profile("number", 90, 0, 100)
SHARE = Profile("number", 90, 0, 100, in_unit=True)


def words(*values):
    return Profile("text", len(values), 0, 100, values)


def rank(people=True, last="", **profiles):
    return rank_targets(profiles, people, (next(iter(profiles)), last))[:2]


@pytest.mark.parametrize(
    ("target", "columns"),
    [
        ("label", {"x1": NUMBER, "label": TWO, "approved": TWO}),
        ("survived", {"class": words("1st", "2nd", "3rd"), "survived": TWO}),
        ("urgent", {"late": TWO, "urgent": TWO, "p_urgent": SHARE}),
        ("rain", {"late": TWO, "rain": TWO, "rain_pred": TWO}),
        ("Status", {"Status": words("good", "bad"), "Income": NUMBER, "Home": TWO}),
        ("income", {"income": words("<=50K", ">50K"), "work": TWO}),
        ("wage", {"wage": NUMBER, "lwage": NUMBER, "south": TWO}),
        ("class", {"glass": NUMBER, "class": TWO}),
        ("risk", {"risk": TWO, "job": words("a", "b", "c"), "credit_amount": NUMBER}),
        ("CreditRisk", {"CreditRisk": words("1", "2"), "job": words("a", "b", "c")}),
    ],
)
def test_an_obvious_target(target, columns):
    assert rank(**columns) == (target, [])


@pytest.mark.parametrize(
    ("candidates", "columns"),
    [
        (["is_recid", "two_year_recid"], {"two_year_recid": TWO, "is_recid": TWO, "priors": NUMBER}),
        (["b", "a"], {"a": TWO, "n": NUMBER, "b": TWO}),
        (["card", "income"], {"card": words("yes", "no"), "income": NUMBER, "owner": TWO}),
        (["price"], {"price": NUMBER, "sold": TWO}),
        (["y"], {"x": NUMBER, "y": NUMBER}),
        (["p_tau", "tau"], {"tau": NUMBER, "p_tau": NUMBER}),
        (["risk"], {"risk": TWO, "owner": TWO}),
        (["risk"], {"job": NUMBER, "risk": TWO, "amount": NUMBER}),
        (["risk"], {"risk": NUMBER, "amount": NUMBER}),
        (["risk", "cost"], {"risk": TWO, "cost": NUMBER}),
        (["treated"], {"treated": TWO, "gain": NUMBER}),
    ],
)
def test_what_is_not_obvious_is_a_list_of_candidates(candidates, columns):
    assert rank(**columns) == (None, candidates)


def test_wages_are_inputs_in_tables_that_are_not_about_people():
    assert rank(people=False, wage=NUMBER, output=NUMBER)[0] is None


def test_a_risk_is_asked_about_in_tables_that_are_not_about_people():
    assert rank(people=False, risk=TWO, size=NUMBER)[0] is None


def test_a_class_of_several_is_the_target_only_at_the_end():
    columns = {"class": words("a", "b", "c"), "n": NUMBER}
    assert rank(**columns)[0] is None
    assert rank(last="class", **columns)[0] == "class"


@pytest.mark.parametrize(
    ("target", "labels", "positive"),
    [
        ("churn", ("No", "Yes"), "Yes"),
        ("y", (-1, 1), 1),
        ("income", ("<=50K", ">50K"), ">50K"),
        ("churn", ("churned", "not churned"), "churned"),
        ("survived", ("survived", "died"), "survived"),
        ("risk", ("good", "bad"), None),
        ("credit", (1, 2), None),
        ("label", ("a", "b"), None),
    ],
)
def test_the_positive_class_is_named_only_if_it_is_obvious(target, labels, positive):
    assert positive_class(target, words(*labels)) == positive


def test_a_column_of_classes_that_each_have_a_probability_is_the_target():
    animal = Profile("text", 3, 0, 60, ("cat", "dog", "fox"))
    share = Profile("number", 50, 0, 60, in_unit=True)
    camera = Profile("text", 2, 0, 60, ("x", "y"))
    profiles = {"animal": animal, "camera": camera, "p_cat": share, "p_dog": share, "p_fox": share}
    assert rank_targets(profiles, False, ("animal", "p_fox"))[0] == "animal"
    del profiles["p_fox"]
    assert rank_targets(profiles, False, ("animal", "p_dog"))[0] is None
