import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raikit.stats import RowsNeeded, clopper_pearson, gap, rate_rows_needed, rows_needed, rows_to_settle


@pytest.fixture
def rng():
    return np.random.default_rng(9)


@pytest.mark.parametrize("rates", [[0.8, 0.75], [0.8, 0.65], [0.8, 0.8, 0.8, 0.8, 0.75]])
def test_a_known_profile_is_settled_about_four_times_in_five(rates, rng):
    k = len(rates)
    n = np.full(k, 100)
    found = rows_to_settle(np.array(rates) * 100, n, 0.10, rng=rng, known=True)
    assert found.assumed == pytest.approx(np.ptp(rates))
    size, settled = np.full(k, found.rows // k), 0
    for _ in range(150):
        ends = gap(rng.binomial(size, rates), size, rng=rng, draws=4_000)
        settled += ends.high <= 0.10 or ends.low > 0.10
    assert 0.6 < settled / 150 < 0.96


def test_a_limit_at_the_estimate_cannot_be_settled(rng):
    found = rows_to_settle([80, 69], [100, 100], 0.10, rng=rng)
    assert found.high is None
    known = rows_to_settle([80, 70], [100, 100], 0.10, rng=rng, known=True)
    assert known.rows is None


def test_a_pilot_is_shrunk_and_given_a_range(rng):
    x, n = np.array([430, 400, 405, 400, 395]), np.full(5, 500)
    found = rows_to_settle(x, n, 0.2, rng=rng)
    assert 0 <= found.assumed < 0.07
    assert 2500 <= found.low <= found.rows <= found.high
    assert all(str(v).rstrip("0") in "123456789" for v in (found.rows, found.high))


def test_nearer_limits_need_more_rows(rng):
    needed = [rows_to_settle([800, 750], [1000, 1000], t, rng=rng, known=True).rows for t in (0.2, 0.1, 0.07)]
    assert needed == sorted(needed)
    assert needed[0] < needed[-1]


def test_equal_groups_are_taken_for_equal(rng):
    assert rows_to_settle([50, 50], [100, 100], 0.3, rng=rng).assumed == 0


def test_rows_of_which_not_all_are_trials_are_counted_in_all(rng):
    pilot = [80, 69], [100, 100]
    of_trials = rows_to_settle(*pilot, 0.25, rng=np.random.default_rng(3))
    of_rows = rows_to_settle(*pilot, 0.25, rng=np.random.default_rng(3), whole=2000)
    assert of_rows.rows == pytest.approx(10 * of_trials.rows, rel=0.5)  # one digit
    assert of_rows.low >= 2000


@given(st.floats(0.12, 0.3), st.integers(100, 100_000))
def test_rows_needed_have_one_digit_and_are_never_fewer_than_there_are(limit, n):
    found = rows_needed(0.05, 0.0, 0.3, n, limit)
    if found.rows is not None:
        assert n <= found.low <= found.rows <= (found.high or found.rows)
        ends = [rows for rows in (found.low, found.rows, found.high) if rows is not None]
        assert all(str(rows).rstrip("0") in set("123456789") for rows in ends)


def test_near_the_estimate_the_number_of_cases_has_no_upper_end():
    # One standard error is 0.031; the limit is 0.01 away: 4000 * ((0.06 + 0.84 * 0.031) / 0.01)^2 = 294,000.
    assert rows_needed(0.10, 0.05, 0.16, 4000, limit=0.11) == RowsNeeded(300_000, 70_000, None, 0.10)
    assert rows_needed(0.10, 0.05, 0.16, 4000, limit=0.14).high is not None
    assert rows_needed(0.10, 0.05, 0.16, 4000, limit=0.10).rows is None
    assert rows_needed(0.10, 0.05, 0.16, 4_000_000, limit=0.14).rows is None
    assert rows_needed(0.10, 0.05, 0.16, 4000, limit=0.2).rows == 4000


def test_four_times_the_rows_halve_the_distance_that_can_be_settled():
    near, far = (rows_needed(0.5, 0.4, 0.6, 100, limit).rows for limit in (0.56, 0.59))
    assert near == 600  # 100 * ((0.1 + 0.84 * 0.051) / 0.06)^2 = 567
    assert far == 300  # 252, and never less than a hundred
    with pytest.raises(ValueError, match="low <= value"):
        rows_needed(0.5, 0.6, 0.7, 100, 0.55)


@pytest.mark.parametrize(
    ("x", "n", "limit", "level"),
    [(120, 120, 0.999, 0.95), (0, 200, 0.001, 0.95), (119, 120, 0.98, 0.95), (90, 100, 0.95, 0.99), (5, 5, 0.9, 0.999)],
)
def test_cases_planned_for_a_rate_near_its_bounds_decide_and_far_fewer_do_not(x, n, limit, level, rng):
    low, high = (float(end) for end in clopper_pearson(x, n, level))
    planned = rate_rows_needed(x / n, low, high, n, limit, level, trials=n).rows

    def decided(cases):
        hits = rng.binomial(cases, x / n, 400)
        ends = clopper_pearson(hits, cases, level)
        return np.mean((ends[0] >= limit) if x / n > limit else (ends[1] < limit))

    assert decided(planned * 2) >= 0.75  # rounded to one significant digit
    assert decided(max(planned // 2, 1)) < 0.8  # the normal approximation asks for up to 54 times as many
