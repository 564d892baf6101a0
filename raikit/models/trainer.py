"""The only training loop: for the audited model, for differentially private fine-tuning, and for shadow models."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from raikit.errors import ModelError
from raikit.models.checkpoint import Checkpoint, digest
from raikit.models.history import Epoch, History
from raikit.models.prepared import FloatArray, Indices, PreparedCases, digest_cases, in_order, prepare_cases

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model

# step(module, optimizer, inputs, target, weight) -> mean loss of the cases, for the curve
Step = Callable[[nn.Module, torch.optim.Optimizer, dict[str, Tensor], Tensor, Tensor | None], float]
# sampler(epoch, rng) -> positions of the cases of each step; a step may be empty
Sampler = Callable[[int, np.random.Generator], Iterable[Indices]]
# callback(history, module), after each epoch; a true result ends the training
Callback = Callable[[History, nn.Module], object]


class DivergedError(ModelError):
    """A training whose loss became NaN or infinite."""


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
    recipe: Mapping[str, Any] | None = None,
    record_losses: bool = True,
) -> History:
    """Train `model` in place on the train cases of `data`, starting from its current weights.

    Parameters
    ----------
    model : Model
        With the capability "trainable".
    data : Dataset
        The model learns from its train cases; the validation cases (if any) are only evaluated.
    epochs, batch_size : int
    learning_rate : float
        Peak of the one-cycle schedule. An `optimizer` of your own keeps its own rate.
    weight_decay : float
        Weight decay of AdamW.
    seed : int
        Each epoch draws from its own generators, which are seeded by `seed` and the number of the epoch.
    patience : int, optional
        Stop after this many epochs without a better validation loss, and keep the best weights. Absent: every epoch runs
        and the last weights are kept.
    workdir : Path, optional
        Holds a checkpoint after each epoch. A checkpoint of the same training is resumed, with the same result as
        without an interruption. One with other settings, cases, initial weights, optimizer or `recipe` is refused.
    row_weight : ndarray, shape (train cases,), optional
        Weights of the train cases, in the order of ``data.batches("train", …)``, multiplied by `data.weight` if there is
        one. Their scale does not matter. Validation cases keep their own weights.
    step : callable, optional
        ``step(module, optimizer, inputs, target, weight) -> loss``: one update, instead of the usual one. Torch's global
        generator is seeded during a step, so noise that must be secret needs its own generator.
    sampler : callable, optional
        ``sampler(epoch, rng)``: positions of the cases of each step of an epoch, instead of a shuffle. A step may be
        empty.
    optimizer, module : optional
        Used instead of AdamW and ``model.module``; the module is a wrapper that shares the parameters.
    callbacks : sequence of callable
        ``callback(history, module)`` after each epoch; a true result ends the training.
    progress : callable
        ``progress(done, total)``, in steps.
    recipe : mapping of str to str, number, bool or None, optional
        What `step` and `sampler` depend on, such as the noise of a private training. It is stored in the checkpoint.
    record_losses : bool
        False: neither training nor validation losses are recorded, in the history or in a checkpoint. They are computed
        from cases without noise, so a history with them is not private.

    Returns
    -------
    History

    Raises
    ------
    ModelError
        If there are no train cases, the loss is NaN or infinite, or `workdir` holds another training.
    ValueError
        If `patience` is given although no losses are recorded.
    """
    if patience is not None and not record_losses:
        raise ValueError("patience needs validation losses; it cannot be combined with record_losses=False")
    if not data.size("train"):
        raise ModelError("the train split has no cases, so no model can be trained.")
    cases = prepare_cases(model, data, "train", row_weight=row_weight)
    watched = record_losses and data.size("validation")
    validation = prepare_cases(model, data, "validation") if watched else None
    module = module if module is not None else model.module
    scheduled = optimizer is None
    optimizer = optimizer or torch.optim.AdamW(
        _by_share(module), lr=learning_rate, weight_decay=weight_decay, fused=True
    )
    step = step or plain_step(model)
    sampler = sampler or shuffle(len(cases), batch_size)

    settings = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate,
                "weight_decay": weight_decay, "seed": seed, "patience": patience, "rows": len(cases),
                "row_weight": _digest(row_weight), "record_losses": record_losses}
    if workdir is not None:
        settings |= {"optimizer": _optimizer_text(optimizer), "initial_weights": digest(model.module.state_dict()),
                     "cases": digest_cases(cases), **{f"recipe.{key}": value for key, value in (recipe or {}).items()}}
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
                batch = cases.take(indices)
                loss = step(module, optimizer, batch.inputs, batch.target, batch.weight)
                if len(indices):
                    loss_sum, seen = loss_sum + loss * len(indices), seen + len(indices)
                progress(number * len(batches) + done + 1, epochs * len(batches))
        if not math.isfinite(loss_sum):
            raise DivergedError(f"the training loss is NaN or infinite in epoch {number + 1}; try a lower learning_rate.")
        train_loss = loss_sum / seen if seen and record_losses else None
        history.epochs.append(Epoch(number + 1, len(batches), train_loss, *evaluate(model, validation)))
        stops = [bool(callback(history, module)) for callback in callbacks]
        ended = any(stops) or (patience is not None and len(history.epochs) - history.best >= patience)
        checkpoint.save(model.module, optimizer, history, ended=ended)

    module.eval()
    model.module.eval()
    if patience is None:
        return replace(history, kept=len(history.epochs))
    checkpoint.restore_best(model.module)
    return replace(history, kept=history.best)


def _digest(weight: FloatArray | None) -> str | None:
    """Return a hash of the weights, by which a checkpoint recognises its training."""
    return None if weight is None else hashlib.sha256(np.ascontiguousarray(weight, dtype=np.float64).tobytes()).hexdigest()


def _optimizer_text(optimizer: torch.optim.Optimizer) -> str:
    """Return the class and the settings of an optimizer, by which a checkpoint recognises its training."""
    settings = ", ".join(f"{key}={value!r}" for key, value in sorted(optimizer.defaults.items()))
    return f"{type(optimizer).__name__}({settings})"


def plain_step(model: Model) -> Step:
    """Return the usual update: one step down the gradient of the weighted mean loss."""

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
    """Return a sampler of every case once per epoch, in random order."""

    def sampler(epoch: int, rng: np.random.Generator) -> list[Indices]:
        order = rng.permutation(rows)
        return [order[start : start + batch_size] for start in range(0, rows, batch_size)]

    return sampler


def one_cycle(progress: float) -> float:
    """Compute the learning rate as a share of its peak.

    It rises from 1/25 along a cosine for the first 30% of the training, then falls to 0 along another. It depends on
    the progress alone, so that a checkpoint has no state of it to restore.

    Parameters
    ----------
    progress : float, in [0, 1]

    References
    ----------
    .. [1] Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates", 2018.
    """
    low, peak_at = 1 / 25, 0.3
    if progress < peak_at:
        return low + (1 - low) * (1 - math.cos(math.pi * progress / peak_at)) / 2
    return (1 + math.cos(math.pi * (progress - peak_at) / (1 - peak_at))) / 2


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameters, of those of a group with a ``share`` that share of it."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("share", 1.0)


def _by_share(module: nn.Module) -> list[dict[str, Any]]:
    """Return groups of parameters by their share of the learning rate, which the ``rate_shares`` of a network say."""
    shares: Mapping[str, float] = getattr(module, "rate_shares", {})
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        share = next((share for prefix, share in shares.items() if name.startswith(prefix)), 1.0)
        groups.setdefault(share, []).append(parameter)
    return [{"params": parameters, "share": share} for share, parameters in groups.items()]


def weighted_mean(values: Tensor, weight: Tensor | None) -> Tensor:
    """Compute the mean of `values`, shape (n,); the scale of the weights does not matter."""
    if weight is None:
        return values.mean()
    weight = weight.to(values.device)
    return (values * weight).sum() / weight.sum()


def evaluate(model: Model, cases: PreparedCases | None) -> tuple[float | None, float | None]:
    """Compute the weighted loss, and the weighted accuracy or R²; both are None without cases."""
    if cases is None:
        return None, None
    model.module.eval()
    logits, targets, weights = [], [], []
    with torch.inference_mode():
        for batch in in_order(cases):
            logits.append(model.module(**batch.inputs))
            targets.append(batch.target)
            weights.append(batch.weight if batch.weight is not None else torch.ones(len(batch.target)))
        logit = torch.cat(logits)
        target, weight = torch.cat(targets).to(logit.device), torch.cat(weights).to(logit.device)
        losses = model.loss(logit, target)
        loss = weighted_mean(losses, weight).item()
        if model.classes:
            return loss, weighted_mean((logit.argmax(dim=1) == target).float(), weight).item()
        return loss, 1 - loss / _variance(model, logit, target, weight)


def _variance(model: Model, logit: Tensor, target: Tensor, weight: Tensor) -> float:
    """Compute the variance of the target z, on the scale of the loss, from the losses z² and (z - 1)²."""
    zero = weighted_mean(model.loss(torch.zeros_like(logit), target), weight).item()
    one = weighted_mean(model.loss(torch.ones_like(logit), target), weight).item()
    mean = (zero - one + 1) / 2
    return max(zero - mean**2, 1e-12)


@contextlib.contextmanager
def _seeded(seed: int, epoch: int) -> Iterator[None]:
    """Seed torch's generator inside the block, and restore it afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.SeedSequence([seed, epoch, 1]).generate_state(1, np.uint64)[0] >> 1))
        yield
