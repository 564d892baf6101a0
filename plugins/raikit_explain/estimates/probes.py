"""What decisions would have been, had a case been another in one respect: paired effects on the model's own scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

import raikit
from raikit import stats
from raikit.arrays import BoolArray, FloatArray, IntArray, cluster_codes
from raikit.format import case_noun
from raikit_explain.estimates.explanation import batches
from raikit_explain.estimates.measures import metric_of
from raikit_explain.estimates.raw_game import Meter
from raikit_explain.estimates.term_swaps import TermGroups

MOST_VALUES = 6  # of a column that is set to others
FEWEST = 8  # cases on which an effect is measured
_BATCH = 256


@dataclass(frozen=True)
class Outcome:
    """Scores and decisions of n cases in k versions.

    Attributes
    ----------
    names : list of str
        Of the versions.
    score : ndarray, shape (n, k)
        Probability of the positive class (several classes: of the one that was decided); regression: the value.
    decided : ndarray of int, shape (n, k)
        Position of the decided class; regression: zeros.
    own : ndarray of int, shape (n,)
        Position of what was decided of the case as it is.
    clusters : list of ndarray of int
    weight : ndarray or None
    values : DataFrame
        Predictions of the cases.
    """

    names: list[str]
    score: FloatArray
    decided: IntArray
    own: IntArray
    clusters: list[IntArray]
    weight: FloatArray | None
    values: pd.DataFrame

    def __len__(self) -> int:
        return len(self.own)


class Prober:
    """Scores versions of cases, no more than a meter allows.

    Parameters
    ----------
    ctx : CheckContext
    frame : DataFrame
        Predictions of the audited split.
    meter : Meter
    """

    def __init__(self, ctx: raikit.CheckContext, frame: pd.DataFrame, meter: Meter) -> None:
        assert ctx.model is not None
        self.ctx, self.frame, self.meter, self._model = ctx, frame, meter, ctx.model

    def terms(self, input: str, texts: pd.Series[Any], groups: TermGroups, rows: int, rng: np.random.Generator) -> Outcome:
        """Score each text that has one of the terms, with those of each group; texts of one template are a cluster."""
        having = np.flatnonzero([groups.occurs_in(text) for text in texts])
        cases = self._some(having, rows, len(groups.groups), rng)

        def versions(batch: raikit.Batch) -> Iterator[dict[str, Any]]:
            for group in groups.groups:
                yield {input: [groups.version(text, group) for text in batch.inputs[input]]}

        templates = pd.factorize(pd.Series([groups.template(str(texts.iloc[at])) for at in cases], dtype=object))[0]
        return self._outcome(cases, list(groups.groups), versions, [np.asarray(templates, dtype=np.int64)])

    def column(self, input: str, column: str, values: Sequence[Any], rows: int, rng: np.random.Generator) -> Outcome:
        """Score cases with a column of a table set to each of some values."""
        cases = self._some(np.arange(len(self.frame)), rows, len(values), rng)

        def versions(batch: raikit.Batch) -> Iterator[dict[str, Any]]:
            for value in values:
                table = batch.inputs[input].copy()
                table[column] = pd.Series([value] * len(table), index=table.index).astype(table[column].dtype)
                yield {input: table}

        return self._outcome(cases, list(map(_written, values)), versions)

    def replaced(self, input: str, rows: int, rng: np.random.Generator) -> Outcome:
        """Score cases with an input of another case."""
        cases = self._some(np.arange(len(self.frame)), rows, 1, rng)

        def versions(batch: raikit.Batch) -> Iterator[dict[str, Any]]:
            others = np.roll(np.arange(len(batch)), 1).tolist()
            yield {input: batch.take(others).inputs[input]}

        return self._outcome(cases, ["another case's"], versions)

    def _some(self, cases: IntArray, rows: int, versions: int, rng: np.random.Generator) -> IntArray:
        """Return as many of the cases as are wanted and allowed."""
        left = (self.meter.most - self.meter.scored) // max(versions, 1)
        return np.sort(rng.permutation(cases)[: max(min(rows, left), 0)])

    def _outcome(
        self, cases: IntArray, names: list[str], versions: Callable[[raikit.Batch], Iterator[dict[str, Any]]],
        clusters: Sequence[IntArray] = (),
    ) -> Outcome:
        part = self.frame.iloc[cases].reset_index(drop=True)
        scores: list[Any] = [[] for _ in names]
        for batch, _ in batches(self.ctx, part):
            for version, changed in enumerate(versions(batch)):
                scores[version].append(self._scores(replace(batch, inputs={**batch.inputs, **changed})))
        own_clusters, _ = cluster_codes(part, self.ctx.cluster)
        weight = part[self.ctx.weight].to_numpy(dtype=float) if self.ctx.weight else None
        own = self._own(part)
        stacked = [np.concatenate(of) if of else np.zeros((0, max(len(self._classes), 1))) for of in scores]
        return Outcome(
            names, np.stack([self._score(one, own) for one in stacked], axis=1),
            np.stack([self._decide(one) for one in stacked], axis=1), own, [*clusters, *own_clusters][:2], weight, part)

    @property
    def _classes(self) -> Sequence[Any]:
        return [] if self.ctx.task == "regression" else self._model.classes or self.ctx.classes

    def _scores(self, batch: raikit.Batch) -> FloatArray:
        self.meter.spend(len(batch))
        try:
            return np.asarray(self._model.scores(batch), dtype=np.float64)
        except Exception as error:
            raise raikit.ModelError(
                f"The model cannot score cases that were changed: {type(error).__name__}: {str(error)[:300]}") from error

    def _own(self, part: pd.DataFrame) -> IntArray:
        place = {str(label): index for index, label in enumerate(self._classes)}
        return np.array([place.get(str(label), 0) for label in part["prediction"]], dtype=np.int64)

    def _score(self, scores: FloatArray, own: IntArray) -> FloatArray:
        if not len(self._classes):
            return scores[:, 0]
        if self.ctx.task == "binary":
            positive = next((at for at, label in enumerate(self._classes) if str(label) == str(self.ctx.positive)), 1)
            return scores[:, positive]
        return np.asarray(scores[np.arange(len(own)), own])

    def _decide(self, scores: FloatArray) -> IntArray:
        """Return the position of the class with the largest score, as raikit decides of models."""
        if not len(self._classes):
            return np.zeros(len(scores), dtype=np.int64)
        return np.asarray(scores.argmax(axis=1), dtype=np.int64)


def _written(value: Any) -> str:
    """Return a value as an address has it: a whole number without its decimal point."""
    code = value.item() if isinstance(value, np.generic) else value
    return str(int(code)) if isinstance(code, float) and code.is_integer() else str(code)


def values_of(column: pd.Series[Any]) -> list[Any]:
    """Return the values to which a column is set: the most frequent ones, of a column of many numbers five quantiles."""
    there = column.dropna()
    if pd.api.types.is_numeric_dtype(there) and not pd.api.types.is_bool_dtype(there) and there.nunique() > MOST_VALUES:
        ordered = there.sort_values()
        return list(dict.fromkeys(ordered.iloc[int(q * (len(ordered) - 1))] for q in (0.05, 0.25, 0.5, 0.75, 0.95)))
    counts = there.value_counts()
    return sorted(counts.index[:MOST_VALUES], key=str)


def flip_rate(name: str, outcome: Outcome, level: float, *, among: bool, nothing: str, **fields: Any) -> raikit.Metric:
    """Return the share of cases whose decision changes: `among` versions, or from what was decided of the case as it is."""
    if len(outcome) < FEWEST:
        return raikit.Metric.undefined(name, nothing, **fields)
    first = outcome.decided[:, :1] if among else outcome.own[:, None]
    flips = (outcome.decided != first).any(axis=1)
    return _rate(name, flips, outcome, level, **fields)


def _rate(name: str, flips: BoolArray, outcome: Outcome, level: float, **fields: Any) -> raikit.Metric:
    n = len(flips)
    covariance = stats.rate_covariance(
        flips.astype(float), np.ones(n), np.zeros(n, dtype=np.int64), outcome.clusters, outcome.weight, groups=1, proportion=True)
    rate = stats.clustered_rate_interval(covariance, level)
    return raikit.Metric(
        name, float(rate.value[0]), low=float(rate.low[0]), high=float(rate.high[0]), n=n,
        n_clusters=int(covariance.n_clusters[0]) if covariance.ways else None, effective_n=float(rate.n_effective[0]),
        flags=["few_clusters"] if covariance.ways and bool(rate.few_clusters[0]) else [], unit="rate", direction="lower",
        method=f"share of {case_noun()} whose decision changes; {rate.method}", **fields)


def effect(
    name: str, outcome: Outcome, version: int, level: float, *, regression: bool, nothing: str, **fields: Any
) -> raikit.Metric:
    """Return the mean change of the score from the first version to another, paired."""
    if len(outcome) < FEWEST:
        return raikit.Metric.undefined(name, nothing, **fields)
    change = outcome.score[:, version] - outcome.score[:, 0]
    if not change.any() and not regression:  # no more cases than an exact limit change, each by at most 1
        most = _rate(name, change != 0, outcome, level).high or 0.0
        return raikit.Metric(name, 0.0, low=-most, high=most, n=len(change), unit="points",
                             method=f"no score changes; exact limit of the {case_noun()} that could", **fields)
    interval = stats.mean_interval(
        change, outcome.weight, outcome.clusters, level, (-np.inf, np.inf) if regression else (-1.0, 1.0))
    return metric_of(name, interval, len(change), nothing, unit=None if regression else "points",
                     way=f"mean change of the score, {case_noun()} paired", **fields)

