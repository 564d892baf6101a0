"""Impact ratios are the numbers of Local Law 144's own arithmetic, with intervals that hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raikit.testing import result_of, table_context
from raikit_fairness.checks.impact import ImpactRatios


def measured(table, sensitive=("sex",), **roles):
    result = result_of(ImpactRatios, table_context(table, sensitive=sensitive, classes=[0, 1], **roles))
    return {metric.id: metric for metric in result.metrics}, result


def selected(**groups):
    """A table with (selected, all) of each category."""
    parts = [pd.DataFrame({"sex": name, "prediction": [1] * yes + [0] * (n - yes)}) for name, (yes, n) in groups.items()]
    return pd.concat(parts, ignore_index=True).assign(target=0)


def test_every_category_is_compared_with_the_most_selected_one():
    metrics, _ = measured(selected(male=(1390, 2930), female=(818, 1795)))
    assert metrics["fairness.impact_ratio[sex=male]"].value == 1
    assert metrics["fairness.impact_ratio[sex=female]"].value == pytest.approx((818 / 1795) / (1390 / 2930))
    assert 0.88 < metrics["fairness.impact_ratio[sex=female]"].low < 0.96 < metrics["fairness.impact_ratio[sex=female]"].high


def test_unknown_categories_are_counted_and_left_out():
    table = selected(F=(40, 100), M=(50, 100))
    table = pd.concat([table, pd.DataFrame({"sex": None, "prediction": [1] * 30, "target": 0})], ignore_index=True)
    metrics, result = measured(table)
    assert metrics["fairness.unknown_category[sex]"].value == 30
    assert metrics["fairness.impact_ratio[sex=F]"].value == pytest.approx(0.8)
    assert "fairness.impact_ratio[sex=null]" not in metrics
    assert "30 cases have no known category" in result.tables[0].note


def test_a_category_of_less_than_two_percent_is_shown_and_marked():
    metrics, result = measured(selected(F=(400, 1000), M=(500, 1000), X=(1, 12)))
    assert metrics["fairness.impact_ratio[sex=X]"].flags == ["small_share"]
    assert metrics["fairness.impact_ratio[sex=F]"].flags == []
    assert "X *" in [row[0] for row in result.tables[0].rows][-1]
    assert "sex: F" in result.findings[0].sentence, "a marked category is no finding"


def test_the_scoring_rate_is_the_share_above_the_sample_median():
    rng = np.random.default_rng(0)
    table = selected(F=(40, 100), M=(50, 101)).assign(score=rng.random(201))
    metrics, _ = measured(table)
    above = table.score > np.median(table.score)
    rates = above.groupby(table.sex).mean()
    for sex in "FM":
        assert metrics[f"fairness.scoring_rate[sex={sex}]"].value == pytest.approx(rates[sex])
        assert metrics[f"fairness.impact_ratio(of=scoring_rate)[sex={sex}]"].value == pytest.approx(rates[sex] / rates.max())


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 30)), min_size=1, max_size=5), st.booleans())
@settings(max_examples=25, deadline=None)
def test_ratios_equal_their_definition_and_lie_in_their_intervals(counts, weighted):
    groups = {f"g{at}": (min(yes, n), n) for at, (yes, n) in enumerate(counts)}
    table = selected(**groups)
    roles = {}
    if weighted:
        table["w"], roles = np.random.default_rng(len(table)).integers(1, 4, len(table)).astype(float), {"weight": "w"}
    metrics, _ = measured(table, **roles)
    rates = {
        name: np.average(rows.prediction, weights=rows.w if weighted else None) for name, rows in table.groupby("sex")
    }
    for name, rate in rates.items():
        metric = metrics[f"fairness.impact_ratio[sex={name}]"]
        if max(rates.values()) == 0:
            assert metric.value is None
            assert metric.reason == "no category has a rate above 0"
        else:
            assert metric.value == pytest.approx(rate / max(rates.values()))
            assert 0 <= metric.low <= metric.value <= metric.high <= 1


def test_the_interval_of_a_ratio_to_the_highest_of_many_equal_categories_reaches_one():
    rng, missed, runs = np.random.default_rng(1), 0, 60
    for _ in range(runs):
        metrics, _ = measured(selected(**{f"g{at}": (int(rng.binomial(200, 0.4)), 200) for at in range(6)}))
        missed += metrics["fairness.impact_ratio[sex=g0]"].high < 1
    assert missed <= 6  # 2.5 % each, simultaneous over the others; a pointwise upper end misses in about a third


def test_impact_ratios_are_of_the_favourable_decision():
    rng = np.random.default_rng(0)
    arrested = np.concatenate([np.arange(500) < 100, np.arange(500) < 250]).astype(int)
    table = pd.DataFrame({"race": ["A"] * 500 + ["B"] * 500, "target": rng.integers(0, 2, 1000), "prediction": arrested})
    table["score"] = np.clip(0.2 + 0.4 * arrested + rng.uniform(0, 0.3, 1000), 0, 1)

    def ratios(**roles):
        result = result_of(ImpactRatios, table_context(table, sensitive=["race"], classes=[0, 1], **roles))
        return {metric.id: metric for metric in result.metrics}, result

    spared, result = ratios(favourable=0)
    assert spared["fairness.impact_ratio[race=B]"].value == pytest.approx((250 / 500) / (400 / 500))
    assert spared["fairness.impact_ratio[race=A]"].value == 1
    assert spared["fairness.scoring_rate[race=A]"].value > spared["fairness.scoring_rate[race=B]"].value
    assert "Selected: predicted as “0”." in result.tables[0].note
    assert ratios()[0]["fairness.impact_ratio[race=A]"].value == pytest.approx((100 / 500) / (250 / 500))
    positive = ratios(favourable=1)[0]
    assert {id: metric.value for id, metric in positive.items()} == {id: metric.value for id, metric in ratios()[0].items()}
