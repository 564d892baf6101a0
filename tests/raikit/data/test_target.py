from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raikit.config.schema import DataConfig
from raikit.data.tables import Rows
from raikit.data.target import target_of
from raikit.errors import ConfigError, DataError


@pytest.fixture
def target(error):
    def target(frame, **roles):
        frame = frame if isinstance(frame, pd.DataFrame) else pd.DataFrame({"y": frame})
        config = DataConfig.model_validate({"path": "a.csv", "target": "y", **roles})
        return target_of(frame, config, Rows("a.csv", [f"id-{row}" for row in range(len(frame))]), error)

    return target


@pytest.mark.parametrize(
    ("values", "task", "classes", "positive"),
    [
        ([1, 0], "binary", (0, 1), 1),
        ([1.0, 0.0], "binary", (0, 1), 1),
        ([True, False], "binary", (False, True), True),
        (["b", "c", "a"], "multiclass", ("a", "b", "c"), None),
        ([3, 1, 2], "multiclass", (1, 2, 3), None),
        ([0.5, 1.5, 2.5], "regression", (), None),
        (list(range(20)), "multiclass", tuple(range(20)), None),
        (list(range(21)), "regression", (), None),
    ],
)
def test_the_task_is_guessed_from_the_values(target, values, task, classes, positive):
    found = target(values)
    assert (found.task, found.classes, found.positive) == (task, classes, positive)
    assert [type(label) for label in found.classes] == [type(label) for label in classes]


@given(st.lists(st.sampled_from("abcd"), min_size=8, max_size=40).filter(lambda drawn: len(set(drawn)) > 2))
def test_numbers_are_places_in_the_sorted_classes(values):
    config, rows = DataConfig(path="a.csv", target="y"), Rows("a.csv", range(len(values)))
    found = target_of(pd.DataFrame({"y": values}), config, rows, lambda key, problem: ConfigError(problem))
    assert list(found.classes) == sorted(set(values))
    assert [found.classes[number] for number in found.numbers] == values
    assert found.labels["target"].tolist() == values


def test_the_positive_class_stands_last_whatever_the_alphabet_says(target):
    found = target(["yes", "no", "no"], positive="no")
    assert found.classes == ("yes", "no")
    assert found.numbers.tolist() == [0, 1, 1]
    assert found.numbers.dtype == np.int64


@pytest.mark.parametrize(("values", "positive"), [([0, 1], True), ([0, 1], "1"), ([1, 2], "2"), (["0", "1"], 1)])
def test_a_positive_class_may_be_written_in_any_way(target, values, positive):
    assert str(target(values, positive=positive).positive) == str(values[1])


def test_a_regression_target_is_float64(target):
    found = target([1, 5, 7], task="regression")
    assert found.numbers.dtype == np.float64
    assert found.labels["target"].tolist() == [1.0, 5.0, 7.0]


def test_several_columns_are_labels_of_0_and_1(target):
    found = target(pd.DataFrame({"a": [0, 1], "b": [True, False]}), target=["a", "b"])
    assert (found.task, found.classes) == ("multilabel", ("a", "b"))
    assert found.numbers.tolist() == [[0, 1], [1, 0]]
    assert list(found.labels) == ["target.a", "target.b"]


@pytest.mark.parametrize(
    ("values", "roles", "says"),
    [
        (["no", "yes"], {}, r"data\.positive: the target 'y' is 'no' or 'yes'; .*`positive: no` or `positive: yes`"),
        ([1, 2], {}, r"data\.positive: .*`positive: 1` or `positive: 2`"),
        (["no", "yes"], {"positive": "maybe"}, r"data\.positive: 'maybe' is no value of 'y', whose values are no, yes"),
        (["a", "b", "c"], {"positive": "a"}, r"data\.positive: only a binary target .* 'y' is multiclass"),
        (["a", "b", "c"], {"task": "binary"}, r"data\.task: binary, but the target 'y' has 3 values \(a, b, c\)"),
        (["a", "b"], {"task": "regression"}, r"data\.task: regression needs numbers, and 'y' holds text"),
        ([0, 1], {"task": "multilabel"}, r"data\.target: multilabel needs a list of columns, such as \[y, "),
        ([f"t{number}" for number in range(1001)], {}, r"data\.target: 'y' has 1,001 different values"),
    ],
)
def test_a_target_that_does_not_fit_names_the_key_and_the_way_out(target, values, roles, says):
    with pytest.raises(ConfigError, match=says):
        target(values, **roles)


@pytest.mark.parametrize(
    ("values", "roles", "says"),
    [
        ([0, None, 1], {}, r"a\.csv, row 2 \(id 'id-1'\): data\.target \(y\) is missing"),
        (["a", "b", None], {}, r"row 3 \(id 'id-2'\): data\.target \(y\) is missing"),
        ([0.5, np.inf, 1.5], {}, r"row 2 \(id 'id-1'\): data\.target \(y\) is infinite"),
        ([1, 1], {}, r"data\.target \(y\) has one class, 1"),
    ],
)
def test_a_row_without_a_usable_target_is_named(target, values, roles, says):
    with pytest.raises(DataError, match=says):
        target(values, **roles)


def test_labels_that_are_neither_0_nor_1_are_named(target):
    with pytest.raises(DataError, match=r"row 2 \(id 'id-1'\): data\.target \(b\) is neither 0 nor 1"):
        target(pd.DataFrame({"a": [0, 1], "b": [1, 2]}), target=["a", "b"])
    with pytest.raises(ConfigError, match=r"data\.task: binary, but data\.target names several columns"):
        target(pd.DataFrame({"a": [0, 1], "b": [1, 0]}), target=["a", "b"], task="binary")
