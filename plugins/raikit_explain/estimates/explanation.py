"""From chosen rows to everything that is known about their decisions; row by row, nothing averaged yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from raikit_explain.estimates import shares
from raikit_explain.estimates.attributions import (
    Floats,
    Indices,
    Integrated,
    Score,
    evaluate,
    integrated_gradients,
    scorer,
)

if TYPE_CHECKING:
    import raikit

_ROWS_READ = 64
_FLOOR_LOG_ODDS = 0.1


@dataclass(frozen=True)
class Settings:
    """How rows are explained.

    Attributes
    ----------
    tolerance, most_steps, floor
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


@dataclass(frozen=True)
class Explained:
    """What is known about n decisions over m inputs.

    Attributes
    ----------
    inputs : list of str
    present : ndarray of bool, shape (n, m)
        Whether the row has the input.
    gradients : ndarray, shape (n, m)
        Attributions summed over each input.
    shapley : ndarray, shape (n, m), or None
        None if there are too many inputs for every combination.
    removal : ndarray, shape (n, m)
        By how much the probability of the decided class falls without the input; for regression by how much the
        value changes, either way.
    change, error, steps : ndarray, shape (n,)
        See `Integrated`.
    """

    inputs: list[str]
    present: npt.NDArray[np.bool_]
    gradients: Floats
    shapley: Floats | None
    removal: Floats
    change: Floats
    error: Floats
    steps: Indices
    shown: list[Shown] = field(default_factory=list)

    def frame(self, rows: pd.DataFrame) -> pd.DataFrame:
        """One line a row, as evidence."""
        columns: dict[str, Any] = {"id": rows["id"].to_numpy(), "change": self.change, "error": self.error,
                                   "steps": self.steps}
        for index, name in enumerate(self.inputs):
            columns[f"gradients.{name}"] = self.gradients[:, index]
            if self.shapley is not None:
                columns[f"shapley.{name}"] = self.shapley[:, index]
            columns[f"removal.{name}"] = np.where(self.present[:, index], self.removal[:, index], np.nan)
        return pd.DataFrame(columns)


@dataclass(frozen=True)
class Shown:
    """One row with its raw inputs, its encoded ones and their attributions, for a picture."""

    batch: raikit.Batch
    encoded: dict[str, npt.NDArray[np.float32]]
    attributions: dict[str, npt.NDArray[np.float32]]


def explain(
    ctx: raikit.CheckContext, rows: pd.DataFrame, settings: Settings, *, keep: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> Explained:
    """Explain the decisions of `rows` (``id`` and ``prediction``); `keep` what a picture of them needs.

    Parameters
    ----------
    progress : callable
        Called with the number of rows that are done.
    """
    assert ctx.model is not None
    parts, done = [], 0
    for batch, part in batches(ctx, rows):
        encoded = {name: tensor.detach() for name, tensor in ctx.model.encode(batch).items()}
        decided = torch.from_numpy(decided_classes(ctx, part["prediction"])).to(next(iter(encoded.values())).device)
        parts.append(_explained(ctx, batch, encoded, decided, settings, keep))
        done += len(part)
        progress(done)
    return _joined(parts)


def batches(ctx: raikit.CheckContext, rows: pd.DataFrame) -> Iterator[tuple[raikit.Batch, pd.DataFrame]]:
    """Batches that hold `rows` in their order, each with its part of `rows`."""
    assert ctx.data is not None
    split = ctx.predictions.split
    roles = ctx.data.roles
    ids = pd.Index(roles.loc[roles["split"] == split, "id"])
    positions = ids.get_indexer(pd.Index(rows["id"]))
    if (positions < 0).any():
        raise ValueError(f"{int((positions < 0).sum())} scored rows are not in the data's split {split!r}")
    start = 0
    for batch in ctx.data.batches(split, _ROWS_READ, indices=positions):
        yield batch, rows.iloc[start : start + len(batch)]
        start += len(batch)


def decided_classes(ctx: raikit.CheckContext, predictions: pd.Series[Any]) -> Indices:
    """Columns of the logits that the decisions stand for; zeros for regression."""
    assert ctx.model is not None
    if ctx.task == "regression":
        return np.zeros(len(predictions), dtype=np.int64)
    place = {str(label): index for index, label in enumerate(ctx.model.classes or ctx.classes)}
    return np.array([place[str(label)] for label in predictions], dtype=np.int64)


def regression_settings(ctx: raikit.CheckContext, rows: pd.DataFrame, settings: Settings) -> Settings:
    """Put a regression's output into the target's units, where the prediction is a straight line of it."""
    assert ctx.model is not None
    spread = float(rows["prediction"].std()) or 1.0
    batch, part = next(batches(ctx, rows))
    encoded = ctx.model.encode(batch)
    score = scorer(ctx.model, list(encoded))
    outputs = evaluate(score, encoded, torch.zeros(len(part), dtype=torch.int64))
    values = part["prediction"].to_numpy(dtype=float)
    floor = 0.1 * spread
    if np.ptp(outputs) > 0:
        slope, start = np.polyfit(outputs, values, 1)
        if np.allclose(slope * outputs + start, values, atol=1e-3 * spread):
            return Settings(settings.tolerance, settings.most_steps, floor, float(slope), "units of the target")
    return Settings(settings.tolerance, settings.most_steps, 0.1 * float(np.std(outputs)) or 1e-6, 1.0,
                    "units of the model's output")


def _explained(
    ctx: raikit.CheckContext, batch: raikit.Batch, encoded: dict[str, Tensor], decided: Tensor, settings: Settings,
    keep: bool,
) -> Explained:
    assert ctx.model is not None
    names = list(encoded)
    score = scorer(ctx.model, names, settings.scale)
    found = integrated_gradients(score, encoded, decided, tolerance=settings.tolerance,
                                 most_steps=settings.most_steps, floor=settings.floor)
    present = np.stack([tensor.flatten(1).ne(0).any(dim=1).cpu().numpy() for tensor in encoded.values()], axis=1)
    values, removal = _by_removal(ctx.task, score, encoded, decided)
    return Explained(names, present, found.totals(), values, removal, found.change, found.error, found.steps,
                     _kept(batch, encoded, found) if keep else [])


def _by_removal(
    task: str, score: Score, encoded: dict[str, Tensor], decided: Tensor
) -> tuple[Floats | None, Floats]:
    """Shapley values, and what changes when one input is taken away."""
    if len(encoded) <= shares.MOST_INPUTS:
        every = shares.coalitions(score, encoded, decided)
        last = every.shape[1] - 1
        whole, lacking = every[:, last], every[:, [last - (1 << index) for index in range(len(encoded))]]
        values = shares.shapley(every)
    else:
        whole, lacking = evaluate(score, encoded, decided), shares.without_each(score, encoded, decided)
        values = None
    if task == "regression":
        return values, np.abs(whole[:, None] - lacking)
    return values, _probability(whole)[:, None] - _probability(lacking)


def _probability(log_odds: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(log_odds / 2))


def _kept(batch: raikit.Batch, encoded: dict[str, Tensor], found: Integrated) -> list[Shown]:
    import dataclasses

    kept = []
    for row in range(len(batch)):
        inputs = {name: values.iloc[[row]] if isinstance(values, pd.DataFrame) else [values[row]]
                  for name, values in batch.inputs.items()}
        kept.append(Shown(
            dataclasses.replace(batch, ids=[batch.ids[row]], inputs=inputs, target=None, weight=None),
            {name: tensor[row].float().cpu().numpy() for name, tensor in encoded.items()},
            {name: values[row] for name, values in found.attributions.items()},
        ))
    return kept


def _joined(parts: list[Explained]) -> Explained:
    def joined(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    return Explained(
        parts[0].inputs, joined("present"), joined("gradients"),
        None if parts[0].shapley is None else joined("shapley"),
        joined("removal"), joined("change"), joined("error"), joined("steps"),
        [shown for part in parts for shown in part.shown],
    )
