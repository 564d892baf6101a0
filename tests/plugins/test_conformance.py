"""raikit's own plugins keep the contract as anybody's have to, with no exemption."""

import numpy as np
import pandas as pd
import pytest

from raikit.config.schema import DataConfig
from raikit.data.dataset import Dataset
from raikit.plugins.discovery import discover
from raikit.plugins.entry_points import distribution, installed
from raikit.run.owners import FIRST_PARTY
from raikit.testing import check_conformance
from raikit.testing.contract import check_rules, plugin_rules
from raikit.testing.contract.rule import run_rules
from raikit.testing.contract.subject import subject_of

DRAWS_NOTHING = {"explainability.probes", "fairness.impact_ratios", "performance.classification", "performance.regression"}
TRAINS = {"fairness.reweighting", "privacy.canaries", "privacy.dp_finetuning", "privacy.shadow_attacks"}
ON_ODD_DATA = ("small_groups", "missing", "tiny", "one_answer")
ASKS_THE_MODEL = {*TRAINS, "explainability.attributions", "explainability.perturbations", "explainability.probes"}
CHECKS = [entry.check for entry in discover().checks.values() if entry.plugin == FIRST_PARTY]
OF_LISTS = {
    "performance.entities": "token_classification", "fairness.entities": "token_classification",
    "performance.labels": "multilabel", "fairness.labels": "multilabel", "performance.answers": "answers",
}


def of_lists(task):
    """Return texts with tags, which are also the labels of cases and the answers of annotators."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({
        "words": [["one", "two", "three", "four", "five"]] * 80, "tags": rng.choice(["O", "B-PER", "I-PER"], (80, 5)).tolist(),
        "sex": rng.choice(["F", "M"], 80), "person": rng.integers(0, 40, 80),
    })
    inputs = {"words": {"modality": "text"}}
    config = {"path": "(memory)", "target": "tags", "task": task, "sensitive": ["sex"], "cluster": "person", "inputs": inputs}
    return Dataset.of(table, DataConfig.model_validate(config))


def name_of(check):
    return check.name


@pytest.mark.parametrize(
    "check", [pytest.param(c, marks=pytest.mark.long) if c.name in TRAINS else c for c in CHECKS], ids=name_of
)
def test_a_first_party_check_keeps_every_rule_and_each_is_tried(check):
    task = OF_LISTS.get(check.name)
    found = run_rules(check_rules.planned(check, of_lists(task) if task else None))
    assert [one for one in found if one.status == "failed"] == []
    untried = {one.rule: one.reason for one in found if one.status == "not applicable"}
    expected = {"one_answer": "it queries the model itself"} if check.name in ASKS_THE_MODEL else {}
    if check.name in DRAWS_NOTHING:
        expected["figures"] = "it makes no figures"
    if check.compare is None:
        expected["compares"] = "it has no `compare`: raikit compares its intervals"
    if task:  # data with targets that are lists are not generated, in all the ways in which data may be odd
        expected |= dict.fromkeys(ON_ODD_DATA, untried["tiny"])
        assert untried["tiny"].startswith("skipped: it measures `task: ")
    if check.name in OF_LISTS:
        expected["figures"] = "it makes no figures"
    assert untried == expected


@pytest.mark.parametrize("name", [point.name for point in installed() if distribution(point) == FIRST_PARTY])
def test_a_first_party_plugin_as_a_whole_keeps_every_rule(name):
    assert {one.rule: one.status for one in run_rules(plugin_rules.planned(subject_of(name)))} == dict.fromkeys(
        ["loads", "imports", "api", "hooks", "names"], "ok"
    )


def test_every_report_format_keeps_every_rule():
    check_conformance("reports")
