"""raikit's own plugins keep the contract as anybody's have to, with no exemption."""

import pytest

from raikit.plugins.discovery import discover
from raikit.plugins.entry_points import distribution, installed
from raikit.run.owners import FIRST_PARTY
from raikit.testing import check_conformance
from raikit.testing.contract import check_rules, plugin_rules
from raikit.testing.contract.rule import run_rules
from raikit.testing.contract.subject import subject_of

DRAWS_NOTHING = {"fairness.impact_ratios", "performance.classification", "performance.regression"}
TRAINS = {"fairness.reweighting", "privacy.dp_finetuning"}
ASKS_THE_MODEL = {*TRAINS, "explainability.attributions"}
CHECKS = [entry.check for entry in discover().checks.values() if entry.plugin == FIRST_PARTY]
OF_LISTS = {"performance.entities", "performance.labels", "performance.answers", "fairness.labels", "fairness.entities"}


def name_of(check):
    return check.name


@pytest.mark.parametrize(
    "check", [pytest.param(c, marks=pytest.mark.long) if c.name in TRAINS else c for c in CHECKS], ids=name_of
)
def test_a_first_party_check_keeps_every_rule_and_each_is_tried(check):
    found = run_rules(check_rules.planned(check))
    assert [one for one in found if one.status == "failed"] == []
    untried = {one.rule: one.reason for one in found if one.status == "not applicable"}
    expected = {"one_answer": "it queries the model itself"} if check.name in ASKS_THE_MODEL else {}
    if check.name in DRAWS_NOTHING:
        expected["figures"] = "it makes no figures"
    if check.name in OF_LISTS:  # the bench has no targets that are lists; their own tests run them
        assert all(reason.startswith("it cannot be tried: it measures `task: ") for reason in untried.values())
        return
    if check.compare is None:
        expected["compares"] = "it has no `compare`: raikit compares its intervals"
    assert untried == expected


@pytest.mark.parametrize("name", [point.name for point in installed() if distribution(point) == FIRST_PARTY])
def test_a_first_party_plugin_as_a_whole_keeps_every_rule(name):
    assert {one.rule: one.status for one in run_rules(plugin_rules.planned(subject_of(name)))} == dict.fromkeys(
        ["loads", "imports", "api", "hooks", "names"], "ok"
    )


def test_every_report_format_keeps_every_rule():
    check_conformance("reports")
