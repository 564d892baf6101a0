"""The model loaders of raikit itself: fusion, huggingface, onnx, http, torch, sklearn.

A table of predictions (``kind: predictions``) is not a model and has no loader; see `raikit.models.table`.
"""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from raikit.config.types import key_text
from raikit.data.parts import TOKEN
from raikit.errors import ConfigError, ModelError, RaikitError, listed, nearest, raised
from raikit.models.base import Model, ModelLoader
from raikit.models.folder import SEARCH, read_json_mapping, refuse_other_file
from raikit.models.sklearn_files import PICKLES, SKOPS, read_pickle, read_skops
from raikit.models.tokenizer_patterns import may_be_slow
from raikit.process.sources import import_from

if TYPE_CHECKING:
    from raikit.config.schema import ModelConfig
    from raikit.data.dataset import Dataset


class FusionSpec(BaseModel):
    """Settings of ``kind: fusion``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = "fusion"
    path: str = Field(description="A folder that `raikit train` or an audit wrote.")
    encoders: Mapping[str, str] = Field(
        default_factory=dict, description="The folder of each pretrained encoder, by input: what private training starts from."
    )


class TorchSpec(BaseModel):
    """Settings of ``kind: torch``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = "torch"
    path: str = Field(description="module:function that returns the module, or a .pt2 file that torch.export has saved.")
    weights: str | None = Field(None, description="A .safetensors or .pt file of weights that is put into the module.")
    outputs: Literal["logits", "probabilities"] | None = Field(
        None, description="What the module returns; absent: seen from its outputs for the first cases."
    )
    allow_pickle: bool = Field(False, description="Read a .pt2 file, which may run code that it holds.")


class SklearnSpec(BaseModel):
    """Settings of ``kind: sklearn``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str = "sklearn"
    path: str = Field(description="A .skops, .joblib or .pkl file, or module:function that returns a fitted estimator.")
    trusted: tuple[str, ...] = Field((), description="Types in a .skops file whose code may run, such as `my_steps.Cleaner`.")
    allow_pickle: bool = Field(False, description="Read a .joblib or .pkl file, which runs whatever code it holds.")
    classes: tuple[Any, ...] | None = Field(
        None, description="The data's classes in the order of the estimator's `classes_`; absent: its own labels are the data's."
    )


def load_fusion(spec: Mapping[str, Any], data: Dataset) -> Model:
    """Load a fusion model that raikit has trained.

    Raises
    ------
    ModelError
        If the folder holds no fusion model, or one that does not fit the data.
    """
    from raikit.models.fusion import FusionModel

    settings = FusionSpec.model_validate(dict(spec))
    folder = Path(settings.path)
    if not (folder / "config.json").exists():
        raise ModelError(f"model.load.path: {folder} holds no fusion model (there is no config.json in it).")
    model = FusionModel.load(folder)
    pretrained = [encoder.name for encoder in model.net.pretrained]
    for name in settings.encoders:
        if name not in pretrained:
            raise ModelError(f"model.load.encoders: the model has no pretrained encoder for {name!r}.{nearest(name, pretrained)}")
    model.start_from(settings.encoders)
    refuse_other_data(model, data)
    return model


def load_torch(spec: Mapping[str, Any], data: Dataset) -> Model:
    """Call ``module:function`` for a `torch.nn.Module` (or a `raikit.Model`) and load weights into it, or read an exported one.

    Raises
    ------
    ModelError
        If the function cannot be called, a file is not allowed or cannot be read, or what it gives cannot be used with the data.
    """
    settings = TorchSpec.model_validate(dict(spec))
    if Path(settings.path).suffix == ".pt2":
        return _exported(settings, data)
    model = _call(settings.path, data)
    if isinstance(model, Model):
        refuse_other_data(model, data)
        return model
    from raikit.models.torch_module import TorchModel, load_weights

    if settings.weights:
        load_weights(model, Path(settings.weights))
    return TorchModel(model, data, settings.outputs)


def _exported(settings: TorchSpec, data: Dataset) -> Model:
    from raikit.models.torch_export import read_exported
    from raikit.models.torch_module import TorchModel

    return TorchModel(read_exported(Path(settings.path), settings.allow_pickle, settings.weights), data, settings.outputs)


def load_sklearn(spec: Mapping[str, Any], data: Dataset) -> Model:
    """Load a fitted estimator from a file of skops, a pickle if the user allows it, or ``module:function``.

    Raises
    ------
    ModelError
        If the file cannot be read or holds code that nobody allowed, or the function cannot be called.
    """
    from raikit.models.sklearn_estimator import SklearnModel

    settings = SklearnSpec.model_validate(dict(spec))
    path = Path(settings.path)
    if path.suffix == SKOPS:
        saved = read_skops(path, settings.trusted)
    elif path.suffix in PICKLES:
        saved = read_pickle(path, settings.allow_pickle)
    else:
        return SklearnModel(_call(settings.path, data), data, classes=settings.classes)
    return SklearnModel(saved.estimator, data, saved.notes, settings.classes)


def load_huggingface(spec: Mapping[str, Any], data: Dataset) -> Model:
    """Load a folder of transformers; see `raikit.models.huggingface`.

    Raises
    ------
    ModelError
        If the folder cannot be read, or does not fit the data.
    """
    from raikit.models.huggingface.loader import load_huggingface as load_folder

    return load_folder(spec, data)


def load_onnx(spec: Mapping[str, Any], data: Dataset) -> Model:
    """Open a graph of ONNX; see `raikit.models.onnx`.

    Raises
    ------
    ModelError
        If the file cannot be read, or does not fit the data.
    """
    from raikit.models.onnx.model import load_onnx as load_graph

    return load_graph(spec, data)


def load_http(spec: Mapping[str, Any], data: Dataset) -> Model:
    """Open a model behind an address; see `raikit.models.endpoint`.

    Raises
    ------
    ModelError
        If the endpoint cannot be used, or does not fit the data.
    """
    from raikit.models.endpoint.model import load_http as load_endpoint

    return load_endpoint(spec, data)


LOADERS: dict[str, ModelLoader] = {
    "fusion": load_fusion,
    "huggingface": load_huggingface,
    "onnx": load_onnx,
    "http": load_http,
    "torch": load_torch,
    "sklearn": load_sklearn,
}
_SETTINGS = {  # where the settings of each loader are described
    "fusion": "loaders:FusionSpec", "torch": "loaders:TorchSpec", "sklearn": "loaders:SklearnSpec",
    "huggingface": "huggingface.settings:HuggingFaceSpec", "onnx": "onnx.settings:OnnxSpec",
    "http": "endpoint.settings:EndpointSpec",
}  # fmt: skip
RUNS_CODE = frozenset({"torch", "sklearn"})  # of these loaders: they call a function of the user's, or read a pickle
_CODE_ALLOWED = ("trust_remote_code", "allow_pickle", "trusted")  # settings with which code that came with the model may run
TABLE_KIND = "predictions"  # a plugin may not give a loader this name
OBJECT_KIND = "object"  # of a model that is an object in memory; audit.yaml knows no such kind


def settings_of(kind: str) -> type[BaseModel] | None:
    """Return the settings of one of raikit's own loaders; None for those of plugins."""
    if kind not in _SETTINGS:
        return None
    module, _, name = _SETTINGS[kind].partition(":")
    settings: type[BaseModel] = getattr(importlib.import_module(f"raikit.models.{module}"), name)
    return settings


def runs_code(spec: Mapping[str, Any]) -> bool:
    """Return whether loading what ``model.load`` names runs code that is not raikit's, by one of raikit's own loaders."""
    is_plain = spec["kind"] == "sklearn" and Path(str(spec.get("path"))).suffix == SKOPS  # of types that skops trusts by itself
    return (spec["kind"] in RUNS_CODE and not is_plain) or any(spec.get(setting) for setting in _CODE_ALLOWED)


def may_not_end(spec: Mapping[str, Any], folder: Path) -> bool:
    """Return whether what ``model.load`` names runs no code, but is a program itself.

    A graph of ONNX has loops and functions, and a tokenizer regular expressions. `folder` is that of the configuration.
    """
    if spec["kind"] not in ("fusion", "huggingface"):
        return bool(spec["kind"] == "onnx")
    named = [with_absolute_paths(spec, folder).get(key) for key in ("path", "base")]
    return any(may_be_slow(Path(place)) for place in named if isinstance(place, str))


def load(
    spec: Mapping[str, Any], data: Dataset, loaders: Mapping[str, ModelLoader], folder: Path, settings: ModelConfig | None = None
) -> Model:
    """Load the model that ``model.load`` names.

    Parameters
    ----------
    spec : mapping
        The section ``model.load``; `kind` names the loader.
    data : Dataset
    loaders : mapping of str to ModelLoader
    folder : Path
        Where audit.yaml lies; paths are relative to it, and modules there can be imported.
    settings : ModelConfig, optional
        Where the model computes; absent: on the CPU.

    Raises
    ------
    ConfigError
        If the loader does not know a setting, or needs one that is absent.
    ModelError
        If the loader raises, or the model gives a case another score beside other cases.
    """
    from raikit.models.probe import examine
    from raikit.models.runtime import place

    kind = str(spec["kind"])
    if data.parts is not None and kind in LOADERS and kind != "huggingface":
        task = "token classification" if data.parts.role == TOKEN else "several labels"
        raise ModelError(f"model.load: models of kind {kind!r} are not audited for {task}; `huggingface` and `predictions` are.")
    foreign = runs_code(spec) or kind not in LOADERS
    if foreign and kind != OBJECT_KIND:  # of an object everything is imported already
        import_from(folder)
    try:
        model = loaders[kind](with_absolute_paths(spec, folder), data)
        if not isinstance(model, Model):
            raise ModelError(f"model.load: the loader {kind!r} returned a {type(model).__name__}, not a raikit.Model.")
        if kind in ("fusion", "huggingface"):
            model.searched = _trials_beside(with_absolute_paths(spec, folder).get("path"))
        if foreign:
            loader = "an object in memory" if kind == OBJECT_KIND else f"the loader {kind}"
            model.built_by = str(spec.get("path", kind)) if kind in LOADERS else loader
        return examine(model if settings is None else place(model, settings), data)
    except ValidationError as error:
        # A misspelt required setting is both unknown and missing; name the word that is wrong.
        first = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
        raise ConfigError(f"{key_text(('model', 'load', *first['loc']))}: {_sentence(first)}.") from None
    except RaikitError:
        raise
    except Exception as error:
        raise ModelError(
            f"model.load: the loader {spec['kind']!r} raised {raised(error)}; raikit --debug shows where."
        ) from error


def _trials_beside(path: str | None) -> int:
    """Return how many trials chose the settings of a model that raikit has trained into a folder."""
    file = Path(path or "") / SEARCH
    if path is None or not os.path.lexists(file):
        return 0
    refuse_other_file(file, "a model that raikit has trained")
    trials = read_json_mapping(file).get("trials")
    if not isinstance(trials, list):
        raise ModelError(f"{file}: it holds no trials of a search.")
    return len(trials)


def _sentence(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "the loader knows no such setting"
    if error["type"] == "missing":
        return "this setting is required"
    return str(error["msg"]).removeprefix("Value error, ")


def with_absolute_paths(spec: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return `spec` with the paths of files made absolute; ``module:function`` is left as it is."""
    paths: dict[str, Any] = {
        key: _absolute(folder, key, spec[key])
        for key in ("path", "weights", "base", "cache", "tensorboard")
        if isinstance(spec.get(key), str) and not _is_function(spec[key])
    }
    if isinstance(encoders := spec.get("encoders"), Mapping):
        paths["encoders"] = {
            name: with_absolute_paths(value, folder) if isinstance(value, Mapping) else _absolute(folder, "encoders", str(value))
            for name, value in encoders.items()
        }
    return {**spec, **paths}


def _absolute(folder: Path, key: str, path: str) -> str:
    try:
        return os.path.realpath(folder / path)
    except ValueError:
        raise ConfigError(f"model: {key} holds a null character, which no name of a file can have.") from None


def _is_function(path: str) -> bool:
    module, colon, function = path.rpartition(":")
    return bool(colon) and function.isidentifier() and all(part.isidentifier() for part in module.split("."))


def _call(path: str, data: Dataset) -> Any:
    module_name, colon, function_name = path.rpartition(":")
    if not colon or not _is_function(path):
        raise ConfigError(f"model.load.path: {path!r} must be module:function, such as 'my_model:build'.")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except ModuleNotFoundError as error:
        raise ModelError(f"model.load.path: {error}; it is looked for beside audit.yaml first.") from None
    except AttributeError:
        raise ModelError(f"model.load.path: {module_name} has no {function_name!r}.") from None
    try:
        return function(data) if inspect.signature(function).parameters else function()
    except Exception as error:
        raise ModelError(f"model.load.path: {path} raised {raised(error)}.") from error


def refuse_other_data(model: Model, data: Dataset) -> None:
    """Raise if the model was made for other classes or inputs: its scores would mean nothing."""
    if list(model.classes) != list(data.classes):
        raise ModelError(f"the model's classes are {listed(model.classes)}; the data's are {listed(data.classes)}.")
    modalities = {name: item.modality for name, item in data.inputs.items()}
    for name, modality in model.modalities.items():
        if modalities.get(name) != modality:
            raise ModelError(f"the model reads an input {name!r} ({modality}), which data.inputs does not have.")
