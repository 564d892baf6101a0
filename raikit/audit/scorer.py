"""Open the model of a configuration as a function from an Arrow batch to an Arrow batch of scores."""

from __future__ import annotations

import json
from pathlib import Path

from raikit.audit.opening import open_data
from raikit.audit.plan import Plan, Request, planned
from raikit.errors import ConfigError
from raikit.models.arrow import Scorer
from raikit.models.opening import MODEL_FOLDER, open_source, set_threads


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
        return Scorer(source.model, data, model.batch_size, identity=_identity(plan, trained), reopen=again)


def _identity(plan: Plan, run: Path) -> str:
    """Return what tells one model from another: its settings, and the names, sizes and times of its files."""
    model = plan.settings.model
    named = run / MODEL_FOLDER if model.load is None else plan.config.folder / str(model.load.model_dump().get("path"))
    files = sorted(path for path in [named, *named.rglob("*")] if path.is_file())
    facts = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return json.dumps([model.model_dump(mode="json"), plan.settings.data.model_dump(mode="json"), facts])
