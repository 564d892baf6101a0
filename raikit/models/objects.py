"""Models that exist as objects in memory, wrapped as what a loader would give."""

from __future__ import annotations

import copy
import inspect
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from raikit.errors import ModelError, nearest
from raikit.models.base import Model, ModelLoader

if TYPE_CHECKING:
    from raikit.config.types import Modality
    from raikit.data.dataset import Dataset

ObjectKind = Literal["raikit", "pipeline", "torch", "sklearn", "function"]
_OF_TASK: dict[str, Modality] = {"image-classification": "image", "audio-classification": "audio"}
_SETTINGS: dict[ObjectKind, tuple[str, ...]] = {
    "raikit": (), "pipeline": ("labels", "max_length"), "torch": ("outputs",), "sklearn": ("classes",), "function": (),
}  # fmt: skip


def kind_of(model: Any) -> ObjectKind:
    """Return what kind of model an object is.

    Raises
    ------
    ModelError
        If it is none.
    """
    if isinstance(model, type):
        raise ModelError(f"model: {model.__name__} is a class; give a fitted object of it.")
    if isinstance(model, Model):
        return "raikit"
    # An object of a library exists only if the library has been imported, so none is imported to find out.
    if _is_of(model, "transformers", "Pipeline"):
        return "pipeline"
    if _is_of(model, "torch.nn", "Module"):
        return "torch"
    if hasattr(model, "predict"):
        return "sklearn"
    if callable(model):
        return "function"
    raise ModelError(
        f"model: a {type(model).__name__} is no model; give an estimator of scikit-learn, a torch module, a pipeline of "
        "transformers, a function from rows to scores, or a raikit.Model. Files of models are audited with audit.yaml."
    )


def describe_object(value: Any) -> str:
    """Name the class of an object and its package: ``Pipeline of sklearn``; of a function its name."""
    if inspect.isroutine(value):
        return f"the function {getattr(value, '__name__', 'without a name')}"
    package = type(value).__module__.partition(".")[0]
    return type(value).__name__ if package in ("__main__", "builtins") else f"{type(value).__name__} of {package}"


def loader_of(model: Any) -> ModelLoader:
    """Return a loader that wraps an object for the data; it knows the settings of ``model.load`` that its kind has."""
    kind = kind_of(model)

    def load_object(spec: Mapping[str, Any], data: Dataset) -> Model:
        settings = {name: value for name, value in spec.items() if name != "kind"}
        if unknown := next((name for name in settings if name not in _SETTINGS[kind]), None):
            hint = nearest(unknown, _SETTINGS[kind])
            raise ModelError(f"model.load.{unknown}: {describe_object(model)} has no such setting.{hint}")
        return _WRAPPERS[kind](model, data, settings)

    return load_object


def modality_of(model: Any) -> Modality:
    """Return what the one input of a model most likely is, if nobody says so."""
    if model is None or kind_of(model) != "pipeline":
        return "text"
    return _OF_TASK.get(str(getattr(model, "task", "")), "text")


def columns_of(model: Any) -> list[str] | None:
    """Return the columns on which an estimator was fitted, None if it does not say."""
    known = getattr(model, "feature_names_in_", None)
    return None if known is None else [str(name) for name in known]


def input_name(model: Any, default: str) -> str:
    """Return what a single input is called: a torch module gets its inputs by the names of its parameters."""
    if kind_of(model) != "torch":
        return default
    parameters = inspect.signature(model.forward).parameters.values()
    named = [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    return named[0] if named else default


def _is_of(value: Any, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def _own(model: Model, data: Dataset, settings: Mapping[str, Any]) -> Model:
    from raikit.models.loaders import refuse_other_data

    refuse_other_data(model, data)
    return model


def _torch(model: Any, data: Dataset, settings: Mapping[str, Any]) -> Model:
    from raikit.models.torch_module import TorchModel

    # A copy: an audit puts a module into evaluation mode and may move it to another device.
    return TorchModel(copy.deepcopy(model), data, settings.get("outputs"))


def _sklearn(model: Any, data: Dataset, settings: Mapping[str, Any]) -> Model:
    from raikit.models.sklearn_estimator import SklearnModel

    classes: Sequence[Any] | None = settings.get("classes")
    return SklearnModel(model, data, classes=classes)


def _function(model: Any, data: Dataset, settings: Mapping[str, Any]) -> Model:
    from raikit.models.function import FunctionModel

    return FunctionModel(model, data)


def _pipeline(model: Any, data: Dataset, settings: Mapping[str, Any]) -> Model:
    """Save a pipeline and read it back, so that it is read and refused exactly as a folder in audit.yaml."""
    from raikit.models.huggingface.loader import load_huggingface
    from raikit.models.huggingface.quiet import quiet

    with tempfile.TemporaryDirectory(prefix="raikit-") as folder, quiet():
        model.save_pretrained(folder)
        return load_huggingface({"kind": "huggingface", "path": folder, **settings}, data)


_WRAPPERS = {"raikit": _own, "pipeline": _pipeline, "torch": _torch, "sklearn": _sklearn, "function": _function}
