"""Groups are named as an audit names them, and numbers need bins as there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import raikit
from raikit.config.schema import SensitiveConfig
from raikit.data.groups import read_groups
from raikit_fairness import assess
from raikit_fairness.estimates.group_columns import coded_groups


@pytest.mark.parametrize(
    "values",
    [
        [2.0, 1.0, None, 2.0], [True, False, True, True], ["b", None, "a", "a"], [2, 1, 2, 2], [0.5, 2.0, 0.5, 1.0],
        pd.to_datetime(["2024-01-01", "2024-02-01", None, "2024-01-01"]), pd.Categorical(["x", None, "x", "y"]),
        pd.Series([2, 2.0, "2", "b"], dtype=object), pd.Series([True, "true", False, None], dtype=object),
        pd.Series([1, None, 2, 1], dtype="Int64"), pd.Series(["a", None, "b", "a"], dtype="string"),
        pd.to_datetime(["2024-01-01 10:00", "2024-02-01 00:00", None, "2024-01-01 00:00"]), [None, None, None, None],
    ],
)  # fmt: skip
def test_the_names_are_those_of_an_audit(values):
    column = pd.Series(values, name="g")
    audited = read_groups(column, SensitiveConfig(column="g"), 500, lambda key, problem: AssertionError(problem))
    groups = coded_groups(column, "g")
    named = [groups.names[code] for code in groups.codes]
    assert named == [None if pd.isna(name) else name for name in audited]
    present = [name for name in groups.names if name is not None]
    assert present == sorted(set(present))


def test_many_different_numbers_need_bins():
    with pytest.raises(raikit.DataError, match=r"'g' has 21 different numbers; put them in bins, for example pd\.cut\(values, "):
        coded_groups(pd.Series(np.arange(21)), "g")
    assert len(coded_groups(pd.Series(np.arange(20)), "g").names) == 20
    assert len(coded_groups(pd.Series(np.arange(21)).astype(str), "g").names) == 21


@pytest.mark.parametrize(("groups", "reference"), [([1.0, 2.0], 2), ([True, False], True), ([1.0, None], 1.0)])
def test_a_reference_is_named_by_its_value(groups, reference):
    result = assess([1, 0] * 4, [1, 1] * 4, sensitive_features={"g": groups * 4}, reference={"g": reference})
    assert (result.disparities.metric.str.contains("to=")).any()
