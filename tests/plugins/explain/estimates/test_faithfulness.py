"""Random explanations pass as often as they should, and those that know the model pass."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from raikit_explain.estimates.faithfulness import chance_test


class Weights:
    """A game that adds the weights of the players that are present."""

    def __init__(self, weights, content):
        self.weights, self.content, self.players = weights, content, []

    def values(self, cases, masks):
        return (self.weights[cases] * masks).sum(axis=1)


def _game(rng, n=1000, m=12):
    return Weights(rng.normal(size=(n, m)), rng.random((n, m)) < 0.8)


@pytest.mark.parametrize("kind", ["random", "equal"])
def test_p_values_of_explanations_that_know_nothing_are_uniform(kind):
    rng = np.random.default_rng(2)
    game = _game(rng)
    found = chance_test(game, [rng.normal(size=(1000, 12)) if kind == "random" else np.ones((1000, 12))], rng)
    tested = np.isfinite(found.p[0])
    assert (found.p[0] <= 0.05).sum() <= 68, "the 99th percentile of passes by chance"
    uniform = found.below[0] + (found.p[0] - found.below[0]) * rng.random(1000)
    assert kstest(uniform[tested], "uniform").pvalue > 0.01
    assert found.draws.mean() < 10


def test_an_explanation_that_is_the_model_passes():
    rng = np.random.default_rng(0)
    game = _game(rng, n=100)
    found = chance_test(game, [game.weights], rng)
    assert (found.p[0] <= 0.05).all()


def test_a_decision_that_nothing_changes_and_an_explanation_of_nan_never_pass():
    rng = np.random.default_rng(0)
    constant = Weights(np.zeros((20, 12)), np.ones((20, 12), dtype=bool))
    assert (chance_test(constant, [rng.normal(size=(20, 12))], rng).p == 1).all()
    game = _game(rng, n=20)
    assert (chance_test(game, [np.where(game.weights > 1, np.nan, game.weights)], rng).p[0] == 1).sum() > 10


def test_cases_with_few_parts_or_without_a_decision_are_not_tested():
    rng = np.random.default_rng(0)
    game = Weights(rng.normal(size=(3, 8)), np.ones((3, 8), dtype=bool))
    game.content[0, 3:] = False
    game.weights[1] = np.nan
    assert np.isnan(chance_test(game, [game.weights * 0 + 1], rng).p[0]).tolist()[:1] == [True]
    assert np.isnan(chance_test(game, [rng.normal(size=(3, 8))], rng).p[0]).tolist() == [True, True, False]
