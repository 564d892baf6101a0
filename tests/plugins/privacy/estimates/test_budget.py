"""Noise for a target and epsilon for noise: against Opacus, and against the exact Gaussian mechanism."""

from __future__ import annotations

import math

import numpy as np
import pytest
from opacus.accountants import PRVAccountant, RDPAccountant
from scipy.optimize import brentq
from scipy.stats import norm

from raikit_privacy.estimates import budget
from raikit_privacy.estimates.budget import Budget


@pytest.mark.parametrize(("name", "made"), [("rdp", RDPAccountant), ("prv", PRVAccountant)])
def test_epsilon_is_what_opacus_counts_step_by_step(name, made):
    counted = made()
    for _ in range(37):
        counted.step(noise_multiplier=0.9, sample_rate=0.05)
    assert budget.epsilon(0.9, 0.05, 37, 1e-5, name) == pytest.approx(counted.get_epsilon(delta=1e-5))


@pytest.mark.parametrize(("target", "rate", "steps", "name"), [
    (0.5, 0.02, 60, "prv"), (8, 0.12, 80, "prv"), (1, 0.02, 200, "rdp"), (8, 0.1, 30, "rdp"),
])
def test_the_noise_for_a_target_never_exceeds_it_and_wastes_little(target, rate, steps, name):
    planned = budget.plan(target, 1e-5, rate, steps, name)
    counter = {"prv": PRVAccountant, "rdp": RDPAccountant}[planned.accountant]()
    counter.history = [(planned.noise_multiplier, rate, steps)]
    spent = counter.get_epsilon(delta=1e-5)
    assert spent <= target
    assert spent >= 0.98 * target


def test_prv_needs_less_noise_than_rdp():
    tight, loose = (budget.plan(8, 1e-5, 0.1, 40, name) for name in ("prv", "rdp"))
    assert (tight.accountant, loose.accountant) == ("prv", "rdp")
    assert tight.noise_multiplier < 0.98 * loose.noise_multiplier


@pytest.mark.parametrize("case", [(8, 1e-5, 1.0), (8, 1e-12, 0.1), (80, 1e-5, 0.1)])
def test_where_prv_is_not_safe_rdp_takes_its_place_and_says_so(case):
    target, delta, rate = case
    planned = budget.plan(target, delta, rate, 20, "prv")
    assert planned.accountant == "rdp"
    assert planned.spent(20) <= target


def test_a_failing_prv_accountant_is_replaced(monkeypatch):
    def fails(self, **_):
        raise MemoryError

    budget.epsilon.cache_clear()
    monkeypatch.setattr(PRVAccountant, "get_epsilon", fails)
    assert budget.plan(8, 1e-5, 0.1, 20, "prv").accountant == "rdp"


def exact_gaussian_epsilon(sigma, steps, delta):
    """Balle and Wang 2018, theorem 8: `steps` Gaussian mechanisms of sensitivity 1."""
    mu = math.sqrt(steps) / sigma

    def excess(eps):
        return norm.cdf(mu / 2 - eps / mu) - math.exp(eps) * norm.cdf(-mu / 2 - eps / mu) - delta

    return brentq(excess, 0, 200)


def test_without_subsampling_epsilon_is_above_the_exact_one_of_the_gaussian_mechanism():
    exact = exact_gaussian_epsilon(2.0, 10, 1e-5)
    assert exact <= budget.epsilon(2.0, 1.0, 10, 1e-5, "rdp") <= 1.2 * exact


def test_the_promise_against_attackers_holds_for_the_best_attack_and_is_near_it():
    sigma, steps = 3.0, 4
    spent = Budget(8, 1e-5, 1.0, steps, sigma, "rdp")
    best = norm.cdf(norm.ppf(0.01) + math.sqrt(steps) / sigma)     # Neyman and Pearson: nobody does better
    promise = budget.true_positive_rate_bound(spent, steps, 0.01)
    assert best <= promise <= best + 0.2


def test_the_promise_is_below_one_and_falls_with_the_budget():
    promises = [budget.true_positive_rate_bound(budget.plan(target, 1e-5, 0.1, 40), 40, 0.01) for target in (1, 8)]
    assert 0.01 < promises[0] < 0.1 < promises[1] < 1


def test_a_budget_is_spent_step_by_step_and_the_last_epoch_is_shown():
    planned = budget.plan(3, 1e-5, 0.1, 70, "rdp")
    epochs, spent = zip(*budget.spent_by_epoch(planned, 10, most=3), strict=True)
    assert epochs == (3, 6, 7)
    assert np.all(np.diff(spent) > 0)
    assert spent[-1] == pytest.approx(planned.spent(70))
    assert planned.spent(0) == 0


def test_delta_is_the_smaller_of_two():
    assert budget.default_delta(100) == 1e-5
    assert budget.default_delta(1_000_000) == pytest.approx(1e-7)
