"""Bounds from one run: closed forms, second implementations (linear programs, enumeration), and that searching is paid for."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.special import ndtr, ndtri
from scipy.stats import binom

from raikit_privacy.estimates import one_run
from raikit_privacy.estimates.one_run import Guesses, GuessPlan


@pytest.mark.parametrize(("canaries", "made", "right", "steinke", "gaussian"), [
    (1000, 200, 180, 1.799, 2.901), (1000, 1000, 600, 0.297, 0.584), (100, 100, 100, 3.49, None), (1000, 1000, 1000, 5.81, None),
    (5000, 5000, 5000, 7.42, None)])
def test_bounds_have_their_known_values(canaries, made, right, steinke, gaussian):
    guesses = Guesses(canaries, {made: right})
    digits = 3 if gaussian else 2
    assert round(one_run.steinke_bound(guesses, 0.0).epsilon, digits) == steinke
    if gaussian:
        assert round(one_run.gaussian_curve_bound(guesses, 1e-5).epsilon, 3) == gaussian


@pytest.mark.parametrize("n", [20, 100])
def test_all_right_has_a_closed_form(n):
    q = 0.05 ** (1 / n)
    assert one_run.steinke_bound(Guesses(n, {n: n}), 0.0).epsilon == pytest.approx(math.log(q / (1 - q)), abs=1e-9)


@pytest.mark.parametrize(("made", "right"), [(5, 4), (8, 6), (9, 9)])
@pytest.mark.parametrize("delta", [0.0, 1e-3])
def test_steinkes_chance_equals_an_enumeration_in_exact_fractions(made, right, delta):
    canaries, q = 12, Fraction(3, 4)  # epsilon = ln 3
    chance = [sum(math.prod(q if hit else 1 - q for hit in outcome)
                  for outcome in itertools.product((0, 1), repeat=made) if sum(outcome) == number) for number in range(made + 1)]
    tail = sum(chance[right:])
    excess = max(sum(chance[right - i:right]) / i for i in range(1, right + 1))
    expected = float(tail + 2 * canaries * Fraction(delta) * excess)
    found = one_run.steinke_p_value(canaries, made, right, math.log(3), delta)
    assert found == pytest.approx(min(expected, 1.0), rel=1e-9)


def largest_tail(canaries, made, right, lines):
    """Maximise the chance of `right` or more right guesses over all distributions that satisfy every pair of error rates.

    `lines` are tangents (slope, height) of the curve 1 - f, which is their minimum. For all i, the mass of right guesses where
    at least i are right is at most the curve at the mass of wrong guesses where at least i - 1 are.
    """
    number = np.arange(made + 1)
    rows, limits = [], []
    for i in range(1, made + 1):
        good = np.where(number >= i, number / canaries, 0.0)
        bad = np.where(number >= i - 1, (made - number) / canaries, 0.0)
        for slope, height in lines:
            rows.append(good - slope * bad)
            limits.append(height)
    found = linprog(-(number >= right).astype(float), A_ub=np.array(rows), b_ub=limits, A_eq=np.ones((1, made + 1)), b_eq=[1.0],
                    bounds=(0, 1))
    assert found.success
    return -found.fun


@pytest.mark.parametrize(("canaries", "made", "right"), [(10, 10, 9), (30, 12, 11), (40, 40, 30)])
def test_the_bound_of_any_curve_equals_a_linear_program(canaries, made, right):
    delta = 1e-3
    epsilon = one_run.any_curve_bound(Guesses(canaries, {made: right}), delta).epsilon
    grow = math.exp(epsilon)
    lines = [(grow, delta), (1 / grow, 1 - (1 - delta) / grow)]
    assert epsilon > 0
    assert largest_tail(canaries, made, right, lines) == pytest.approx(0.05, rel=1e-5)


@pytest.mark.parametrize(("canaries", "made", "right"), [(10, 10, 9), (30, 12, 11)])
def test_the_bound_of_gaussian_curves_equals_a_linear_program_over_tangents(canaries, made, right):
    epsilon = one_run.gaussian_curve_bound(Guesses(canaries, {made: right}), 1e-5).epsilon
    shift = 1 / next(noise for noise in np.geomspace(0.05, 50, 60_001)
                     if one_run.gaussian_epsilon(noise, 1, 1e-5) <= epsilon)
    at = ndtr(np.linspace(-8, 8, 400))
    slope = np.exp(-((ndtri(at) + shift) ** 2 - ndtri(at) ** 2) / 2)
    lines = list(zip(slope, ndtr(ndtri(at) + shift) - slope * at, strict=True))
    assert largest_tail(canaries, made, right, lines) == pytest.approx(0.05, rel=0.02)


def test_randomised_response_is_not_contradicted_and_is_nearly_reached():
    epsilon, n = 2.0, 400
    q = math.exp(epsilon) / (1 + math.exp(epsilon))
    chances = binom.pmf(np.arange(n + 1), n, q)
    for bound in (one_run.steinke_bound, one_run.any_curve_bound):
        wrong = [bound(Guesses(n, {n: right}), 1e-6).epsilon > epsilon for right in range(n + 1)]
        assert 0.02 < float(chances @ np.array(wrong)) <= 0.05


def test_a_bound_of_gaussian_curves_is_false_for_randomised_response_and_never_contradicts_a_claim_of_another_curve():
    bound = one_run.gaussian_curve_bound(Guesses(1000, {1000: 731}), 1e-5)  # the expected number at epsilon 1
    assert bound.epsilon > 1.2
    assert not bound.contradicts(1.0)
    assert bound.contradicts(1.0, gaussian=True)


def test_more_numbers_of_guesses_cost_their_share_of_the_error():
    alone, among = Guesses(1000, {200: 180}), Guesses(1000, {50: 25, 100: 50, 200: 180, 400: 200})
    for bound in (one_run.steinke_bound, one_run.gaussian_curve_bound):
        assert bound(among, 1e-5).epsilon == pytest.approx(bound(alone, 1e-5, 1 - 0.05 / 4).epsilon, abs=1e-9)
        assert bound(among, 1e-5).epsilon < bound(alone, 1e-5).epsilon
    assert one_run.steinke_bound(among, 0.0).guesses == 200
    assert one_run.steinke_bound(among, 0.0).tried == 4


def test_guesses_are_by_rank_on_both_sides_or_one():
    scores, inserted = np.array([5.0, 1.0, 4.0, 2.0, 3.0]), np.array([True, False, False, False, True])
    both = GuessPlan((2, 4, 5)).guess(scores, inserted)
    assert dict(both.correct) == {2: 2, 4: 3, 5: 4}
    assert dict(GuessPlan((1, 3), sides="in").guess(scores, inserted).correct) == {1: 1, 3: 2}


def test_nothing_guessed_right_by_more_than_chance_shows_nothing():
    guesses = Guesses(100, {100: 50})
    assert [bound(guesses, 1e-5).epsilon for bound in (
        one_run.steinke_bound, one_run.any_curve_bound, one_run.gaussian_curve_bound)] == [0.0, 0.0, 0.0]
    assert one_run.gaussian_curve_bound(Guesses(5, {1: 0}), 1e-5).epsilon == 0.0


@pytest.mark.parametrize("make", [
    lambda: Guesses(10, {}), lambda: Guesses(10, {11: 3}), lambda: Guesses(10, {5: 6}), lambda: GuessPlan(()),
    lambda: GuessPlan((5, 5)), lambda: GuessPlan((0,)), lambda: GuessPlan((3,)).guess(np.zeros(2), np.zeros(2, bool)),
    lambda: GuessPlan((1,)).guess(np.array([np.nan, 0.0]), np.zeros(2, bool)),
    lambda: one_run.gaussian_curve_bound(Guesses(10, {10: 10}), 0.0), lambda: one_run.steinke_bound(Guesses(10, {10: 10}), 1.0)])
def test_what_cannot_be_is_refused(make):
    with pytest.raises(ValueError):
        make()


def test_the_bound_that_assumes_normal_scores_contradicts_nothing():
    rng = np.random.default_rng(3)
    inserted = rng.random(4000) < 0.5
    scores = rng.normal(size=4000) + inserted * 1.5
    bound = one_run.assuming_gaussian(scores, inserted, 1e-5, np.random.default_rng(1))
    truth = one_run.gaussian_epsilon(1 / 1.5, 1, 1e-5)
    assert 0.7 * truth < bound.epsilon < truth
    assert not bound.contradicts(0.1, gaussian=True)
    assert one_run.assuming_gaussian(scores, ~inserted, 1e-5, np.random.default_rng(1)).epsilon == 0.0
