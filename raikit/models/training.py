"""From a dataset and the settings in audit.yaml to a trained fusion model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from raikit.config.training import FusionTraining
from raikit.errors import ConfigError, ModelError, listed, nearest
from raikit.models.fusion import FusionModel
from raikit.models.history import History
from raikit.models.network import FusionConfig
from raikit.models.preprocessing import Preprocessing
from raikit.models.reweighting import reweighing
from raikit.models.trainer import fit

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset

_OF_THE_LOOP = {"epochs", "batch_size", "learning_rate", "weight_decay", "patience"}


def train_fusion(
    data: Dataset,
    settings: Mapping[str, Any],
    seed: int = 0,
    workdir: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[FusionModel, History]:
    """Make a fusion model for the inputs of `data` and train it: ``model.train: {kind: fusion, epochs: 6}``.

    Parameters
    ----------
    data : Dataset
    settings : mapping
        Fields of `FusionTraining`; `kind` is ignored.
    seed : int
        Weights and training follow from it.
    workdir : Path, optional
        Keeps a checkpoint after each epoch, and is gone on from.
    progress : callable
        ``progress(done, total)``, in steps.

    Raises
    ------
    ConfigError
        If a setting is unknown or out of range, or `reweight` names what is no sensitive column.
    ModelError
        If `data` has no inputs, no train rows, or a task that the model cannot do.
    """
    chosen = validated(settings)
    _refuse_unknown_groups(data, chosen.reweight)
    model = initial(data, chosen, seed)
    history = fit(
        model, data, **chosen.model_dump(include=_OF_THE_LOOP), seed=seed, workdir=workdir, progress=progress,
        row_weight=reweighing(data, chosen.reweight) if chosen.reweight else None,
    )
    model.training = {**chosen.model_dump(include=_OF_THE_LOOP | {"reweight"}), "seed": seed}
    return model, history


def _refuse_unknown_groups(data: Dataset, columns: Sequence[str]) -> None:
    """``reweight`` needs classes, and groups: binned where `data.sensitive` bins."""
    if columns and data.task == "regression":
        raise ConfigError("model.train.reweight: it needs a target that has classes; this one is a number.")
    for column in columns:
        if column not in data.sensitive:
            known = f"Columns there: {listed(data.sensitive)}." if data.sensitive else "There are none."
            hint = nearest(column, data.sensitive)
            raise ConfigError(f"model.train.reweight: {column!r} is not among data.sensitive.{hint} {known}")


def validated(settings: Mapping[str, Any]) -> FusionTraining:
    """Check settings; a mistake names the key and the nearest one that exists."""
    try:
        return FusionTraining.model_validate({key: value for key, value in settings.items() if key != "kind"})
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            problem = f"there is no such setting.{nearest(key, FusionTraining.model_fields)}"
        else:
            problem = f"{first['msg'][0].lower()}{first['msg'][1:]}, not {first['input']!r}."
        raise ConfigError(f"model.train.{key}: {problem}") from None


def initial(data: Dataset, settings: FusionTraining, seed: int = 0) -> FusionModel:
    """The model before training: preprocessing fitted on the train rows, weights newly drawn."""
    if not data.inputs:
        raise ModelError("data.inputs is empty: a model to be trained needs something to look at.")
    if "self" in data.inputs:  # a module is called with its inputs by name
        raise ModelError("data.inputs: an input of the fusion model cannot be called 'self'; rename it.")
    if data.task == "multilabel":
        raise ModelError("The fusion model does binary, multiclass and regression targets, not multilabel.")
    preprocessing = _fitted(data)
    sources = [
        {"name": name, "modality": source.modality}
        | ({"columns": len(preprocessing.columns(name))} if source.modality == "tabular" else {})
        for name, source in data.inputs.items()
    ]
    config = FusionConfig(
        sources=sources, outputs=len(data.classes) or 1, **settings.model_dump(exclude=_OF_THE_LOOP | {"reweight"}),
    )
    return FusionModel.initial(config, preprocessing, list(data.classes), seed)


def _fitted(data: Dataset) -> Preprocessing:
    if not data.size("train"):
        raise ModelError("The train split has no rows, so there is nothing to train on.")
    tables = {name: data.frame(list(source.columns), "train")
              for name, source in data.inputs.items() if source.modality == "tabular"}
    if data.task != "regression":
        return Preprocessing.fit(tables)
    return Preprocessing.fit(tables, np.concatenate([batch.target for batch in data.batches("train", 1024)]))
