"""The one training loop: for the audited model, for differentially private fine-tuning, and for shadow models."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from raikit.errors import ModelError
from raikit.models.checkpoint import Checkpoint
from raikit.models.history import Epoch, History
from raikit.models.prepared import FloatArray, Indices, Rows, gather, in_order

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model

# step(module, optimizer, inputs, target, weight) -> mean loss of the rows, for the curve
Step = Callable[[nn.Module, torch.optim.Optimizer, dict[str, Tensor], Tensor, Tensor | None], float]
# sampler(epoch, rng) -> the rows of each step; a step may have none
Sampler = Callable[[int, np.random.Generator], Iterable[Indices]]
# callback(history, module), after each epoch; a true answer ends the training
Callback = Callable[[History, nn.Module], object]


def fit(
    model: Model,
    data: Dataset,
    *,
    epochs: int,
    batch_size: int = 64,
    learning_rate: float = 4e-3,
    weight_decay: float = 0.05,
    seed: int = 0,
    patience: int | None = None,
    workdir: Path | None = None,
    row_weight: FloatArray | None = None,
    step: Step | None = None,
    sampler: Sampler | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    module: nn.Module | None = None,
    callbacks: Sequence[Callback] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> History:
    """Train `model` in place on the train rows of `data`, from the weights that it has.

    Parameters
    ----------
    model : Model
        With the capability "trainable".
    data : Dataset
        Its train rows are learnt from, its validation rows (if any) watched.
    epochs, batch_size : int
    learning_rate : float
        Peak of the one-cycle schedule. An `optimizer` of your own keeps its own rate.
    weight_decay : float
        AdamW's.
    seed : int
        Each epoch draws from generators of its own, made of `seed` and its number.
    patience : int, optional
        Stop after so many epochs without a better validation loss and keep the best weights. Absent: every epoch runs
        and the last weights are kept.
    workdir : Path, optional
        A checkpoint is kept there after each epoch; if it holds one of the same training, that goes on, with the same
        result as if it had never stopped.
    row_weight : ndarray, shape (train rows,), optional
        Weights of the train rows, in the order of ``data.batches("train", …)``, multiplied with `data.weight` if there is
        one. Their scale changes nothing. Validation rows keep their own.
    step : callable, optional
        ``step(module, optimizer, inputs, target, weight) -> loss``: one update, in place of the usual one. Random
        numbers drawn from torch's global generator are seeded here: noise that must be secret needs a generator of its
        own.
    sampler : callable, optional
        ``sampler(epoch, rng)``: the row positions of each step of an epoch, in place of a shuffle. A step may be empty.
    optimizer, module : optional
        Used in place of AdamW and ``model.module``: a wrapper of it, that shares its parameters.
    callbacks : sequence of callable
        ``callback(history, module)`` after each epoch; a true answer ends the training.
    progress : callable
        ``progress(done, total)``, in steps.

    Returns
    -------
    History

    Raises
    ------
    ModelError
        If there is nothing to train on, the loss is no number, or `workdir` holds another training.
    """
    if not data.size("train"):
        raise ModelError("The train split has no rows, so there is nothing to train on.")
    rows = gather(model, data, "train", row_weight=row_weight)
    watched = gather(model, data, "validation") if data.size("validation") else None
    module = module if module is not None else model.module
    scheduled = optimizer is None
    optimizer = optimizer or torch.optim.AdamW(
        module.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True
    )
    step = step or plain_step(model)
    sampler = sampler or shuffle(len(rows), batch_size)

    settings = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate,
                "weight_decay": weight_decay, "seed": seed, "patience": patience, "rows": len(rows),
                "row_weight": _digest(row_weight)}
    checkpoint = Checkpoint(workdir, settings)
    history = checkpoint.restore(model.module, optimizer) or History("accuracy" if model.classes else "r2")
    ended = checkpoint.ended

    while len(history.epochs) < epochs and not ended:
        number = len(history.epochs)
        batches = list(sampler(number, np.random.default_rng([seed, number])))
        module.train()
        loss_sum, seen = 0.0, 0
        with _seeded(seed, number):
            for done, indices in enumerate(batches):
                if scheduled:
                    set_rate(optimizer, learning_rate * one_cycle((number + done / len(batches)) / epochs))
                part = rows.take(indices)
                loss = step(module, optimizer, part.inputs, part.target, part.weight)
                if len(indices):
                    loss_sum, seen = loss_sum + loss * len(indices), seen + len(indices)
                progress(number * len(batches) + done + 1, epochs * len(batches))
        if not math.isfinite(loss_sum):
            raise ModelError(f"The training loss is no number in epoch {number + 1}; try a lower learning_rate.")
        train_loss = loss_sum / seen if seen else None
        history.epochs.append(Epoch(number + 1, len(batches), train_loss, *evaluate(model, watched)))
        answers = [bool(callback(history, module)) for callback in callbacks]
        ended = any(answers) or (patience is not None and len(history.epochs) - history.best >= patience)
        checkpoint.save(model.module, optimizer, history, ended=ended)

    module.eval()
    model.module.eval()
    if patience is None:
        return replace(history, kept=len(history.epochs))
    checkpoint.restore_best(model.module)
    return replace(history, kept=history.best)


def _digest(weight: FloatArray | None) -> str | None:
    """What tells one training from another that weighs its rows differently."""
    return None if weight is None else hashlib.sha256(np.ascontiguousarray(weight, dtype=np.float64).tobytes()).hexdigest()


def plain_step(model: Model) -> Step:
    """The usual update: the weighted mean loss of the rows, one step down its gradient."""

    def step(module: nn.Module, optimizer: torch.optim.Optimizer, inputs: dict[str, Tensor], target: Tensor,
             weight: Tensor | None) -> float:
        if not len(target):
            return 0.0
        optimizer.zero_grad()
        loss = weighted_mean(model.loss(module(**inputs), target), weight)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.item()

    return step


def shuffle(rows: int, batch_size: int) -> Sampler:
    """Every row once in an epoch, in random order."""

    def sampler(epoch: int, rng: np.random.Generator) -> list[Indices]:
        order = rng.permutation(rows)
        return [order[start : start + batch_size] for start in range(0, rows, batch_size)]

    return sampler


def one_cycle(progress: float) -> float:
    """The share of the peak learning rate at `progress` in [0, 1]: up along a cosine for 30 %, then down to nothing.

    Smith and Topin, "Super-Convergence", 2018; a function of progress alone, so that there is no state to restore.
    """
    low, peak_at = 1 / 25, 0.3
    if progress < peak_at:
        return low + (1 - low) * (1 - math.cos(math.pi * progress / peak_at)) / 2
    return (1 + math.cos(math.pi * (progress - peak_at) / (1 - peak_at))) / 2


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def weighted_mean(values: Tensor, weight: Tensor | None) -> Tensor:
    """Mean of `values`; weights of any scale."""
    return values.mean() if weight is None else (values * weight).sum() / weight.sum()


def evaluate(model: Model, rows: Rows | None) -> tuple[float | None, float | None]:
    """Loss, and accuracy or R² with weights, of `rows`; None where there are none."""
    if rows is None:
        return None, None
    model.module.eval()
    logits, targets, weights = [], [], []
    with torch.inference_mode():
        for part in in_order(rows):
            logits.append(model.module(**part.inputs))
            targets.append(part.target)
            weights.append(part.weight if part.weight is not None else torch.ones(len(part.target)))
        logit, target, weight = torch.cat(logits), torch.cat(targets), torch.cat(weights)
        losses = model.loss(logit, target)
        loss = weighted_mean(losses, weight).item()
        if model.classes:
            return loss, weighted_mean((logit.argmax(dim=1) == target).float(), weight).item()
        return loss, 1 - loss / _variance(model, logit, target, weight)


def _variance(model: Model, logit: Tensor, target: Tensor, weight: Tensor) -> float:
    """Variance of the target z on the scale that the model trains on, from its losses z^2 and (z - 1)^2."""
    zero = weighted_mean(model.loss(torch.zeros_like(logit), target), weight).item()
    one = weighted_mean(model.loss(torch.ones_like(logit), target), weight).item()
    mean = (zero - one + 1) / 2
    return max(zero - mean**2, 1e-12)


@contextlib.contextmanager
def _seeded(seed: int, epoch: int) -> Iterator[None]:
    """Torch's generator from `seed` and `epoch` inside, untouched outside."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.SeedSequence([seed, epoch, 1]).generate_state(1, np.uint64)[0] >> 1))
        yield
