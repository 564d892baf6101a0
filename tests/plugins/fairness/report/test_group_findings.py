"""The words of findings about groups."""

import re
from functools import cache

import numpy as np
import pandas as pd
import pytest

import raikit
from raikit.naming import clusters_of, using
from raikit.testing import result_of, table_context
from raikit_fairness.checks.groups import GroupMetrics
from raikit_fairness.checks.impact import ImpactRatios
from raikit_fairness.checks.mitigation import Mitigation
from raikit_fairness.checks.search import Search
from raikit_fairness.checks.thresholds import Thresholds


@pytest.mark.parametrize(
    ("column", "many"),
    [("speaker", "speakers"), ("activity", "activities"), ("branch", "branches"), ("person", "people"), ("address", "of address"),
     ("speaker_id", "of speaker_id")],
)  # fmt: skip
def test_clusters_are_counted_in_a_regular_plural(column, many):
    assert clusters_of(column) == many


WORDS = raikit.DisplayNames(
    unit=("person", "people"), columns={"age_group": "age"}, classes={"0": "low risk", "1": "high risk"},
    values={"sex": {"Male": "Men", "Female": "Women"}}, nouns={"race": "{} people", "age_group": "people aged {}"},
    missing={"sex": "sex not recorded"}, harms={"false_positive_rate": "are wrongly called high risk"},
)  # fmt: skip
CHECKS = [GroupMetrics, Search, ImpactRatios, Thresholds, Mitigation]


@cache
def found(check):
    """The findings of a check about people who are scored unfairly, in the words of a configuration."""
    rng, n = np.random.default_rng(4), 3000
    race = rng.choice(["Black", "White", "Other"], n, p=[0.5, 0.4, 0.1])
    age = rng.choice(["under 25", "over 25"], n)
    logit = np.where(race == "Black", 0.6, -0.4) + np.where(age == "under 25", 0.6, -0.4)
    target = (rng.random(n) < 1 / (1 + np.exp(-0.5 * logit))).astype(int)
    score = 1 / (1 + np.exp(-logit - 1.2 * (target - 0.5) - rng.normal(0, 0.6, n)))
    table = pd.DataFrame({"race": race, "sex": rng.choice(["Male", "Female", None], n, p=[0.7, 0.25, 0.05]), "age_group": age,
                          "court": rng.integers(0, 60, n).astype(str), "target": target, "score": score,
                          "prediction": (score >= 0.5).astype(int), "split": rng.choice(["test", "validation"], n, p=[0.7, 0.3])})  # fmt: skip
    with using(WORDS):
        context = table_context(table, sensitive=["race", "sex", "age_group"], classes=[0, 1], favourable=0, cluster=["court"])
        return result_of(check, context).findings


@pytest.mark.parametrize("check", CHECKS)
def test_findings_are_short_and_in_words(check):
    for finding in found(check):
        assert finding.kind is not None
        assert finding.headline or finding.worse
        assert not any(sign.isdigit() for sign in finding.headline.replace("25", ""))  # no number but that of a group
        texts = [finding.headline, finding.evidence, *re.split(r"(?<=[.?]) ", finding.sentence), *(text for _, text in finding.facts)]
        for text in texts:
            assert len(text.split()) <= 25, text
            assert not re.search(r"(race|sex|age_group|age)(: |=)", text), text


def test_a_gap_has_both_sides_and_the_worse_one_follows_from_what_is_favourable():
    gaps = [finding for finding in found(GroupMetrics) if finding.worse]
    assert {finding.measure for finding in gaps} == {"selection_rate", "false_negative_rate", "false_positive_rate"}
    for finding in gaps:  # high risk is not favourable, so whoever gets it more often is worse off
        assert finding.worse.value > finding.better.value
        assert finding.worse.n and finding.worse.clusters["court"] > 1
        assert finding.worse.low <= finding.worse.value <= finding.worse.high
    wrongly = next(finding for finding in gaps if finding.measure == "false_positive_rate" and list(finding.worse.group) == ["race"])
    assert wrongly.sentence.startswith("Black people are wrongly called high risk more often than ")


def test_what_is_said_of_no_gap_depends_on_what_would_have_been_detected():
    def about(n):
        table = pd.DataFrame({"sex": ["F", "M"] * n, "target": 1, "prediction": ([1] * 10 + [0] * 2) * (n // 6)})
        return result_of(GroupMetrics, table_context(table, sensitive=["sex"], classes=[0, 1])).findings[-1]

    large, middle, tiny = about(600), about(120), about(12)
    assert (middle.kind, middle.headline) == ("undecided", "Too few cases to rule out a gap by sex")
    assert float(re.search(r"one of ([0-9.]+) pp", middle.evidence)[1]) > 10
    assert (large.kind, large.headline) == ("fine", "No gap shown by sex")
    assert re.fullmatch(r"one of [0-9.]+ pp in false negative rate would have been detected \(80% power\)", large.evidence)
    assert (tiny.kind, tiny.headline) == ("undecided", "The gap by sex cannot be judged")
    assert tiny.evidence == "fewer than two of its groups have 30 cases in any denominator"
