"""Where a model computes, and in which numbers: the harness decides, and the code is the same everywhere."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from raikit.errors import ModelError, raised

if TYPE_CHECKING:
    from raikit.config.schema import ModelConfig
    from raikit.models.base import Model


def place(model: Model, settings: ModelConfig) -> Model:
    """Move a model to its device, and set precision, compilation and determinism.

    A model without a module, such as an estimator of scikit-learn, stays where it is.

    Parameters
    ----------
    model : Model
    settings : ModelConfig

    Raises
    ------
    ModelError
        If a device is named that this machine does not have.
    """
    module = _module(model)
    if module is None:
        return model
    import torch

    model.device, model.precision = choose_device(settings.device), settings.precision
    module.to(model.device)
    if settings.deterministic:
        torch.use_deterministic_algorithms(True, warn_only=True)
    if settings.compile:
        module.compile()
    return model


def choose_device(named: str) -> str:
    """Return the device that is named; of ``auto`` the first of CUDA and MPS that the machine has, else the CPU.

    Raises
    ------
    ModelError
        If the machine has no such device.
    """
    import torch

    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if named == "auto":
        return next(device for device, there in present.items() if there)
    if not present[named]:
        raise ModelError(f"model.device: this machine has no {named} device that torch can use; say `auto` or `cpu`.")
    return named


def computing(model: Model) -> contextlib.AbstractContextManager[Any]:
    """Return a context in which the model's module computes in the model's precision."""
    if model.precision == "float32":
        return contextlib.nullcontext()
    import torch

    return torch.autocast(model.device, dtype=torch.bfloat16)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether torch could not allocate memory, on an accelerator or not."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(error, RuntimeError):
        return False
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in raised(error)


def _module(model: Model) -> Any:
    """Return the model's network, None if it has none."""
    try:
        return model.module
    except ModelError:
        return None
