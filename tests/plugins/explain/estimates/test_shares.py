"""Shapley values against every order in which inputs may come."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from raikit.models.encoded import encode
from raikit_explain.estimates.attributions import evaluate, scorer
from raikit_explain.estimates.shares import coalitions, leave_one_out, shapley, shares

from ..conftest import MemoryData, random_inputs

games = st.integers(1, 4).flatmap(
    lambda players: st.lists(st.floats(-5, 5), min_size=2**players, max_size=2**players))


def _by_all_orders(values):
    players = len(values).bit_length() - 1
    gains = np.zeros(players)
    orders = list(permutations(range(players)))
    for order in orders:
        present = 0
        for player in order:
            gains[player] += values[present | 1 << player] - values[present]
            present |= 1 << player
    return gains / len(orders)


@given(games)
def test_values_are_the_mean_gain_over_all_orders(values):
    np.testing.assert_allclose(shapley(np.array([values]))[0], _by_all_orders(values), atol=1e-9)


@given(games)
def test_values_add_up_to_the_whole(values):
    assert np.isclose(shapley(np.array([values])).sum(), values[-1] - values[0], atol=1e-9)


def test_coalitions_leave_out_what_their_number_says(tiny_model):
    model = tiny_model({"left": "tabular", "right": "tabular"}, logits=lambda encoded: torch.stack(
        [torch.zeros(len(encoded["left"])), encoded["left"].sum(dim=1) + 100 * encoded["right"].sum(dim=1)], dim=1))
    inputs = random_inputs(model.modalities, 5)
    encoded = encode(model, next(MemoryData(range(5), inputs).batches("test", 5)))
    score, ones = scorer(model, encoded), torch.ones(5, dtype=torch.int64)
    left, right = encoded["left"].sum(dim=1).numpy(), 100 * encoded["right"].sum(dim=1).numpy()

    values = coalitions(score, encoded, ones)
    np.testing.assert_allclose(values, np.stack([0 * left, left, right, left + right], axis=1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(leave_one_out(score, encoded, ones), np.stack([right, left], axis=1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(values[:, -1], evaluate(score, encoded, ones))


@given(st.lists(st.lists(st.floats(-9, 9), min_size=3, max_size=3), min_size=1, max_size=5))
def test_shares_add_up_to_one_or_are_undefined(rows):
    by_input = shares(np.array(rows))
    assert np.all(np.isnan(by_input).all(axis=1) | np.isclose(by_input.sum(axis=1), 1))
    assert np.nanmin(np.append(by_input, 0)) >= 0
