from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raikit.config.schema import SensitiveConfig
from raikit.data.groups import as_text, bin_edges, bin_numbers, read_groups
from raikit.errors import ConfigError, DataError

numbers = st.floats(-1e6, 1e6, allow_nan=False)
edges = st.lists(st.integers(-1000, 1000), min_size=1, max_size=6, unique=True).map(sorted)


def as_list(values):
    return [None if pd.isna(value) else value for value in values]


@given(st.lists(st.none() | numbers, max_size=30), edges)
def test_a_number_lies_in_the_bin_that_it_is_said_to_lie_in(values, edges):
    for value, label in zip(values, as_list(bin_numbers(pd.Series(values, dtype="float64"), edges)), strict=True):
        if value is None:
            assert label is None
        else:
            low, high = map(float, re.fullmatch(r"\[(.+), (.+)\)", label).groups())
            assert low <= value < high
            assert low in (-np.inf, *edges)
            assert high in (*edges, np.inf)


@given(st.lists(numbers, min_size=1, max_size=60), st.integers(2, 6))
def test_edges_rise_and_the_outer_bins_are_not_empty(values, parts):
    edges = bin_edges(pd.Series(values), parts)
    assert 1 <= len(edges) < parts
    assert edges == sorted(set(edges))
    assert len(set(values)) == 1 or min(values) < edges[0] <= edges[-1] <= max(values)


def test_where_most_numbers_are_the_lowest_the_others_are_a_bin():
    assert bin_edges(pd.Series([0.0] * 9 + [7.5, 9.0]), 4) == [7.5]
    assert bin_edges(pd.Series([float("nan")]), 4) == [0.0]
    assert bin_edges(pd.Series([103, 104, 105]), 2) == [104.0], "rounded further, it would be below all of them"


def test_quantiles_part_rows_about_equally_at_round_edges():
    ages = pd.Series(np.arange(18, 98))
    assert bin_edges(ages, 4) == [38.0, 58.0, 77.0]
    counts = bin_numbers(ages, bin_edges(ages, 4)).value_counts()
    assert counts.max() - counts.min() <= 2


@pytest.mark.parametrize(
    ("values", "written"),
    [
        (pd.Series([1.0, None, 2.5]), ["1", None, "2.5"]),
        (pd.Series([3, 4]), ["3", "4"]),
        (pd.Series(pd.array([1, None], dtype="Int64")), ["1", None]),
        (pd.Series([True, None], dtype=object), ["true", None]),
        (pd.Series([True, False]), ["true", "false"]),
        (pd.Series([date(2024, 1, 2), None], dtype=object), ["2024-01-02", None]),
        (pd.to_datetime(pd.Series(["2024-01-02", None])), ["2024-01-02", None]),
        (pd.to_datetime(pd.Series(["2024-01-02 03:04:05"])), ["2024-01-02T03:04:05"]),
        (pd.Series(["F", "null", "", None]), ["F", "null", "", None]),
    ],
)
def test_values_are_written_as_addresses_have_them(values, written):
    text = as_text(values, "column")
    assert as_list(text) == written
    assert isinstance(text.dtype, pd.StringDtype)


@pytest.mark.parametrize("values", [[b"\x01"], [[1, 2]], [{"a": 1}]])
def test_bytes_and_lists_are_no_groups(values):
    with pytest.raises(DataError, match="'tags' holds"):
        as_text(pd.Series(values, dtype=object), "tags")


def test_a_missing_value_is_a_group_of_its_own_and_counts(error):
    values = pd.Series(["a", "b", None])
    assert as_list(read_groups(values, SensitiveConfig(column="g"), 3, error)) == ["a", "b", None]
    with pytest.raises(ConfigError, match=r"data\.sensitive: 'g' has 3 groups, more than data\.max_groups \(2\)"):
        read_groups(values, SensitiveConfig(column="g"), 2, error)


def test_many_numbers_need_bins_and_the_proposal_can_be_used(error):
    values = pd.Series(np.arange(21))
    with pytest.raises(ConfigError, match=r"data\.sensitive: 'age' has 21 different numbers; put them in") as caught:
        read_groups(values, SensitiveConfig(column="age"), 500, error)
    proposal = [float(edge) for edge in re.search(r"bins: \[(.+?)\]", str(caught.value))[1].split(", ")]
    assert read_groups(values, SensitiveConfig(column="age", bins=proposal), 500, error).nunique() == 4
    assert read_groups(values[:20], SensitiveConfig(column="age"), 500, error).nunique() == 20


@pytest.mark.parametrize(("values", "kind"), [(["a", "b"], "text"), ([True, False], "true and false")])
def test_only_numbers_can_be_bin_numbers(error, values, kind):
    with pytest.raises(ConfigError, match=f"'g' holds {kind}, and only numbers can be put in bins"):
        read_groups(pd.Series(values), SensitiveConfig(column="g", bins=[1]), 500, error)


def test_midnights_of_two_time_zones_on_one_day_are_two_groups():
    zones = [UTC, timezone(timedelta(hours=2))]
    values = pd.Series([datetime(2020, 1, 1, tzinfo=zone) for zone in zones], dtype=object)
    assert as_text(values, "when").tolist() == ["2020-01-01T00:00:00+00:00", "2020-01-01T00:00:00+02:00"]
    summer = pd.Series(pd.to_datetime(["2020-01-01", "2020-07-01"])).dt.tz_localize("Europe/Berlin")
    assert as_text(summer, "when").tolist() == ["2020-01-01", "2020-07-01"]


def test_half_of_a_character_is_refused_by_column():
    with pytest.raises(DataError, match="'tags' holds text with half of a character"):
        as_text(pd.Series(["a\ud800", "b"], dtype=object), "tags")


@pytest.mark.parametrize("values", [[2**53 + 1, 2**53, 0.5], [2**53 + 1, 2**53, None], [-(2**53) - 1, 1.5]])
def test_codes_that_floats_made_one_are_refused(values):
    with pytest.raises(DataError, match=r"'code' holds numbers of 16 or more digits.*data\.as_text: \[code\]"):
        as_text(pd.Series(values, dtype="float64"), "code")
    assert as_text(pd.Series(values, dtype=object), "code").nunique() == len([value for value in values if value is not None])


def test_the_largest_floats_that_are_told_apart_and_infinity_are_groups():
    assert as_list(as_text(pd.Series([2.0**53 - 1, np.inf, np.nan]), "x")) == ["9007199254740991", "inf", None]


def test_intervals_are_no_groups():
    with pytest.raises(DataError, match="'took' holds durations; write them as numbers or text"):
        as_text(pd.Series([pd.DateOffset(hours=1), pd.DateOffset(hours=2)]), "took")
