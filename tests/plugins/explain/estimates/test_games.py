"""Players are what a person would point at; absent ones have the values of the baseline."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from raikit.models.encoded import Encoded
from raikit.models.positions import EncodedColumns, Pixels, Tokens
from raikit_explain.estimates.games import EncodedGame


class Sums:
    """Decides by the weighted sums of its inputs."""

    def __init__(self, modalities, weights=None):
        self.modalities, self.weights = modalities, weights or {}

    def forward(self, encoded):
        value = sum((self.weights.get(name, 1.0) * tensor).flatten(1).sum(dim=1) for name, tensor in encoded.items())
        return torch.stack([torch.zeros_like(value), value], dim=1)


def _game(modality, tensor, positions=None, baseline=None):
    encoded = Encoded({"x": tensor}, baselines={} if baseline is None else {"x": baseline})
    decided = torch.ones(len(tensor), dtype=torch.int64)
    return EncodedGame(Sums({"x": modality}), encoded, decided, {"x": [positions] * len(tensor)} if positions else {})


@pytest.mark.parametrize(("modality", "shape", "positions", "players"), [
    ("image", (3, 32, 32), Pixels(), 64),
    ("image", (3, 32, 32), Pixels(patch=16), 4),
    ("image", (1, 1, 1), None, 1),
    ("image", (3, 5, 20), None, 40),
    ("image", (50, 7), None, 50),
    ("image", (197, 8), None, 64),
    ("text", (9, 4), None, 9),
    ("audio", (400,), None, 32),
    ("audio", (10, 30), None, 64),
    ("audio", (1, 4, 30), None, 32),
    ("tabular", (5,), EncodedColumns(["a", "b", "c", "d", "e"]), 5),
])
def test_every_element_belongs_to_one_player(modality, shape, positions, players):
    game = _game(modality, torch.rand(2, *shape) + 0.1, positions)
    assert game.content.shape == (2, players)
    assert game.content.all()
    assert [len(of_case) for of_case in game.players] == [players, players]
    assert len({player.label for player in game.players[0]}) == players
    assert np.allclose(game.totals({"x": np.ones((2, *shape))}).sum(axis=1), np.prod(shape))


def test_absent_players_have_their_baseline_and_each_adds_its_sum():
    tensor, baseline = torch.rand(3, 3, 16, 16), torch.full((1, 3, 1, 1), 0.5)
    game = _game("image", tensor, Pixels(), baseline)
    sums = game.totals({"x": (tensor - 0.5).numpy()})
    rng = np.random.default_rng(0)
    cases, masks = rng.integers(0, 3, 500), rng.random((500, 64)) < 0.5
    assert np.allclose(game.values(cases, masks), 3 * 256 * 0.5 + (sums[cases] * masks).sum(axis=1), atol=1e-3)


def test_tokens_without_a_text_and_padding_are_no_content():
    tensor = torch.rand(1, 6, 4) + 0.1
    tokens = Tokens(["[CLS]", "good", "", "day", "[SEP]"], [None, (0, 4), None, (5, 8), None])
    game = _game("text", tensor, tokens)
    assert game.content.tolist() == [[False, True, False, True, False, False]]
    assert [player.label for player in game.players[0]] == ["[CLS]", "good", "token 3", "day", "[SEP]", "token 6"]
    assert _game("text", tensor, Tokens(["good", "day"])).content.sum() == 2


def test_blank_patches_are_no_content():
    tensor = torch.zeros(1, 1, 16, 16)
    tensor[0, 0, :4, :4] = 1
    assert _game("image", tensor).content.sum() == 4


def test_players_of_several_inputs_follow_one_another():
    encoded = Encoded({"a": torch.ones(2, 3), "b": torch.ones(2, 2)})
    game = EncodedGame(Sums({"a": "tabular", "b": "tabular"}, {"b": 10.0}), encoded, torch.ones(2, dtype=torch.int64), {})
    assert [player.input for player in game.players[0]] == ["a", "a", "a", "b", "b"]
    assert game.values(np.array([0, 1]), np.array([[1, 0, 0, 0, 1], [0, 0, 0, 0, 0]], dtype=bool)).tolist() == [11.0, 0.0]
    assert game.magnitudes().tolist() == [[1.0] * 5] * 2
