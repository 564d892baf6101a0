from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raikit.config.schema import DataConfig
from raikit.data.cells import RowNames
from raikit.data.target import read_target
from raikit.errors import ConfigError, DataError


@pytest.fixture
def target(error):
    def target(frame, **roles):
        frame = frame if isinstance(frame, pd.DataFrame) else pd.DataFrame({"y": frame})
        config = DataConfig.model_validate({"path": "a.csv", "target": "y", **roles})
        return read_target(frame, config, RowNames("a.csv", [f"id-{row}" for row in range(len(frame))]), error)

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
    result = target(values)
    assert (result.task, result.classes, result.positive) == (task, classes, positive)
    assert [type(label) for label in result.classes] == [type(label) for label in classes]


@given(st.lists(st.sampled_from("abcd"), min_size=8, max_size=40).filter(lambda drawn: len(set(drawn)) > 2))
def test_numbers_are_places_in_the_sorted_classes(values):
    config, rows = DataConfig(path="a.csv", target="y"), RowNames("a.csv", range(len(values)))
    result = read_target(pd.DataFrame({"y": values}), config, rows, lambda key, problem: ConfigError(problem))
    assert list(result.classes) == sorted(set(values))
    assert [result.classes[number] for number in result.numbers] == values
    assert result.labels.tolist() == values


def test_the_positive_class_stands_last_whatever_the_alphabet_says(target):
    result = target(["yes", "no", "no"], positive="no")
    assert result.classes == ("yes", "no")
    assert result.numbers.tolist() == [0, 1, 1]
    assert result.numbers.dtype == np.int64


@pytest.mark.parametrize(("values", "positive"), [([0, 1], True), ([0, 1], "1"), ([1, 2], "2"), (["0", "1"], 1)])
def test_a_positive_class_may_be_written_in_any_way(target, values, positive):
    assert str(target(values, positive=positive).positive) == str(values[1])


def test_a_regression_target_is_float64(target):
    result = target([1, 5, 7], task="regression")
    assert result.numbers.dtype == np.float64
    assert result.labels.tolist() == [1.0, 5.0, 7.0]



@pytest.mark.parametrize(
    ("values", "roles", "says"),
    [
        (["no", "yes"], {}, r"data\.positive: the target 'y' is 'no' or 'yes'; .*`positive: no` or `positive: yes`"),
        ([1, 2], {}, r"data\.positive: .*`positive: 1` or `positive: 2`"),
        (["no", "yes"], {"positive": "maybe"}, r"data\.positive: 'maybe' is not a value of 'y'; its values are no, yes"),
        (["a", "b", "c"], {"positive": "a"}, r"data\.positive: only a binary target .* 'y' is multiclass"),
        (["a", "b", "c"], {"task": "binary"}, r"data\.task: the task is binary, but the target 'y' has 3 values \(a, b, c\)"),
        (["a", "b"], {"task": "regression"}, r"data\.task: regression needs numbers, and 'y' holds text"),
        ([f"t{number}" for number in range(1001)], {}, r"data\.target: 'y' has 1,001 different values"),
        (["yes", "no", "NA"], {}, r"data\.target: 'NA' is the target 'y' of 1 case; if it means missing, set data\.missing: \['NA'\]"),
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
        ([0.5, 1.5, -3.4e38], {}, r"row 3 \(id .id-2.\): data\.target \(y\) is beyond 1e\+35, where .*; use larger units"),
        ([1, 1], {}, r"data\.target \(y\) has only one class, 1"),
    ],
)
def test_a_row_without_a_usable_target_is_named(target, values, roles, says):
    with pytest.raises(DataError, match=says):
        target(values, **roles)


def test_integers_that_floats_cannot_tell_apart_are_no_numeric_target(opened, table):
    with pytest.raises(DataError, match=r"row 1 .*data\.target \(y\) is beyond 2\^53"):
        opened(table(y=[10**17 + row for row in range(40)]), task="regression")


@pytest.mark.parametrize("values", [[[1], [0]], [{"a": 1}, {"a": 0}], [np.array([1]), np.array([0])], [b"1", b"0"]])
@pytest.mark.parametrize("roles", [{}, {"task": "regression"}])
def test_lists_mappings_and_bytes_are_no_target(target, values, roles):
    with pytest.raises(DataError, match=r"column 'y' holds (lists or mappings|bytes); use numbers, text, booleans or dates\."):
        target(pd.Series(values), **roles)
