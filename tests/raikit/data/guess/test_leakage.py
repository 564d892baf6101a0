from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from raikit.data.guess.leakage import find_same, is_coarser, measure_leak, presence_tells, signatures
from raikit.data.guess.profile import profile

N = 2000


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_the_figure_is_the_area_under_the_curve(rng):
    y = rng.integers(0, 2, N)
    flipped = pd.Series(np.where(rng.random(N) < 0.2, 1 - y, y))
    assert measure_leak(flipped, pd.Series(y), False).value == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("make", [lambda rng: rng.normal(size=N), lambda rng: [f"id-{row}" for row in range(N)], lambda rng: range(N)])
def test_noise_and_ids_tell_nothing(rng, make):
    leak = measure_leak(pd.Series(make(rng)), pd.Series(rng.integers(0, 2, N)), False)
    assert leak.value == pytest.approx(0.5, abs=0.06)


def test_a_number_that_tells_the_target_in_the_middle_of_its_range_is_found(rng):
    x = pd.Series(rng.normal(size=N))
    assert measure_leak(x, (x.abs() < 0.7).astype(int), False).is_sure


def test_one_value_among_many_that_decides_is_found(rng):
    y = pd.Series(rng.random(N) < 0.5)
    share = pd.Series(np.where(y, rng.random(N), 0.0))
    leak = measure_leak(share, y, False)
    assert leak.is_sure
    assert str(leak) == f"AUC {leak.value:.2f}"


def test_several_classes_and_numbers_are_measured(rng):
    kind = pd.Series(rng.choice(["a", "b", "c"], N))
    assert measure_leak(kind.map({"a": 1, "b": 2, "c": 3}), kind, False).value == pytest.approx(1)
    wage = pd.Series(np.exp(rng.normal(size=N)))
    assert measure_leak(np.log(wage), wage, True).is_sure
    assert not measure_leak(wage + rng.normal(0, 3, N), wage, True).is_possible


def test_rows_without_a_target_are_left_out(rng):
    y = pd.Series(rng.integers(0, 2, N)).where(rng.random(N) < 0.9)
    assert measure_leak(1 - y, y, False).value == pytest.approx(1)


def test_a_value_that_exists_only_after_the_outcome_tells_it(rng):
    y = pd.Series(rng.integers(0, 2, N))
    second = pd.Series(rng.random(N)).where((y == 1) & (rng.random(N) < 0.4))
    assert not measure_leak(second, y, False).is_possible
    assert presence_tells(second, y) == "where it is present, 100% are 1"
    assert presence_tells(second.isna().map({True: 1.0, False: None}), y) == "where it is missing, 100% are 1"
    assert presence_tells(pd.Series(rng.random(N)).where(rng.random(N) < 0.4), y) is None
    assert presence_tells(pd.Series(rng.random(N)), y) is None


def test_a_rare_class_is_not_told_by_chance(rng):
    y = pd.Series((rng.random(N) < 0.01).astype(int))
    assert presence_tells(pd.Series(rng.random(N)).where(rng.random(N) < 0.05), y) is None


def same(table, column):
    profiles = {name: profile(table[name]) for name in table}
    return find_same(column, signatures(table, profiles), table)


def test_a_code_says_the_same_as_what_it_stands_for(rng):
    sex = pd.Series(rng.choice(["F", "M"], N))
    table = pd.DataFrame({"sex": sex, "code": sex.map({"F": 2, "M": 1}), "other": rng.permutation(sex)})
    assert same(table, "code") == "sex"
    assert same(table, "other") is None


def test_missing_cells_must_be_missing_in_both(rng):
    sex = pd.Series(rng.choice(["F", "M"], N))
    holes = sex.where(rng.random(N) < 0.9)
    assert same(pd.DataFrame({"sex": sex, "holes": holes}), "holes") is None
    assert same(pd.DataFrame({"a": holes, "b": holes.map({"F": 1, "M": 2})}), "b") == "a"


def test_numbers_with_many_values_do_not_correspond_by_chance(rng):
    x = pd.Series(rng.random(N))
    assert same(pd.DataFrame({"x": x, "z": rng.random(N)}), "z") is None
    assert same(pd.DataFrame({"x": x, "again": x}), "again") == "x"


def test_ranges_of_ages_are_coarser_than_ages():
    age = pd.Series([20, 30, 40, 50, None])
    assert is_coarser(age, age < 35)
    assert not is_coarser(pd.Series([20, 20, 40]), pd.Series(["a", "b", "b"]))
