import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from raikit.stats import difference_limits, difference_of_estimates, ratio_limits

rate = st.floats(0.01, 0.95)
share = st.floats(0.05, 0.9)
correlation = st.floats(-0.9, 0.9)


@st.composite
def estimates(draw):
    p = draw(rate)
    return p, p * (1 - draw(share)), p + (1 - p) * draw(share)


@given(estimates(), estimates(), correlation)
def test_swapping_the_two_sides_negates_the_difference(a, b, r):
    low, high = difference_limits(*a, *b, r)
    other_low, other_high = difference_limits(*b, *a, r)
    assert (float(low), float(high)) == pytest.approx((-float(other_high), -float(other_low)))
    value, *ends = difference_of_estimates(*a, *b, r)
    assert ends[0] <= value <= ends[1]


@given(estimates(), estimates(), correlation)
def test_the_limits_of_a_ratio_are_where_those_of_a_difference_touch_zero(a, b, r):
    low, high = (float(v) for v in ratio_limits(*a, *b, r))
    assume(low > 1e-3 and high < 1e3)
    at_low, _ = difference_limits(*a, *(low * np.array(b)), r)
    _, at_high = difference_limits(*a, *(high * np.array(b)), r)
    assert abs(float(at_low)) < 1e-6
    assert abs(float(at_high)) < 1e-6 * max(1, high)


def test_a_ratio_over_a_count_of_zero_has_no_upper_end_and_a_lower_one():
    low, high = ratio_limits(0.5, 0.3, 0.7, 0.0, 0.0, 0.2)
    assert high == np.inf
    assert low == pytest.approx(np.sqrt(0.3 * 0.7) / 0.2)
    assert ratio_limits(0.0, 0.0, 0.2, 0.5, 0.3, 0.7)[0] == 0
