"""An audit as a run of MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow

import raikit
from raikit_reports.trackers import content

_BATCH = 900  # MLflow takes 1,000 metrics at once


def log(record: raikit.Record, run: Path, settings: dict[str, Any], base: Path) -> None:
    """Log parameters, metrics, curves, figures and reports.

    Parameters
    ----------
    record : Record
    run : Path
        Folder of the run, whose reports become artifacts.
    settings : dict
        As ``trackers.mlflow``.
    base : Path
        Folder of the configuration, to which a relative path refers.
    """
    client = mlflow.MlflowClient(tracking_uri=_address(settings["uri"], base))
    experiment = client.get_experiment_by_name(settings["experiment"])
    place = None if "://" in settings["uri"] else (base / settings["uri"]).resolve().with_suffix(".artifacts").as_uri()
    id = experiment.experiment_id if experiment else client.create_experiment(settings["experiment"], artifact_location=place)
    entry = client.create_run(id, run_name=f"{record.name} {record.provenance.run_id}".strip())
    key, ended = entry.info.run_id, "FAILED"
    try:
        for name, value in content.parameters(record).items():
            client.log_param(key, name, value)
        _log_numbers(client, key, record, groups=settings["groups"])
        for name, _, png in content.images(record):
            client.log_image(key, _pixels(png), artifact_file=f"figures/{name}.png")
        for path in content.files(run):
            client.log_artifact(key, str(path))
        ended = "FINISHED"
    finally:
        client.set_terminated(key, ended)


def _address(uri: str, base: Path) -> str:
    """Return the address of a server as it is, and of a local file or folder as MLflow writes it."""
    if "://" in uri:
        return uri
    path = (base / uri).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{path}" if path.suffix == ".db" else path.as_uri()


def _log_numbers(client: mlflow.MlflowClient, key: str, record: raikit.Record, *, groups: bool) -> None:
    from mlflow.entities import Metric

    entries = [Metric(name, value, 0, 0) for name, value in content.numbers(record, groups=groups).items()]
    entries += [Metric(name, value, 0, epoch) for name, epoch, value in content.curves(record)]
    for start in range(0, len(entries), _BATCH):
        client.log_batch(key, metrics=entries[start : start + _BATCH])


def _pixels(png: bytes) -> Any:
    from io import BytesIO

    from PIL import Image

    return Image.open(BytesIO(png))
