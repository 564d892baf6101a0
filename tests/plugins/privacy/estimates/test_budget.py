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
    (0.5, 0.02, 60, "prv"), (8, 0.12, 80, "prv"), (1, 0.02, 200, "rdp"), (8, 0.1, 30, "rdp"), (8, 1.0, 30, "rdp"),
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


@pytest.mark.parametrize(("asked", "target", "delta", "rate", "used"), [
    ("pld", 8, 1e-5, 1.0, "gaussian"), ("prv", 8, 1e-5, 1.0, "gaussian"), ("rdp", 8, 1e-5, 1.0, "rdp"),
    ("pld", 8, 1e-12, 0.1, "rdp"), ("prv", 8, 1e-12, 0.1, "rdp"), ("prv", 80, 1e-5, 0.1, "pld"), ("pld", 80, 1e-5, 0.1, "pld"),
])
def test_an_accountant_that_cannot_be_used_is_replaced_and_the_budget_says_so(asked, target, delta, rate, used):
    planned = budget.plan(target, delta, rate, 20, asked)
    assert planned.accountant == used
    assert 0.98 * target <= planned.spent(20) <= target


@pytest.mark.parametrize(("asked", "target", "delta", "rate", "steps", "used"), [
    ("pld", 0.05, 1e-5, 0.1, 40, "pld"), ("prv", 0.05, 1e-5, 0.1, 40, "pld"), ("prv", 0.005, 1e-5, 0.1, 40, "pld"),
    ("rdp", 0.05, 1e-5, 0.1, 40, "rdp"), ("pld", 0.001, 1e-5, 0.1, 40, "pld"), ("pld", 0.05, 1e-5, 0.1, 1, "pld"),
    ("pld", 0.05, 1e-5, 1.0, 10, "gaussian"), ("pld", 0.001, 1e-9, 1.0, 1, "gaussian"), ("pld", 0.05, 1e-12, 0.1, 40, "rdp"),
    ("pld", 0.1, 1e-9, 0.01, 10_000, "pld"), ("pld", 1.0, 0.5, 0.1, 40, "pld"),
])
def test_a_small_target_is_reached_by_an_accountant_that_can(asked, target, delta, rate, steps, used):
    """Opacus's RDP never shows less than about ln(1/delta) / 62, whatever the noise."""
    planned = budget.plan(target, delta, rate, steps, asked)
    assert planned.accountant == used
    assert 0.98 * target <= planned.spent(steps) <= target


def test_a_target_that_no_accountant_shows_is_an_objection_with_a_remedy():
    with pytest.raises(ValueError, match=r"at most 0.0001 at a delta of 1e-12. Choose a larger epsilon or delta"):
        budget.plan(1e-4, 1e-12, 0.1, 40)
    with pytest.raises(ValueError, match="or the accountant pld"):
        budget.plan(1e-4, 1e-5, 0.1, 40, "rdp")


@pytest.mark.parametrize("name", ["pld", "prv"])
def test_a_failing_accountant_is_replaced(monkeypatch, name):
    def fails(*_, **__):
        raise MemoryError

    budget.epsilon.cache_clear()
    monkeypatch.setattr(PRVAccountant, "get_epsilon", fails)
    monkeypatch.setattr(budget, "subsampled_epsilon", fails)
    assert budget.plan(8, 1e-5, 0.1, 20, name).accountant == "rdp"
    budget.epsilon.cache_clear()


# dp-accounting 0.6, as printed by benchmarks/simulate_accountants.py
REFERENCE = [
    (1.2, 0.25, 64, 1e-5, 10.68597), (3.0, 0.25, 64, 1e-5, 2.99688), (0.8, 0.01, 1000, 1e-5, 3.14101),
    (0.5, 0.01, 200, 1e-5, 7.72541), (20.0, 0.9, 300, 1e-5, 3.28983), (5.0, 0.5, 40, 0.1, 0.48992),
    (6.0, 0.02, 60, 1e-5, 0.08103), (1.0, 0.001, 10_000, 1e-6, 0.55514), (100.0, 0.1, 40, 1e-5, 0.0163406),
    (1000.0, 0.9, 400, 1e-5, 0.0522045), (5.0, 0.01, 1, 1e-5, 0.00572828), (30.0, 0.1, 40, 1e-10, 0.1163605),
]


@pytest.mark.parametrize(("noise", "rate", "steps", "delta", "reference"), REFERENCE)
def test_pld_is_what_another_library_computes_and_below_opacuss_bounds(noise, rate, steps, delta, reference):
    ours = budget.epsilon(noise, rate, steps, delta, "pld")
    assert reference * 0.9999 <= ours <= reference * 1.001
    assert ours < min(budget.epsilon(noise, rate, steps, delta, name) for name in ("prv", "rdp"))


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.95])
@pytest.mark.parametrize("noise", [0.6, 1.5, 7.0])
def test_pld_of_one_step_is_never_below_the_exact_epsilon(noise, rate):
    """For one step, delta has a closed form in both directions; epsilon from it must come back, from above."""
    def delta_at(eps):
        def best(shifted, base):                   # over thresholds; the best test rejects one half-line
            return max(shifted - math.exp(eps) * base, 0.0)

        upper = noise**2 * math.log((math.exp(eps) - 1 + rate) / rate) + 0.5
        removed = best((1 - rate) * norm.sf(upper / noise) + rate * norm.sf((upper - 1) / noise), norm.sf(upper / noise))
        inner = math.exp(-eps) - 1 + rate
        lower = noise**2 * math.log(inner / rate) + 0.5 if inner > 0 else -math.inf
        added = best(norm.cdf(lower / noise), (1 - rate) * norm.cdf(lower / noise) + rate * norm.cdf((lower - 1) / noise))
        return max(removed, added)

    for exact in (0.01, 0.1, 1.0):
        if (delta := delta_at(exact)) > 1e-9:
            assert exact <= budget.epsilon(noise, rate, 1, delta, "pld") <= 1.01 * exact + 5e-4


def test_pld_approaches_the_exact_gaussian_mechanism_as_the_sample_rate_approaches_one():
    exact = exact_gaussian_epsilon(2.0, 10, 1e-5)
    assert exact * 0.9999 <= budget.epsilon(2.0, 1 - 1e-9, 10, 1e-5, "pld") <= exact * 1.001


def test_every_case_in_every_step_is_the_gaussian_mechanism_exactly():
    """At this noise RDP gives 7.98; the mechanism spends 7.42."""
    assert budget.epsilon(2.02, 1.0, 10, 1e-5, "rdp") == pytest.approx(7.98, abs=0.01)
    found = budget.epsilon(2.02, 1.0, 10, 1e-5, "gaussian")
    assert found == pytest.approx(7.42, abs=0.01)
    assert exact_gaussian_epsilon(2.02, 10, 1e-5) <= found <= exact_gaussian_epsilon(2.02, 10, 1e-5) + 1e-6
    with pytest.raises(ValueError, match="sample rate"):
        budget.epsilon(2.0, 0.5, 10, 1e-5, "gaussian")


def exact_gaussian_epsilon(sigma, steps, delta):
    """Balle and Wang 2018, theorem 8: `steps` Gaussian mechanisms of sensitivity 1."""
    mu = math.sqrt(steps) / sigma

    def excess(eps):
        return norm.cdf(mu / 2 - eps / mu) - math.exp(eps) * norm.cdf(-mu / 2 - eps / mu) - delta

    return brentq(excess, 0, 200)


def test_without_subsampling_epsilon_is_above_the_exact_one_of_the_gaussian_mechanism():
    exact = exact_gaussian_epsilon(2.0, 10, 1e-5)
    assert exact <= budget.epsilon(2.0, 1.0, 10, 1e-5, "rdp") <= 1.2 * exact


@pytest.mark.parametrize(("accountant", "above"), [("rdp", 0.2), ("gaussian", 1e-9)])
def test_the_promise_against_attackers_holds_for_the_best_attack_and_is_near_it(accountant, above):
    sigma, steps = 3.0, 4
    spent = Budget(8, 1e-5, 1.0, steps, sigma, accountant)
    best = norm.cdf(norm.ppf(0.01) + math.sqrt(steps) / sigma)     # Neyman and Pearson: nobody does better
    promise = budget.true_positive_rate_bound(spent, steps, 0.01)
    assert best - 1e-12 <= promise <= best + above


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
