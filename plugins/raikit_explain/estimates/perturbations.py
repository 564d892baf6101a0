"""Methods that explain decisions by leaving parts out, on any game: Captum's, and Shapley values that add up exactly."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import torch
from torch import Tensor

from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit_explain.estimates.coalitions import MOST_EXACT, all_coalitions, kernel_coalitions, kernel_solution
from raikit_explain.estimates.games import Game
from raikit_explain.estimates.shares import shapley

METHODS = ("exact", "kernel_shap", "shapley_value_sampling", "lime", "occlusion", "feature_ablation")
_NEIGHBOURS = 2
_PER_CALL = 4096


@dataclass(frozen=True)
class PlayerAttribution:
    """Attributions of n decisions to their players.

    Attributes
    ----------
    method : str
    values : ndarray, shape (n, m)
        Zero for players that do not differ from what replaces them, and beyond a case's players.
    change : ndarray, shape (n,)
        Decision of the case minus the decision without any player. Shapley values add up to it, the other methods need not.
    """

    method: str
    values: FloatArray
    change: FloatArray


def cost(method: str, players: int, most: int) -> int:
    """Return how many inputs the model scores at most to explain one decision, with `players` that count."""
    if players <= 1:
        return 2
    if method == "exact" or (method == "kernel_shap" and 2**players - 2 <= _enough(players, most)):
        return int(2**players)
    if method in ("kernel_shap", "lime"):
        return _enough(players, most) + 2
    if method == "shapley_value_sampling":
        return _orders(players, most) * players + 2
    return players + 3


def attribute(method: str, game: Game, most: int, rng: np.random.Generator) -> PlayerAttribution:
    """Attribute the decisions of a game to its players.

    Parameters
    ----------
    method : str
        One of `METHODS`. ``exact`` plays all coalitions of the players that differ from their replacement, at most ten;
        ``kernel_shap`` does so where they are at most `most`, else it draws as many.
    game : Game
    most : int
        Coalitions of each case, for the methods that draw them.
    rng : numpy.random.Generator
        The draws of Captum are seeded from it.

    Raises
    ------
    ValueError
        If ``exact`` has too many players.

    Notes
    -----
    Occlusion, feature ablation, Shapley sampling and LIME are Captum's [1]_: they get a vector of ones, one for each player, and
    zeros as baseline. KernelSHAP is not, because Captum's neither enumerates nor adds up exactly.

    References
    ----------
    .. [1] Kokhlikyan et al., "Captum: A unified and generic model interpretability library for PyTorch", 2020.
    """
    content = np.asarray(game.content)
    cases = np.arange(len(content))
    full, empty = game.values(cases, content), game.values(cases, np.zeros_like(content))
    if method in ("exact", "kernel_shap"):
        values = _by_coalitions(method, game, most, rng, empty, full)
    else:
        values = _by_captum(method, game, most, rng)
    return PlayerAttribution(method, np.where(content, values, 0.0), full - empty)


def _enough(players: int, most: int) -> int:
    """Return how many coalitions to draw: least squares need some for each player."""
    return max(most, 4 * players)


def _orders(players: int, most: int) -> int:
    return max(ceil(most / players), 2)


def _by_coalitions(
    method: str, game: Game, most: int, rng: np.random.Generator, empty: FloatArray, full: FloatArray,
) -> FloatArray:
    """Compute Shapley values of each case from coalitions of its own players, scored for many cases together."""
    content = np.asarray(game.content)
    values = np.zeros(content.shape)
    for part in _parts([cost(method, int(own.sum()), most) for own in content]):
        plans = [_plan(method, int(content[case].sum()), most, rng) for case in part]
        worth = game.values(np.repeat(part, [len(masks) for masks, _ in plans]),
                            np.concatenate([_spread(masks, content[case]) for case, (masks, _) in zip(part, plans, strict=True)]))
        ends = np.cumsum([len(masks) for masks, _ in plans])[:-1]
        for case, (masks, weights), own in zip(part, plans, np.split(worth, ends), strict=True):
            values[case, content[case]] = _solve(masks, weights, own, float(empty[case]), float(full[case]))
    return values


def _plan(method: str, players: int, most: int, rng: np.random.Generator) -> tuple[BoolArray, FloatArray | None]:
    """Return the coalitions of one case; no weights where they are all."""
    if players <= 1:
        return np.zeros((0, players), dtype=bool), None
    if method == "exact":
        if players > MOST_EXACT:
            raise ValueError(f"Exact Shapley values of {players} players would need {2**players} coalitions.")
        return all_coalitions(players), None
    return kernel_coalitions(players, _enough(players, most), rng)


def _solve(masks: BoolArray, weights: FloatArray | None, worth: FloatArray, empty: float, full: float) -> FloatArray:
    if masks.shape[1] <= 1:
        return np.full(masks.shape[1], full - empty)
    if weights is None:
        return np.asarray(shapley(worth[None, :])[0])
    return kernel_solution(masks, weights, worth, empty, full)


def _spread(masks: BoolArray, content: BoolArray) -> BoolArray:
    """Return masks over all players from masks over those that count."""
    spread = np.zeros((len(masks), len(content)), dtype=bool)
    spread[:, content] = masks
    return spread


def _parts(costs: Sequence[int]) -> Iterator[IntArray]:
    """Yield cases that are scored together."""
    part: list[int] = []
    for case, number in enumerate(costs):
        if part and sum(costs[one] for one in part) + number > _PER_CALL:
            yield np.array(part)
            part = []
        part.append(case)
    if part:
        yield np.array(part)


def _by_captum(method: str, game: Game, most: int, rng: np.random.Generator) -> FloatArray:
    """Run a method of Captum on vectors of ones, seeded from `rng`; torch's own generator is left as it was."""
    def play(masks: Tensor, cases: Tensor) -> Tensor:
        present = (masks.numpy() > 0.5) & np.asarray(game.content)[cases.numpy()]  # else blank players might seem to count
        return torch.from_numpy(game.values(cases.numpy(), present))

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on sizes that Captum cannot know
        torch.manual_seed(int(rng.integers(2**31)))
        if method == "lime":
            return _lime(play, game, most)
        content = np.asarray(game.content)
        ones = torch.ones(content.shape, dtype=torch.float64)
        shared: dict[str, Any] = {"baselines": 0.0, "additional_forward_args": torch.arange(len(ones))}
        return np.asarray(_captum(method, play).attribute(ones, **shared, **_arguments(
            method, content.shape[1], most, len(ones))).numpy())


def _captum(method: str, play: Any) -> Any:
    from captum.attr import FeatureAblation, Occlusion, ShapleyValueSampling

    methods = {"occlusion": Occlusion, "feature_ablation": FeatureAblation, "shapley_value_sampling": ShapleyValueSampling}
    return methods[method](play)


def _arguments(method: str, players: int, most: int, cases: int) -> dict[str, Any]:
    together = {"perturbations_per_eval": int(np.clip(_PER_CALL // max(cases, 1), 1, players))}
    if method == "occlusion":
        return {"sliding_window_shapes": (min(_NEIGHBOURS, players),), **together}
    return {"n_samples": _orders(players, most), **together} if method == "shapley_value_sampling" else together


def _lime(play: Any, game: Game, most: int) -> FloatArray:
    """Run LIME case by case, on the players that count."""
    from captum._utils.models.linear_model import SkLearnRidge
    from captum.attr import Lime

    content = np.asarray(game.content)
    values = np.zeros(content.shape)
    for case, own in enumerate(content):
        places = torch.from_numpy(np.flatnonzero(own))
        if not len(places):
            continue

        def forward(masks: Tensor, case: int = case, places: Tensor = places) -> Tensor:
            spread = torch.zeros(len(masks), content.shape[1], dtype=torch.float64)
            spread[:, places] = masks
            worth: Tensor = play(spread, torch.full((len(masks),), case))
            return worth

        ones, number = torch.ones(1, len(places), dtype=torch.float64), _enough(len(places), most)
        method: Any = Lime(forward, interpretable_model=SkLearnRidge(alpha=1.0))
        values[case, own] = method.attribute(ones, baselines=0.0, n_samples=number, perturbations_per_eval=number)[0].numpy()
    return values
