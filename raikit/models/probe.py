"""What a model can do, tried on a few cases as it is opened: capabilities are measured, not believed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from raikit.errors import ModelError, raised
from raikit.models.base import Model
from raikit.models.batches import first_batch
from raikit.models.scoring import scores_in_memory

if TYPE_CHECKING:
    from raikit.data.batch import Batch
    from raikit.data.dataset import Dataset

_LOOKED_AT = 32  # cases of which three are tried: a short one, a long one, and the first
_TOLERANCE = 1e-5  # of a probability, or of the largest value of a regression: rounding of float32 in another order is smaller
_COARSE = 2e-2  # on an accelerator, or in a precision of 16 bits
_METHODS = {"gradients": ("encode", "forward"), "embeddings": ("embeddings",), "trainable": ("copy", "fresh", "loss")}


def examine(model: Model, data: Dataset) -> Model:
    """Try a model on three cases, and leave it the capabilities that it has shown.

    A model whose class names no capabilities may have those whose methods it defines. What was dropped, and why, is added to
    `Model.limits`.

    Parameters
    ----------
    model : Model
    data : Dataset

    Returns
    -------
    Model
        The same one.

    Raises
    ------
    ModelError
        If the scores of a case depend on the other cases of its batch, or differ from one call to the next.
    """
    batch = _three_cases(data, list(model.modalities))
    if batch is None:
        return model
    scores = _refuse_dependent_scores(model, batch)
    claimed = frozenset(model.capabilities) or _defined(model)
    faults = {name: fault for name in sorted(claimed & _METHODS.keys()) if (fault := _fault(name, model, batch, scores))}
    if faults or not model.capabilities:
        model.capabilities = claimed - faults.keys()
    model.limits = [f"The model does not provide {name}: {fault}." for name, fault in faults.items()]
    return model


def _defined(model: Model) -> frozenset[str]:
    """Return the capabilities whose methods the model's class defines."""
    own = {name for name, methods in _METHODS.items() if all(getattr(type(model), m) is not getattr(Model, m) for m in methods)}
    return frozenset({"labels", "scores"} | own)


# --- scores ------------------------------------------------------------------------------------------------------


def _refuse_dependent_scores(model: Model, batch: Batch) -> np.ndarray:
    """Return the scores of some cases together; raise unless each case has the same alone, and again."""
    together, again = _scores(model, batch), _scores(model, batch)
    _compare(model, batch, together, again, "on the first call and {} on the second", "a layer such as dropout is still random")
    alone = np.concatenate([_scores(model, one) for one in _singly(batch)])
    _compare(
        model, batch, together, alone, "beside other cases and {} alone",
        "statistics of the batch, or padding that is not masked, may be the cause",
    )  # fmt: skip
    return together


def _scores(model: Model, batch: Batch) -> np.ndarray:
    return np.asarray(scores_in_memory(model, batch, len(batch))[0], dtype=np.float64)


def _compare(model: Model, batch: Batch, one: np.ndarray, other: np.ndarray, when: str, cause: str) -> None:
    """Raise if two scores of a case differ; shapes and NaN are reported when all cases are scored."""
    if one.shape != other.shape or not len(one):
        return
    scale = 1.0 if model.classes else max(float(np.nanmax(np.abs(one))), 1e-12)
    apart = np.nan_to_num(np.abs(one - other)) / scale
    if apart.max(initial=0.0) <= tolerance(model):
        return
    row, column = np.unravel_index(int(apart.argmax()), apart.shape)
    raise ModelError(
        f"model.load: the model scores the case with id {batch.ids[int(row)]!r} {one[row, column]:.6g} "
        f"{when.format(f'{other[row, column]:.6g}')}; {cause}. A score must depend on its case alone."
    )


def tolerance(model: Model) -> float:
    """Return by how much two scores of one case may differ."""
    return _TOLERANCE if model.device == "cpu" and model.precision == "float32" else _COARSE


# --- capabilities ------------------------------------------------------------------------------------------------


def _fault(name: str, model: Model, batch: Batch, scores: np.ndarray) -> str:
    """Return why a model lacks a capability, "" if it has shown it."""
    examinations = {"gradients": _fault_of_gradients, "embeddings": _fault_of_embeddings, "trainable": _fault_of_training}
    try:
        return examinations[name](model, batch, scores)
    except Exception as error:
        return f"`{_METHODS[name][0]}` raised {raised(error)}"


def _fault_of_gradients(model: Model, batch: Batch, scores: np.ndarray) -> str:
    import torch

    from raikit.models.encoded import encode

    encoded = encode(model, batch)
    if not encoded or any(len(tensor) != len(batch) for tensor in encoded.inputs.values()):
        return f"`encode` returned no tensors of {len(batch)} cases"
    if whole := [name for name, tensor in encoded.inputs.items() if not tensor.is_floating_point()]:
        return f"`encode` returned whole numbers for {whole[0]!r}, which have no gradient"
    inputs = [tensor.clone().requires_grad_() for tensor in encoded.inputs.values()]
    with torch.enable_grad():
        logits = model.forward(encoded.with_inputs([tensor * 1 for tensor in inputs]))
        if logits.shape != scores.shape:
            return f"`forward` returned logits of shape {tuple(logits.shape)}, and the scores have {scores.shape}"
        if not logits.requires_grad:
            return "its logits do not depend on the encoded inputs by operations that autograd knows"
        gradients = torch.autograd.grad(logits.sum(), inputs, allow_unused=True)
    if not all(gradient is None or gradient.isfinite().all() for gradient in gradients):
        return "a gradient is NaN or infinite"
    if model.classes and scores.shape[1] > 1:
        apart = np.abs(logits.detach().double().softmax(dim=1).cpu().numpy() - scores).max()
        if apart > 100 * tolerance(model):
            return f"the softmax of `forward` differs from `scores` by {apart:.2g}, so its gradients explain another model"
    return ""


def _fault_of_embeddings(model: Model, batch: Batch, scores: np.ndarray) -> str:
    found = np.asarray(model.embeddings(batch))
    if found.ndim != 2 or len(found) != len(batch):
        return f"`embeddings` returned the shape {found.shape} for {len(batch)} cases"
    return "" if np.isfinite(found).all() else "an embedding is NaN or infinite"


def _fault_of_training(model: Model, batch: Batch, scores: np.ndarray) -> str:
    import torch

    weights = [parameter for parameter in model.module.parameters() if parameter.requires_grad]
    if not weights:
        return "no weight of its module can be trained"
    target = torch.zeros(len(batch), dtype=torch.int64 if model.classes else torch.float64)
    with torch.enable_grad():
        loss = model.loss(model.module(**model.prepare(batch)), target.to(weights[0].device))
    if tuple(loss.shape) != (len(batch),):
        return f"`loss` returned the shape {tuple(loss.shape)}, not one number for each case"
    return "" if loss.requires_grad else "its loss does not depend on its weights"


# --- cases -------------------------------------------------------------------------------------------------------


def _three_cases(data: Dataset, inputs: Sequence[str]) -> Batch | None:
    """Return the shortest of the first cases, the longest and another one; None without cases."""
    batch = first_batch(data, _LOOKED_AT)
    if batch is None:
        return None
    sizes = [sum(_size(batch.inputs[name], row) for name in inputs if name in batch.inputs) for row in range(len(batch))]
    wanted = (int(np.argmin(sizes)), int(np.argmax(sizes)), 0, len(sizes) // 2, len(sizes) - 1)
    return batch.take(sorted(list(dict.fromkeys(wanted))[:3]))


def _size(values: Any, row: int) -> int:
    """Return the number of characters, samples or pixels of a case's input."""
    if isinstance(values, pd.DataFrame) or values[row] is None:
        return 0
    return len(getattr(values[row], "samples", values[row]))


def _singly(batch: Batch) -> Iterator[Batch]:
    for row in range(len(batch)):
        yield batch.take([row])
