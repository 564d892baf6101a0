"""Shapley values by coalitions against enumeration, and the methods on a game."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import raikit
from raikit_explain.estimates.coalitions import all_coalitions, interactions
from raikit_explain.estimates.perturbations import METHODS, attribute, cost
from raikit_explain.estimates.raw_game import Baselines, Meter, part_games
from raikit_explain.estimates.raw_parts import column_baseline


class Quadratic:
    """A game in which pairs of players act together."""

    players = ()

    def __init__(self, cases: int, players: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.content = np.ones((cases, players), dtype=bool)
        self.content[0, -1] = False
        self.pairs, self.alone = rng.normal(size=(cases, players, players)), rng.normal(size=(cases, players))

    def values(self, cases, masks):
        present = masks.astype(float)
        joint = np.einsum("ki,kij,kj->k", present, self.pairs[cases], present)
        return np.tanh(joint / 10) * 5 + (present * self.alone[cases]).sum(axis=1)


def test_kernel_shap_of_all_coalitions_is_enumeration():
    game, rng = Quadratic(4, 10), np.random.default_rng(0)
    exact, kernel = (attribute(method, game, 1024, rng) for method in ("exact", "kernel_shap"))
    assert np.allclose(kernel.values, exact.values, atol=1e-6)
    assert np.allclose(exact.values.sum(axis=1), exact.change, atol=1e-6)


def test_kernel_shap_of_a_sample_adds_up_and_is_near():
    game = Quadratic(4, 10)
    exact, kernel = attribute("exact", game, 0, np.random.default_rng(0)), attribute("kernel_shap", game, 300, np.random.default_rng(0))
    assert np.allclose(kernel.values.sum(axis=1), kernel.change)
    assert np.abs(kernel.values - exact.values).max() < 0.3


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_reproducible_and_blank_players_get_nothing(method):
    game = Quadratic(3, 5)
    one, same = (attribute(method, game, 64, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(one.values, same.values)
    assert one.values[0, -1] == 0
    assert cost(method, 1, 64) == 2


def test_shapley_sampling_adds_up_although_a_player_is_blank():
    sampled = attribute("shapley_value_sampling", Quadratic(3, 5), 64, np.random.default_rng(0))
    assert np.allclose(sampled.values.sum(axis=1), sampled.change, atol=1e-4)


def test_interactions_of_a_product():
    masks = all_coalitions(3).astype(float)
    index = interactions((masks[:, 0] * masks[:, 1] * 4 + masks[:, 2])[None, :])[0]
    assert np.allclose(index, [[0, 4, 0], [4, 0, 0], [0, 0, 0]])


class Table(raikit.Model):
    """Log-odds that are a sum over columns and words."""

    capabilities = frozenset({"labels", "scores"})
    classes = (0, 1)

    def scores(self, batch):
        facts, notes = batch.inputs["facts"], batch.inputs["note"]
        logit = facts["age"] * 0.5 + (facts["town"] == "b") - np.array([(note or "").split().count("bad") for note in notes])
        positive = 1 / (1 + np.exp(-logit.to_numpy(dtype=float)))
        return np.column_stack([1 - positive, positive])


def test_a_sum_is_divided_into_its_terms():
    facts = pd.DataFrame({"age": [3, 1, 1], "town": ["b", "a", "a"]})
    batch = raikit.Batch(["i", "j", "k"], {"facts": facts, "note": ["bad day", "", None]})
    meter = Meter(10_000)
    baselines = Baselines({"facts": {"age": 1, "town": "a"}})
    game = part_games(Table(), {"facts": "tabular", "note": "text"}, batch, np.array([1, 1, 1]), baselines, meter, most=8)
    explained = attribute("exact", game, 0, np.random.default_rng(0))
    assert [player.label for player in game.players[0]] == ["age", "town", "bad", "day"]
    assert np.allclose(explained.values[0], [1, 1, -1, 0], atol=1e-6)
    assert np.allclose(explained.values[1:], 0)
    assert meter.scored < 40


def test_too_many_scorings_are_refused():
    batch = raikit.Batch(["i"], {"facts": pd.DataFrame({"age": [3], "town": ["b"]}), "note": ["bad day"]})
    game = part_games(Table(), {"facts": "tabular", "note": "text"}, batch, np.array([1]), Baselines(), Meter(3), most=8)
    with pytest.raises(raikit.SkipCheck, match="more than 3 inputs"):
        attribute("exact", game, 0, np.random.default_rng(0))


def test_a_baseline_occurs_in_its_column():
    assert column_baseline(pd.Series([0, 0, 1])) == 0
    assert column_baseline(pd.Series([None, None], dtype=object)) is None
