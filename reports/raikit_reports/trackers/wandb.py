"""An audit as a run of Weights & Biases."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import wandb

import raikit
from raikit_reports.trackers import content


def log(record: raikit.Record, run: Path, settings: dict[str, Any], base: Path) -> None:
    """Log parameters, metrics, curves, figures and reports; see `mlflow.log` for the parameters."""
    from PIL import Image

    folder = (base / settings["folder"]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    options = wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True)
    with wandb.init(project=settings["project"], name=record.provenance.run_id or run.name, dir=str(folder), mode=settings["mode"],
                    config=content.parameters(record), settings=options, reinit="create_new") as entry:  # fmt: skip
        for curve, epoch, value in content.curves(record):
            entry.log({curve: value, "epoch": epoch})
        entry.log({f"figures/{name}": wandb.Image(Image.open(BytesIO(png)), caption=title)
                   for name, title, png in content.images(record)})  # fmt: skip
        entry.summary.update(content.numbers(record, groups=settings["groups"]))
        for path in content.files(run):
            entry.save(str(path), base_path=str(run), policy="now")
