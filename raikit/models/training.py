"""Train the model that audit.yaml describes; build and train a fusion model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from raikit.config.load import most_telling, problem_text
from raikit.config.training import FusionTraining, HuggingFaceTraining
from raikit.errors import ConfigError, ModelError, listed, nearest
from raikit.models.fusion import FusionModel
from raikit.models.history import History
from raikit.models.huggingface.encoder import Pretrained, describe_encoder, read_pretrained
from raikit.models.loaders import with_absolute_paths
from raikit.models.network import FusionConfig
from raikit.models.preprocessing import Preprocessing
from raikit.models.reweighting import reweighing
from raikit.models.trainer import fit

if TYPE_CHECKING:
    from raikit.config.schema import TrainConfig
    from raikit.data.dataset import Dataset
    from raikit.models.base import Model

_LOOP_SETTINGS = {"epochs", "batch_size", "learning_rate", "weight_decay", "patience"}


def train_fusion(
    data: Dataset,
    settings: Mapping[str, Any],
    seed: int = 0,
    workdir: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[FusionModel, History]:
    """Build a fusion model for the inputs of `data` and train it: ``model.train: {kind: fusion, epochs: 6}``.

    Parameters
    ----------
    data : Dataset
    settings : mapping
        Fields of `FusionTraining`; `kind` is ignored.
    seed : int
        Determines the initial weights and the training.
    workdir : Path, optional
        Holds a checkpoint after each epoch; an interrupted training resumes from it.
    progress : callable
        ``progress(done, total)``, in steps.

    Returns
    -------
    FusionModel, History

    Raises
    ------
    ConfigError
        If a setting is unknown or out of range, or `reweight` names a column that is not sensitive.
    ModelError
        If `data` has no inputs or no train cases.
    """
    valid = validate_settings(settings)
    _check_reweight(data, valid.reweight)
    model = build_model(data, valid, seed)
    weight = reweighing(data, valid.reweight) if valid.reweight else None
    with model.frozen_bodies_once():
        history = fit(
            model, data, **valid.model_dump(include=_LOOP_SETTINGS), seed=seed, workdir=workdir, progress=progress,
            row_weight=weight,
        )
    model.training = {**valid.model_dump(include=_LOOP_SETTINGS | {"reweight"}), "seed": seed}
    return model, history


def train(
    settings: TrainConfig, data: Dataset, folder: Path, seed: int, workdir: Path, progress: Callable[[int, int], None]
) -> tuple[Model, History]:
    """Train the model that ``model.train`` describes; `folder` is what its paths are relative to.

    Raises
    ------
    ConfigError, ModelError
        See `train_fusion` and `raikit.models.huggingface.finetuning.train_huggingface`.
    """
    if data.parts is not None:
        raise ModelError(
            "model.train: raikit trains no models for tokens of texts or several labels; train yours elsewhere and load it with "
            "`load: {kind: huggingface}`."
        )
    own = with_absolute_paths(settings.model_dump(exclude={"kind"}), folder)
    if settings.kind == "fusion":
        return train_fusion(data, own, seed, workdir, progress)
    from raikit.models.huggingface.finetuning import train_huggingface

    valid = HuggingFaceTraining.model_validate(own)
    return train_huggingface(data, valid, seed, workdir, progress)


def _check_reweight(data: Dataset, columns: Sequence[str]) -> None:
    """Raise if the target has no classes, or a column has no groups because it is not sensitive."""
    if columns and data.task == "regression":
        raise ConfigError("model.train.reweight: the target must have classes; remove this key for a regression.")
    for column in columns:
        if column not in data.sensitive:
            known = f"Columns there: {listed(data.sensitive)}." if data.sensitive else "There are none."
            hint = nearest(column, data.sensitive)
            raise ConfigError(f"model.train.reweight: {column!r} is not among data.sensitive.{hint} {known}")


def validate_settings(settings: Mapping[str, Any]) -> FusionTraining:
    """Validate settings; an error names the key and, if it is unknown, the nearest valid one."""
    try:
        return FusionTraining.model_validate({key: value for key, value in settings.items() if key != "kind"})
    except ValidationError as error:
        first = most_telling(error)
        key = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            hint = nearest(key, FusionTraining.model_fields)
            raise ConfigError(f"unknown key {key!r} in model.train.{hint}") from None
        raise ConfigError(f"model.train.{key}: {problem_text(first)}.") from None


def build_model(data: Dataset, settings: FusionTraining, seed: int = 0) -> FusionModel:
    """Build a model with random weights and pretrained encoders, and fit its preprocessing on the train cases."""
    if not data.inputs:
        raise ModelError("data.inputs is empty; name at least one input to train on.")
    if "self" in data.inputs:  # a module is called with its inputs as keyword arguments
        raise ModelError("data.inputs: an input of the fusion model cannot be called 'self'; rename it.")
    preprocessing = _fit_preprocessing(data)
    pretrained = _read_encoders(data, settings)
    sources = [
        {"name": name, "modality": source.modality}
        | ({"columns": len(preprocessing.columns(name))} if source.modality == "tabular" else {})
        | ({"encoder": describe_encoder(settings.encoders[name], pretrained[name], settings.learning_rate)}
           if name in pretrained else {})
        for name, source in data.inputs.items()
    ]
    config = FusionConfig(
        sources=sources, outputs=len(data.classes) or 1,
        **settings.model_dump(exclude=_LOOP_SETTINGS | {"reweight", "encoders", "search"}),
    )
    readers = {name: one.reader for name, one in pretrained.items()}
    model = FusionModel.initial(config, preprocessing, list(data.classes), seed, readers)
    for encoder in model.net.pretrained:
        encoder.load_pretrained(pretrained[encoder.name].net.state_dict())
    model.start_from({name: settings.encoders[name].path for name in pretrained})
    return model


def _read_encoders(data: Dataset, settings: FusionTraining) -> dict[str, Pretrained]:
    """Read the folders of the pretrained encoders, by input.

    Raises
    ------
    ConfigError
        If an encoder is named for an input that there is not, or for a table.
    ModelError
        If a folder cannot be read.
    """
    for name in settings.encoders:
        where = f"model.train.encoders.{name}"
        if name not in data.inputs:
            raise ConfigError(f"{where}: {name!r} is not among data.inputs.{nearest(name, data.inputs)}")
        if data.inputs[name].modality == "tabular":
            raise ConfigError(f"{where}: {name!r} is a table, which no pretrained encoder reads; remove this key.")
    return {
        name: read_pretrained(name, data.inputs[name].modality, encoder, f"model.train.encoders.{name}")
        for name, encoder in settings.encoders.items()
    }


def _fit_preprocessing(data: Dataset) -> Preprocessing:
    if not data.size("train"):
        raise ModelError("the train split has no cases, so no model can be trained.")
    tables = {name: data.frame(list(source.columns), "train")
              for name, source in data.inputs.items() if source.modality == "tabular"}
    if data.task != "regression":
        return Preprocessing.fit(tables)
    return Preprocessing.fit(tables, np.concatenate([batch.target for batch in data.batches("train", 1024)]))
