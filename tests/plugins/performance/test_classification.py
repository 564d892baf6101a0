"""Measures of decisions equal scikit-learn's wherever it defines them; undefined stays undefined."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from sklearn import metrics as sk

from raikit.testing import result_of, table_context
from raikit_performance.checks import Classification

from .conftest import close, measured, table_of, tables


def support_where_defined(truth, prediction, name, k):
    where = prediction if name == "precision" else np.concatenate([truth, prediction])
    return np.isin(truth, np.intersect1d(where, np.arange(k))).sum()


@given(tables())
@settings(max_examples=25)
def test_label_measures_equal_scikit_learn_wherever_it_defines_them(drawn):
    k, truth, prediction, _, weight = drawn
    roles = {} if weight is None else {"weight": "w"}
    more = {} if weight is None else {"w": weight}
    metrics = measured(Classification, table_of(truth, prediction, **more), k, **roles)
    keep = {"sample_weight": weight}
    close(metrics["performance.accuracy"], sk.accuracy_score(truth, prediction, **keep))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        close(metrics["performance.balanced_accuracy"], sk.balanced_accuracy_score(truth, prediction, **keep))
        for average in (None, "macro", "weighted"):
            values = sk.precision_recall_fscore_support(
                truth, prediction, labels=range(k), average=average, zero_division=np.nan, **keep)
            for name, value in zip(("precision", "recall", "f1"), values[:3], strict=True):
                if average is None:
                    for label in range(k):
                        close(metrics[f"performance.{name}(class={label})"], value[label])
                elif name != "recall":
                    if average == "weighted" and not support_where_defined(truth, prediction, name, k):
                        value = np.nan  # scikit-learn averages over classes of weight 0 then
                    close(metrics[f"performance.{name}(average={average})"], float(value))
    close(metrics["performance.f1(average=micro)"],
          sk.f1_score(truth, prediction, labels=range(k), average="micro", **keep))
    supports = [metrics[f"performance.support(class={c})"].value for c in range(k)]
    assert supports == np.bincount(truth, minlength=k).tolist()


def test_what_a_macro_average_leaves_out_is_named():
    metrics = measured(Classification, table_of([0, 0, 1, 1], [0, 0, 0, 1]), 3)
    assert metrics["performance.precision(class=2)"].value is None
    assert metrics["performance.recall(class=2)"].reason == "no case has target 2"
    macro = metrics["performance.f1(average=macro)"]
    assert macro.excluded == ["2"]
    assert macro.value == pytest.approx((0.8 + 2 / 3) / 2)


def test_the_lowest_recall_of_many_alike_classes_is_covered():
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(60):
        truth = np.repeat(np.arange(10), 60)
        prediction = np.where(rng.random(600) < 0.8, truth, (truth + 1) % 10)
        ctx = table_context(table_of(truth, prediction), task="multiclass", classes=list(range(10)))
        finding = next(one for one in result_of(Classification, ctx).findings if one.what == "recall by class")
        missed += not finding.low <= 0.8 <= finding.high
    assert missed <= 8  # the interval of the chosen class alone misses 13 of 60
