"""Explain the decisions of chosen cases, one by one; nothing is averaged here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

import raikit
from raikit.arrays import BoolArray, FloatArray, IntArray
from raikit.models.encoded import Encoded, encode
from raikit.models.positions import EncodedColumns, Positions
from raikit_explain.estimates import shares
from raikit_explain.estimates.attributions import (
    AGREEMENT,
    MEGABYTES,
    Attribution,
    Score,
    evaluate,
    integrated_gradients,
    scorer,
)
from raikit_explain.estimates.parts import Part, parts_of_case

_BATCH_SIZE = 64
_FLOOR_LOG_ODDS = 0.1


@dataclass(frozen=True)
class ExplanationSettings:
    """How decisions are explained.

    Attributes
    ----------
    tolerance, most_steps, floor, agreement, megabytes
        See `raikit_explain.estimates.attributions.integrated_gradients`.
    scale : float
        Regression: the target's units per unit of the model's output; else 1.
    unit : str
        Of the decision: ``log-odds``, or for regression ``units of the target``.
    """

    tolerance: float
    most_steps: int
    floor: float = _FLOOR_LOG_ODDS
    scale: float = 1.0
    unit: str = "log-odds"
    agreement: float = AGREEMENT
    megabytes: float = MEGABYTES


@dataclass(frozen=True)
class Explanations:
    """Explanations of n decisions over m inputs.

    Attributes
    ----------
    inputs : list of str
    present : ndarray of bool, shape (n, m)
        Whether the case has the input.
    gradients : ndarray, shape (n, m)
        Attributions summed over each input.
    shapley : ndarray, shape (n, m), or None
        None if there are too many inputs for every combination.
    removal : ndarray, shape (n, m)
        Fall of the probability of the decided class without the input; for regression the absolute change of the value.
    change, error, steps, converged : ndarray, shape (n,)
        See `raikit_explain.estimates.attributions.Attribution`.
    examples : list of ExampleInputs
        What a figure of each case needs; empty unless it was asked for.
    parts : list of mapping of (input, part) to float
        Attributions of words, columns, regions and bands of each case.
    """

    inputs: list[str]
    present: BoolArray
    gradients: FloatArray
    shapley: FloatArray | None
    removal: FloatArray
    change: FloatArray
    error: FloatArray
    steps: IntArray
    converged: BoolArray
    examples: list[ExampleInputs] = field(default_factory=list)
    parts: list[dict[Part, float]] = field(default_factory=list)

    def frame(self, cases: pd.DataFrame) -> pd.DataFrame:
        """Return one row per case, the evidence behind every mean."""
        columns: dict[str, Any] = {"id": cases["id"].to_numpy(), "change": self.change, "error": self.error,
                                   "steps": self.steps, "converged": self.converged}
        for index, name in enumerate(self.inputs):
            columns[f"gradients.{name}"] = self.gradients[:, index]
            if self.shapley is not None:
                columns[f"shapley.{name}"] = self.shapley[:, index]
            columns[f"removal.{name}"] = np.where(self.present[:, index], self.removal[:, index], np.nan)
        return pd.DataFrame(columns)


@dataclass(frozen=True)
class ExampleInputs:
    """One case for a figure.

    Attributes
    ----------
    batch : Batch
        The raw inputs of the case alone.
    encoded, attributions : mapping of input name to ndarray
        The encoded inputs and their attributions.
    present : mapping of input name to bool
    positions : mapping of input name to Positions
        How encoded positions map back to words, pixels, seconds or columns, as far as the model says.
    """

    batch: raikit.Batch
    encoded: dict[str, npt.NDArray[np.float32]]
    attributions: dict[str, npt.NDArray[np.float32]]
    present: dict[str, bool]
    positions: dict[str, Positions]


def explain(
    ctx: raikit.CheckContext, cases: pd.DataFrame, settings: ExplanationSettings, *, keep_inputs: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> Explanations:
    """Explain the decisions of some cases.

    Parameters
    ----------
    ctx : CheckContext
    cases : DataFrame
        With ``id`` and ``prediction``.
    settings : ExplanationSettings
    keep_inputs : bool
        Whether to keep what a figure of each case needs.
    progress : callable
        Called with the number of cases that are done.
    """
    assert ctx.model is not None
    parts, done = [], 0
    for batch, part in batches(ctx, cases):
        encoded = encode(ctx.model, batch)
        decided = torch.from_numpy(decided_classes(ctx, part["prediction"])).to(next(iter(encoded.inputs.values())).device)
        parts.append(_explain_batch(ctx, batch, encoded, decided, settings, keep_inputs))
        done += len(part)
        progress(done)
    return _concatenate(parts)


def batches(ctx: raikit.CheckContext, cases: pd.DataFrame) -> Iterator[tuple[raikit.Batch, pd.DataFrame]]:
    """Yield batches of the inputs of `cases` in their order, each with its part of `cases`.

    Raises
    ------
    ValueError
        If a case is not in the data.
    """
    assert ctx.data is not None
    split = ctx.predictions.split
    roles = ctx.data.roles
    ids = pd.Index(roles.loc[roles["split"] == split, "id"])
    positions = ids.get_indexer(pd.Index(cases["id"]))
    if (positions < 0).any():
        raise ValueError(f"{int((positions < 0).sum())} scored cases are not in the split {split!r} of the data.")
    start = 0
    for batch in ctx.data.batches(split, _BATCH_SIZE, indices=positions):
        yield batch, cases.iloc[start : start + len(batch)]
        start += len(batch)


def decided_classes(ctx: raikit.CheckContext, predictions: pd.Series[Any]) -> IntArray:
    """Return the column of the logits of each decision; zeros for regression."""
    assert ctx.model is not None
    if ctx.task == "regression":
        return np.zeros(len(predictions), dtype=np.int64)
    place = {str(label): index for index, label in enumerate(ctx.model.classes or ctx.classes)}
    return np.array([place[str(label)] for label in predictions], dtype=np.int64)


def regression_settings(ctx: raikit.CheckContext, cases: pd.DataFrame, settings: ExplanationSettings) -> ExplanationSettings:
    """Return settings in the target's units where the prediction is linear in the model's output, else in the output's."""
    assert ctx.model is not None
    spread = float(cases["prediction"].std()) or 1.0
    batch, part = next(batches(ctx, cases))
    encoded = encode(ctx.model, batch)
    score = scorer(ctx.model, encoded)
    outputs = evaluate(score, encoded, torch.zeros(len(part), dtype=torch.int64))
    values = part["prediction"].to_numpy(dtype=float)
    floor = 0.1 * spread
    if np.ptp(outputs) > 0:
        slope, start = np.polyfit(outputs, values, 1)
        if np.allclose(slope * outputs + start, values, atol=1e-3 * spread):
            return replace(settings, floor=floor, scale=float(slope), unit="units of the target")
    return replace(settings, floor=0.1 * float(np.std(outputs)) or 1e-6, unit="units of the model's output")


def _explain_batch(
    ctx: raikit.CheckContext, batch: raikit.Batch, encoded: Encoded, decided: Tensor, settings: ExplanationSettings,
    keep_inputs: bool,
) -> Explanations:
    assert ctx.model is not None
    names = list(encoded)
    score = scorer(ctx.model, encoded, settings.scale)
    gradients = integrated_gradients(
        score, encoded, decided, tolerance=settings.tolerance, most_steps=settings.most_steps, floor=settings.floor,
        agreement=settings.agreement, megabytes=settings.megabytes)
    assert gradients.steps is not None
    assert gradients.converged is not None
    present = np.stack([has_input.cpu().numpy() for has_input in encoded.present().values()], axis=1)
    values, removal = _by_removal(ctx.task, score, encoded, decided)
    return Explanations(
        names, present, gradients.totals(), values, removal, gradients.change, gradients.error, gradients.steps,
        gradients.converged,
        _example_inputs(ctx, batch, encoded, gradients) if keep_inputs else [],
        _parts(ctx.model, batch, gradients),
    )


def _parts(model: raikit.Model, batch: raikit.Batch, gradients: Attribution) -> list[dict[Part, float]]:
    """Sum the attributions of each case over its words, columns, regions and bands."""
    positions = dict(model.positions(batch))
    for name, raw in batch.inputs.items():
        if isinstance(raw, pd.DataFrame) and name not in positions:  # one element a column, as far as the numbers agree
            positions[name] = [EncodedColumns([str(column) for column in raw.columns])] * len(batch)
    return [parts_of_case({name: values[row] for name, values in gradients.values.items()}, model.modalities,
                          {name: of_cases[row] for name, of_cases in positions.items()}) for row in range(len(batch))]


def _by_removal(
    task: str, score: Score, encoded: Encoded, decided: Tensor
) -> tuple[FloatArray | None, FloatArray]:
    """Compute Shapley values, and the effect of removing each input."""
    if len(encoded) <= shares.MAX_INPUTS:
        values_of_subsets = shares.coalitions(score, encoded, decided)
        last = values_of_subsets.shape[1] - 1
        complete = values_of_subsets[:, last]
        reduced = values_of_subsets[:, [last - (1 << index) for index in range(len(encoded))]]
        values = shares.shapley(values_of_subsets)
    else:
        complete, reduced = evaluate(score, encoded, decided), shares.leave_one_out(score, encoded, decided)
        values = None
    if task == "regression":
        return values, np.abs(complete[:, None] - reduced)
    return values, _probability(complete)[:, None] - _probability(reduced)


def _probability(log_odds: FloatArray) -> FloatArray:
    return 0.5 * (1 + np.tanh(log_odds / 2))


def _example_inputs(
    ctx: raikit.CheckContext, batch: raikit.Batch, encoded: Encoded, gradients: Attribution
) -> list[ExampleInputs]:
    assert ctx.model is not None
    examples, present, positions = [], encoded.present(), ctx.model.positions(batch)
    for row in range(len(batch)):
        examples.append(ExampleInputs(
            batch.take([row]),
            {name: tensor[row].float().cpu().numpy() for name, tensor in encoded.items()},
            {name: values[row] for name, values in gradients.values.items()},
            {name: bool(has_input[row]) for name, has_input in present.items()},
            {name: of_cases[row] for name, of_cases in positions.items()},
        ))
    return examples


def _concatenate(parts: list[Explanations]) -> Explanations:
    def joined(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    return Explanations(
        parts[0].inputs, joined("present"), joined("gradients"),
        None if parts[0].shapley is None else joined("shapley"),
        joined("removal"), joined("change"), joined("error"), joined("steps"), joined("converged"),
        [example for part in parts for example in part.examples],
        [case for part in parts for case in part.parts],
    )
