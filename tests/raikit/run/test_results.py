import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from raikit.run.results import CheckResult, Figure, Metric, Table, plain


def test_a_value_without_an_interval_is_refused_and_the_way_out_is_named():
    with pytest.raises(ValidationError, match=r"needs low, high, n, method.*Metric\.exact"):
        Metric("accuracy", 0.9)


def test_an_undefined_value_needs_its_reason():
    with pytest.raises(ValidationError, match="reason"):
        Metric("accuracy", float("nan"), low=0, high=1, n=3, method="m")
    assert Metric.undefined("accuracy", "no rows").value is None


def test_crossed_ends_are_refused():
    with pytest.raises(ValidationError, match="above high"):
        Metric("accuracy", 0.5, low=0.7, high=0.6, n=3, method="m")


@pytest.mark.parametrize("value", [2.0, 0.0999, -1.0])
def test_a_value_outside_its_interval_is_refused(value):
    with pytest.raises(ValidationError, match=r"is outside 0\.1 … 0\.3"):
        Metric("accuracy", value, low=0.1, high=0.3, n=3, method="m")


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_rounding_is_no_breach_of_the_interval(scale):
    value = np.nextafter(0.3 * scale, np.inf)
    assert Metric("accuracy", value, low=0.1 * scale, high=0.3 * scale, n=3, method="m").value == value


def test_numbers_that_are_rounding_errors_are_zero():
    tiny = Metric("gap", 1.1e-16, low=-2e-148, high=0.3, n=3, method="m", minimum_detectable=3e-207,
                  judged={"value": 1e-17, "low": 1e-60, "high": 0.2})  # fmt: skip
    assert (tiny.value, tiny.low, tiny.minimum_detectable, tiny.judged.low) == (0.0, 0.0, 0.0, 0.0)
    small = Metric("mse", 2e-15, low=1e-15, high=3e-15, n=3, method="m")  # of a target with small numbers
    assert (small.value, small.low, small.high) == (2e-15, 1e-15, 3e-15)
    assert Metric.exact("delta", 1e-14).value == 1e-14


def test_infinite_ends_are_refused_because_json_has_none():
    with pytest.raises(ValidationError, match="needs high"):
        Metric("mae", 1.0, low=0.0, high=np.inf, n=3, method="m")


def test_numpy_scalars_survive_the_way_through_json():
    metric = Metric(
        "f1",
        np.float32(0.5),
        low=np.float64(0),
        high=np.int64(1),
        n=np.int64(7),
        method="m",
        over=["g"],
        group={"g": np.int64(3)},
    )
    result = CheckResult.model_validate_json(CheckResult(metrics=[metric]).model_dump_json())
    assert result.metrics[0].n == 7
    assert result.metrics[0].address("x") == "x.f1[g=3]"


def test_plain_turns_what_json_has_not_into_null():
    assert plain([np.nan, np.inf, pd.NaT, pd.NA, {"a": np.array([1, 2])}]) == [None, None, None, None, {"a": [1, 2]}]


def test_a_figure_needs_words_for_who_cannot_see_it():
    with pytest.raises(ValidationError, match="alt"):
        Figure(id="f", title="t", alt="", spec={"mark": "bar"})
    with pytest.raises(ValidationError, match="not both"):
        Figure(id="f", title="t", alt="a")
    with pytest.raises(ValidationError, match="image"):
        Figure(id="f", title="t", alt="a", image="https://example.org/a.png")


def test_a_table_of_a_frame_keeps_its_cells():
    table = Table.from_frame("t", "T", pd.DataFrame({"n": [1, None], "who": ["a", None]}), formats={"n": "integer"})
    assert table.rows == [[1.0, "a"], [None, None]]
    assert [column.format for column in table.columns] == ["integer", "text"]
