"""Open the model of a configuration as a function from an Arrow batch to an Arrow batch of scores."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.audit.opening import open_data
from raikit.audit.plan import Plan, Request, planned
from raikit.errors import ConfigError
from raikit.models.arrow import Scorer
from raikit.models.loaders import with_absolute_paths
from raikit.models.opening import MODEL_FOLDER, open_source, set_threads

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset


def open_scorer(config: str | Path, run: str | Path | None = None) -> Scorer:
    """Return the model of a configuration as a function from an Arrow batch to an Arrow batch of scores.

    The table that the configuration names is read, for the classes, the inputs and the types of their columns; the batches may
    come from anywhere. Code that the model brings runs in this process.

    Parameters
    ----------
    config : path
        audit.yaml.
    run : path, optional
        The run that trained the model, where the configuration trains one.

    Raises
    ------
    ConfigError
        If the configuration is wrong, has predictions instead of a model, or trains a model and `run` is absent.
    DataError, ModelError
        If the table or the model cannot be opened.

    Notes
    -----
    With Ray Data: ``ray.data.read_parquet("cases").map_batches(open_scorer("audit.yaml"), batch_format="pyarrow")``.
    """
    path = Path(config).resolve()
    with planned(Request(path, isolation="none")) as plan:
        model = plan.settings.model
        if model.is_table:
            raise ConfigError(f"{path.name}: model.load has predictions of a table; only a model can score other rows.")
        trained = Path(run).resolve() if run is not None else Path()
        if model.train is not None and (run is None or not (trained / MODEL_FOLDER).is_dir()):
            raise ConfigError(f"{path.name}: the model is trained by an audit; give `run`, the folder of one that has trained it.")
        set_threads(plan.settings.threads)
        data = open_data(plan)
        source = open_source(plan.settings, data, trained, plan.config.folder, plan.registry.loaders)
        assert source.model is not None
        again = (open_scorer, (path, run and trained))
        return Scorer(source.model, data, model.batch_size, identity=_identity(plan, data, trained), reopen=again)


def _identity(plan: Plan, data: Dataset, run: Path) -> str:
    """Return what tells one model from another: its settings and classes, and the names, sizes and times of all its files.

    Beside the files that the configuration names these are the modules beside it, which have been imported by now.
    """
    model, folder = plan.settings.model, plan.config.folder
    named = [run / MODEL_FOLDER] if model.train is not None else []
    if model.load is not None:
        named += [Path(place) for place in _texts(with_absolute_paths(model.load.model_dump(), folder)) if os.path.isabs(place)]
    imported = [Path(file) for module in list(sys.modules.values()) if (file := getattr(module, "__file__", None))]
    named += [path for path in imported if path.is_relative_to(folder)]
    files = sorted({path for place in named for path in [place, *place.rglob("*")] if path.is_file()})
    facts = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    settings = [model.model_dump(mode="json"), plan.settings.data.model_dump(mode="json")]
    return json.dumps([*settings, data.task, [str(label) for label in data.classes], facts])


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in mappings and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)
