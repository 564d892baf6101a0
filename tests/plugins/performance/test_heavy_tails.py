"""Errors with heavy tails, compared between runs on different cases: no loss and no kept margin is said by chance."""

import numpy as np
import pytest

import raikit
from raikit.arrays import Arrays
from raikit.gate.comparing import compare_records
from raikit_performance.influences import add_ingredients
from raikit_performance.regression import error_metrics


def measure(rng, n, draw):
    truth = rng.normal(0, 3, n)
    cases = Arrays(truth=truth, prediction=truth + draw(rng, n))
    metrics = [metric for metric in error_metrics(cases, 0.95) if metric.direction is not None]
    for metric in metrics:
        metric.id = metric.name
    return {metric.name: metric for metric in add_ingredients(metrics, cases)}


def heavy(rng, n):
    return rng.standard_t(3, n)


def lognormal(rng, n):
    return rng.lognormal(0, 1.2, n) * rng.choice([-1, 1], n)


def pareto(rng, n):
    return (rng.pareto(2.2, n) + 1) * rng.choice([-1, 1], n)


def compare(new, old, name):
    return compare_records(new[name], old[name], raikit.Margin(0.0), 0.1)


@pytest.mark.parametrize("draw", [heavy, lognormal, pareto])
def test_a_baseline_that_missed_the_large_errors_fails_no_build(draw):
    rng, runs = np.random.default_rng(4), 150
    lost = {"root_mean_squared_error": [], "r2": []}
    for _ in range(runs):
        old, new = measure(rng, 300, draw), measure(rng, 10_000, draw)
        for name, p_values in lost.items():
            p_values.append(compare(new, old, name).p_value)
    for p_values in lost.values():
        assert np.mean(np.array(p_values) <= 0.05) <= 0.05
        assert np.mean(np.array(p_values) <= 0.01) <= 0.02


def test_a_candidate_that_missed_the_large_errors_passes_no_margin():
    rng, runs = np.random.default_rng(5), 150
    kept = {"root_mean_squared_error": 0, "r2": 0}
    for _ in range(runs):
        old, new = measure(rng, 10_000, heavy), measure(rng, 300, heavy)
        for name in kept:
            high = compare(new, old, name).high
            kept[name] += high is not None and high < 0  # surely better, which it is not
    assert max(kept.values()) <= 0.05 * runs


def test_a_real_loss_is_found_whatever_the_candidate_s_tail():
    rng = np.random.default_rng(6)
    old, new = measure(rng, 10_000, lambda rng, n: rng.normal(0, 1, n)), measure(rng, 1_000, lambda rng, n: 3 * heavy(rng, n))
    assert "open_high" in new["root_mean_squared_error"].flags
    found = compare(new, old, "root_mean_squared_error")
    assert found.p_value < 1e-3
    assert found.high is None  # how much worse, it cannot say
    assert "tail is too heavy" in found.reason


def test_light_tails_are_compared_as_before():
    rng = np.random.default_rng(7)
    old, new = (measure(rng, 2_000, lambda rng, n: rng.normal(0, 1, n)) for _ in range(2))
    found = compare(new, old, "root_mean_squared_error")
    assert found.low < found.value < found.high
    assert found.reason is None
