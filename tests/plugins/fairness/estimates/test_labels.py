"""Truth and prediction mean the same however their labels are written; what cannot be one is refused."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import raikit
from raikit_fairness import assess

Y = np.array([1, 0, 1, 1, 0, 0, 1, 0])
YHAT = np.array([1, 0, 0, 1, 1, 0, 1, 1])
WRITINGS = {
    "numbers": lambda values: values,
    "floats": lambda values: values.astype(float),
    "booleans": lambda values: values.astype(bool),
    "text": lambda values: values.astype(str),
    "text of floats": lambda values: values.astype(float).astype(str),
    "text of booleans": lambda values: values.astype(bool).astype(str),
    "lower case": lambda values: np.char.lower(values.astype(bool).astype(str)),
    "objects": lambda values: pd.Series(values.astype(str)).astype(object),
    "strings": lambda values: pd.Series(values.astype(str), dtype="string"),
    "categories": lambda values: pd.Categorical(values.astype(str)),
}


def true_positive_rate(y_true, y_pred, **more):
    result = assess(y_true, y_pred, sensitive_features=["a"] * len(y_true), metrics=["true_positive_rate"], **more).by_group
    return result[result.metric == "true_positive_rate"].value.item()


@pytest.mark.parametrize("truth", WRITINGS)
@pytest.mark.parametrize("prediction", WRITINGS)
def test_0_and_1_and_truth_values_are_one_pair_of_labels(truth, prediction):
    assert true_positive_rate(WRITINGS[truth](Y), WRITINGS[prediction](YHAT)) == 0.75


@pytest.mark.parametrize("positive", [1, 1.0, True, "1", "True", "true"])
def test_the_positive_class_may_be_written_in_any_way(positive):
    assert true_positive_rate(Y, YHAT.astype(str), positive=positive) == 0.75


def test_text_of_numbers_is_numbers_where_the_other_holds_numbers():
    result = assess([1, 2, 3, 3], ["1", "2.0", "3", "1"], sensitive_features=["a"] * 4, metrics=["accuracy"]).by_group
    assert result[result.metric == "accuracy"].value.item() == 0.75
    numbers = np.linspace(0, 1, 40)
    result = assess(numbers, numbers.astype(str), sensitive_features=["a"] * 40).by_group
    assert result[result.metric == "mean_absolute_error"].value.item() == 0


@pytest.mark.parametrize(
    ("truth", "prediction", "says"),
    [
        (["cat", "dog"], [0, 1], r"y_true holds text \(cat, dog\) and y_pred holds numbers \(0, 1\), .*write both alike"),
        ([0, 1], ["no", "yes"], r"y_true holds numbers \(0, 1\) and y_pred holds text \(no, yes\)"),
        (["cat", "dog"], ["Cat", "Dog"], "no label of the one is a label of the other"),
        (["07", "7"], [7, 7], "no label of the one"),
        ([0, 1], [0.25, 0.75], r"y_pred holds 0\.25, and y_true whole numbers; give probabilities as scores"),
        ([True, False], [0.25, 0.75], r"y_pred holds 0\.25"),
        ([1, 2], [1, 2], "positive: name the positive class; the labels are 1, 2"),
        ([{}, {}], [1, 1], "y_true.*lists or mappings"),
        (np.append(np.arange(39.0), np.inf), np.arange(40.0), "y_true: row 39 is infinite"),
        (np.append(np.arange(39.0), 1e300), np.arange(40.0), r"y_true: row 39 is beyond 1e\+35, where variances are infinite"),
        (np.arange(40.0), np.append(np.arange(39.0), 1e36), r"y_pred: row 39 is beyond 1e\+35"),
    ],
)
def test_labels_that_cannot_be_the_same_are_refused(truth, prediction, says):
    n = max(8, len(truth))
    with pytest.raises((raikit.DataError, raikit.ConfigError), match=says):
        true_positive_rate(list(truth) * (n // len(truth)), list(prediction) * (n // len(truth)))


def test_a_class_that_is_never_predicted_or_never_true_is_no_error():
    assert true_positive_rate(["no"] * 4, ["yes", "no", "no", "no"], positive="yes") != 0  # undefined
    result = assess(["a", "b"] * 4, ["a", "c"] * 4, sensitive_features=["x"] * 8).by_group.set_index("metric")
    assert result.value["accuracy"] == 0.5
    assert result.value["precision(class=c)"] == 0


@pytest.mark.parametrize(
    ("truth", "prediction", "options", "says"),
    [
        ([-1, 1], [0, 1], {}, "the truth holds -1 and 1, and the predictions hold 0 and 1"),
        ([-1, 1], [0, 1], {"positive": 1}, "the truth holds -1 and 1, and the predictions hold 0 and 1"),
        ([0, 1], [0, 2], {"positive": 1}, "the truth holds 0 and 1, and the predictions hold 0 and 2"),
        ([0, 1, 0], [0, 1, 2], {"positive": 1}, "y_pred holds 2, which is not among the labels 0, 1"),
        (["no", "yes "], ["no", "yes"], {"positive": "yes "}, "the truth holds 'yes ' and the predictions hold 'yes'"),
        (["a", "b", "c"], ["a", "B", "c"], {}, "the truth holds 'b' and the predictions hold 'B'"),
    ],
)
def test_predictions_that_write_a_label_otherwise_are_refused(truth, prediction, options, says):
    with pytest.raises(raikit.DataError, match=re.escape(says)):
        assess(truth * 4, prediction * 4, sensitive_features=["x"] * 4 * len(truth), **options)
