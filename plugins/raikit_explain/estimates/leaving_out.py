"""Decisions of chosen cases explained by leaving parts out of raw inputs, which every model that scores allows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

import raikit
from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit_explain.estimates.coalitions import MOST_EXACT, all_coalitions, interactions
from raikit_explain.estimates.explanation import batches, decided_classes
from raikit_explain.estimates.faithfulness import DRAWS, chance_test
from raikit_explain.estimates.games import Player
from raikit_explain.estimates.perturbations import attribute, cost
from raikit_explain.estimates.raw_game import Baselines, Meter, RawGame, input_game, part_games
from raikit_explain.estimates.raw_parts import column_baseline
from raikit_explain.estimates.shares import shares
from raikit_explain.estimates.strangers import Strangers
from raikit_explain.estimates.verdict import MAGNITUDE, OTHER_CASE, Evidence, joined, of_other_cases

SHAPLEY = ("exact", "kernel_shap", "shapley_value_sampling")
PARTS = {"text": "word", "image": "region", "audio": "band", "tabular": "column"}
AGREEMENT = 0.05  # two halves of a sample of combinations agree where their mean is this near, as a share of the attributions
MASKS_OF_A_SCORE = 10  # combinations behind one score of the test against chance
_DRAWN = ("kernel_shap", "shapley_value_sampling", "lime")
_ROUNDS = (1, 2, 4)  # times `coalitions`, as long as two halves of them disagree
_MEDIA_TOGETHER = 16  # decoded pictures and sounds are large


@dataclass(frozen=True)
class Settings:
    """How decisions are explained.

    Attributes
    ----------
    method : str or None
        One of `raikit_explain.estimates.perturbations.METHODS`; None chooses for each case.
    coalitions : int
        Combinations of a case that are scored, where they are drawn.
    parts : int
        Most words, regions or bands of a case.
    regression : bool
    """

    method: str | None
    coalitions: int
    parts: int
    regression: bool

    def method_for(self, players: int) -> str:
        """Return the method for a case: all combinations of up to ten parts, which cost as much as drawing some and testing."""
        if self.method is not None:
            return self.method
        return "exact" if players <= MOST_EXACT else "kernel_shap"

    def most_scored(self, players: int, methods: int) -> int:
        """Return how many inputs one case costs at most: its explanation, and the test against chance."""
        method = self.method_for(players)
        if method == "exact":
            return int(2**players)
        drawn = cost(method, players, self.coalitions // 2) * 2 * sum(_ROUNDS) if method in _DRAWN else players + 3
        return min(drawn + players + MASKS_OF_A_SCORE * (DRAWS + methods), int(2 ** min(players, 62)))


@dataclass(frozen=True)
class PartExplanations:
    """Explanations of n decisions over parts that have names.

    Attributes
    ----------
    kind : {"input", "word", "region", "band", "column"}
        What a part is.
    methods : list of str, length n
    names : list of list of str
        For each case the name of each of its m players; several players may share one.
    values : ndarray, shape (n, m)
        Contributions to the decision; 0 beyond a case's players.
    content : ndarray of bool, shape (n, m)
        Players that differ from what replaces them.
    change : ndarray, shape (n,)
        Decision of the case, minus that with every part left out.
    whole, without : ndarray, shape (n,) and (n, m)
        Probability of the decided class (regression: the value) of the case, and without one player.
    empty : ndarray, shape (n,)
        The same with every part left out.
    interactions : ndarray, shape (n, m, m), or None
        None unless all combinations were scored.
    error : ndarray, shape (n,)
        Difference of two halves of the sample of combinations, as a share of the contributions; 0 where nothing was drawn.
    evidence : Evidence or None
    unit : str
    scored, clipped : int
        Inputs that the model scored, and those whose probability was too near to 0 or 1 for log-odds.
    """

    kind: str
    methods: list[str]
    names: list[list[str]]
    values: FloatArray
    content: BoolArray
    change: FloatArray
    whole: FloatArray
    without: FloatArray
    empty: FloatArray
    interactions: FloatArray | None
    error: FloatArray
    evidence: Evidence
    unit: str
    scored: int = 0
    clipped: int = 0

    @property
    def distinct(self) -> list[str]:
        """Names of all parts, in the order in which they occur."""
        return list(dict.fromkeys(name for of_case in self.names for name in of_case))

    @property
    def complete(self) -> BoolArray:
        """Which cases have every part."""
        return np.array([len(set(of_case)) == len(self.distinct) for of_case in self.names], dtype=bool)

    def by_name(self, values: FloatArray) -> dict[str, FloatArray]:
        """Sum values, shape (n, m), over the players of each name; NaN where a case has none."""
        sums = {name: np.full(len(self.names), np.nan) for name in self.distinct}
        for case, of_case in enumerate(self.names):
            for player, name in enumerate(of_case):
                sums[name][case] = np.nan_to_num(sums[name][case]) + values[case, player]
        return sums

    def shares(self) -> dict[str, FloatArray]:
        """Return each part's share of the decision, by name: 0 where a case lacks it, NaN where nothing changed the decision."""
        by_case = shares(self.values)
        undefined = np.isnan(by_case).all(axis=1)
        return {
            name: np.where(undefined, np.nan, np.nan_to_num(share)) for name, share in self.by_name(np.nan_to_num(by_case)).items()
        }

    def removal(self) -> FloatArray:
        """Return the fall of the decided class's probability without each player (regression: the absolute change)."""
        fall = self.whole[:, None] - self.without
        return np.abs(fall) if self.unit == "units of the target" else fall

    def fall(self) -> FloatArray:
        """Return the same with every part left out, shape (n,)."""
        fall = self.whole - self.empty
        return np.abs(fall) if self.unit == "units of the target" else fall

    def frame(self, ids: Sequence[Any]) -> pd.DataFrame:
        """Return one row per case and part with the numbers behind every mean; words are numbered, for they are inputs."""
        rows = [
            (
                id,
                self.methods[case],
                name if self.kind != "word" else f"word {player + 1}",
                self.values[case, player],
                self.whole[case],
                self.without[case, player],
                self.error[case],
            )
            for case, id in enumerate(ids)
            for player, name in enumerate(self.names[case])
        ]
        return pd.DataFrame(rows, columns=["id", "method", "part", "contribution", "whole", "without", "error"])


@dataclass
class Explainer:
    """Explains cases of an audit, batch by batch, with one meter and one generator.

    Parameters
    ----------
    ctx : CheckContext
    settings : Settings
    strangers : Strangers
        Models that know nothing of this one's decisions, for the verdict.
    meter : Meter
    """

    ctx: raikit.CheckContext
    settings: Settings
    strangers: Strangers
    meter: Meter
    baselines: Baselines = field(default_factory=Baselines)

    @property
    def modalities(self) -> dict[str, str]:
        """The inputs of the model."""
        assert self.ctx.model is not None
        return dict(self.ctx.model.modalities)

    @property
    def kind(self) -> str:
        """What a part is: an input where there are several, else a part of the only one."""
        modalities = self.modalities
        return "input" if len(modalities) > 1 else PARTS[next(iter(modalities.values()))]

    def explain(self, cases: pd.DataFrame, rng: np.random.Generator, progress: Callable[[int], None]) -> PartExplanations:
        """Explain the decisions of some cases and test the explanations."""
        parts: list[PartExplanations] = []
        together = _MEDIA_TOGETHER if {"image", "audio"} & set(self.modalities.values()) else len(cases)
        for start in range(0, len(cases), max(together, 1)):
            for batch, part in batches(self.ctx, cases.iloc[start : start + together]):
                parts.append(self._explain(self.game(batch, part), rng))
                progress(sum(len(one.names) for one in parts))
        return replace(_concatenate(parts), scored=self.meter.scored, clipped=self.meter.clipped)

    def game(self, batch: raikit.Batch, cases: pd.DataFrame) -> RawGame:
        """Return the game of some cases."""
        assert self.ctx.model is not None
        decided = decided_classes(self.ctx, cases["prediction"])
        shared = (self.ctx.model, self.modalities, batch, decided, self.baselines, self.meter)
        if self.kind == "input":
            return input_game(*shared, regression=self.settings.regression)
        return part_games(*shared, most=self.settings.parts, regression=self.settings.regression)

    def _explain(self, game: RawGame, rng: np.random.Generator) -> PartExplanations:
        n, players = game.content.shape
        methods = [self.settings.method_for(int(own.sum())) for own in game.content]
        values, error = self._attribute(game, methods, rng)
        cases = np.arange(n)
        full, empty = game.values(cases, game.content), game.values(cases, np.zeros_like(game.content))
        alone = ~np.eye(players, dtype=bool)
        masks = game.content[:, None, :] & alone[None]
        without = game.values(np.repeat(cases, players), masks.reshape(-1, players)).reshape(n, players)
        index = _interactions(game) if self.kind == "input" and set(methods) == {"exact"} else None
        evidence = self._evidence(game, values, error, methods, rng)
        names = [[_name(self.kind, player.label) for player in of_case] for of_case in game.players]
        as_probability = _probability if game.unit == "log-odds" else np.asarray
        return PartExplanations(
            self.kind,
            methods,
            names,
            values,
            game.content,
            full - empty,
            as_probability(full),
            as_probability(without),
            as_probability(empty),
            index,
            error,
            evidence,
            game.unit,
        )

    def _attribute(self, game: RawGame, methods: Sequence[str], rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Attribute decisions, and measure how far two halves of a sample are apart."""
        values, error = np.zeros(game.content.shape), np.zeros(len(game.content))
        for method in sorted(set(methods)):
            at = np.flatnonzero([one == method for one in methods])
            part = _Some(game, at)
            if method in _DRAWN:
                values[at], error[at] = self._until_halves_agree(method, part, rng)
            else:
                values[at] = attribute(method, part, self.settings.coalitions, rng).values
        return values, error

    def _until_halves_agree(self, method: str, game: _Some, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Estimate twice with independent draws, and with more draws for cases of which both estimates still disagree."""
        halves = [np.zeros(game.content.shape) for _ in range(2)]
        error, drawn, open_cases = np.zeros(len(game.content)), 0, np.arange(len(game.content))
        for more in _ROUNDS:
            for half in halves:
                found = attribute(method, _Some(game, open_cases), more * self.settings.coalitions // 2, rng).values
                half[open_cases] = (drawn * half[open_cases] + more * found) / (drawn + more)
            drawn += more
            size = np.abs(halves[0] + halves[1]).sum(axis=1)
            error = np.abs(halves[0] - halves[1]).sum(axis=1) / np.where(size > 0, size, 1.0)
            open_cases = np.flatnonzero(error > AGREEMENT)
            if not len(open_cases):
                break
        return (halves[0] + halves[1]) / 2, error

    def _evidence(
        self, game: RawGame, values: FloatArray, error: FloatArray, methods: Sequence[str], rng: np.random.Generator
    ) -> Evidence:
        """Test the explanations against chance, beside those of other cases and of models that know nothing, and input size."""
        rows = {"": values, MAGNITUDE: game.magnitudes()}
        if len(values) > 1:
            rows[OTHER_CASE] = of_other_cases(values, rng)
        if self.strangers.models:
            strange = np.zeros_like(values)
            for number, at in enumerate(np.array_split(rng.permutation(len(values)), len(self.strangers.models))):
                if len(at):
                    other = _Some(game.of_another(self.strangers.models[number]), np.sort(at))
                    strange[np.sort(at)] = self._attribute_one(other, [methods[case] for case in np.sort(at)], rng)
            rows[self.strangers.name] = strange
        test = chance_test(game, list(rows.values()), rng)
        p = dict(zip(rows, test.p, strict=True))
        return Evidence(
            {METHOD: p[""]},
            {METHOD: test.score[0]},
            {METHOD: error <= AGREEMENT},
            {(METHOD, name): found for name, found in p.items() if name},
        )

    def _attribute_one(self, game: _Some, methods: Sequence[str], rng: np.random.Generator) -> FloatArray:
        values = np.zeros(game.content.shape)
        for method in sorted(set(methods)):
            at = np.flatnonzero([one == method for one in methods])
            values[at] = attribute(method, _Some(game, at), self.settings.coalitions, rng).values
        return values


METHOD = "leaving out"  # the explanation of each case, by whichever method suits it


class _Some:
    """A game of some of the cases of another."""

    def __init__(self, game: RawGame | _Some, at: IntArray) -> None:
        self._game, self._at = game, np.asarray(at, dtype=np.int64)
        self.players: Sequence[Sequence[Player]] = [game.players[case] for case in self._at]
        self.content: BoolArray = game.content[self._at]

    def values(self, cases: IntArray, masks: BoolArray) -> FloatArray:
        return self._game.values(self._at[np.asarray(cases, dtype=np.int64)], masks)


def baselines_of(ctx: raikit.CheckContext, modalities: Mapping[str, str]) -> tuple[Baselines, str]:
    """Return what replaces parts that are left out, and the split that it comes from: the training cases if there are some."""
    assert ctx.data is not None
    inputs = getattr(ctx.data, "inputs", {})
    split = "train" if ctx.data.size("train") else ctx.predictions.split
    columns: dict[str, dict[str, Any]] = {}
    scales: dict[str, dict[str, float]] = {}
    missing = set()
    for name, modality in modalities.items():
        frame = ctx.data.frame(list(inputs[name].columns), split)
        if modality == "tabular":
            columns[name] = {str(column): column_baseline(frame[column]) for column in frame}
            scales[name] = {str(column): scale for column in frame if (scale := _scale(frame[column]))}
        elif frame.isna().to_numpy().any():
            missing.add(name)
    return Baselines(columns, frozenset(missing), scales), split


def _scale(values: pd.Series[Any]) -> float | None:
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return None
    scale = float(values.astype(float).std())
    return scale if np.isfinite(scale) and scale > 0 else None


def _interactions(game: RawGame) -> FloatArray:
    """Compute the Shapley interaction index of each pair of inputs; 0 for inputs that do not differ from their replacement."""
    n, players = game.content.shape
    masks = all_coalitions(players)
    worth = game.values(np.repeat(np.arange(n), len(masks)), np.tile(masks, (n, 1)))
    return interactions(worth.reshape(n, -1)) if players > 1 else np.zeros((n, players, players))


_EDGES = re.compile(r"^\W+|\W+$")


def _name(kind: str, label: str) -> str:
    """Return the name of a part, by which cases are compared."""
    if kind == "word":
        return _EDGES.sub("", label).casefold() or label
    return label.partition(", ")[2] or "all frequencies" if kind == "band" else label


def _probability(log_odds: FloatArray) -> FloatArray:
    return np.asarray(0.5 * (1 + np.tanh(log_odds / 2)))


def _concatenate(parts: list[PartExplanations]) -> PartExplanations:
    width = max(part.values.shape[1] for part in parts)

    def stacked(name: str) -> Any:
        pieces = [getattr(part, name) for part in parts]
        return np.concatenate([np.pad(one, [(0, 0), (0, width - one.shape[1])]) for one in pieces])

    def chained(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    def listed(name: str) -> list[Any]:
        return [item for part in parts for item in getattr(part, name)]

    return PartExplanations(
        parts[0].kind,
        listed("methods"),
        listed("names"),
        stacked("values"),
        stacked("content"),
        chained("change"),
        chained("whole"),
        stacked("without"),
        chained("empty"),
        _stacked_pairs([part.interactions for part in parts], width),
        chained("error"),
        joined([part.evidence for part in parts]),
        parts[0].unit,
    )


def _stacked_pairs(pieces: Sequence[FloatArray | None], width: int) -> FloatArray | None:
    known = [one for one in pieces if one is not None]
    if len(known) < len(pieces):
        return None
    return np.concatenate([np.pad(one, [(0, 0), *[(0, width - one.shape[1])] * 2]) for one in known])


def numbers_of_parts(explainer: Explainer, cases: pd.DataFrame) -> list[int]:
    """Return how many parts with content each case has, without scoring any."""
    columns = set(explainer.modalities.values()) == {"tabular"}
    if explainer.kind == "word" or columns:
        return [
            int(number)
            for batch, part in batches(explainer.ctx, cases)
            for number in explainer.game(batch, part).content.sum(axis=1)
        ]
    # Pictures and sounds are not decoded twice only to count their parts.
    most = len(explainer.modalities) if explainer.kind == "input" else explainer.settings.parts
    return [most] * len(cases)
