"""The gate's levels: gaps, groups and contrasts are measured there by the same procedure, and only where rules need them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from raikit import stats
from raikit.config.schema import GateConfig
from raikit.gate.family import levels_of
from raikit.gate.verdict import judge
from raikit.run.record import CheckRecord
from raikit.testing import result_of, table_context
from raikit_fairness.checks.groups import GroupMetrics

GAP = "fairness.equal_opportunity_difference[sex]"


def table(groups):
    """Positives of each group, of which some are missed: ``{"F": (missed, n)}``."""
    parts = [
        pd.DataFrame({"sex": sex, "target": 1, "prediction": (np.arange(n) >= missed).astype(int)})
        for sex, (missed, n) in groups.items()
    ]
    negatives = pd.DataFrame({"sex": np.repeat(list(groups), 200), "target": 0, "prediction": 0})
    return pd.concat([*parts, negatives], ignore_index=True)


def audit(data, rules, min_group=30, **roles):
    """Measure a table as an audit with these rules does; return the metrics by address and the judged gate."""
    policy = GateConfig.model_validate({"rules": rules})
    ctx = table_context(data, sensitive=("sex",), classes=[0, 1], **roles)
    ctx = replace(ctx, levels=levels_of(policy, 0.95).of("fairness"))
    metrics = result_of(GroupMetrics, ctx, min_group=min_group).metrics
    record = CheckRecord(name="fairness.groups", pillar="fairness", plugin="raikit", status="ok", metrics=metrics)
    return {metric.id: metric for metric in metrics}, judge(policy, [record])


def at(metric, level):
    """Return the limits of a metric at a level."""
    return next(limits for limits in metric.limits if limits.level == pytest.approx(level, abs=1e-9))


def test_a_gap_at_another_level_is_the_procedure_at_that_level():
    metrics, _ = audit(table({"F": (90, 300), "M": (30, 300), "X": (36, 300)}), [{"metric": GAP, "max": 0.5, "confidence": 0.99}])
    limits = at(metrics[GAP], 0.99)
    oracle = stats.gap([210, 270, 264], [300] * 3, 0.99, rng=np.random.default_rng(1))
    assert limits.low == pytest.approx(oracle.low, abs=0.004)  # another seed
    assert limits.high == pytest.approx(oracle.high)
    assert all(not metric.limits for id, metric in metrics.items() if id != GAP)


def test_a_sure_breach_is_measured_down_to_the_error_of_a_family():
    rules = [{"metric": GAP, "max": 0.02}, *({"metric": f"fairness.count[sex={at}]", "min": 0} for at in range(3))]
    metrics, gate = audit(table({"F": (120, 400), "M": (20, 400)}), rules)
    ends = [(limits.level, limits.low) for limits in metrics[GAP].limits]
    assert ends == sorted(ends, key=lambda end: (end[0], -end[1]))
    assert ends[-1][0] > 0.9999
    assert gate.rules[0].status == "fail"


def test_group_metrics_and_contrasts_have_their_own_ends():
    rules = [{"metric": f"fairness.{name}[sex=F]{to}", "max": 0.9, "confidence": 0.999} for name, to in (
        ("true_positive_rate", ""), ("true_positive_rate_difference", "(to=rest)"))]
    rules[1]["metric"] = "fairness.true_positive_rate_difference(to=rest)[sex=F]"
    metrics, _ = audit(table({"F": (120, 400), "M": (20, 400)}), rules)
    low, high = stats.clopper_pearson([280], [400], 0.999)
    limits = at(metrics["fairness.true_positive_rate[sex=F]"], 0.999)
    assert (limits.low, limits.high) == (pytest.approx(low[0]), pytest.approx(high[0]))
    contrast = metrics[rules[1]["metric"]]
    assert at(contrast, 0.999).low < contrast.low < contrast.high < at(contrast, 0.999).high


def test_a_small_group_that_proves_a_gap_at_95_decides_nothing_false_at_99():
    """Stretching about the gap of the large groups, which is 0.02, moved the end that the small group proves up: a breach."""
    data = table({"F": (60, 600), "M": (48, 600), "X": (8, 12)})
    at_95 = audit(data, [{"metric": GAP, "max": 0.15}])[1].rules[0]
    assert (at_95.status, at_95.low > 0.15) == ("fail", True)
    limit = round(at_95.low - 0.01, 3)  # just below the end at 95%
    metrics, gate = audit(data, [{"metric": GAP, "max": limit, "confidence": 0.99}])
    row, gap = gate.rules[0], metrics[GAP]
    assert gap.judged is not None
    assert at(gap, 0.99).low < limit < gap.low  # at 99% the small group proves less than at 95%
    assert at(gap, 0.99).judged_high < limit
    # Nothing is broken for sure at 99%. What is broken at 95% does not pass at a higher confidence either.
    assert (row.status, row.level) == ("inconclusive", 0.99)
    assert row.low <= limit <= row.high
    assert "at 95% all of" in row.reason


def test_clusters_have_their_limits_from_t_too():
    rng = np.random.default_rng(0)
    voices = rng.integers(0, 20, 800)
    data = pd.DataFrame({"sex": np.where(voices % 2, "F", "M"), "voice": voices.astype(str), "target": 1})
    data["prediction"] = (rng.random(800) > 0.1 + 0.4 * (voices % 2)).astype(int)
    metrics, _ = audit(data, [{"metric": GAP, "max": 0.9, "confidence": 0.999}], cluster=("voice",))
    strict, gap = at(metrics[GAP], 0.999), metrics[GAP]
    ratio = (gap.value - strict.low) / (gap.value - gap.low)
    assert ratio > 3.29 / 1.96 + 0.05  # t with nine degrees of freedom is further out than the normal's ratio


def test_a_gap_names_the_groups_in_which_it_is_not_defined():
    data = pd.concat([table({"F": (30, 300), "M": (30, 300)}), pd.DataFrame({"sex": "X", "target": 0, "prediction": [0] * 50})])
    metrics, gate = audit(data, [{"metric": GAP, "max": 0.2}, {"metric": "fairness.equalized_odds_difference[sex]", "max": 0.2}])
    row = gate.rules[0]
    assert (row.status, row.not_judged) == ("pass", ["sex: X"])
    says = "not defined for sex: X (no case has target 1), so this rule says nothing about it"
    assert says in row.reason
    assert f"{GAP}: {says}" in gate.warnings
    assert gate.verdict == "warn"
    assert any("equalized_odds_difference" in warning for warning in gate.warnings)
    assert metrics["fairness.accuracy_difference[sex]"].excluded == []
