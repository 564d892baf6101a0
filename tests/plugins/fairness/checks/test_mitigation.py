"""`checks.mitigation`, with `estimates.group_thresholds` and `.tradeoff`: Fairlearn's thresholds, paired on test cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as fl
from sklearn.metrics import accuracy_score

from raikit.address import Pattern
from raikit.testing import result_of, table_context
from raikit_fairness.checks.mitigation import Mitigation
from raikit_fairness.estimates import threshold_optimizer

CONSTRAINTS = ["demographic_parity", "true_positive_rate_parity", "equalized_odds"]


def scored(n=1500, shift=2.0, seed=0):
    """Validation and test rows; scores of F are lower by `shift` on the logit scale."""
    rng = np.random.default_rng(seed)
    sex, y = rng.choice(["F", "M"], n), rng.integers(0, 2, n)
    logit = 3.0 * y - 1.5 - shift * (sex == "F") + rng.normal(size=n)
    score = 1 / (1 + np.exp(-logit))
    return pd.DataFrame({
        "sex": sex, "target": y, "score": score, "prediction": (score >= 0.5).astype(int), "w": rng.integers(1, 5, n).astype(float),
        "split": np.where(rng.random(n) < 0.4, "validation", "test"), "person": (np.arange(n) % 40).astype(str),
    })


def mitigated(table, sensitive=("sex",), options=None, **roles):
    result = result_of(Mitigation, table_context(table, sensitive=sensitive, classes=[0, 1], **roles), **{"draws": 2000, **(options or {})})
    return {metric.id: metric for metric in result.metrics}, result


def chances(table, constraint):
    """The expected decision of test rows, by Fairlearn alone."""
    known, test = (table[table["split"] == split] for split in ("validation", "test"))
    code = {"F": 0, "M": 1}
    optimizer = threshold_optimizer.fit_thresholds(known["score"].to_numpy(), known["target"].to_numpy(), known["sex"].map(code).to_numpy(), constraint,
                            "accuracy_score", 1000)
    return test, optimizer, threshold_optimizer.decision_probabilities(optimizer, test["score"].to_numpy(), test["sex"].map(code).to_numpy())


def mean(values, weight):
    return float(np.average(values, weights=weight))


@pytest.mark.parametrize("constraint", CONSTRAINTS)
@pytest.mark.parametrize("weight", [None, "w"])
def test_gaps_gains_and_costs_are_those_of_the_expected_decisions(constraint, weight):
    table = scored()
    test, _, after = chances(table, constraint)
    metrics, result = mitigated(table, weight=weight, options={"constraints": [constraint]})
    w = test["w"].to_numpy() if weight else np.ones(len(test))
    y, before = test["target"].to_numpy(), test["prediction"].to_numpy(dtype=float)
    strata = {"demographic_parity": [y >= 0], "true_positive_rate_parity": [y == 1], "equalized_odds": [y == 1, y == 0]}[constraint]
    female = (test["sex"] == "F").to_numpy()

    def gaps(decided):
        return [abs(mean(decided[rows & female], w[rows & female]) - mean(decided[rows & ~female], w[rows & ~female])) for rows in strata]

    place = f"(constraint={constraint})[sex]"
    assert metrics[f"fairness.mitigated_difference{place}"].value == pytest.approx(max(gaps(after)))
    row = dict(zip([column.name for column in result.tables[0].columns], result.tables[0].rows[0], strict=True))
    assert row["before"] == pytest.approx(max(gaps(before)))
    gains = [was - now for was, now in zip(gaps(before), gaps(after), strict=True)]
    assert min(abs(metrics[f"fairness.mitigation_gain{place}"].value - gain) for gain in gains) < 1e-9
    lost = mean(y == before, w) - mean(np.where(y == 1, after, 1 - after), w)
    assert metrics[f"fairness.mitigation_cost{place}"].value == pytest.approx(lost)
    assert metrics[f"fairness.mitigated_accuracy{place}"].value == pytest.approx(mean(np.where(y == 1, after, 1 - after), w))
    shares = [w[female].sum() / w.sum(), w[~female].sum() / w.sum()]
    by_group = [metrics[f"fairness.mitigation_cost(constraint={constraint})[sex={sex}]"].value for sex in "FM"]
    assert np.dot(shares, by_group) == pytest.approx(lost)
    assert all(metric.subject == "mitigated" for metric in metrics.values())


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_the_expected_decision_is_what_fairlearns_draws_average_to(constraint):
    table = scored(500)
    test, optimizer, after = chances(table, constraint)
    drawn = [optimizer.predict(test[["score"]].to_numpy(), sensitive_features=test["sex"].map({"F": 0, "M": 1}).to_numpy(), random_state=seed)
             for seed in range(300)]
    np.testing.assert_allclose(np.mean(drawn, axis=0), after, atol=0.12)
    expected = np.mean([accuracy_score(test["target"], one) for one in drawn])
    assert mean(np.where(test["target"] == 1, after, 1 - after), None) == pytest.approx(expected, abs=0.004)
    ours = np.mean([fl.selection_rate(test["target"], one) for one in drawn])
    assert after.mean() == pytest.approx(ours, abs=0.004)


def test_what_is_bought_is_established_and_said():
    metrics, result = mitigated(scored(4000), options={"constraints": ["demographic_parity"]})
    gain, cost = (metrics[f"fairness.mitigation_{what}(constraint=demographic_parity)[sex]"] for what in ("gain", "cost"))
    assert gain.low > 0.2
    assert cost.low < cost.value < cost.high
    sentence = result.findings[0].sentence
    assert "would narrow the gap in selection rate by " in sentence
    assert (result.findings[0].certainty, result.findings[0].kind) == ("sure", "worth_knowing")
    assert result.findings[0].headline == "Group-specific thresholds would narrow the gap by sex"
    assert set(result.findings[0].metrics) <= set(metrics)
    assert "_gain" in result.findings[0].metrics[0]  # the number in the sentence
    assert [row[2] for row in result.tables[1].rows] == ["sex: F", "sex: M"]


def test_where_there_is_nothing_to_gain_nothing_is_claimed():
    claims = 0
    for seed in range(12):
        metrics, _ = mitigated(scored(800, 0.0, seed), options={"constraints": ["demographic_parity"]})
        claims += metrics["fairness.mitigation_gain(constraint=demographic_parity)[sex]"].low > 0
    assert claims <= 2


def test_decisions_come_from_validation_rows_alone():
    table = scored()
    flipped = table.assign(target=np.where(table["split"] == "test", 1 - table["target"], table["target"]))
    learnt = table.assign(target=np.where((table["split"] == "validation") & (table["score"] > 0.9), 0, table["target"]))
    rules = [mitigated(one)[1].tables[1].rows for one in (table, flipped, learnt)]
    pairs = [[row[10] for row in mitigated(one)[1].tables[0].rows] for one in (table, flipped)]
    assert rules[0] == rules[1] != rules[2]
    assert pairs[0] == pairs[1]


def test_the_same_seed_gives_the_same_result():
    table = scored(600)
    assert mitigated(table, seed=4)[1] == mitigated(table, seed=4)[1]


def test_shared_clusters_make_gains_and_costs_less_certain():
    rng = np.random.default_rng(0)
    table = scored(4000)
    person = np.arange(4000) % 40
    logit = np.log(table["score"] / (1 - table["score"])) + 2 * rng.normal(size=40)[person]
    table["score"] = 1 / (1 + np.exp(-logit))
    table["prediction"] = (table["score"] >= 0.5).astype(int)
    plain, clustered = mitigated(table)[0], mitigated(table, cluster=["person"])[0]
    for constraint in CONSTRAINTS:
        one, two = (metrics[f"fairness.mitigated_accuracy(constraint={constraint})[sex]"] for metrics in (plain, clustered))
        assert two.value == pytest.approx(one.value)
        assert two.high - two.low > 1.3 * (one.high - one.low)
        assert two.n_clusters == 40
    assert clustered["fairness.mitigation_gain(constraint=equalized_odds)[sex]"].method.count("cluster") == 1


def test_a_group_that_validation_rows_do_not_know_takes_no_part_and_is_named():
    table = scored()
    table.loc[(table["split"] == "test") & (table.index < 200), "sex"] = "X"
    table.loc[table.index[-200:], "sex"] = "Y"
    table.loc[(table["sex"] == "Y") & (table["split"] == "validation"), "target"] = 1
    metrics, result = mitigated(table, options={"constraints": ["equalized_odds"]})
    metric = metrics["fairness.mitigated_difference(constraint=equalized_odds)[sex]"]
    assert metric.excluded == ["sex: X", "sex: Y"]
    assert "fairness.mitigation_cost(constraint=equalized_odds)[sex=X]" not in metrics
    unknown = dict(result.findings[0].facts)["Not known"]
    assert "the validation split has no case of them" in unknown
    assert "every validation case of theirs has target 1" in unknown
    rows = table[(table["split"] == "test") & table["sex"].isin(["F", "M"])]
    assert metrics["fairness.mitigation_cost(constraint=equalized_odds)[sex]"].n == len(rows)


def test_fewer_than_two_known_groups_are_undefined_with_the_reason():
    table = scored()
    table.loc[table["split"] == "validation", "sex"] = "F"
    metrics, result = mitigated(table.assign(one="a"), ["sex", "one"])
    reason = metrics["fairness.mitigation_gain(constraint=equalized_odds)[sex]"].reason
    assert reason == "thresholds can be fitted for fewer than two groups of sex: the validation split has no case of them"
    assert "was not measured" in result.findings[0].sentence
    assert metrics["fairness.mitigation_gain(constraint=equalized_odds)[one]"].reason == "one has one group only"
    assert all(metric.value is None for metric in metrics.values())


def test_a_missing_value_is_a_group_with_thresholds_of_its_own():
    table = scored()
    table.loc[table.index % 5 == 0, "sex"] = None
    _, result = mitigated(table, options={"constraints": ["demographic_parity"]})
    assert [row[2] for row in result.tables[1].rows] == ["sex: F", "sex: M", "sex: missing"]


def test_it_is_drawn_and_addresses_are_declared():
    from raikit_reports.page.figures import render, safe_spec

    metrics, result = mitigated(scored(500))
    assert render(safe_spec(result.figures[0]), "x").svg is not None
    patterns = [Pattern(pattern) for pattern in Mitigation.produces]
    assert all(any(pattern.matches(name) for pattern in patterns) for name in metrics)
    assert all(set(finding.figures) <= {"bought"} for finding in result.findings)
