"""An audit as events for TensorBoard."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

import raikit
from raikit_reports.markdown import render
from raikit_reports.trackers import content


def log(record: raikit.Record, run: Path, settings: dict[str, Any], base: Path) -> None:
    """Log curves, metrics, figures and the report in Markdown; see `mlflow.log` for the parameters."""
    name = record.provenance.run_id or run.name
    with SummaryWriter(str((base / settings["folder"] / name).resolve())) as writer:
        writer.add_text("audit", render(record))
        for curve, epoch, value in content.curves(record):
            writer.add_scalar(curve, value, epoch)
        for metric, value in content.numbers(record, groups=settings["groups"]).items():
            writer.add_scalar(metric, value, 0)
        for figure, _, png in content.images(record):
            writer.add_image(figure, np.asarray(Image.open(BytesIO(png)).convert("RGB")), dataformats="HWC")
