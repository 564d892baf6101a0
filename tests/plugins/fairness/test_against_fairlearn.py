"""`estimates` and `checks.groups`: every value is Fairlearn's wherever Fairlearn is defined; where it says 0 for undefined, ours is undefined."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as fl
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from raikit.testing import result_of, table_context
from raikit_fairness.checks.groups import GroupMetrics
from raikit_fairness.estimates.case_counts import count_cells, read_cases
from raikit_fairness.estimates.group_estimates import Draws
from raikit_fairness.estimates.group_metrics import count_metrics, metrics_by_group
from raikit_fairness.estimates.task_metrics import estimate_view, target_views
from raikit_fairness.settings import IntervalSettings

BY_GROUP = {
    "count": fl.count,
    "base_rate": lambda y, p, sample_weight=None: np.average(y, weights=sample_weight),
    "selection_rate": fl.selection_rate,
    "accuracy": sk.accuracy_score,
    "true_positive_rate": fl.true_positive_rate,
    "false_positive_rate": fl.false_positive_rate,
    "false_negative_rate": fl.false_negative_rate,
    "precision": sk.precision_score,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "f1": sk.f1_score,
}
SCORED = {
    "roc_auc": sk.roc_auc_score,
    "average_precision": sk.average_precision_score,
    "log_loss": lambda y, s, sample_weight=None: sk.log_loss(y, s, sample_weight=sample_weight, labels=[0, 1]),
    "brier_score": sk.brier_score_loss,
    "mean_score": lambda y, s, sample_weight=None: np.average(s, weights=sample_weight),
}
# what has to hold for rows of a group so that Fairlearn's number is one
NEEDS = {
    "true_positive_rate": lambda y, p: (y == 1).any(),
    "false_negative_rate": lambda y, p: (y == 1).any(),
    "false_positive_rate": lambda y, p: (y == 0).any(),
    "precision": lambda y, p: (p == 1).any(),
    "balanced_accuracy": lambda y, p: y.nunique() == 2,
    "f1": lambda y, p: (y == 1).any() or (p == 1).any(),
    "roc_auc": lambda y, p: y.nunique() == 2,
    "average_precision": lambda y, p: (y == 1).any(),
}
DISPARITIES = {
    "demographic_parity_difference": (fl.demographic_parity_difference, ["selection_rate"]),
    "demographic_parity_ratio": (fl.demographic_parity_ratio, ["selection_rate"]),
    "equalized_odds_difference": (fl.equalized_odds_difference, ["true_positive_rate", "false_positive_rate"]),
    "equalized_odds_ratio": (fl.equalized_odds_ratio, ["true_positive_rate", "false_positive_rate"]),
    "equal_opportunity_difference": (fl.equal_opportunity_difference, ["true_positive_rate"]),
    "equal_opportunity_ratio": (fl.equal_opportunity_ratio, ["true_positive_rate"]),
}


@st.composite
def tables(draw):
    groups, n, seed = draw(st.integers(1, 5)), draw(st.integers(1, 80)), draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    names = np.array(["", "a", "A", "null", "x, y=z", "ünï\u202e]"])[:groups]
    sex = rng.choice(names, n, p=rng.dirichlet(np.full(groups, draw(st.sampled_from([0.3, 5.0])))))
    y = (rng.random(n) < draw(st.sampled_from([0.02, 0.5, 0.98]))).astype(int)
    yhat = np.where(rng.random(n) < draw(st.sampled_from([0.0, 0.7, 1.0])), y, rng.integers(0, 2, n))
    table = pd.DataFrame({"target": y, "prediction": yhat, "sex": sex, "race": rng.choice(["p", "q"], n)})
    if draw(st.booleans()):
        table["w"] = rng.integers(1, 6, n).astype(float)
    if draw(st.booleans()):
        table["score"] = np.round(rng.random(n), draw(st.sampled_from([1, 12])))
    return table


def measured(table, sensitive=("sex",), **roles):
    roles = {"weight": "w" if "w" in table else None, "classes": [0, 1], **roles}
    result = result_of(GroupMetrics, table_context(table, sensitive=sensitive, **roles), draws=1000)
    return {metric.id: metric for metric in result.metrics}, result


def numbers_by_group(table, sensitive):
    """The part of the check before groups are compared, which is what takes its time."""
    ctx = table_context(table, sensitive=sensitive, weight="w" if "w" in table else None, classes=[0, 1])
    cells = count_cells(ctx, intersections=2, max_groups=500)
    rows = read_cases(ctx, intersections=2, max_groups=500)
    view = target_views("binary", [0, 1], 1)[0]
    for at, feature in enumerate(cells.features):
        yield from count_metrics(cells, feature, {})
        scored = (rows, rows.features[at]) if "score" in table else None
        estimates = estimate_view(view, cells, feature, scored, Draws(0, feature.columns, 1000), full=True)
        for measure in estimates.measures:
            yield from metrics_by_group(measure, estimates.by_name[measure.name], feature, {}, 1, IntervalSettings(0.95, 1000, 30))


def place(metric):
    return metric.name, tuple(metric.over), tuple((metric.group or {}).values()), tuple(metric.args)


@given(tables())
@settings(max_examples=15)
def test_numbers_by_group_equal_fairlearn_and_scikit_learn_wherever_they_are_defined(table):
    ours = {place(metric): metric for metric in numbers_by_group(table, ["sex", "race"])}
    for columns in (["sex"], ["sex", "race"]):
        for group, rows in table.groupby(columns):
            weight = rows.get("w")
            for name, oracle in (BY_GROUP | (SCORED if "score" in table else {})).items():
                metric = ours[name, tuple(columns), tuple(group), ()]
                if not NEEDS.get(name, lambda y, p: True)(rows.target, rows.prediction):
                    assert metric.value is None
                    assert metric.reason
                    continue
                keep = {} if weight is None or name == "count" else {"sample_weight": weight}
                output = rows.score if name in SCORED else rows.prediction
                assert metric.value == pytest.approx(oracle(rows.target, output, **keep), abs=1e-12, rel=1e-12)
                assert metric.low <= metric.value <= metric.high


@given(tables())
@settings(max_examples=12)
def test_disparities_equal_fairlearn_wherever_every_group_is_defined(table):
    metrics, _ = measured(table)
    keep = {"sensitive_features": table.sex, "sample_weight": table.get("w")}
    grouped = table.groupby("sex")
    for name, (oracle, rates) in DISPARITIES.items():
        metric = metrics[f"fairness.{name}[sex]"]
        whole = all(NEEDS.get(rate, lambda y, p: True)(rows.target, rows.prediction)
                    for rate in rates for _, rows in grouped)
        if grouped.ngroups < 2:
            assert metric.reason == "sex has one group only"
        elif whole:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = oracle(table.target, table.prediction, **keep)
            if metric.value is None:  # 0 / 0, where Fairlearn says NaN, or 0 for one of the two rates
                assert name.endswith("_ratio")
                assert "0 / 0" in metric.reason
            else:
                assert metric.value == pytest.approx(expected, abs=1e-12)
                assert metric.low <= metric.value <= metric.high


@given(tables())
@settings(max_examples=12)
def test_other_disparities_are_the_largest_difference_and_smallest_ratio_of_defined_groups(table):
    metrics, _ = measured(table)
    by_name = {}
    for metric in metrics.values():
        if metric.group and metric.value is not None and not metric.args:
            by_name.setdefault(metric.name, []).append(metric.value)
    for name in ("accuracy", "precision", "base_rate", "false_positive_rate"):
        values = by_name.get(name, [])
        difference, ratio = metrics[f"fairness.{name}_difference[sex]"], metrics[f"fairness.{name}_ratio[sex]"]
        if len(values) < 2:
            assert difference.value is ratio.value is None
            continue
        assert difference.value == pytest.approx(max(values) - min(values), abs=1e-12)
        if max(values) > 0:
            assert ratio.value == pytest.approx(min(values) / max(values), abs=1e-12)
        else:
            assert ratio.value is None


def test_where_fairlearn_says_zero_for_a_group_without_positives_ours_is_undefined_and_named():
    table = pd.DataFrame({"sex": ["a"] * 4 + ["b"] * 4 + ["c"] * 4, "target": [1, 1, 0, 0] * 2 + [0] * 4,
                          "prediction": [1, 1, 0, 0] * 2 + [0] * 4})
    assert fl.equal_opportunity_difference(table.target, table.prediction, sensitive_features=table.sex) == 1.0
    metrics, _ = measured(table)
    assert metrics["fairness.true_positive_rate[sex=c]"].reason == "no case has target 1 in sex: c"
    gap = metrics["fairness.equal_opportunity_difference[sex]"]
    assert gap.value == 0.0
    assert gap.excluded == ["sex: c"]


@given(tables(), st.integers(3, 4))
@settings(max_examples=8)
def test_one_class_against_the_rest_equals_fairlearn_on_the_recoded_table(table, k):
    rng = np.random.default_rng(len(table))
    table = table.assign(target=rng.integers(0, k, len(table)), prediction=rng.integers(0, k, len(table)))
    metrics, _ = measured(table, task="multiclass", classes=list(range(k)))
    ours = {place(metric): metric for metric in metrics.values()}
    for group, rows in table.groupby("sex"):
        accuracy = sk.accuracy_score(rows.target, rows.prediction, sample_weight=rows.get("w"))
        assert ours["accuracy", ("sex",), (group,), ()].value == pytest.approx(accuracy, abs=1e-12)
    for metric in metrics.values():
        if metric.name == "true_positive_rate" and metric.value is not None:
            label = metric.args["class"]
            rows = table[table.sex == metric.group["sex"]]
            expected = fl.true_positive_rate((rows.target == label) * 1, (rows.prediction == label) * 1,
                                             sample_weight=rows.get("w"))
            assert metric.value == pytest.approx(expected, abs=1e-12)


@given(tables())
@settings(max_examples=8)
def test_errors_of_numeric_targets_equal_a_metric_frame(table):
    rng = np.random.default_rng(len(table))
    table = table.assign(target=rng.normal(size=len(table)), prediction=rng.normal(size=len(table)))
    metrics, _ = measured(table, task="regression")
    ours = {place(metric): metric for metric in metrics.values()}
    values = []
    for group, rows in table.groupby("sex"):
        metric = ours["mean_absolute_error", ("sex",), (group,), ()]
        values.append(sk.mean_absolute_error(rows.target, rows.prediction, sample_weight=rows.get("w")))
        assert metric.value == pytest.approx(values[-1], abs=1e-12)
        assert metric.low <= metric.value <= metric.high
        assert metric.low < metric.high
    if len(values) > 1:
        gap = metrics["fairness.mean_absolute_error_difference[sex]"]
        assert gap.value == pytest.approx(max(values) - min(values), abs=1e-12)
