"""Scales and categories come from the training rows, and are kept apart from the weights."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from raikit.errors import DataError
from raikit.models.preprocessing import Preprocessing

TRAIN = pd.DataFrame(
    {
        "age": [20.0, 30.0, 40.0, 50.0],
        "income": [1.0, None, 3.0, 5.0],
        "same": [7, 7, 7, 7],
        "vendor": ["b", "a", None, "b"],
    }
)


def test_numbers_are_standardised_as_scikit_learn_does():
    fitted = Preprocessing.fit({"facts": TRAIN[["age"]]})
    np.testing.assert_allclose(
        fitted.encode("facts", TRAIN[["age"]]), StandardScaler().fit_transform(TRAIN[["age"]]), rtol=1e-6
    )


def test_columns_are_named_and_missing_values_are_zero_with_a_mark():
    fitted = Preprocessing.fit({"facts": TRAIN})
    assert fitted.columns("facts") == [
        "age",
        "income",
        "income is missing",
        "same",
        "vendor=a",
        "vendor=b",
        "vendor=(other)",
    ]
    row = fitted.encode("facts", pd.DataFrame({"age": [None], "income": [None], "same": [7], "vendor": [None]}))
    assert row.tolist() == [[0, 0, 1, 0, 0, 0, 0]]


def test_a_label_that_training_never_saw_is_other():
    fitted = Preprocessing.fit({"facts": TRAIN[["vendor"]]})
    assert fitted.encode("facts", pd.DataFrame({"vendor": ["zebra", "b"]})).tolist() == [[0, 0, 1], [0, 1, 0]]


def test_only_the_most_frequent_labels_have_a_column_and_the_order_of_rows_changes_nothing():
    labels = pd.DataFrame({"city": [f"city {number:02d}" for number in range(50)] * 2 + ["city 49"]})
    fitted = Preprocessing.fit({"facts": labels})
    assert len(fitted.columns("facts")) == 33
    assert "city=city 49" in fitted.columns("facts")
    assert fitted == Preprocessing.fit({"facts": labels.sample(frac=1, random_state=1)})


def test_a_value_far_outside_of_training_is_bounded():
    fitted = Preprocessing.fit({"facts": TRAIN[["age"]]})
    assert np.abs(fitted.encode("facts", pd.DataFrame({"age": [1e12, float("inf")]}))).max() == 10


def test_it_survives_json_and_describes_what_no_epsilon_covers():
    fitted = Preprocessing.fit({"facts": TRAIN}, np.array([1.0, 3.0]))
    assert Preprocessing.from_dict(json.loads(json.dumps(fitted.to_dict()))) == fitted
    assert fitted.describe() == {
        "facts.age": "mean, standard deviation and whether values are missing",
        "facts.income": "mean, standard deviation and whether values are missing",
        "facts.same": "mean, standard deviation and whether values are missing",
        "facts.vendor": "list of 2 labels",
        "target": "mean and standard deviation",
    }


def test_an_absent_column_is_named():
    with pytest.raises(DataError, match="lacks the columns income"):
        Preprocessing.fit({"facts": TRAIN}).encode("facts", TRAIN.drop(columns="income"))
