"""Numbers are written in one place: never more digits than the interval carries, never a wrong sign, never a NaN."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raikit import format as fmt

finite = st.floats(-1e12, 1e12, allow_nan=False)
UNITS = [None, "rate", "points", "ratio", "ms"]


def read(text: str) -> float:
    """What a person reads: the number back from its text."""
    plain = text.replace(",", "").replace(fmt.MINUS, "-").replace("+", "")
    return float(re.match(r"-?[\d.]+", plain)[0])


@given(finite, st.integers(0, 6))
def test_a_number_reads_back_to_its_rounding(value, decimals):
    text = fmt.number(value, decimals)
    if "×" not in text:
        assert read(text) == pytest.approx(round(value, decimals), abs=0.51 * 10**-decimals)


@given(st.tuples(finite, finite, finite), st.sampled_from(UNITS))
def test_a_value_and_its_interval_share_their_decimals(numbers, unit):
    low, value, high = sorted(numbers)
    written = [fmt.measure(value, low, high, unit), *fmt.interval(low, high, unit, value=value).split(" to ")]
    places = {len(found[1]) for text in written if (found := re.search(r"\.(\d+)", text.split("×")[0]))}
    if low < high and not any("×" in text for text in written):
        assert len(places) <= 1


@given(finite)
def test_rounding_to_zero_leaves_no_minus(value):
    assert fmt.number(value, 0) not in {f"{fmt.MINUS}0", "+0"}


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()))
def test_any_cell_can_be_written(value):
    for kind in ("text", "integer", "number", "percent", "p"):
        if isinstance(value, float) and (value != value or abs(value) == float("inf")):
            continue  # the record holds none of these
        assert isinstance(fmt.cell(value, kind), str)


@pytest.mark.parametrize(
    ("value", "low", "high", "unit", "measure", "interval"),
    [
        (0.16, 0.113, 0.207, "points", "16.0 pp", "11.3 to 20.7 pp"),
        (0.925, 0.914, 0.935, "rate", "92.5%", "91.4 to 93.5%"),
        (0.925, 0.9243, 0.9257, "rate", "92.50%", "92.43 to 92.57%"),
        (0.0035, 0.001, 0.008, "rate", "0.35%", "0.1 to 0.8%"),
        (0.925, 0.914, 0.935, None, "0.925", "0.914 to 0.935"),
        (0.0, 0.0, 0.52, "rate", "0.0%", "0.0 to 52.0%"),
        (2.9, 2.2, 3.8, "ratio", "2.9", "2.2 to 3.8"),
        (-0.009, -0.015, -0.003, None, "−0.009", "−0.015 to −0.003"),
        (0.04, 2e-150, 0.3, "points", "4.0 pp", "0.0 to 30.0 pp"),
        (1e-17, -0.2, 0.2, None, "0.00", "−0.20 to 0.20"),
        (262144, 262144, 262144, None, "262,144", "computed, no sampling error"),
    ],
)
def test_values_as_the_report_shows_them(value, low, high, unit, measure, interval):
    assert (fmt.measure(value, low, high, unit), fmt.interval(low, high, unit)) == (measure, interval)


@pytest.mark.parametrize("value", [1.7e308, -1.7e308, 10**400, 5e-324])
def test_numbers_at_the_ends_of_their_range_are_written(value):
    for kind in ("number", "percent", "integer", "p", "text"):
        assert fmt.cell(value, kind)
    if isinstance(value, float):
        for unit in UNITS:
            assert fmt.measure(value, value, value, unit)
            assert fmt.interval(-abs(value), abs(value), unit)


def test_the_undefined_says_why():
    assert fmt.measure(None, reason="no row is positive") == "undefined: no row is positive"


def test_p_values_are_never_zero():
    assert fmt.p_value(0.0) == "< 0.001"
    assert fmt.p_value(1.0) == "> 0.99"


def test_times_are_written_for_people_and_others_left_alone():
    assert fmt.moment("2027-01-31") == "31 January 2027"
    assert fmt.moment("<b>soon</b>") == "<b>soon</b>"


def test_groups_name_the_missing_and_the_empty():
    assert fmt.group_text(["a", "b"], {"a": None, "b": ""}) == "a: missing, b: “”"
    assert fmt.group_text(["sex", "race"], None) == "sex and race"


def test_a_value_that_holds_a_separator_is_one_value():
    group = {"region": "a,b", "age": "[-inf, 33)", "note": "x; y = 1", "odd": "[a, b), c)"}
    said = "region: “a,b”, age: [-inf, 33), note: “x; y = 1”, odd: “[a, b), c)”"
    assert fmt.group_text(list(group), group) == said


@pytest.mark.parametrize(("value", "low", "high", "shown"), [(0.105, 0.02, 36.1, "0.1"), (0.7, 0, 36, "0.7"), (0.0042, 0, 3, "0.0042")])
def test_a_wide_interval_does_not_hide_a_small_value(value, low, high, shown):
    assert fmt.number(value, fmt.decimals(value, low, high, "nats")) == shown
    assert fmt.decimals(0.0042, -3, 3, "nats") == 1  # its sign is open


@pytest.mark.parametrize(("noun", "written"), [("case", "2 cases"), ("activity", "2 activities"), ("class", "2 classes")])
def test_a_noun_has_the_plural_of_its_ending(noun, written):
    assert fmt.counted(2, noun) == written
