"""Open what a configuration names, alike in raikit's own process and in every child: the data, then the model."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.data.counted import open_counted, refuse_large
from raikit.data.dataset import Dataset
from raikit.data.roles import find_table
from raikit.models import loaders
from raikit.models.scoring import ModelScorer, PredictionSource
from raikit.models.table import PredictionsSpec, open_table

if TYPE_CHECKING:
    from raikit.config.schema import AuditConfig
    from raikit.config.types import Error
    from raikit.models.base import Model, ModelLoader

MODEL_FOLDER = "model"  # of a run: the model that the audit has trained


def open_dataset(config: AuditConfig, folder: Path, error: Error) -> Dataset:
    """Open the data of a configuration that lies in `folder`; `error` makes the errors that name a key of it."""
    load = config.model.load
    table = PredictionsSpec.model_validate(load.model_dump()) if load is not None and config.model.is_table else None
    path = find_table(config.data, folder, error)
    if table is not None:
        decisions = open_counted(
            config.data, path, error=error, predicted=table.classes, extra_columns=table.columns, seed=config.seed
        )
        if decisions is not None:
            return decisions
    else:
        refuse_large(path, error)
    return Dataset.open(
        config.data,
        folder,
        error=error,
        seed=config.seed,
        trains=config.model.train is not None,
        needs_inputs=table is None,
        extra_columns=table.columns if table is not None else (),
        predicted=table.classes if table is not None else None,
        path=path,
    )


def open_model(
    config: AuditConfig, data: Dataset, run: Path, folder: Path, known: Mapping[str, ModelLoader]
) -> Model:
    """Open the model that this audit has trained into `run`, or that its configuration names."""
    if config.model.load is not None:
        return loaders.load(config.model.load.model_dump(), data, known, folder, config.model)
    train = config.model.train
    assert train is not None
    trained: dict[str, Any] = {"kind": train.kind, "path": str((run / MODEL_FOLDER).resolve())}
    if train.kind == "huggingface":
        settings = train.model_dump()
        trained |= {name: settings[name] for name in ("base", "adapter") if name in settings}
    elif encoders := (train.model_extra or {}).get("encoders"):
        trained["encoders"] = {name: encoder["path"] for name, encoder in encoders.items()}
    return loaders.load(trained, data, loaders.LOADERS, folder, config.model)


def open_source(
    config: AuditConfig, data: Dataset, run: Path, folder: Path, known: Mapping[str, ModelLoader]
) -> PredictionSource:
    """Open what the predictions come from: the table itself if the configuration says so, else the model."""
    if config.model.load is not None and config.model.is_table:
        return open_table(config.model.load.model_dump(), data)
    return ModelScorer(open_model(config, data, run, folder, known), config.model.batch_size)


def set_threads(threads: int | None) -> None:
    """Set the number of threads.

    None leaves it to OMP_NUM_THREADS, which the command line sets to 1: small models are slower with two.
    """
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(threads)
