"""`data.missing_group`: whether a missing value is a group that is compared, one that is only shown, or none."""

import json

import numpy as np
import pandas as pd
import pytest

from raikit.errors import ConfigError
from raikit.testing import result_of, table_context
from raikit_fairness import assess
from raikit_fairness.checks.groups import GroupMetrics
from raikit_fairness.checks.impact import ImpactRatios
from raikit_fairness.checks.mitigation import Mitigation
from raikit_fairness.checks.search import Search
from raikit_fairness.checks.thresholds import Thresholds

GAP = "fairness.equal_opportunity_difference[voice]"


def cases(task="binary", n=1500, seed=0):
    """Cases of which a fifth has no voice; those are decided at random, the others mostly right."""
    rng = np.random.default_rng(seed)
    voice = rng.choice(["female", "male", None], n, p=[0.4, 0.4, 0.2])
    target = rng.integers(0, 3 if task == "multiclass" else 2, n)
    wrong = rng.random(n) < np.where(pd.isna(voice), 0.5, 0.15)
    table = pd.DataFrame({"voice": voice, "tone": rng.choice(["dark", "light"], n), "target": target,
                          "prediction": np.where(wrong, (target + 1) % (target.max() + 1), target),
                          "picture": rng.integers(0, 150, n).astype(str), "w": rng.uniform(0.5, 2, n)})  # fmt: skip
    if task == "binary":
        table["score"] = np.clip(table.prediction * 0.5 + rng.random(n) * 0.5, 0, 1)
    if task == "regression":
        table["target"] = rng.normal(size=n)
        table["prediction"] = table.target + rng.normal(size=n) * np.where(wrong, 3, 1)
    return table


def audited(table, task="binary", missing=None, check=GroupMetrics, options=None, **roles):
    classes = [] if task == "regression" else sorted(table.target.unique().tolist())
    ctx = table_context(table, task=task, classes=classes, sensitive=["voice", "tone"], missing_group=missing, **roles)
    result = result_of(check, ctx, **(options or {}))
    return {metric.id: metric for metric in result.metrics}, result


def numbers(metrics, columns):
    return {id: (metric.value, metric.low, metric.high, metric.n) for id, metric in metrics.items() if metric.over == columns}


@pytest.mark.parametrize("roles", [{}, {"cluster": ["picture"]}, {"weight": "w"}])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_left_out_cases_change_nothing_and_shown_ones_are_in_no_gap(task, roles):
    table = cases(task)
    known = numbers(audited(table[table.voice.notna()], task, **roles)[0], ["voice"])
    left_out = numbers(audited(table, task, {"voice": "leave_out"}, **roles)[0], ["voice"])
    assert left_out.keys() == known.keys()
    for id, expected in known.items():
        assert (left_out[id][0], left_out[id][3]) == pytest.approx((expected[0], expected[3]), abs=1e-9), id
        # Limits of areas and of errors allow for one more case like any of the table's, and draw at random.
        assert left_out[id][1:3] == pytest.approx(expected[1:3], abs=0.01), id
    shown = numbers(audited(table, task, {"voice": "show"}, **roles)[0], ["voice"])
    assert shown.keys() - known.keys() == {id for id in shown if "voice=null" in id} != set()
    for id in known:
        assert (shown[id][0], shown[id][3]) == pytest.approx((known[id][0], known[id][3]), abs=1e-9), id
        assert shown[id][1:3] == pytest.approx(known[id][1:3], abs=0.01), id


def test_a_gap_names_the_group_that_it_leaves_out_and_a_rule_does_not_judge_it():
    compared, shown = (audited(cases(), missing=missing)[0][GAP] for missing in (None, {"voice": "show"}))
    assert compared.pair == ["voice: missing", "voice: male"] or compared.pair == ["voice: missing", "voice: female"]
    assert compared.value > 0.25 > 0.1 > shown.value
    assert (shown.excluded, shown.excluded_reason) == (["voice: missing"], "data.missing_group only shows it")


@pytest.mark.parametrize("choice", ["show", "leave_out"])
@pytest.mark.parametrize("check", [Thresholds, Search, Mitigation, ImpactRatios])
def test_no_check_compares_a_missing_group_that_is_shown_or_left_out(check, choice):
    table = cases()
    table["split"] = np.where(np.arange(len(table)) % 3 > 0, "test", "validation")
    _, result = audited(table, missing={"voice": choice}, check=check)
    assert result.metrics
    assert "voice: missing" not in json.dumps(result.model_dump())
    assert not any(metric.group and metric.group.get("voice", "") is None for metric in result.metrics)


def test_a_left_out_group_of_an_intersection_is_in_none():
    metrics, _ = audited(cases(), missing={"voice": "leave_out"})
    groups = [metric.group for metric in metrics.values() if metric.over == ["voice", "tone"] and metric.group]
    assert groups and all(group["voice"] is not None for group in groups)


def test_assess_has_the_same_choice_for_all_columns_or_by_column():
    table = cases()
    def gap(**options):
        result = assess(table.target, table.prediction, sensitive_features=table[["voice", "tone"]], **options)
        rows = result.disparities.query("metric == 'equal_opportunity_difference' and feature == 'voice'")
        return float(rows.value.iloc[0]), "missing" in set(result.by_group.group)

    compared, shown, left_out = (gap(missing_group=choice) for choice in ("compare", "show", {"voice": "leave_out"}))
    assert compared[0] > 0.25 and compared[1]
    assert shown == (left_out[0], True) and not left_out[1]
    with pytest.raises(ConfigError, match="missing_group: 'vioce' is not among the sensitive columns .* Did you mean 'voice'"):
        gap(missing_group={"vioce": "show"})
    with pytest.raises(ConfigError, match="missing_group: 'hide' is not one of compare, show, leave_out"):
        gap(missing_group="hide")
